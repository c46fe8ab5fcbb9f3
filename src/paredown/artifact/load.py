"""Opening an artifact; light: no pydantic, no database, no training framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from paredown.core.errors import BadData, Damaged, ParedownError
from paredown.core.runtime import Session
from paredown.ground import registry

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "artifact.json"
PROBE = "probe.json"
_NEEDED = ("program", "graphs", "encode", "decode", "labels")


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
        """Class names in the model's order."""
        return list(self.manifest["labels"])

    def predict(self, inputs: Any) -> list[str]:
        """One label per row.

        Args:
            inputs: An array (N, ...) of images or vectors, paths to image files, a list of texts or of pairs, a mapping column -> values,
                or a list of dict rows.

        Raises:
            BadData: The inputs have another shape or lack a column.
        """
        try:
            return self.program.answers(inputs)
        except ValueError as error:
            raise BadData(str(error)) from error

    def predict_proba(self, inputs: Any) -> np.ndarray:
        """Probabilities of all classes, shape (N, classes).

        Args:
            inputs: As for `predict`.

        Raises:
            BadData: The inputs have another shape or lack a column, or the model answers NaN.
        """
        try:
            return self.program.probabilities(inputs)
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
    """The content of artifact.json.

    Raises:
        Damaged: It is absent, is not JSON, has another format or lacks an entry.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise Damaged(f"{folder} is not an artifact: it has no readable {MANIFEST} ({error.strerror}).") from error
    except ValueError as error:
        raise Damaged(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != 1:
        found = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise Damaged(f"{path} has format {found!r}; this version of paredown reads format 1.")
    absent = [key for key in _NEEDED if key not in manifest]
    if absent:
        raise Damaged(f"{path} lacks {', '.join(absent)}.")
    return manifest


def read_probe(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The synthetic raw inputs of an artifact with the answers that the packed graph gave: {"inputs", "outputs"}.

    Raises:
        Damaged: The file is absent or is not JSON.
    """
    path = folder / manifest["probe"]["file"]
    try:
        probe: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Damaged(f"{path} cannot be read: {error}.") from error
    return probe


def open_program(manifest: Mapping[str, Any], folder: Path, threads: int | None = None) -> Model:
    """Open the graphs that a manifest names.

    Args:
        manifest: The content of artifact.json.
        folder: Where its files lie.
        threads: Another thread count than the packed one.

    Raises:
        MissingExtra: An engine is not installed.
        Damaged: An engine cannot read its file.
    """
    sessions: dict[str, Session] = {}
    for graph in manifest["graphs"]:
        engine = registry.get("runtimes", graph["runtime"])()
        placement = dict(graph["placement"]) | ({} if threads is None else {"threads": threads})
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


def load(folder: str | Path, threads: int | None = None) -> Model:
    """Open an artifact.

    Args:
        folder: The artifact's folder.
        threads: Another thread count than the packed one.

    Returns:
        A model with `predict` and `predict_proba`.

    Raises:
        Damaged: The folder is no artifact, or a file of it is missing or cannot be read.
        MissingExtra: Its engine is not installed.
    """
    path = Path(folder)
    return open_program(read_manifest(path), path, threads)
