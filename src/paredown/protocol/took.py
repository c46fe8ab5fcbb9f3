"""What a tracked block took: counters and clocks at its edges, kept by the hour, made into one record."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from paredown.core.errors import UsageError
from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.core.runtime import Host
from paredown.ground import registry
from paredown.ground.amounts import is_number
from paredown.ground.host import host
from paredown.ground.hours import hour_shares
from paredown.impact.energy import Curve, active_energy, cpu_curve, idle_energy
from paredown.protocol.process_tree import tree_time
from paredown.protocol.told import told

COUNTED = ("package_energy", "dram_energy", "gpu_energy", "wall_energy")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a block is called and what of it is counted; the arguments of `track()`."""

    name: str
    activity: str
    unit: str
    count: float
    children: bool


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
        self._machine = _machine()
        self._lock = threading.Lock()
        self._hours: dict[str, _Sum] = {}
        self._notes: list[str] = []
        self._meters = [unit() for unit in _counters()[0]]
        self._record: EnergyRecord | None = None
        self._ended = False
        self._process = os.getpid()
        self._utc_s = time.time()
        self._began_s = self._utc_s
        for meter in self._meters:
            meter.start()
        self._clock_s = time.perf_counter()
        self._tree = tree_time(plan.children)

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
        return self._total().cpu_s

    @property
    def wall_s(self) -> float:
        """Wall seconds."""
        return self._total().wall_s

    @property
    def energy_j(self) -> float:
        """Joules, idle in them: of the plug's meter, else of the counters, else the estimate of the work and of the idle machine."""
        readings = self.readings
        return sum(item.value for name in _whole(readings) if isinstance(item := readings[name], Reading))

    @property
    def readings(self) -> dict[str, Reading | Missing]:
        """cpu_time, energy, idle_energy, package_energy, carbon, ... of the whole block; what could not be had is Missing."""
        return dict(self.record.readings)

    @property
    def record(self) -> EnergyRecord:
        """All of it, as exports take it."""
        if not self._ended:
            self.cut()
        with self._lock:
            if self._record is None or not self._ended or self._record.count != self._count:
                self._record = self._make()
            return self._record

    def __str__(self) -> str:
        return told(self.record)

    def _total(self) -> _Sum:
        if not self._ended:
            self.cut()
        with self._lock:
            return sum(self._hours.values(), _Sum())

    def cut(self, last: bool = False) -> None:
        """Put what was taken since the last cut to its hours."""
        tree, clock_s = tree_time(self._plan.children), time.perf_counter()
        with self._lock:
            if self._ended or not self.ours:
                return
            window = Window(wall_s=clock_s - self._clock_s, items=1)
            counted = {item.quantity: item for meter in self._meters for item in meter.stop(window)}
            utc_s = time.time()
            if not last:
                for meter in self._meters:
                    meter.start()
            taken = _Sum(wall_s=window.wall_s, cpu_s=tree.since(self._tree), counted=counted)
            for hour, share in hour_shares(self._utc_s, utc_s):
                self._hours[hour] = self._hours.get(hour, _Sum()) + taken.times(share)
            self._tree, self._clock_s, self._utc_s, self._ended = tree, clock_s, utc_s, last
            self._record = None

    def end(self, error: BaseException | None) -> None:
        self.cut(last=True)
        if error is not None:
            self._notes.append(f"the block was left by {type(error).__name__}")

    def beside(self, other: str) -> None:
        """Note that another block was open, which counted the same process."""
        note = f"the block {other!r} was open at the same time; both count the whole process, so that their sum counts it twice"
        if note not in self._notes:
            self._notes.append(note)

    def _make(self) -> EnergyRecord:
        plan, (machine, curve) = self._plan, self._machine
        whole = sum(self._hours.values(), _Sum())
        readings: dict[str, Reading | Missing] = {
            "cpu_time": Reading(quantity="cpu_time", value=whole.cpu_s, how=How.MEASURED, n=1, covers=("cpu",)),
            **{name: Missing(quantity=name, reason=reason) for name, reason in _counters()[1].items()},
            **whole.counted,
            "energy": active_energy(curve, whole.cpu_s),
        }
        if not {"package_energy", "wall_energy"} & {name for name, item in readings.items() if isinstance(item, Reading)}:
            readings["idle_energy"] = idle_energy(curve, machine.cores, whole.wall_s)
        readings["carbon"] = Missing(quantity="carbon", reason='no place was declared; say grid="NO" or grid="380 g/kWh"')
        notes = list(self._notes)
        if plan.children and not self._tree.seen:
            notes.append("children that still ran at the end are not in the CPU time: this system does not list them")
        return EnergyRecord(
            activity=plan.activity,
            subject=plan.name,
            unit=plan.unit,
            count=self.count,
            readings=readings,
            wall_s=whole.wall_s,
            started=datetime.fromtimestamp(self._began_s, UTC).isoformat(timespec="seconds"),
            hourly_j={hour: _joules(readings, part, whole) for hour, part in sorted(self._hours.items())},
            boundary=_boundary(readings, plan.children),
            host={"cpu": dict(machine.cpu), "cores": machine.cores, "memory_b": machine.memory_b, "virtual": machine.virtual},
            notes=tuple(notes),
        )


def above_0(count: float, unit: str) -> float:
    """The count itself.

    Raises:
        UsageError: It is not above 0.
    """
    if not (is_number(count) and math.isfinite(count) and count > 0):
        raise UsageError(
            f"count is {count!r}; it needs a number above 0.\n  Leave it out for one {unit}, or set `took.count` in the block."
        )
    return count


@cache
def _machine() -> tuple[Host, Curve]:
    here = host()
    return here, cpu_curve(here)


@cache
def _counters() -> tuple[tuple[type[Meter], ...], dict[str, str]]:
    """The meters that read an energy counter here, and why each quantity that none of them reads is missing."""
    here = _machine()[0]
    found = [unit for unit in registry.working("meters") if issubclass(unit, Meter) and set(unit.quantities) & {*COUNTED}]
    why = [(unit, unit().ready(here)) for unit in found]
    usable = tuple(unit for unit, reason in why if reason is None)
    read = {name for unit in usable for name in unit.quantities}
    return usable, {name: reason for unit, reason in why if reason is not None for name in unit.quantities if name not in read}


def _whole(readings: Mapping[str, Reading | Missing]) -> tuple[str, ...]:
    """The quantities that together are all joules of the block, idle in them, none counted twice."""
    known = {name for name, item in readings.items() if isinstance(item, Reading)}
    if "wall_energy" in known:
        return ("wall_energy",)
    machine = ("package_energy", "dram_energy") if "package_energy" in known else ("energy", "idle_energy")
    return tuple(name for name in (*machine, "gpu_energy") if name in known)


def _joules(readings: Mapping[str, Reading | Missing], part: _Sum, whole: _Sum) -> float:
    """All joules of one hour: as counted there; estimates by its share of the CPU time and of the wall time."""
    share = {"energy": part.cpu_s / whole.cpu_s if whole.cpu_s else 0.0, "idle_energy": part.wall_s / whole.wall_s if whole.wall_s else 0.0}
    sums = (part.counted.get(name) if name in part.counted else readings[name].times(share[name]) for name in _whole(readings))
    return sum(item.value for item in sums if isinstance(item, Reading))


def _boundary(readings: Mapping[str, Reading | Missing], children: bool) -> str:
    """What is in it and what is not, in words."""
    processes = "and of the processes below it, running or waited for" if children else "alone, without the processes that it started"
    text = f"From the block's start to its end: the CPU time of this process with all its threads {processes}."
    counters = [name for name in COUNTED if isinstance(readings.get(name), Reading)]
    if counters:
        text += f" {' and '.join(counters)}: counted for the whole machine, whoever works on it."
    if "idle_energy" in readings:
        text += " idle_energy: of all CPUs that this process may use."
    return text + " Disks, networks and other machines are not in it."
