"""What a tracked block took: counters and clocks at its edges, kept by the hour, made into one record."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from numbers import Real

from paredown.core.errors import UsageError
from paredown.core.meter import Window
from paredown.core.quantity import COUNTED
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.ground.amounts import is_number
from paredown.ground.hours import hour_shares
from paredown.impact.energy import active_energies, active_energy, idle_energy
from paredown.impact.load import busy_machine
from paredown.impact.site import Site
from paredown.tracking import instruments
from paredown.tracking.place import carbon_at
from paredown.tracking.process_tree import TreeTime, tree_time
from paredown.tracking.told import told

_MACHINE = {"wall_energy", "platform_energy", "package_energy"}
"""Counters that have the CPUs' idle in them."""

_LEAST_S = 10.0
"""Counters are read no more often than this inside a block."""

_SHORT_S = 1.0
"""A last piece below this may be too short for a counter; after a whole block of at least `_LEAST_S` that is little."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a block is called and what of it is counted: the arguments of `track()`, and `own`, which is False where only children count."""

    name: str
    activity: str
    unit: str
    count: float
    site: Site | Missing
    children: bool = True
    own: bool = True


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """What one hour of the clock holds of a block."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    counted: Mapping[str, Reading | Missing] = field(default_factory=dict)

    def times(self, share: float) -> _Sum:
        counted = {name: item if isinstance(item, Missing) else item.times(share) for name, item in self.counted.items()}
        return _Sum(wall_s=self.wall_s * share, cpu_s=self.cpu_s * share, counted=counted)

    def __add__(self, other: _Sum) -> _Sum:
        counted = dict(self.counted)
        for name, item in other.counted.items():
            before = counted.get(name)
            if before is None or (isinstance(before, Reading) and isinstance(item, Missing)):
                counted[name] = item
            elif isinstance(before, Reading) and isinstance(item, Reading):
                counted[name] = before + item
        return _Sum(wall_s=self.wall_s + other.wall_s, cpu_s=self.cpu_s + other.cpu_s, counted=counted)


class Took:
    """What a tracked block took: in all when it has ended, until now while it runs.

    Args:
        plan: The block's settings.

    `count` may be set inside the block, where it becomes known only there.
    """

    def __init__(self, plan: Plan) -> None:
        self._count = plan.count
        self._plan = plan
        self._lock = threading.Lock()
        self._hours: dict[str, _Sum] = {}
        self._notes: list[str] = []
        self._record: EnergyRecord | None = None
        self._ended = False
        self._process = os.getpid()
        self._meters, self._absent = instruments.take()
        for meter in self._meters:
            meter.start()
        self._began_s = self._utc_s = self._counted_utc_s = time.time()
        self._clock_s = self._counted_clock_s = time.perf_counter()
        self._tree = tree_time(plan.children, plan.own)

    @property
    def count(self) -> float:
        """How many units the block does.

        Raises:
            UsageError: It is set to something that is not above 0.
        """
        return self._count

    @count.setter
    def count(self, count: float) -> None:
        self._count = above_0(count, self._plan.unit)

    @property
    def ours(self) -> bool:
        """False in a forked child, which leaves its parent's block too."""
        return self._process == os.getpid()

    @property
    def cpu_s(self) -> float:
        """CPU seconds, user and system, of the process and, unless `children=False`, of those it started."""
        return self._now().cpu_s

    @property
    def wall_s(self) -> float:
        """Wall seconds."""
        return self._now().wall_s

    @property
    def energy_j(self) -> float:
        """Joules, idle in them: of the plug's meter, else of the counters, else the estimate of the work and of the idle machine."""
        return sum(item.value for item in busy_machine(self.record.readings))

    @property
    def readings(self) -> dict[str, Reading | Missing]:
        """cpu_time, energy, idle_energy, package_energy, carbon, ... of the whole block; what could not be had is Missing."""
        return dict(self.record.readings)

    @property
    def record(self) -> EnergyRecord:
        """All of it, as exports take it."""
        whole = self._now()
        with self._lock:
            if self._record is None or not self._ended or self._record.count != self._count:
                self._record = self._make(whole)
            return self._record

    def __str__(self) -> str:
        return told(self.record)

    def beside(self, other: str) -> None:
        """Note that another block was open, which counted the same process."""
        self.note(f"the block {other!r} was open at the same time; both count the whole process, so that their sum counts it twice")

    def note(self, text: str) -> None:
        """Add a sentence to the record: what weakens its numbers, or what has to be known with them."""
        if text not in self._notes:
            self._notes.append(text)

    def cut(self) -> None:
        """Put what was taken so far to its hours."""
        tree, clock_s, utc_s = tree_time(self._plan.children, self._plan.own), time.perf_counter(), time.time()
        with self._lock:
            if not self._ended and self.ours:
                self._add(tree, clock_s, utc_s)
                if clock_s - self._counted_clock_s >= _LEAST_S and not any(meter.waits for meter in self._meters):
                    self._read(clock_s, utc_s)
                    for meter in self._meters:
                        meter.start()

    def end(self, error: BaseException | None) -> None:
        """The block is over."""
        tree, clock_s, utc_s = tree_time(self._plan.children, self._plan.own), time.perf_counter(), time.time()
        with self._lock:
            self._add(tree, clock_s, utc_s)
            self._read(clock_s, utc_s)
            self._ended, self._record = True, None
            instruments.give_back(self._meters)
        if error is not None:
            self.note(f"the block was left by {type(error).__name__}")

    def _now(self) -> _Sum:
        """Sums over all hours, up to now while the block runs."""
        self.cut()
        with self._lock:
            return sum(self._hours.values(), _Sum())

    def _add(self, tree: TreeTime, clock_s: float, utc_s: float) -> None:
        """Put the time since the last cut to its hours."""
        taken = _Sum(wall_s=clock_s - self._clock_s, cpu_s=tree.since(self._tree))
        self._spread(taken, self._utc_s, utc_s)
        self._tree, self._clock_s, self._utc_s = tree, clock_s, utc_s

    def _read(self, clock_s: float, utc_s: float) -> None:
        """Put what the counters have added since they were read last to its hours."""
        window = Window(wall_s=clock_s - self._counted_clock_s, items=1)
        found = [item for meter in reversed(self._meters) for item in meter.stop(window)]
        before = {name for part in self._hours.values() for name, item in part.counted.items() if isinstance(item, Reading)}
        short = [item.quantity for item in found if isinstance(item, Missing) and item.quantity in before and window.wall_s < _SHORT_S]
        if short:
            self.note(f"{', '.join(short)}: the last {window.wall_s:.2g} s were too short for the counter, and are left out")
        counted = {item.quantity: item for item in found if item.quantity not in short}
        self._spread(_Sum(counted=counted), self._counted_utc_s, utc_s)
        self._counted_clock_s, self._counted_utc_s = clock_s, utc_s

    def _spread(self, taken: _Sum, began_s: float, ended_s: float) -> None:
        for hour, share in hour_shares(began_s, ended_s):
            self._hours[hour] = self._hours.get(hour, _Sum()) + taken.times(share)

    def _make(self, whole: _Sum) -> EnergyRecord:
        plan, (machine, curve) = self._plan, instruments.machine()
        readings: dict[str, Reading | Missing] = {
            "cpu_time": Reading(quantity="cpu_time", value=whole.cpu_s, how=How.MEASURED, n=1, covers=("cpu",)),
            "energy": active_energy(curve, whole.cpu_s),
            **{name: Missing(quantity=name, reason=reason) for name, reason in self._absent.items()},
            **whole.counted,
        }
        counted = {name for name, item in readings.items() if isinstance(item, Reading)} & _MACHINE
        if not counted:
            readings["idle_energy"] = idle_energy(curve, machine.cores, whole.wall_s)
        hourly_j = {hour: _joules(readings, part, whole) for hour, part in sorted(self._hours.items())}
        readings["carbon"] = carbon_at(plan.site, readings, whole.wall_s, hourly_j)
        notes = list(self._notes)
        if plan.children and not self._tree.seen:
            notes.append("children that still ran at the end are not in the CPU time: this system does not list them")
        return EnergyRecord(
            activity=plan.activity,
            subject=plan.name,
            unit=plan.unit,
            count=self.count,
            readings=readings,
            estimators={} if counted else active_energies(curve, whole.cpu_s),
            wall_s=whole.wall_s,
            started=datetime.fromtimestamp(self._began_s, UTC).isoformat(timespec="seconds"),
            hourly_j=hourly_j,
            boundary=_boundary(readings, plan),
            host={"cpu": dict(machine.cpu), "cores": machine.cores, "memory_b": machine.memory_b, "virtual": machine.virtual},
            notes=tuple(notes),
        )


def above_0(count: float, unit: str) -> float:
    """The count itself.

    Raises:
        UsageError: It is not above 0.
    """
    number = float(count) if isinstance(count, Real) and not isinstance(count, bool) else math.nan  # numpy's numbers are such too
    if not (math.isfinite(number) and number > 0):
        raise UsageError(
            f"count is {count!r}; it needs a number above 0.\n  Leave it out for one {unit}, or set `took.count` in the block."
        )
    return count if is_number(count) else number


def _joules(readings: Mapping[str, Reading | Missing], part: _Sum, whole: _Sum) -> float:
    """All joules of one hour: as counted there; estimates by its share of the CPU time and of the wall time."""
    share = {"energy": part.cpu_s / whole.cpu_s if whole.cpu_s else 0.0, "idle_energy": part.wall_s / whole.wall_s if whole.wall_s else 0.0}
    counted = {name: item.value for name, item in part.counted.items() if isinstance(item, Reading)}
    whole_j = {item.quantity: item.value for item in busy_machine(readings)}
    return sum(value * share[name] if name in share else counted.get(name, 0.0) for name, value in whole_j.items())


def _boundary(readings: Mapping[str, Reading | Missing], plan: Plan) -> str:
    """What is in it and what is not, in words."""
    if plan.own:
        below = "and of the processes below it, running or waited for" if plan.children else "alone, without the processes that it started"
        text = f"From the block's start to its end: the CPU time of this process with all its threads {below}."
    else:
        text = "From the command's start to its end: the CPU time of its process and of all processes that it waited for."
    counters = [name for name in COUNTED if isinstance(readings.get(name), Reading)]
    if counters:
        text += f" {' and '.join(counters)}: counted for the whole machine, whoever works on it."
    if "idle_energy" in readings:
        text += " idle_energy: of all CPUs that it may use."
    return text + " Disks, networks and other machines are not in it."
