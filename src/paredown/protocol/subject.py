"""The verbs of a process under measurement: it opens one artifact and answers in windows. Nothing heavy is imported here."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paredown.artifact.load import Model, load
from paredown.core.errors import BadData
from paredown.core.meter import Meter, Window
from paredown.core.reading import Missing
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.ground.digests import of_file
from paredown.ground.host import host
from paredown.ground.rowfile import read_rows

_SAMPLE = 256
_POOLED = 200


def _calls(inputs: Any, batch: int) -> list[Any]:
    """Raw inputs cut into calls of `batch` rows, in order."""
    if isinstance(inputs, Mapping):
        names = list(inputs)
        count = len(inputs[names[0]])
        rows = [dict(zip(names, values)) for values in zip(*(inputs[name].tolist() for name in names))]
        return [rows[start : start + batch] for start in range(0, count - batch + 1, batch)]
    return [inputs[start : start + batch] for start in range(0, len(inputs) - batch + 1, batch)]


def open_artifact(state: dict[str, Any], *, artifact: str, rows: str, batch: int = 1, threads: int | None = None) -> dict[str, Any]:
    """Load an artifact and answer once.

    Args:
        artifact: Its folder.
        rows: File of raw rows; the first ones are asked in turn, so that real lengths and sizes are measured.
        batch: Rows per call.
        threads: Another thread count than the packed one.

    Returns:
        {"open_s": wall seconds from the order to the first answer}.
    """
    began = time.perf_counter()
    close(state)
    given = read_rows(Path(rows))
    few = given.spread(max(_SAMPLE, batch))
    calls = _calls(few.inputs, batch) or [few.inputs]
    model = load(Path(artifact), threads)
    model.predict(calls[0])
    open_s = time.perf_counter() - began
    state |= {"model": model, "calls": calls, "batch": len(given.take(slice(0, batch))), "at": 0}
    if "meters" not in state:
        here = host()
        units = [unit for unit in registry.working("meters") if issubclass(unit, Meter)]
        ready = [meter for meter in (unit() for unit in units) if meter.ready(here) is None]
        state["meters"] = sorted(ready, key=lambda meter: not meter.waits)  # started first is stopped last
    # what is loaded now stays: the collector need not walk through an engine's modules again and again
    gc.collect()
    gc.freeze()
    return {"open_s": open_s}


def close(state: dict[str, Any]) -> None:
    """Close the open artifact, if any."""
    model = state.pop("model", None)
    if model is not None:
        model.close()


def window(state: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """Answer one call after the other for some time.

    Args:
        seconds: Wall time of the window; the last call ends it.

    Returns:
        {"wall_s", "items", "readings": {quantity: reading as JSON}, "laps_s": all of them where they are few}.
    """
    answers, calls, meters = state["model"].program.answers, state["calls"], state["meters"]
    at, count, clock = state["at"], len(calls), time.perf_counter
    laps: list[float] = []
    keep = laps.append
    gc.disable()
    try:
        for meter in meters:
            meter.start()
        began = now = clock()
        until = began + seconds
        while now < until:
            answers(calls[at])
            at += 1
            if at == count:
                at = 0
            after = clock()
            keep(after - now)
            now = after
        done = Window(wall_s=now - began, items=len(laps) * state["batch"], laps_s=laps)
        found = [reading for meter in reversed(meters) for reading in meter.stop(done)]
    except ValueError as error:
        raise BadData(str(error)) from error
    finally:
        gc.enable()
        gc.collect()
    state["at"] = at
    readings = {reading.quantity: reading.json() for reading in found}
    return {"wall_s": done.wall_s, "items": done.items, "readings": readings, "laps_s": laps if len(laps) < _POOLED else []}


def graph_window(state: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """CPU seconds per inference inside the engine alone, for an artifact of one graph; None where there are more."""
    model, calls = state["model"], state["calls"]
    sessions = list(model._sessions.values())
    if len(sessions) != 1:
        return {"graph_time": None}
    from paredown.tasks.feed import make_encoder

    encode = make_encoder(model.manifest["encode"], model.folder)
    feeds, run = [encode(call) for call in calls], sessions[0].run
    for feed in feeds[:20]:
        run(feed)
    done, until, before = 0, time.perf_counter() + seconds, time.process_time()
    while time.perf_counter() < until:
        run(feeds[done % len(feeds)])
        done += 1
    return {"graph_time": (time.process_time() - before) / (done * state["batch"])}


def profile(state: dict[str, Any], *, artifact: str, rows: str, batch: int, seconds: float) -> list[dict[str, Any]]:
    """Where the time goes inside the engine, for each graph of an artifact.

    Args:
        artifact: Its folder.
        rows: File of raw rows; the first ones are asked in turn.
        batch: Rows per call.
        seconds: About how long each graph answers.

    Returns:
        One {"name": of the graph, "nodes": [{"name", "op", "layer", "wall_s": per inference}]} or {"name", "missing": reason} per graph.
    """
    from paredown.artifact.load import read_manifest
    from paredown.tasks.feed import make_encoder

    folder = Path(artifact)
    manifest = read_manifest(folder)
    few = read_rows(Path(rows)).spread(max(_SAMPLE, batch))
    encode = make_encoder(manifest["encode"], folder)
    feeds = [encode(call) for call in _calls(few.inputs, batch) or [few.inputs]]
    found: list[dict[str, Any]] = []
    for graph in manifest["graphs"]:
        file = folder / graph["file"]
        nodes = registry.get("runtimes", graph["runtime"])().profile(file.parent, file.name, graph["placement"], feeds, seconds)
        if isinstance(nodes, Missing):
            found.append({"name": graph["name"], "missing": nodes.reason})
        else:
            told = [asdict(node) | {"wall_s": node.wall_s / min(batch, len(few))} for node in nodes]
            found.append({"name": graph["name"], "nodes": told})
    return found


def _answered(model: Model, given: Rows, start: int, batch: int) -> Any:
    """Probabilities of the rows from `start` on; what is wrong is said with where that is."""
    try:
        return model.predict_proba(given.take(slice(start, start + batch)).inputs)
    except BadData as error:
        raise BadData(f"row {start}{f' and the {batch - 1} after it' * (batch > 1)}: {error}") from error


def predict(state: dict[str, Any], *, artifact: str, rows: str, out: str, batch: int) -> dict[str, Any]:
    """Probabilities of all rows of a file, written as .npy.

    Args:
        batch: Rows per call, as deployed: where activations are quantized while running, the other rows of a call change an answer.

    Returns:
        {"file": name, "sha256", "shape", "asked": graph name -> rows it answered}.

    Raises:
        BadData: The model answers NaN or with another number of classes; says which rows.
    """
    import numpy as np

    given = read_rows(Path(rows))
    with load(Path(artifact)) as model:
        parts = [_answered(model, given, start, batch) for start in range(0, len(given), batch)]
        asked = dict(model.program.asked)
    found = np.concatenate(parts)
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npy")
    np.save(part, found)
    part.replace(path)
    return {"file": path.name, "sha256": of_file(path), "shape": list(found.shape), "asked": asked}
