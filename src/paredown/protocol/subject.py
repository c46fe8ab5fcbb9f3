"""The verbs of a process under measurement: it opens one artifact and answers in windows. Nothing heavy is imported here."""

from __future__ import annotations

import gc
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from itertools import accumulate, cycle, islice, repeat, takewhile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from paredown.artifact.load import Model, load, packable, read_manifest, read_probe
from paredown.artifact.manifest import cores
from paredown.core.errors import BadData, Damaged
from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.rows import Rows
from paredown.ground import registry, trust
from paredown.ground.digests import of_file
from paredown.ground.host import host
from paredown.ground.lazy import need
from paredown.impact.energy import cpu_curve, idle_energy
from paredown.rows.rowfile import read_rows

_SAMPLE = 256
_POOLED = 200


def _calls(inputs: Any, batch: int) -> list[Any]:
    """Raw inputs cut into calls of `batch` rows, in order."""
    if isinstance(inputs, Mapping):
        names = list(inputs)
        if any(inputs[name].ndim > 1 for name in names):
            ends = range(0, len(inputs[names[0]]) - batch + 1, batch)
            return [{name: inputs[name][start : start + batch] for name in names} for start in ends]
        count = len(inputs[names[0]])
        rows = [dict(zip(names, values)) for values in zip(*(inputs[name].tolist() for name in names))]
        return [rows[start : start + batch] for start in range(0, count - batch + 1, batch)]
    return [inputs[start : start + batch] for start in range(0, len(inputs) - batch + 1, batch)]


def open_artifact(
    state: dict[str, Any], *, artifact: str, rows: str, batch: int = 1, threads: int | None = None, room_b: int | None = None
) -> dict[str, Any]:
    """Load an artifact and answer once.

    Args:
        artifact: Its folder.
        rows: File of raw rows; the first ones are asked in turn, so that real lengths and sizes are measured.
        batch: Rows per call.
        threads: Another thread count than the packed one.
        room_b: Bytes that this process may take beyond what it has; what it was held to first stays.

    Returns:
        {"open_s": wall seconds from the order to the first answer}.
    """
    began = time.perf_counter()
    close(state)
    if room_b is not None and not state.get("held"):
        hold_to(room_b)
        state["held"] = True
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


def window(state: dict[str, Any], *, seconds: float, first: int = 0, calls: int | None = None) -> dict[str, Any]:
    """Answer one call after the other for some time.

    Args:
        seconds: Wall time of the window.
        first, calls: Which calls: these, over and over, in whole passes of which the last ends nearest to `seconds`. Without `calls` all
            in turn, from where the last such window ended; the last call ends it.

    Returns:
        {"wall_s", "items", "readings": {quantity: reading as JSON}, "laps_s": all of them where they are few}.
    """
    predict, clock = state["model"].program.predict, time.perf_counter
    laps: list[float] = []
    keep = laps.append
    passes: Iterator[list[Any]]
    if calls is None:
        rest, passes = 0.0, ([call] for call in islice(cycle(state["calls"]), state["at"], None))
    else:
        at = first % len(state["calls"])
        few = list(islice(cycle(state["calls"]), at, at + min(calls, len(state["calls"]))))
        rest, passes = 0.5, repeat(few)
    with _Metered(state) as metered:
        began = now = clock()
        for number, several in enumerate(passes, 1):
            for call in several:
                predict(call)
                after = clock()
                keep(after - now)
                now = after
            spent = now - began
            if spent + rest * spent / number >= seconds:
                break
        done = Window(wall_s=now - began, items=len(laps) * state["batch"], laps_s=laps)
        metered.stop(done)
    if calls is None:
        state["at"] = (state["at"] + len(laps)) % len(state["calls"])
    return {"wall_s": done.wall_s, "items": done.items, "readings": metered.readings, "laps_s": laps if len(laps) < _POOLED else []}


def serve_window(state: dict[str, Any], *, seconds: float, rate: float, seed: int) -> dict[str, Any]:
    """Answer requests that arrive at random, whether or not the one before is answered: an open loop.

    A latency runs from the moment that a request arrives, so that waiting behind others is in it. Between requests the process sleeps, and
    how long it takes to wake up is in the latency too. Requests that are still unanswered when twice the time is over are given up.

    Args:
        seconds: Wall time in which requests arrive.
        rate: Requests per second on average; the times between them are exponential.
        seed: Of the arrivals.

    Returns:
        As `window`, with all "laps_s", and "busy_s": wall seconds spent on answers, "arrived" and "seconds".

    Source: open-loop load, Schroeder et al. 2006, NSDI; latency from the scheduled arrival, "server" scenario of MLPerf inference.
    """
    predict, calls, clock = state["model"].program.predict, state["calls"], time.perf_counter
    draw = random.Random(seed)
    due_s = list(takewhile(lambda due: due < seconds, accumulate(draw.expovariate(rate) for _ in repeat(None))))
    laps: list[float] = []
    busy_s = 0.0
    with _Metered(state) as metered:
        began = clock()
        for at, due in enumerate(due_s):
            _sleep_until(began + due)
            start = clock()
            if start - began > 2 * seconds:
                break
            predict(calls[at % len(calls)])
            end = clock()
            busy_s += end - start
            laps.append(end - began - due)
        _sleep_until(began + seconds)
        done = Window(wall_s=clock() - began, items=len(laps), laps_s=laps)
        metered.stop(done)
    found = metered.readings
    found["busy"] = Reading(quantity="busy", value=busy_s / done.wall_s, how=How.MEASURED, n=len(laps)).json()
    here = host()
    found.setdefault("idle_energy", idle_energy(cpu_curve(here), here.cores, done.wall_s).times(1 / max(1, done.items)).json())
    return {
        "wall_s": done.wall_s,
        "items": done.items,
        "readings": found,
        "laps_s": laps,
        "busy_s": busy_s,
        "arrived": len(due_s),
        "seconds": seconds,
    }


def _sleep_until(moment: float) -> None:
    """Sleep, never spin: a waiting server takes no CPU time."""
    rest_s = moment - time.perf_counter()
    if rest_s > 0:
        time.sleep(rest_s)


class _Metered:
    """The meters around a window, with the collector at rest; what cannot be answered is bad data."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._meters: list[Meter] = state["meters"]
        self.readings: dict[str, Any] = {}

    def __enter__(self) -> _Metered:
        gc.disable()
        for meter in self._meters:
            meter.start()
        return self

    def stop(self, done: Window) -> None:
        found = [reading for meter in reversed(self._meters) for reading in meter.stop(done)]
        self.readings = {reading.quantity: reading.json() for reading in found}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        gc.enable()
        gc.collect()
        if isinstance(error, ValueError):
            raise BadData(str(error)) from error


def graph_window(state: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """CPU seconds per inference inside the engine alone, for an artifact of one graph; None where there are more."""
    model, calls = state["model"], state["calls"]
    sessions = list(model._sessions.values())
    if len(sessions) != 1:
        return {"graph_time": None}
    from paredown.encoders.feed import make_encoder

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
    from paredown.encoders.feed import make_encoder

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


def _answered(model: Model, given: Rows, before: int, at: int, batch: int) -> Any:
    """Answers to the rows from `at` on; what is wrong is said with where that is, `before` rows further on."""
    try:
        found = model.answers(given.take(slice(at, at + batch)).inputs)
        return found if found.ndim < 4 else found.astype("float32")  # of each pixel: half of the room
    except BadData as error:
        raise BadData(f"row {before + at}{f' and the {batch - 1} after it' * (batch > 1)}: {error}") from error


def predict(state: dict[str, Any], *, artifact: str, rows: str, out: str, batch: int, room_b: int | None = None) -> dict[str, Any]:
    """Answers to all rows of a file (N, outputs), written as .npy.

    Args:
        batch: Rows per call, as deployed: where activations are quantized while running, the other rows of a call change an answer.
        room_b: Bytes that this process may take beyond what it has; None leaves that open.

    Returns:
        {"file": name, "sha256", "shape", "asked": graph name -> rows it answered, "answer_s": wall seconds of all answers}.

    Raises:
        BadData: The model answers NaN or with another number of classes; says which rows.
    """
    if room_b is not None:
        hold_to(room_b)
    given, path = read_rows(Path(rows)), Path(out)
    tell = state.get("progress", lambda done, total: None)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npy")
    try:
        with load(Path(artifact)) as model, part.open("wb") as file:
            began = time.perf_counter()
            found = _answers_written(model, given, batch, file, tell)
            answer_s = time.perf_counter() - began
            asked = dict(model.program.asked)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return {"file": path.name, "sha256": of_file(path), "shape": found, "asked": asked, "answer_s": answer_s}


def _answers_written(model: Model, given: Rows, batch: int, file: IO[bytes], tell: Callable[[int, int], None]) -> list[int]:
    """Write the answers to all rows as .npy, some rows at a time; returns its shape."""
    import numpy as np

    shape, done = [len(given)], 0
    for some in given.parts(batch * max(1, given.part_rows() // batch)):
        answers = []
        for at in range(0, len(some), batch):
            answers.append(_answered(model, some, done, at, batch))
            tell(min(done + at + batch, len(given)), len(given))
        found = np.concatenate(answers)
        if not done:
            shape += found.shape[1:]
            np.lib.format.write_array_header_1_0(file, {"descr": found.dtype.str, "fortran_order": False, "shape": tuple(shape)})
        file.write(np.ascontiguousarray(found).data)
        done += len(some)
    return shape


def import_engines(state: dict[str, Any], *, artifact: str) -> None:
    """Import what an artifact's graphs run on, so that its own opening can be held to limits.

    Raises:
        MissingExtra: An engine is not installed.
    """
    for graph in read_manifest(Path(artifact))["graphs"]:
        need(registry.get("runtimes", graph["runtime"]).package, f"the runtime {graph['runtime']}")


def ask_probe(state: dict[str, Any], *, artifact: str, room_b: int) -> dict[str, Any]:
    """Ask an artifact its probe again; of what it names nothing is called but paredown's own, whatever was trusted before.

    Args:
        room_b: Bytes that this process may take beyond what it has.

    Returns:
        {"rows": of the probe, "difference": the largest between its packed answers and those of the engine now, of numbers as a share of
        the largest}.

    Raises:
        NotTrusted: It is built by code of others.
        Damaged: It cannot be opened, or does not answer with the packed shape.
    """
    import numpy as np

    folder = Path(artifact)
    probe = read_probe(folder, read_manifest(folder))
    hold_to(room_b)
    packed = np.asarray(probe["outputs"])
    with trust.trusting_nobody(), load(folder) as model:
        answers, spec = model.answers(probe["inputs"]), model.manifest["decode"]
    answers = packable(answers)
    if answers.shape != packed.shape:
        raise Damaged(f"{folder}: the engine answers the probe with shape {answers.shape}; {packed.shape} was packed.")
    unit = max(float(np.abs(packed).max()), 1e-9) if spec["kind"] == "values" else 1.0
    return {"rows": len(packed), "difference": float(np.abs(answers - packed).max()) / unit}


def hold_to(room_b: int) -> None:
    """Let this process take so much memory from here on, beside the stacks of its threads (Linux); more is refused by the system."""
    if sys.platform == "linux":
        import resource

        taken = int(re.search(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
        most = taken + room_b + cores() * resource.getrlimit(resource.RLIMIT_STACK)[0]
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
