"""Opening an artifact; light: no pydantic, no database, no training framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from paredown.artifact.manifest import MANIFEST, RESTORE, check_probe, read_checked, threads_of
from paredown.core.errors import BadData, Damaged, ParedownError
from paredown.core.runtime import Session
from paredown.ground import registry
from paredown.ground.trust import trusting
from paredown.ground.untrusted import read_json

if TYPE_CHECKING:
    import numpy as np

PROBE = "probe.json"
_PACKED = 1 << 14
"""Numbers of a row's answers to a probe, at most."""


class Model:
    """An open artifact: raw inputs in, answers out. Use it as a context manager, or call `close()`.

    Args:
        manifest: The content of artifact.json.
        sessions: Graph name -> open session.
        folder: Where the files lie that the manifest names.
    """

    def __init__(self, manifest: Mapping[str, Any], sessions: Mapping[str, Session], folder: Path) -> None:
        from paredown.artifact.programs import make_program

        self.manifest = manifest
        self._sessions = sessions
        self.folder = folder
        self.program = make_program(manifest, {name: session.run for name, session in sessions.items()}, folder)

    @property
    def labels(self) -> list[str]:
        """Names of classes, of labels or of numbers, in the model's order."""
        return list(self.manifest["labels"])

    def predict(self, inputs: Any) -> list[Any]:
        """What the model says of each row: a label, a list of labels, a number, or a list of numbers; an array (H, W) of the places of
        labels where each pixel has one; a mapping from each output to its array where it answers with tensors.

        Args:
            inputs: An array (N, ...) of images, vectors or sounds, paths to files of images or sounds, a list of texts or of pairs, a
                mapping column -> values, or input -> array (N, ...), or a list of dict rows.

        Raises:
            BadData: The inputs have another shape or lack a column.
        """
        try:
            return self.program.predict(inputs)
        except ValueError as error:
            raise BadData(str(error)) from error

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Probabilities of all classes or labels, shape (N, classes).

        Args:
            inputs: As for `predict`.

        Raises:
            BadData: The inputs have another shape or lack a column, or the model answers NaN, or with numbers.
        """
        from paredown.artifact.programs import refuse_no_probabilities

        try:
            refuse_no_probabilities(self.manifest)
        except ValueError as error:
            raise BadData(str(error)) from error
        return self.answers(inputs)

    def answers(self, inputs: Any) -> np.ndarray:
        """What `predict` follows from, shape (N, outputs), float64: probabilities of classes or labels, or numbers.

        Args:
            inputs: As for `predict`.

        Raises:
            BadData: The inputs have another shape or lack a column, or the model answers NaN.
        """
        try:
            return self.program.answers(inputs)
        except ValueError as error:
            raise BadData(str(error)) from error

    def close(self) -> None:
        """Free the engines."""
        for session in self._sessions.values():
            session.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The content of artifact.json, checked: kinds and bounds of its entries, and that every file it names is one of its own.

    Raises:
        Damaged: It is absent, is not JSON, has another format, or an entry is missing or is not what it has to be.
    """
    path = folder / MANIFEST
    try:
        return read_checked(folder)
    except OSError as error:
        raise Damaged(f"{folder} is not an artifact: it has no readable {MANIFEST} ({error.strerror}).") from error
    except ValueError as error:
        raise Damaged(f"{path} {error}.\n  {RESTORE}") from None


def read_probe(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The synthetic raw inputs of an artifact with the answers that the packed graph gave: {"inputs", "outputs"}.

    Raises:
        Damaged: The file is absent, is not JSON, or holds something else than rows and their answers.
    """
    if not manifest.get("probe"):
        raise Damaged(f"{folder / MANIFEST} names no probe.\n  {RESTORE}")
    path = folder / manifest["probe"]["file"]
    try:
        probe: dict[str, Any] = read_json(path)
        check_probe(probe, manifest)
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}.\n  {RESTORE}") from None
    except ValueError as error:
        raise Damaged(f"{path} {error}.\n  {RESTORE}") from None
    return probe


def packable(answers: Any) -> Any:
    """Answers to a probe as rows of numbers (N, k); of the very many of all pixels every so many."""
    rows = answers.reshape(len(answers), -1)
    return rows[:, :: -(-rows.shape[1] // _PACKED)]


def open_program(manifest: Mapping[str, Any], folder: Path, threads: int | None = None) -> Model:
    """Open the graphs that a manifest names.

    Args:
        manifest: The content of artifact.json.
        folder: Where its files lie.
        threads: Another thread count than the packed one; never more are used than this machine has cores.

    Raises:
        MissingExtra: An engine is not installed.
        Damaged: An engine cannot read its file.
    """
    sessions: dict[str, Session] = {}
    for graph in manifest["graphs"]:
        engine = registry.get("runtimes", graph["runtime"])()
        placement = dict(graph["placement"]) | ({} if threads is None else {"threads": threads})
        placement["threads"] = threads_of(placement)
        file = folder / graph["file"]
        if not file.is_file():
            raise Damaged(f"{file} is missing from the artifact.\n  `paredown verify {folder}` lists what else is.")
        try:
            sessions[graph["name"]] = engine.open(file.parent, file.name, placement)
        except ParedownError:
            raise
        except Exception as error:  # engines raise classes of their own
            raise Damaged(f"{file} cannot be opened by {graph['runtime']}: {str(error)[:300]}") from error
    return _model(manifest, sessions, folder)


def _model(manifest: Mapping[str, Any], sessions: Mapping[str, Session], folder: Path) -> Model:
    """The open artifact; what its encoder says about a broken file is damage."""
    try:
        return Model(manifest, sessions, folder)
    except Exception as error:  # the package tokenizers raises a bare Exception
        raise Damaged(f"{folder}: the encoder cannot be made: {type(error).__name__}: {str(error)[:300]}") from error


def load(folder: str | Path, threads: int | None = None, trust: Iterable[str] = ()) -> Model:
    """Open an artifact; of what it names nothing is called but paredown's own.

    It opens and answers in this very process, without a limit of time or memory: a graph of a stranger may never end, or take all memory.
    `paredown verify`, `predict` and `measure` ask it in a process that has both.

    Args:
        folder: The artifact's folder.
        threads: Another thread count than the packed one; never more are used than this machine has cores.
        trust: Functions, as "net:Net", that the artifact may name to build its model: code of yours, or of somebody whom you trust.

    Returns:
        A model with `predict` and `predict_proba`.

    Raises:
        Damaged: The folder is no artifact, or a file of it is missing or cannot be read.
        NotTrusted: Its model is built by code that you have not given the word for.
        MissingExtra: Its engine is not installed.
    """
    path = Path(folder)
    with trusting(trust):
        return open_program(read_manifest(path), path, threads)
