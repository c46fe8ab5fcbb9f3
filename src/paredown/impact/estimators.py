"""Watts of one vCPU by estimators that share nothing but the name of the CPU: three answers where no counter gives one.

The question is the same for all: what does one more busy CPU second draw above idle, P(u) - P(0) over u, while the whole machine is at
load u? A virtual machine does not know u: its neighbours make it. So a bent curve answers with its range over loads from 10 to 100 %,
and with its value at half load. None takes a whole socket's power: a virtual machine owns a few threads of it.

`vcpu_curve`: a straight line between idle and full load of whole servers, by Cloud Carbon Footprint.
`tdp_share`: the thread's share of the chip's thermal design power, times a load curve; the CPU package alone.
`load_profile`: a logarithm fitted to idle, full load and overall score of whole servers; see `scripts/fit_profiles.py`.

The first and the last are drawn from the same benchmark, so that their agreement is no proof; what differs is which servers stand for a
CPU and how a load between idle and full is taken. Those two hold what fans, memory and power supply add when a server works.

Source: for each table its first lines; the load curve 0.12, 0.32, 0.75, 1.02 of the TDP at 0, 10, 50 and 100 % is Teads', "Building an AWS
EC2 Carbon Emissions Dataset", 2021, also Impact Framework, "Teads CPU pipeline".
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from statistics import median
from typing import Any

from paredown.core.reading import How
from paredown.core.runtime import Host

_MODERN = 2017  # unknown CPUs are taken to be at least this new
_NEWEST = 2  # microarchitectures per vendor that stand for what is newer than a table
_LOADS = tuple(tenth / 10 for tenth in range(1, 11))
_HALF = 0.5
_TEADS = ((0.0, 0.12), (0.1, 0.32), (0.5, 0.75), (1.0, 1.02))


@dataclass(frozen=True, kw_only=True)
class Span:
    """A number and the range it may lie in, in one unit."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Span:
        """The median of some numbers and their ends."""
        return cls(value=median(values), low=min(values), high=max(values))

    @classmethod
    def over(cls, spans: Sequence[Span], band: Sequence[Span]) -> Span:
        """The median of the values of `spans`, in the range that holds all of `band`."""
        return cls(value=median(span.value for span in spans), low=min(span.low for span in band), high=max(span.high for span in band))

    def times(self, factor: float) -> Span:
        """All three multiplied by a factor of 0 or more."""
        return Span(value=self.value * factor, low=self.low * factor, high=self.high * factor)

    def json(self) -> dict[str, Any]:
        """Watts as result.json holds a number."""
        return {"value": self.value, "low": self.low, "high": self.high, "unit": "W", "how": str(How.ESTIMATED)}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one estimator says of one vCPU.

    Args:
        name: "vcpu_curve", "tdp_share" or "load_profile".
        idle_w: Watts of an idle vCPU.
        active_w: Watts that a busy one adds.
        source: Where the watts come from, with date.
        note: Which rows of its table stand behind it, and why those.
    """

    name: str
    idle_w: Span
    active_w: Span
    source: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Family:
    """A microarchitecture in cpu_families.csv."""

    name: str
    vendor: str
    year: int
    segment: str


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What one table says of one microarchitecture."""

    family: Family
    idle_w: Span
    active_w: Span
    copied_from: str = ""


def family(host: Host) -> Family | None:
    """The host's microarchitecture, told by vendor, family, model and stepping; the brand string, often masked, is not read."""
    cpu = host.cpu
    for row in _table("cpu_families.csv"):
        if (
            row["vendor"] == cpu.get("vendor")
            and row["family"] == str(cpu.get("family"))
            and _within(cpu.get("model"), row["model_low"], row["model_high"])
            and (not row["stepping_low"] or _within(cpu.get("stepping"), row["stepping_low"], row["stepping_high"]))
        ):
            return _families()[row["microarchitecture"]]
    return None


def estimates(host: Host) -> list[Estimate]:
    """What all estimators that apply to the host's CPU say, the vCPU curve first, which always does.

    A microarchitecture in an estimator's table has its own row. One newer than the table takes the band of its vendor's two newest server
    rows. A row that the source copied from another CPU, and an unknown CPU, take the band over all modern rows (2017 and later). An
    estimator whose table knows nothing of the vendor, or only newer CPUs, does not apply.
    """
    found = (_estimate(name, source, rows(), host) for name, source, rows in _ESTIMATORS)
    return [estimate for estimate in found if estimate is not None]


def _estimate(name: str, source: str, rows: Mapping[str, _Row], host: Host) -> Estimate | None:
    modern = [row for row in rows.values() if row.family.year >= _MODERN and not row.copied_from]
    cpu = family(host)
    if cpu is None:
        seen = ", ".join(f"{key} {host.cpu.get(key) or 'unknown'}" for key in ("vendor", "family", "model"))
        own, band, note = modern, modern, f"the CPU ({seen}) is not in the table: band over all modern rows"
    elif cpu.name in rows:
        row = rows[cpu.name]
        own, band, note = [row], [row], f"{cpu.name}, its own row"
        if row.copied_from:
            band, note = [row, *modern], f"the source takes {row.copied_from} for {cpu.name}: band over all modern rows"
    else:
        servers = [row for row in rows.values() if row.family.vendor == cpu.vendor and row.family.segment == "server"]
        own = sorted(servers, key=lambda row: row.family.year)[-_NEWEST:]
        if not own or cpu.year <= own[-1].family.year:
            return None
        stand = " and ".join(row.family.name for row in own)
        band, note = own, f"{cpu.name} is newer than the table: band of {stand}"
        if any(row.copied_from for row in own):
            band = [*own, *modern]
            note = f"{cpu.name} is newer than the table, which has no watts of its own for {stand}: band over all modern rows"
    return Estimate(
        name=name,
        idle_w=Span.over([row.idle_w for row in own], [row.idle_w for row in band]),
        active_w=Span.over([row.active_w for row in own], [row.active_w for row in band]),
        source=source,
        note=note,
    )


@cache
def _vcpu_curve() -> dict[str, _Row]:
    """cpu_watts.csv; the tables made for different clouds differ a little, and that is the row's range."""
    rows = {}
    for name, lines in _by_name("cpu_watts.csv").items():
        idle_w, full_w = ([float(line[key]) for line in lines] for key in ("w_min", "w_max"))
        above_w = [full - idle for idle, full in zip(idle_w, full_w)]
        rows[name] = _Row(family=_families()[name], idle_w=Span.of(idle_w), active_w=Span.of(above_w), copied_from=lines[0]["copied_from"])
    return rows


@cache
def _tdp_share() -> dict[str, _Row]:
    """cpu_tdp.csv; the range is over the chips and over the loads."""
    rows = {}
    for name, lines in _by_name("cpu_tdp.csv").items():
        share_w = Span.of([float(line["tdp_w"]) / int(line["threads"]) for line in lines])
        above = _slope(_teads)
        active_w = Span(value=share_w.value * above.value, low=share_w.low * above.low, high=share_w.high * above.high)
        rows[name] = _Row(family=_families()[name], idle_w=share_w.times(_teads(0.0)), active_w=active_w)
    return rows


@cache
def _load_profile() -> dict[str, _Row]:
    """cpu_profiles.csv; a low, a median and a high server stand for each microarchitecture, each at all loads."""
    rows = {}
    for name, lines in _by_name("cpu_profiles.csv").items():
        servers = {line["rank"]: (float(line["a_w"]), float(line["b"]), float(line["d_w"])) for line in lines}
        slopes = {rank: _slope(_profile(*fit)) for rank, fit in servers.items()}
        rows[name] = _Row(
            family=_families()[name],
            idle_w=Span.of([d_w for _, _, d_w in servers.values()]),
            active_w=Span.over([slopes["median"]], list(slopes.values())),
        )
    return rows


_ESTIMATORS: tuple[tuple[str, str, Callable[[], dict[str, _Row]]], ...] = (
    (
        "vcpu_curve",
        "watts per vCPU from SPECpower results to 2021, Cloud Carbon Footprint commit dda7621f8ab2, taken 2026-11-22",
        _vcpu_curve,
    ),
    (
        "tdp_share",
        "thermal design power per thread as the vendors publish it, written down 2026-11-24, by the load curve of Teads 2021",
        _tdp_share,
    ),
    (
        "load_profile",
        "a ln(1 + b u) + d, form after Boavizta, fitted 2026-11-24 to SPECpower_ssj2008 results to 2021 (spec.org)",
        _load_profile,
    ),
)


def _slope(watts: Callable[[float], float]) -> Span:
    """Watts above idle per unit of load: at half load, and over all loads."""
    above = [(watts(load) - watts(0.0)) / load for load in _LOADS]
    return Span(value=above[_LOADS.index(_HALF)], low=min(above), high=max(above))


def _profile(a_w: float, b: float, d_w: float) -> Callable[[float], float]:
    return lambda load: a_w * math.log1p(b * load) + d_w


def _teads(load: float) -> float:
    """Share of the TDP at a load from 0 to 1, straight between the published points."""
    for (start, low), (end, high) in pairwise(_TEADS):
        if load <= end:
            return low + (high - low) * (load - start) / (end - start)
    return _TEADS[-1][1]


def _within(number: int | None, low: str, high: str) -> bool:
    return number is not None and int(low, 0) <= number <= int(high, 0)


@cache
def _families() -> dict[str, Family]:
    return {
        row["microarchitecture"]: Family(name=row["microarchitecture"], vendor=row["vendor"], year=int(row["year"]), segment=row["segment"])
        for row in _table("cpu_families.csv")
    }


def _by_name(table: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for line in _table(table):
        found.setdefault(line["microarchitecture"], []).append(line)
    return found


@cache
def _table(name: str) -> tuple[dict[str, str], ...]:
    """One of the tables beside this file; lines that begin with # say where it is from."""
    text = resources.files("paredown.impact").joinpath("tables", name).read_text("utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
