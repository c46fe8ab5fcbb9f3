"""Energy of CPU work on a machine without energy counters: an estimate from watts per vCPU.

A vCPU at full load draws W_max, an idle one W_min. So t CPU seconds cost (W_max - W_min) * t above idle, and reserving n vCPUs for a
wall time of T costs W_min * n * T whatever they do. The two are kept apart. The value is the vCPU curve's; the interval holds what all
estimators say that apply to the CPU (`impact/estimators.py`, docs/decisions/0010).

Source: method after Cloud Carbon Footprint's "min and max watts".
Departs: takes CPU seconds instead of utilization x time, which is the same for a straight line; adds an interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from paredown.core.reading import How, Reading
from paredown.core.runtime import Host
from paredown.impact.estimators import Estimate, Span, estimates, family

COVERS = ("cpu",)
MODEL_TERM = 0.15
"""Share by which one second of int8 vector code may differ from one second of the benchmark's; joined to the tables' band."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Power of one vCPU as a straight line from idle to full load.

    Args:
        name: The microarchitecture, or "unknown".
        idle_w: W_min in watts; its range holds the ranges of all estimators.
        active_w: W_max - W_min in watts: what full load adds; its range holds the ranges of all estimators.
        source: Where the values come from, with date.
        note: Which rows stand behind the values, and why those.
        estimates: What each estimator says, the one that gives the values first.
    """

    name: str
    idle_w: Span
    active_w: Span
    source: str
    note: str
    estimates: tuple[Estimate, ...] = ()

    @property
    def spread(self) -> float:
        """The highest watts that any estimator allows over the lowest."""
        return self.active_w.high / self.active_w.low


def cpu_curve(host: Host) -> Curve:
    """The curve of the host's CPU: the value of the vCPU curve, in the range that holds all estimators that apply."""
    found, cpu = estimates(host), family(host)
    lead = found[0]
    return Curve(
        name=cpu.name if cpu else "unknown",
        idle_w=Span.over([lead.idle_w], [estimate.idle_w for estimate in found]),
        active_w=Span.over([lead.active_w], [estimate.active_w for estimate in found]),
        source=lead.source,
        note=lead.note,
        estimates=tuple(found),
    )


def boundary(host: Host) -> str:
    """What the estimated energy covers on this host, in words."""
    return f"CPU of this {'virtual machine' if host.virtual else 'machine'} above idle; memory, disks, network and cooling are not in it"


def curve_json(curve: Curve, host: Host) -> dict[str, Any]:
    """The curve with all its estimators and its boundary on this host, as result.json and `doctor --json` hold it."""
    return {
        "name": curve.name,
        "source": curve.source,
        "note": curve.note,
        "boundary": boundary(host),
        "idle_w": curve.idle_w.json(),
        "active_w": curve.active_w.json(),
        "spread": curve.spread,
        "estimators": {
            one.name: {"idle_w": one.idle_w.json(), "active_w": one.active_w.json(), "source": one.source, "note": one.note}
            for one in curve.estimates
        },
    }


def active_energy(curve: Curve, cpu_s: float) -> Reading:
    """Energy above idle of some CPU seconds.

    Args:
        curve: Of the CPU that did the work.
        cpu_s: CPU seconds of all threads; divide by the items for the energy of one.

    Returns:
        Quantity "energy" in J, estimated; the interval is the band of all estimators widened by the model term.
    """
    return _reading("energy", curve.active_w.times(cpu_s), _source(curve, "busy"))


def active_energies(curve: Curve, cpu_s: float) -> dict[str, Reading]:
    """The same energy by each estimator that applies.

    Args:
        curve, cpu_s: As for `active_energy`.

    Returns:
        The estimator's name -> quantity "energy" in J; the interval is its own band widened by the model term.
    """
    return {
        estimate.name: _reading("energy", estimate.active_w.times(cpu_s), f"{estimate.source}; {estimate.note}")
        for estimate in curve.estimates
    }


def idle_energy(curve: Curve, vcpus: float, wall_s: float) -> Reading:
    """Energy of reserved vCPUs doing nothing.

    Args:
        curve: Of the CPU.
        vcpus: How many are reserved.
        wall_s: For how long, in seconds.

    Returns:
        Quantity "idle_energy" in J, estimated; a quantity of its own, so that it is never added to the energy of the work by mistake.
    """
    return _reading("idle_energy", curve.idle_w.times(vcpus * wall_s), _source(curve, "idle"))


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


def _source(curve: Curve, kind: str) -> str:
    """Of the value, and what the interval holds; kind is "busy" or "idle"."""
    spans = {one.name: one.active_w if kind == "busy" else one.idle_w for one in curve.estimates}
    held = ", ".join(f"{name} {_two_digits(span.low)} to {_two_digits(span.high)} W" for name, span in spans.items())
    return f"{curve.source}; {curve.note}" + (f"; the interval holds, per {kind} vCPU, {held}" if held else "")


def _two_digits(watts: float) -> str:
    return f"{watts:#.2g}".rstrip(".")


def _reading(quantity: str, joules: Span, source: str) -> Reading:
    return Reading(
        quantity=quantity,
        value=joules.value,
        low=joules.low * (1 - MODEL_TERM),
        high=joules.high * (1 + MODEL_TERM),
        how=How.ESTIMATED,
        covers=COVERS,
        source=source,
    )
