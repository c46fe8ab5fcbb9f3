"""Energy of CPU work on a machine without energy counters: an estimate from published watts per vCPU.

A vCPU at full load draws W_max, an idle one W_min. So t CPU seconds cost (W_max - W_min) * t above idle, and reserving n vCPUs for a
wall time of T costs W_min * n * T whatever they do. The two are kept apart. Never a socket's thermal design power: a virtual machine
owns a few threads of it.

Source: SPECpower_ssj2008 results per vCPU by Cloud Carbon Footprint, see `tables/cpu_watts.csv`; method after its "min and max watts".
Departs: takes CPU seconds instead of utilization x time, which is the same for a linear curve; adds an interval.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from statistics import median

from paredown.core.reading import How, Reading
from paredown.core.runtime import Host

SOURCE = "watts per vCPU from SPECpower results to 2021, Cloud Carbon Footprint commit dda7621f8ab2, taken 2026-11-22"
COVERS = ("cpu",)
MODEL_TERM = 0.15
"""Share by which one second of int8 vector code may differ from one second of the benchmark's; joined to the table's band."""

_MODERN = 2017  # unknown CPUs are taken to be at least this new
_NEWEST = 2  # rows per vendor that stand for what is newer than the table


@dataclass(frozen=True, kw_only=True)
class Span:
    """A number and the range it may lie in, in one unit."""

    value: float
    low: float
    high: float

    @classmethod
    def over(cls, spans: Sequence[Span], band: Sequence[Span]) -> Span:
        """The median of the values of `spans`, in the range that holds all of `band`."""
        return cls(value=median(span.value for span in spans), low=min(span.low for span in band), high=max(span.high for span in band))

    def times(self, factor: float) -> Span:
        """All three multiplied by a factor of 0 or more."""
        return Span(value=self.value * factor, low=self.low * factor, high=self.high * factor)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Power of one vCPU as a straight line from idle to full load.

    Args:
        name: The microarchitecture, or "unknown".
        idle_w: W_min in watts.
        active_w: W_max - W_min in watts: what full load adds.
        source: Where the watts come from, with date.
        note: Which rows stand behind it, and why those.
    """

    name: str
    idle_w: Span
    active_w: Span
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class _Row:
    """All that the tables publish for one microarchitecture."""

    name: str
    vendor: str
    year: int
    segment: str
    copied_from: str
    idle_w: Span
    active_w: Span


def cpu_curve(host: Host) -> Curve:
    """The curve of the host's CPU, told by vendor, family, model and stepping; the brand string, often masked, is not read.

    A microarchitecture in the table has its own row. One newer than the table takes the band of its vendor's two newest server rows. A row
    that the source copied from another CPU, and an unknown CPU, take the band over all modern rows (2017 and later).
    """
    rows = _rows()
    modern = [row for row in rows.values() if row.year >= _MODERN and not row.copied_from]
    name = _microarchitecture(host)
    if not name:
        seen = ", ".join(f"{key} {host.cpu.get(key) or 'unknown'}" for key in ("vendor", "family", "model"))
        return _curve("unknown", modern, modern, f"the CPU ({seen}) is not in the table: band over all modern rows")
    if name in rows:
        row = rows[name]
        if row.copied_from:
            return _curve(name, [row], [row, *modern], f"the source takes {row.copied_from} for {name}: band over all modern rows")
        return _curve(name, [row], [row], f"{name}, published row")
    vendor = str(host.cpu["vendor"])
    newest = sorted((row for row in rows.values() if row.vendor == vendor and row.segment == "server"), key=lambda row: row.year)[-_NEWEST:]
    stand = " and ".join(row.name for row in newest)
    if any(row.copied_from for row in newest):
        return _curve(
            name,
            newest,
            [*newest, *modern],
            f"{name} is newer than the table, which has no watts of its own for {stand}: band over all modern rows",
        )
    return _curve(name, newest, newest, f"{name} is newer than the table: band of {stand}")


def active_energy(curve: Curve, cpu_s: float) -> Reading:
    """Energy above idle of some CPU seconds.

    Args:
        curve: Of the CPU that did the work.
        cpu_s: CPU seconds of all threads; divide by the items for the energy of one.

    Returns:
        Quantity "energy" in J, estimated; the interval is the table's band widened by the model term.
    """
    return _reading("energy", curve, curve.active_w.times(cpu_s))


def idle_energy(curve: Curve, vcpus: float, wall_s: float) -> Reading:
    """Energy of reserved vCPUs doing nothing.

    Args:
        curve: Of the CPU.
        vcpus: How many are reserved.
        wall_s: For how long, in seconds.

    Returns:
        Quantity "idle_energy" in J, estimated; a quantity of its own, so that it is never added to the energy of the work by mistake.
    """
    return _reading("idle_energy", curve, curve.idle_w.times(vcpus * wall_s))


def energy_ratio(cpu_time: Reading) -> Reading:
    """The ratio of two energies on one CPU from the ratio of their CPU times: the watts cancel, the model term stays.

    Args:
        cpu_time: Ratio of CPU times with unit "x" and its interval.

    Returns:
        The same ratio as quantity "energy", estimated, the ends of its interval moved out by the model term.
    """
    low = cpu_time.value if cpu_time.low is None else cpu_time.low
    high = cpu_time.value if cpu_time.high is None else cpu_time.high
    note = f"ratio of CPU times; {MODEL_TERM:.0%} for what a CPU second draws in different code"
    return replace(
        cpu_time, quantity="energy", how=How.ESTIMATED, low=low * (1 - MODEL_TERM), high=high * (1 + MODEL_TERM), covers=COVERS, source=note
    )


def _reading(quantity: str, curve: Curve, joules: Span) -> Reading:
    return Reading(
        quantity=quantity,
        value=joules.value,
        low=joules.low * (1 - MODEL_TERM),
        high=joules.high * (1 + MODEL_TERM),
        how=How.ESTIMATED,
        covers=COVERS,
        source=f"{curve.source}; {curve.note}",
    )


def _curve(name: str, rows: list[_Row], band: list[_Row], note: str) -> Curve:
    """Values from `rows`, the range from `band`."""
    return Curve(
        name=name,
        idle_w=Span.over([row.idle_w for row in rows], [row.idle_w for row in band]),
        active_w=Span.over([row.active_w for row in rows], [row.active_w for row in band]),
        source=SOURCE,
        note=note,
    )


def _microarchitecture(host: Host) -> str:
    """Its name in cpu_families.csv; empty when the CPU is not there."""
    cpu = host.cpu
    for row in _table("cpu_families.csv"):
        if (
            row["vendor"] == cpu.get("vendor")
            and row["family"] == str(cpu.get("family"))
            and _within(cpu.get("model"), row["model_low"], row["model_high"])
            and (not row["stepping_low"] or _within(cpu.get("stepping"), row["stepping_low"], row["stepping_high"]))
        ):
            return row["microarchitecture"]
    return ""


def _within(number: int | None, low: str, high: str) -> bool:
    return number is not None and int(low, 0) <= number <= int(high, 0)


@cache
def _rows() -> dict[str, _Row]:
    """cpu_watts.csv by microarchitecture; the tables made for different clouds differ a little, and that is the row's range."""
    found: dict[str, list[dict[str, str]]] = {}
    for line in _table("cpu_watts.csv"):
        found.setdefault(line["microarchitecture"], []).append(line)
    rows = {}
    for name, lines in found.items():
        first = lines[0]
        w_min, w_max = ([float(line[key]) for line in lines] for key in ("w_min", "w_max"))
        rows[name] = _Row(
            name=name,
            vendor=first["vendor"],
            year=int(first["year"]),
            segment=first["segment"],
            copied_from=first["copied_from"],
            idle_w=_span(w_min),
            active_w=_span([high - low for low, high in zip(w_min, w_max)]),
        )
    return rows


def _span(values: list[float]) -> Span:
    return Span(value=median(values), low=min(values), high=max(values))


@cache
def _table(name: str) -> tuple[dict[str, str], ...]:
    """One of the tables beside this file; lines that begin with # say where it is from."""
    text = resources.files("paredown.impact").joinpath("tables", name).read_text("utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
