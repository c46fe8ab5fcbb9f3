"""Interleaved windows of several artifacts, each in a light process of its own; whoever is not in its window is stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from paredown.core.errors import LimitExceeded
from paredown.core.meter import Meter
from paredown.executors.processes import READ_B_PER_S, Limits, Worker, room_for
from paredown.ground import registry
from paredown.ground.files import size_b
from paredown.ground.host import host
from paredown.protocol.gates import Code, close_gate, frequency_hz, open_gate
from paredown.protocol.idle import Idle, idle_power, in_windows
from paredown.protocol.plan import LEAST_SITTINGS, SWEEP, Plan
from paredown.protocol.steady import LOOK, State, Steadiness, spread_of, state_of

_SUBJECT = "paredown.protocol.subject"
_OPEN_S = 120.0
"""Seconds that opening an artifact and its first answer may take, beside reading its files."""
_LATE, _CALLS_LATE = 20, 60
"""Times its length, and times a call of its warm-up, that a window may take beside that: a graph may never end."""
_SPARE = 8
"""Disturbed windows that one measurement may take again, each once; on a machine that is always disturbed more would not help."""

_WARM_SHARE, _WARM_LEAST, _WARM_MOST_S = 0.25, 15, 60.0
"""Warm-up may take this share of a side's windows, or so many windows of its own where that is more, and this long."""

_SHORT_S, _WARM_OF = 30.0, 30
"""Within so few seconds a warm-up may be as short as the windows it is judged by; it may take one part of so many of a limited time."""

_COUNTERS = {"package_energy", "dram_energy", "wall_energy"}
"""Whose energy above idle is the work's: the engines compute on the CPU, and an accelerator that rests beside it has no part in that."""

_SAME = 1.05
"""Thread counts whose CPU time differs by less than this factor are equal: a sweep is too short to tell."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One artifact in a comparison.

    Args:
        name: "baseline", "candidate", ...
        artifact: Its folder.
        threads: Another thread count than the packed one; None keeps it.
    """

    name: str
    artifact: Path
    threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class Windows:
    """What interleaved windows gave.

    Args:
        sides: Side name -> one mapping of readings per round, as JSON.
        laps_s: Side name -> wall seconds of all calls together, where single windows hold too few for percentiles; else empty.
        cold_s: Side name -> wall seconds from starting the process to its first answer, once per sitting.
        raw: Every window in order, the refused ones too, with the reasons.
        wall_s: Wall seconds of everything.
        sittings: Times that the processes were started, each for its share of the rounds.
        steady: Side name -> what its warm-up came to, as JSON; of several sittings the one in the middle.
        uncounted: Why energy is estimated although there are counters; empty where it is counted, and where there are none.
    """

    sides: Mapping[str, Sequence[Mapping[str, Any]]]
    laps_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    cold_s: Mapping[str, Sequence[float]] = field(default_factory=dict)
    raw: Sequence[Mapping[str, Any]] = ()
    wall_s: float = 0.0
    sittings: int = 1
    steady: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    uncounted: str = ""

    def series(self, side: str, quantity: str) -> list[float]:
        """One value per round; empty when a window has none."""
        found = [window.get(quantity, {}) for window in self.sides[side]]
        return [item["value"] for item in found] if all("value" in item for item in found) else []

    def disturbed(self, side: str, code: Code) -> float:
        """Share of a side's windows that a gate closed on, also when they were taken again."""
        last = {window["round"]: window["reasons"] for window in self.raw if window["side"] == side}
        return sum(any(reason.startswith(f"{code}:") for reason in reasons) for reasons in last.values()) / max(1, len(last))

    def json(self) -> dict[str, Any]:
        """As recorded."""
        return {
            "sides": {name: [dict(window) for window in windows] for name, windows in self.sides.items()},
            "laps_s": {name: list(laps) for name, laps in self.laps_s.items()},
            "cold_s": {name: list(times) for name, times in self.cold_s.items()},
            "raw": [dict(window) for window in self.raw],
            "wall_s": self.wall_s,
            "sittings": self.sittings,
            "steady": {name: dict(found) for name, found in self.steady.items()},
            "uncounted": self.uncounted,
        }


class Bench(AbstractContextManager["Bench"]):
    """Resident processes under measurement, by side name; opened once and used again.

    Args:
        rows: File of raw rows to ask.
        batch: Rows per call.
        log: File for what the processes print.
        path: Folders for the workers' module search path.
        environment: Variables set in the workers.

    `sitting_s` has the wall seconds from starting an artifact's process to the end of its last warm-up, by its folder; `left_s` says how
    many the budget leaves for what begins now.
    """

    def __init__(
        self, rows: Path, batch: int = 1, log: Path | None = None, path: tuple[Path, ...] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.rows = rows
        self._batch, self._log, self._path, self._environment = batch, log, path, environment
        self._cpu_s = 0.0
        self._open: dict[str, tuple[Worker, Side]] = {}
        self._cold: dict[str, float] = {}
        self._pace_hz: dict[str, float | None] = {}
        self._patience_s: dict[str, float] = {}
        self._call_s: dict[str, float] = {}
        self._counters: list[Meter] | None = None
        self.sitting_s: dict[Path, float] = {}
        self.left_s: Callable[[], float] = lambda: math.inf

    def open(self, side: Side) -> None:
        """Start a process for a side, load its artifact, answer once, then stop it; no effect when it is open already."""
        if side.name in self._open and self._open[side.name][1] == side and self._open[side.name][0].pid:
            return
        self.close(side.name)
        worker = Worker(self._path, self._log, self._environment)
        worker.start()
        self._open[side.name] = worker, side
        self._cold[side.name] = worker.started_wall_s + self._load(worker, side)
        worker.pause()

    def _load(self, worker: Worker, side: Side) -> float:
        arguments: dict[str, Any] = {"artifact": str(side.artifact), "rows": str(self.rows), "batch": self._batch, "threads": side.threads}
        artifact_b = size_b(side.artifact)
        wall_s, room_b = _OPEN_S + artifact_b / READ_B_PER_S, room_for(artifact_b, self.rows.stat().st_size)
        self._patience_s[side.name] = wall_s
        limits = Limits(wall_s=wall_s).within(self.left_s())
        try:
            answer = worker.order(f"{_SUBJECT}:open_artifact", limits, room_b=room_b, **arguments)
        except LimitExceeded:
            if limits.by_budget:
                raise
            raise LimitExceeded(
                f"{side.artifact} has not opened and answered once within {wall_s:.0f} s and {room_b / 1e9:.1f} GB."
            ) from None
        self._cpu_s += answer.cpu_s
        return float(answer.value["open_s"])

    @property
    def spent_s(self) -> float:
        """CPU seconds since `take_cpu_s` was called last."""
        return self._cpu_s

    def take_cpu_s(self) -> float:
        """CPU seconds that all processes have taken since the last call."""
        taken, self._cpu_s = self._cpu_s, 0.0
        return taken

    def close(self, name: str) -> None:
        """End a side's process."""
        if name in self._open:
            self._open.pop(name)[0].kill()

    def _order(self, name: str, verb: str, **arguments: Any) -> dict[str, Any]:
        worker = self._open[name][0]
        worker.go()
        wall_s = self._patience_s[name] + _LATE * arguments["seconds"] + _CALLS_LATE * self._call_s.get(name, 0.0)
        limits = Limits(wall_s=wall_s).within(self.left_s())
        try:
            answer = worker.order(f"{_SUBJECT}:{verb}", limits, **arguments)
        except LimitExceeded as error:
            if limits.by_budget:
                raise
            raise LimitExceeded(f"{self._open[name][1].artifact} does not come to the end of a window within {wall_s:.0f} s.") from error
        finally:
            worker.pause()
        self._cpu_s += answer.cpu_s
        value: dict[str, Any] = answer.value
        return value

    def _gated(self, name: str, verb: str, **arguments: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
        """A window, and why it does not count; empty when it does."""
        gate = open_gate(steady_hz=self._pace_hz.get(name), pid=self._open[name][0].pid)
        return self._order(name, verb, **arguments), close_gate(gate)

    def _warm(self, name: str, plan: Plan, most_s: float) -> tuple[float, Steadiness]:
        """Answer until it is steady or the time is over; the wall seconds of one call, and what it came to."""
        began, calls_s, cpu_s = time.perf_counter(), [], []
        state = State.MOVING
        while state is State.MOVING:
            found = self._order(name, "window", seconds=plan.warm_s)
            calls_s.append(found["wall_s"] * self._batch / max(1, found["items"]))
            cpu_s.append(max(found["readings"]["cpu_time"].get("value", 0.0), 1e-12))
            state, wall_s = state_of(cpu_s), time.perf_counter() - began
            if wall_s > most_s and len(calls_s) > 1:
                break
        self._pace_hz[name] = frequency_hz()
        self._call_s[name] = max(calls_s)
        return sorted(calls_s)[len(calls_s) // 2], Steadiness(state=state, spread=spread_of(cpu_s), wall_s=wall_s)

    def _at_rest(self, seconds: float) -> Idle:
        """What the machine draws while all processes stand still, by its counters; empty where it has none."""
        if self._counters is None:
            units = [unit for unit in registry.working("meters") if issubclass(unit, Meter) and _COUNTERS & set(unit.quantities)]
            self._counters = [meter for meter in (unit() for unit in units) if meter.ready(host()) is None]
        return idle_power(self._counters, seconds) if self._counters else {}

    def measure(
        self, sides: Sequence[Side], plan: Plan, tick: Callable[[int, int], None] = lambda done, total: None, within_s: float | None = None
    ) -> Windows:
        """Interleaved windows of all sides: A B C, C B A, A B C, ...; the windows of one round ask the same rows.

        A window in which the machine was disturbed (see `gates`) is taken again once, for `_SPARE` windows at most; all stand in `raw`.

        Args:
            sides: Two or more for a comparison, one for a plain measurement.
            plan: How many and how long.
            tick: Called with (rounds done, rounds); the processes stand still meanwhile.
            within_s: Wall seconds for all of it; the plan is shortened to fit, and ends with its last whole sitting where it was slower.

        Raises:
            LimitExceeded: Not even the shortest measurement ends within that time.
        """
        began = time.perf_counter()
        until = math.inf if within_s is None else began + within_s
        idle = self._at_rest(plan.idle_s) if plan.idle_s else {}
        least_s = max([meter.least_s for meter in self._counters or ()], default=0.0) if idle else 0.0
        enough_s = plan.enough_s(least_s)
        kept: list[tuple[str, dict[str, Any]]] = []
        cold: dict[str, list[float]] = {side.name: [] for side in sides}
        steady: dict[str, list[Steadiness]] = {side.name: [] for side in sides}
        warm_least_s = (_WARM_LEAST if within_s is None or within_s > _SHORT_S else LOOK) * plan.warm_s
        most_s = min(_WARM_MOST_S, _WARM_SHARE * plan.rounds * plan.window_s, (until - began) / _WARM_OF)
        most_s = max(warm_least_s, most_s)
        raw: list[dict[str, Any]] = []
        spare, sitting, number, slowest_s, last = _SPARE, 0, 0, 0.0, 0
        while number < plan.rounds:
            if number == last:  # a sitting begins
                now = time.perf_counter()
                if sitting >= LEAST_SITTINGS and now + (now - began) / sitting > until:
                    break
                for side in sides if sitting % 2 == 0 else reversed(sides):
                    if sitting:
                        self.close(side.name)
                    self.open(side)
                    cold[side.name].append(self._cold[side.name])
                for side in sides:
                    call_s, found = self._warm(side.name, plan, most_s)
                    slowest_s = max(slowest_s, call_s)
                    steady[side.name].append(found)
                    self.sitting_s[side.artifact] = self._cold[side.name] + found.wall_s
                if not sitting:
                    sitting_s = sum(self.sitting_s[side.artifact] for side in sides)
                    plan = plan.fitted(slowest_s, sum(self._cold[side.name] for side in sides) / len(sides), least_s)
                    plan = _shortened(plan, until - time.perf_counter() + sitting_s, sitting_s, len(sides))
                    longest_s = max(found.wall_s for times in steady.values() for found in times)
                    most_s = max(warm_least_s, longest_s, most_s / plan.sittings)
                sitting += 1
                last = plan.rounds * sitting // plan.sittings
            for side in sides if number % 2 == 0 else reversed(sides):
                order = self._asked(plan, number, slowest_s)
                window, reasons = self._gated(side.name, **order)
                raw.append({"side": side.name, "round": number, "sitting": sitting - 1, "reasons": list(reasons)} | window)
                if reasons and spare:
                    spare -= 1
                    window, reasons = self._gated(side.name, **order)
                    raw.append({"side": side.name, "round": number, "sitting": sitting - 1, "reasons": list(reasons)} | window)
                kept.append((side.name, window))
            number += 1
            tick(number, plan.rounds)
            if time.perf_counter() > until:
                break
        if number < plan.rounds:
            plan = _ended(plan, number, sitting - (number < last), until - began)
            kept = kept[: plan.rounds * len(sides)]
        laps = {side.name: [lap for name, found in kept if name == side.name for lap in found["laps_s"]] for side in sides}
        warmed = {
            name: asdict(sorted(found, key=lambda item: (list(State).index(item.state), item.spread))[len(found) // 2])
            for name, found in steady.items()
        }
        after = self._at_rest(plan.idle_s) if idle else {}
        readings, uncounted = in_windows([window for _, window in kept], idle, after)
        if uncounted and enough_s:
            uncounted += f"; {enough_s * len(sides):.2g} s of windows would be long enough"
        return Windows(
            sides={side.name: [found for (name, _), found in zip(kept, readings) if name == side.name] for side in sides},
            laps_s=laps,
            cold_s=cold,
            raw=raw,
            wall_s=time.perf_counter() - began,
            sittings=plan.sittings,
            steady=warmed,
            uncounted=uncounted,
        )

    def _asked(self, plan: Plan, number: int, slowest_s: float) -> dict[str, Any]:
        """The order for a window of a round: the same calls, or the same arrivals, for every side."""
        if plan.rate is not None:
            return {"verb": "serve_window", "seconds": plan.window_s, "rate": plan.rate, "seed": number}
        calls = max(1, int(plan.window_s / slowest_s))
        return {"verb": "window", "seconds": plan.window_s, "first": number * calls, "calls": calls}

    def graph_time(self, name: str, seconds: float = 0.5) -> float | None:
        """CPU seconds per inference inside the engine alone; None for a program of several graphs."""
        found: float | None = self._order(name, "graph_window", seconds=seconds)["graph_time"]
        return found

    def sweep(self, artifact: Path, threads: Sequence[int], quantity: str = "cpu_time") -> dict[int, float]:
        """The median of a quantity at each thread count, in one process that is kept for the next sweep."""
        found: dict[int, float] = {}
        for count in threads:
            side = Side(name="sweep", artifact=artifact, threads=count)
            if "sweep" in self._open:
                worker = self._open["sweep"][0]
                worker.go()
                self._load(worker, side)
                worker.pause()
                self._open["sweep"] = worker, side
            else:
                self.open(side)
            series = self.measure([side], SWEEP).series("sweep", quantity)
            found[count] = sorted(series)[len(series) // 2]
        return found

    def cold_start(self, side: Side, times: int) -> list[float]:
        """Wall seconds from starting a process to its first answer, several times."""
        found = []
        for _ in range(times):
            probe = Side(name="cold", artifact=side.artifact, threads=side.threads)
            self.open(probe)
            found.append(self._cold["cold"])
            self.close("cold")
        return found

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name in list(self._open):
            self.close(name)


def _shortened(plan: Plan, wall_s: float, sitting_s: float, sides: int) -> Plan:
    """The plan for the time that there is, the sitting that has begun included."""
    shorter = plan.within(wall_s, sitting_s, sides)
    if shorter is None:
        raise _no_time(plan.least_s(sitting_s, sides), wall_s)
    return shorter


def _ended(plan: Plan, rounds: int, sittings: int, wall_s: float) -> Plan:
    """What was measured when the time was over; of several sittings, the whole ones: one that was begun says less than the others."""
    if plan.sittings > 1:
        rounds = plan.rounds * sittings // plan.sittings
    if rounds < LEAST_SITTINGS or (plan.sittings > 1 and sittings < LEAST_SITTINGS):
        raise _no_time(wall_s * plan.rounds / max(1, rounds), wall_s)
    return replace(plan, rounds=rounds, sittings=max(1, sittings) if plan.sittings > 1 else 1)


def _no_time(needed_s: float, wall_s: float) -> LimitExceeded:
    return LimitExceeded(
        f"measuring needs about {needed_s:.0f} s and has {max(wall_s, 0):.0f} s.\n  Raise `search: {{budget: ...}}`.", needed_s
    )


def thread_counts(cores: int) -> list[int]:
    """1, 2, 4, ... and all cores."""
    return sorted({*(2**power for power in range(cores.bit_length()) if 2**power <= cores), cores})


def fewest(found: Mapping[int, float]) -> int:
    """Of a sweep, the thread count that takes least; the smaller of equals."""
    least = min(found.values())
    return next(count for count in sorted(found) if found[count] <= _SAME * least)
