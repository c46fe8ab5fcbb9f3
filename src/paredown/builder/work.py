"""The builder's verbs, carried out in a worker; each takes plain data and gives plain data."""

from __future__ import annotations

import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from paredown.artifact import pack as packing
from paredown.builder.build_spec import BuildSpec
from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, ParedownError, Unfit
from paredown.core.job import ModelSpec
from paredown.core.knob import make
from paredown.core.technique import Context
from paredown.ground import registry
from paredown.ground.files import copy_folder, no_room
from paredown.ground.lazy import need
from paredown.ground.store import FolderStore
from paredown.ground.user_code import is_own_file
from paredown.rows.rowfile import read_rows

_SINGLES = 9
"""Single answers that a rehearsal times."""


@contextmanager
def _context(state: Mapping[str, Any], build_spec: Mapping[str, Any]) -> Iterator[Context]:
    root = Path(build_spec["store"])
    root.mkdir(parents=True, exist_ok=True)
    work = FolderStore(root).scratch()
    try:
        yield BuildSpec(**build_spec).context(work, state.get("progress", lambda done, total: None))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def baseline(
    state: dict[str, Any],
    *,
    build_spec: Mapping[str, Any],
    spec: Mapping[str, Any],
    folder: str,
    inputs: Mapping[str, Sequence[int | str]],
    classes: int,
    digest: str = "",
) -> dict[str, Any]:
    """Prepare the model as given, trained where the job says so.

    Raises:
        BadModel: It cannot be opened; it has another digest afterwards than `digest`, where that is given.
    """
    source, given = registry.get("models", spec["kind"])(), ModelSpec(**spec)
    with _context(state, build_spec) as context:
        candidate = source.prepare(given, Path(folder), inputs, classes, context)
    if digest and (found := source.digest(given, Path(folder))) != digest:
        raise BadModel(
            f"{given.value} changed while it was opened: its digest was {digest[:16]} and is {found[:16]}.\n"
            "  Nothing was recorded; run again when its files are whole."
        )
    return asdict(candidate)


def limit(state: dict[str, Any], *, build_spec: Mapping[str, Any], spec: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Entries of the build's `encode` that the model bears in place of those, see `ModelSource.limits`.

    Raises:
        BadModel: It cannot be opened.
    """
    with _context(state, build_spec) as context:
        found: dict[str, Any] = registry.get("models", spec["kind"])().limits(
            ModelSpec(**spec), Path(folder), build_spec["encode"], context
        )
    return found


def metric(state: dict[str, Any], *, target: str) -> None:
    """Ask a metric of the user's about two rows; what it says does not matter here, what it reads does."""
    from paredown.metrics.python import Python

    with suppress(ParedownError):
        Python(target).over_set(np.array([0, 1]), np.eye(2))


def rehearse(
    state: dict[str, Any],
    *,
    build_spec: Mapping[str, Any],
    spec: Mapping[str, Any],
    folder: str,
    inputs: Mapping[str, Sequence[int | str]],
    classes: int,
    rows: str,
) -> dict[str, Any]:
    """Prepare the model as given and time its answers to a few rows, one by one and all at once.

    Returns:
        {"prepare_s", "call_s", "row_s", "resident_b", "parameters", "rows", "note"}: seconds of preparing, of one answer and of one row
        among many; what was done to the model.

    Raises:
        BadModel: It cannot be opened, or answers NaN.
    """
    if registry.get("models", spec["kind"])().trains(ModelSpec(**spec)):
        need("paredown.training.trainer", "training the baseline")  # its import is no part of what grows with the rows
    began = time.perf_counter()
    candidate = baseline(state, build_spec=build_spec, spec=spec, folder=folder, inputs=inputs, classes=classes)
    prepare_s, asked = time.perf_counter() - began, read_rows(Path(rows))
    single = [asked.take([at]).inputs for at in range(min(_SINGLES, len(asked)))]
    with _context(state, {**build_spec, "teacher": candidate | {"note": ""}}) as context:

        def answered_s(inputs: Any) -> float:
            before = time.perf_counter()
            context.ask(context.encode(inputs))
            return time.perf_counter() - before

        try:
            answered_s(single[0])  # opens the engine
            call_s = median(map(answered_s, single))
            row_s = min(call_s, *(answered_s(asked.inputs) / len(asked) for _ in range(2)))
        except ValueError as error:
            raise BadModel(f"the model as given: {error}") from error
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    known = {"resident_b": float(resident), "parameters": candidate["parameters"], "rows": len(asked), "note": candidate["note"]}
    return {"prepare_s": prepare_s, "call_s": call_s, "row_s": row_s, **known}


def pace(state: dict[str, Any], *, build_spec: Mapping[str, Any]) -> float:
    """Wall seconds of training the model as given on one row, with itself as teacher."""
    from paredown.pruning import students

    with _context(state, build_spec) as context:
        return students.pace(context)


def apply(
    state: dict[str, Any], *, build_spec: Mapping[str, Any], name: str, values: Mapping[str, Any], candidate: Mapping[str, Any]
) -> dict[str, Any]:
    """Apply one technique to one candidate.

    Raises:
        Unfit: It does not fit; or something below it gave up that was not foreseen, whose whole trace is in the worker's log.
    """
    technique = make(registry.get("techniques", name), name, dict(values))
    with _context(state, build_spec) as context:
        try:
            return asdict(technique.apply(Candidate(**candidate), context))
        except (ParedownError, MemoryError):
            raise
        except Exception as error:  # the module's own code and the libraries below raise what they like
            if no_room(error):
                raise
            traceback.print_exc()
            said = str(error).strip().partition("\n")[0][:200].rstrip(".")
            raise Unfit(f"{name} does not get through this model{_where(error)}: {type(error).__name__}: {said}.") from error


def _where(error: BaseException) -> str:
    """The innermost line of somebody's own code that an error came through, as " in net.py:12"; empty where it is none."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own_file(frame.filename)]
    return f" in {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""


def lower(state: dict[str, Any], *, build_spec: Mapping[str, Any], form: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a candidate into another form."""
    from paredown.modelkit.lower import LOWERINGS

    given = Candidate(**candidate)
    if (given.form, form) not in LOWERINGS:
        raise Unfit(f"a model in {given.form} form cannot be turned into {form} form.")
    with _context(state, build_spec) as context:
        return asdict(LOWERINGS[given.form, form](given, context.store, context.work))


def pack(
    state: dict[str, Any],
    *,
    build_spec: Mapping[str, Any],
    recipe: str,
    lineage: Sequence[str],
    candidate: Mapping[str, Any],
    runtime: str,
    placement: Mapping[str, Any],
) -> str:
    """Pack one candidate for one engine; returns the artifact's digest."""
    artifacts = FolderStore(Path(build_spec["artifacts"]))
    folder = artifacts.scratch()
    label, probe = _label(build_spec, recipe, lineage), read_rows(Path(build_spec["probe"])).inputs
    packing.pack(label, Candidate(**candidate), runtime, placement, _rows(probe), FolderStore(Path(build_spec["store"])), folder)
    return artifacts.put(folder)


def join(
    state: dict[str, Any],
    *,
    build_spec: Mapping[str, Any],
    recipe: str,
    lineage: Sequence[str],
    program: Mapping[str, Any],
    parts: Sequence[str],
) -> str:
    """Join packed artifacts into one program; returns the artifact's digest."""
    artifacts = FolderStore(Path(build_spec["artifacts"]))
    folder = artifacts.scratch()
    names = ("first", "second", "third")[: len(parts)]
    probe = read_rows(Path(build_spec["probe"])).inputs
    packing.join(
        _label(build_spec, recipe, lineage),
        program,
        {name: artifacts.folder(part) for name, part in zip(names, parts)},
        _rows(probe),
        folder,
    )
    return artifacts.put(folder)


def place(state: dict[str, Any], *, artifacts: str, artifact: str, threads: int, recipe: str) -> str:
    """Give a packed artifact another thread count; returns the new artifact's digest."""
    store = FolderStore(Path(artifacts))
    folder = store.scratch()
    copy_folder(store.folder(artifact), folder)
    packing.place(folder, threads, recipe)
    return store.put(folder)


def _label(build_spec: Mapping[str, Any], recipe: str, lineage: Sequence[str]) -> packing.Label:
    same = {key: build_spec[key] for key in ("name", "task", "encode", "decode", "labels", "isa")}
    return packing.Label(recipe=recipe, lineage=list(lineage), files=Path(build_spec["files"]), **same)


def _rows(probe: Any) -> Any:
    """Columns of a probe as a list of dict rows, which is what JSON can hold; arrays stay."""
    if not isinstance(probe, Mapping):
        return probe
    names = list(probe)
    return [dict(zip(names, values)) for values in zip(*(probe[name].tolist() for name in names))]
