"""What a piece of work took: the one record that every export is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paredown.core.reading import Missing, Reading, reading_from_json

ACTIVITIES = ("training", "fine-tuning", "compression-search", "validation", "inference", "idle", "other")


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A part of a record that others hold too: of a time in which blocks of the same process were open that had begun before it.

    Args:
        within: Ids of their records, longest open first; any of them holds all of this part.
        wall_s: Wall seconds of the part.
        amounts: What it has of each quantity, in the unit of the record's reading.
        hourly_j: Its joules by UTC hour.
    """

    within: Sequence[str]
    wall_s: float
    amounts: Mapping[str, float]
    hourly_j: Mapping[str, float] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {"within": list(self.within), "wall_s": self.wall_s, "amounts": dict(self.amounts), "hourly_j": dict(self.hourly_j)}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which process made a record and when, so that those of one machine can be laid beside each other.

    Args:
        machine: What no other machine has, new at each of its starts.
        processes: The process, then those above it.
        began_s, ended_s: Seconds of the clock that all processes of the machine share and nobody sets.
        below: True when the processes below it are counted too.
    """

    machine: str
    processes: Sequence[str]
    began_s: float
    ended_s: float
    below: bool

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "processes": list(self.processes)}


@dataclass(frozen=True, kw_only=True)
class EnergyRecord:
    """Energy and what follows from it for one piece of work, with how each number was made.

    Args:
        activity: One of ACTIVITIES.
        subject: What did it: an artifact's name, a command, the name of a tracked block.
        unit: The functional unit: "inference", "run", ...
        count: How many of them the record holds.
        readings: Sums over the whole record by quantity, in SI base units: cpu_time, energy, idle_energy, carbon, ...
        estimators: The same energy by every estimator that fits this machine, by its name; empty where a counter was read.
        wall_s: Wall seconds from start to end.
        started: UTC time, ISO 8601.
        hourly_j: UTC hour ("2026-11-24T21") -> joules of that hour, idle share included; they add up to the whole.
        boundary: What is in it and what is not, in words.
        host: The machine: cpu, cores, memory_b, virtual, steal.
        windows: {"n", "window_s", "dropped": [{"reason", "n"}]}; empty for a single run.
        notes: What weakens the numbers, one sentence each.
        id: What no other record has, of whatever machine; empty where it is not known.
        shared: Parts that other records hold too, each moment once; `exports.sums.outermost` leaves them out of sums.
        origin: The process that made it; None where it is not known.
    """

    activity: str
    subject: str
    unit: str
    count: float
    readings: Mapping[str, Reading | Missing]
    wall_s: float
    started: str
    boundary: str
    estimators: Mapping[str, Reading] = field(default_factory=dict)
    hourly_j: Mapping[str, float] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    windows: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    id: str = ""
    shared: Sequence[Shared] = ()
    origin: Origin | None = None

    def per_unit(self) -> dict[str, Reading | Missing]:
        """The readings of one functional unit; all that could be counted, divided by the count."""
        return {name: item if isinstance(item, Missing) else item.times(1 / self.count) for name, item in self.readings.items()}

    def json(self) -> dict[str, Any]:
        """Plain data, in SI base units."""
        return {
            "activity": self.activity,
            "subject": self.subject,
            "unit": self.unit,
            "count": self.count,
            "wall_s": self.wall_s,
            "started": self.started,
            "readings": {name: item.json() for name, item in self.readings.items()},
            "estimators": {name: item.json() for name, item in self.estimators.items()},
            "hourly_j": dict(self.hourly_j),
            "boundary": self.boundary,
            "host": dict(self.host),
            "windows": dict(self.windows),
            "notes": list(self.notes),
            "id": self.id,
            "shared": [part.json() for part in self.shared],
            "origin": self.origin and self.origin.json(),
        }


def record_from_json(data: Mapping[str, Any]) -> EnergyRecord:
    """The inverse of `json()`; what `paredown measure --json -- COMMAND` adds to a record is left out."""
    readings = {name: reading_from_json(name, item) for name, item in data["readings"].items()}
    estimators = {name: reading_from_json("energy", item) for name, item in data["estimators"].items()}
    known = {name: data[name] for name in EnergyRecord.__dataclass_fields__ if name in data}
    shared = [Shared(**part) for part in data.get("shared", ())]
    origin = Origin(**data["origin"]) if data.get("origin") else None
    return EnergyRecord(**{**known, "readings": readings, "estimators": estimators, "shared": shared, "origin": origin})
