"""What a tracked block took: counters and clocks at its edges, kept by the hour, made into one record."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from numbers import Real
from uuid import uuid4

from paredown.core.errors import UsageError
from paredown.core.meter import Window
from paredown.core.quantity import COUNTED
from paredown.core.reading import How, Missing, Reading
from paredown.core.record import EnergyRecord, Origin, Shared
from paredown.ground.amounts import is_number
from paredown.ground.clock import SteadyClock
from paredown.ground.host import boot_id
from paredown.ground.hours import hour_shares
from paredown.impact.energy import active_energies, active_energy, idle_energy
from paredown.impact.load import busy_machine
from paredown.impact.site import Site
from paredown.tracking import instruments
from paredown.tracking.format import in_words
from paredown.tracking.place import carbon_at
from paredown.tracking.process_tree import processes, tree_time

_MACHINE = {"wall_energy", "platform_energy", "package_energy"}
"""Counters that have the CPUs' idle in them."""

_LEAST_S = 10.0
"""Counters are read no more often than this inside a block."""

_SHORT_S = 1.0
"""A last piece below this may be too short for a counter; after a whole block of at least `_LEAST_S` that is little."""

_NAMED = 3

_SET = "the machine's clock was set by {:+.0f} s meanwhile; start and hours are those of the clock as it stood at the start"
_SLEPT = "the machine slept for {:.0f} s meanwhile, which is not in the wall time"

Ids = tuple[str, ...]


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


class Usage:
    """What a tracked block took: in all when it has ended, until now while it runs.

    Args:
        plan: The block's settings.
        earlier: What the same block took before, which it goes on from.

    Its clocks start with `begin`. `count` may be set inside the block, where it becomes known only there.
    """

    def __init__(self, plan: Plan, earlier: Usage | None = None) -> None:
        self.id: str = earlier.id if earlier else uuid4().hex
        self.plan = plan
        self._count = earlier.count if earlier else plan.count
        self._lock = threading.RLock()
        self._sums: dict[tuple[str, Ids], _Sum] = dict(earlier._sums) if earlier else {}
        self._notes: dict[str, None] = dict(earlier._notes) if earlier else {}
        self._beside: dict[str, None] = dict(earlier._beside) if earlier else {}
        self._record: EnergyRecord | None = None
        self._ended = False
        self._process = os.getpid()
        self._meters, self._absent, failed = instruments.take()
        self._notes |= dict.fromkeys(failed)
        for meter in self._meters:
            meter.start()
        self._clock: SteadyClock = earlier._clock if earlier else SteadyClock()
        self._set_s = self._slept_s = 0.0

    def begin(self, before: Sequence[Usage]) -> None:
        """Start the clocks.

        Args:
            before: Open blocks of this process that began before, longest open first: what they count of this one's time, they hold too.
        """
        for other in before:
            self.beside(other)
        self._before = [*before]
        self._tree = tree_time(self.plan.children, self.plan.own)
        self._wall_s = self._counted_wall_s = time.perf_counter()
        self._utc_s = self._clock.utc_s()
        self._edges = [(self._utc_s, self._within())]

    @property
    def count(self) -> float:
        """How many units the block does.

        Raises:
            UsageError: It is set to something that is not above 0.
        """
        return self._count

    @count.setter
    def count(self, count: float) -> None:
        self._count = above_0(count, self.plan.unit)

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
        self.cut()
        with self._lock:
            if self._record is None or not self._ended or self._record.count != self._count:
                self._record = self._make()
            return self._record

    def __str__(self) -> str:
        return in_words(self.record)

    def note(self, text: str) -> None:
        """Add a sentence to the record: what weakens its numbers, or what has to be known with them."""
        self._notes[text] = None

    def beside(self, other: Usage) -> None:
        """Note that another block was open, which counted the same process."""
        self._beside[other.plan.name] = None

    def alone(self, other: Usage) -> None:
        """A block that began before has ended: what is taken from now on is in it no more."""
        self.cut()
        with self._lock:
            self._before.remove(other)
            self._edges.append((self._utc_s, self._within()))

    def cut(self) -> None:
        """Put what was taken so far to its hours."""
        with self._lock:
            if self._ended or not self.ours:
                return
            self._add()
            if self._wall_s - self._counted_wall_s >= _LEAST_S and not any(meter.waits for meter in self._meters):
                self._read()
                for meter in self._meters:
                    meter.start()

    def stop(self) -> None:
        """Read the clocks for the last time; `end` reads the counters."""
        with self._lock:
            self._add()
            self._ended = True

    def end(self, error: BaseException | None = None) -> None:
        """The block is over, after `stop`."""
        with self._lock:
            self._read()
            self._record = None
            instruments.give_back(self._meters)
        if error is not None:
            self.note(f"the block was left by {type(error).__name__}")

    def _now(self) -> _Sum:
        """Sums over all hours, up to now while the block runs."""
        self.cut()
        with self._lock:
            return sum(self._sums.values(), _Sum())

    @property
    def _hours(self) -> dict[str, _Sum]:
        hours: dict[str, _Sum] = {}
        for (hour, _), part in self._sums.items():
            hours[hour] = hours.get(hour, _Sum()) + part
        return hours

    def _within(self, counts: Callable[[Plan], bool] = lambda plan: True) -> Ids:
        """Ids of the blocks that began before, are open still, and count what this one does."""
        return tuple(other.id for other in self._before if counts(other.plan))

    def _add(self) -> None:
        """Put the time since the last cut to its hours."""
        tree = tree_time(self.plan.children, self.plan.own, known=self._tree.running)
        wall_s, began_s = time.perf_counter(), self._utc_s
        self._utc_s = self._clock.utc_s()
        below_s, lower_bound = tree.below_s(self._tree)
        self._notes |= dict.fromkeys(lower_bound)
        for taken, within in (
            (_Sum(wall_s=wall_s - self._wall_s), self._within()),
            (_Sum(cpu_s=max(0.0, tree.own_s - self._tree.own_s)), self._within(lambda plan: plan.own)),
            (_Sum(cpu_s=below_s), self._within(lambda plan: plan.children)),
        ):
            self._spread(taken, began_s, self._utc_s, within)
        self._tree, self._wall_s = tree, wall_s
        self._set_s, self._slept_s = self._clock.set_s(), self._clock.slept_s()

    def _read(self) -> None:
        """Put what the counters have added since they were read last to its hours."""
        window = Window(wall_s=self._wall_s - self._counted_wall_s, items=1)
        before = {name for part in self._sums.values() for name, item in part.counted.items() if isinstance(item, Reading)}
        counted: dict[str, Reading | Missing] = {}
        for meter in reversed(self._meters):
            found = {item.quantity: item for item in meter.stop(window)}
            missing = {name: item.reason for name, item in found.items() if isinstance(item, Missing)}
            short = [name for name in missing if name in before and window.wall_s < _SHORT_S]
            if short:
                self.note(f"{', '.join(short)}: the last {window.wall_s:.2g} s were too short for the counter, and are left out")
            elif len(missing) == len(found):
                self.note(instruments.failure(missing))
            counted |= {name: item for name, item in found.items() if name not in short}
        whole_s = self._utc_s - self._edges[0][0]
        edges = self._edges if whole_s > 0 else self._edges[-1:]
        for (began_s, within), (ended_s, _) in pairwise([*edges, (self._utc_s, ())]):
            share = (ended_s - began_s) / whole_s if whole_s > 0 else 1.0
            self._spread(_Sum(counted=counted).times(share), began_s, ended_s, within)
        self._counted_wall_s, self._edges = self._wall_s, [(self._utc_s, self._within())]

    def _spread(self, taken: _Sum, began_s: float, ended_s: float, within: Ids) -> None:
        for hour, share in hour_shares(began_s, ended_s):
            self._sums[hour, within] = self._sums.get((hour, within), _Sum()) + taken.times(share)

    def _make(self) -> EnergyRecord:
        plan, (machine, curve) = self.plan, instruments.machine()
        whole = sum(self._sums.values(), _Sum())
        counted = any(isinstance(whole.counted.get(name), Reading) for name in _MACHINE)
        readings, hourly_j = self._readings(self._hours, counted)
        shared = []
        for within in dict.fromkeys(within for _, within in self._sums if within):
            hours = {hour: part for (hour, ids), part in self._sums.items() if ids == within}
            found, joules = self._readings(hours, counted)
            amounts = {name: item.value for name, item in found.items() if isinstance(item, Reading)}
            shared.append(Shared(within=within, wall_s=sum(part.wall_s for part in hours.values()), amounts=amounts, hourly_j=joules))
        notes = [_together([*self._beside])] if self._beside else []
        notes += [*self._notes]
        if self._set_s:
            notes.append(_SET.format(self._set_s))
        if self._slept_s:
            notes.append(_SLEPT.format(self._slept_s))
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
            started=datetime.fromtimestamp(self._clock.began_s, UTC).isoformat(timespec="seconds"),
            hourly_j=hourly_j,
            boundary=_boundary(readings, plan),
            host={"cpu": dict(machine.cpu), "cores": machine.cores, "memory_b": machine.memory_b, "virtual": machine.virtual},
            notes=tuple(notes),
            id=self.id,
            shared=tuple(shared),
            origin=self._origin(),
        )

    def _origin(self) -> Origin | None:
        machine, line, began_s = boot_id(), processes(), self._clock.began_steady_s
        if not machine or not line:
            return None
        ended_s = began_s + self._utc_s - self._clock.began_s
        return Origin(machine=machine, processes=line, began_s=began_s, ended_s=ended_s, below=self.plan.children)

    def _readings(self, hours: Mapping[str, _Sum], counted: bool) -> tuple[dict[str, Reading | Missing], dict[str, float]]:
        """What some hours hold, and their joules; `counted` where a counter has the idle in it."""
        machine, curve = instruments.machine()
        whole = sum(hours.values(), _Sum())
        readings: dict[str, Reading | Missing] = {
            "cpu_time": Reading(quantity="cpu_time", value=whole.cpu_s, how=How.MEASURED, n=1, covers=("cpu",)),
            "energy": active_energy(curve, whole.cpu_s),
            **{name: Missing(quantity=name, reason=reason) for name, reason in self._absent.items()},
            **whole.counted,
        }
        if not counted:
            readings["idle_energy"] = idle_energy(curve, machine.cores, whole.wall_s)
        hourly_j = {hour: _joules(readings, part, whole) for hour, part in sorted(hours.items())}
        readings["carbon"] = carbon_at(self.plan.site, readings, whole.wall_s, hourly_j)
        return readings, hourly_j


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


def _together(names: Sequence[str]) -> str:
    """Which blocks were open beside one."""
    said = ", ".join(map(repr, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    return (
        f"the block{'' if len(names) == 1 else 's'} {said} {'was' if len(names) == 1 else 'were'} open at the same time; "
        "each counts the whole process: exports add it once, a sum by hand would not"
    )


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
