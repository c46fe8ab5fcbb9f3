"""Idle power, and energy above it where a counter gives a total. What idles is never taken off in silence: the reading names the watts.

The resting machine is looked at before and after the work, in one session; where the two differ the difference would be taken for work.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from paredown.core.meter import Meter, Window
from paredown.core.reading import Missing, Reading, reading_from_json, weakest
from paredown.impact.estimators import Span
from paredown.protocol.gates import Code

MAX_DRIFT = 0.05
"""Share by which the idle power before and after may differ."""

PARTS = ("package_energy", "dram_energy", "gpu_energy")
"""Counters that hold no part of each other; the wall holds them all, and so, nearly, does the platform's."""

Idle = Mapping[str, float | Missing]
"""Counter -> watts of the resting machine, or why they are not known."""

Rest = Mapping[str, Span | Missing]
"""Counter -> watts between those before the work and those after it."""


def idle_power(meters: Sequence[Meter], seconds: float) -> Idle:
    """What the machine draws while nothing of ours runs.

    Args:
        meters: Those that read counters and are ready; all processes under measurement have to be stopped.
        seconds: How long to look at least; longer where an instrument needs it.

    Returns:
        Watts by the meters' quantities.
    """
    order = sorted(meters, key=lambda meter: not meter.waits)
    for meter in order:
        meter.start()
    began_s = time.perf_counter()
    time.sleep(max([seconds, *(meter.least_s for meter in meters)]))
    window = Window(wall_s=time.perf_counter() - began_s, items=1)
    found = [item for meter in reversed(order) for item in meter.stop(window)]
    return {item.quantity: item if isinstance(item, Missing) else item.value / window.wall_s for item in found}


def agreed(before: Idle, after: Idle) -> Rest:
    """The mean of two idles by counter, from one to the other; Missing with the reason code where they differ by more than 5 %."""
    found: dict[str, Span | Missing] = {}
    for name, first_w in before.items():
        last_w = after.get(name, Missing(quantity=name, reason="it was not read after the windows"))
        if isinstance(first_w, Missing) or isinstance(last_w, Missing):
            found[name] = next(item for item in (first_w, last_w) if isinstance(item, Missing))
            continue
        mean_w = (first_w + last_w) / 2
        if abs(first_w - last_w) > MAX_DRIFT * mean_w:
            reason = f"{Code.IDLE}: {name} idled at {first_w:.3g} W before and at {last_w:.3g} W after; {MAX_DRIFT:.0%} apart is allowed."
            found[name] = Missing(quantity=name, reason=reason)
        else:
            found[name] = Span(value=mean_w, low=min(first_w, last_w), high=max(first_w, last_w))
    return found


def above_idle(total: Reading, idle_w: Span, wall_s: float) -> Reading | Missing:
    """Energy of the work alone, from a counter's total.

    Args:
        total: A counter's reading per item, idle in it.
        idle_w: Watts of the resting machine by the same counter.
        wall_s: Wall seconds per item: those of the window over its items.

    Returns:
        Quantity "energy" in J over the same hardware, made the same way, with the idle watts in `source`; its interval holds both idles, as
        far as they are apart. Missing where the work takes no more than what idle varies by.
    """
    low, high = total.value if total.low is None else total.low, total.value if total.high is None else total.high
    if low <= idle_w.high * wall_s:
        reason = f"{total.quantity} is {low:.3g} J, and idle alone takes up to {idle_w.high * wall_s:.3g} J in the same time"
        return Missing(quantity="energy", reason=reason)
    return Reading(
        quantity="energy",
        value=total.value - idle_w.value * wall_s,
        low=low - idle_w.high * wall_s,
        high=high - idle_w.low * wall_s,
        how=total.how,
        n=total.n,
        covers=total.covers,
        source=f"{total.quantity} above idle of {idle_w.low:.3g} to {idle_w.high:.3g} W, before and after ({total.source})",
    )


def energy_above_idle(readings: Mapping[str, Reading | Missing], idle: Rest, wall_s: float) -> Reading | Missing:
    """Energy above idle over as much of the machine as is counted: at the plug, else packages, memory and accelerators together.

    Args:
        readings: Of the work, per item.
        idle: From `agreed`; a counter that is not in it, or that had no number at rest, does not exist for the sum.
        wall_s: Wall seconds per item.

    Returns:
        Quantity "energy" in J; Missing where no counter is there, or where one that counted at rest has no number now: a sum without it
        would look smaller than the work was.
    """
    plug = _part("wall_energy", readings, idle, wall_s)
    if isinstance(plug, Reading):
        return plug
    parts = [part for name in PARTS if (part := _part(name, readings, idle, wall_s)) is not None]
    summed = [part for part in parts if isinstance(part, Reading)]
    if not parts:
        return _NONE if plug is None else plug
    if len(summed) < len(parts):
        return next(part for part in parts if isinstance(part, Missing))
    return Reading(
        quantity="energy",
        value=sum(part.value for part in summed),
        low=sum(part.low or 0.0 for part in summed),
        high=sum(part.high or 0.0 for part in summed),
        how=weakest(part.how for part in summed),
        n=summed[0].n,
        covers=tuple(name for part in summed for name in part.covers),
        source="; ".join(part.source for part in summed),
    )


_NONE = Missing(quantity="energy", reason="no energy counter was read both at rest and at work")


def in_windows(windows: Sequence[Mapping[str, Any]], before: Idle, after: Idle) -> tuple[list[dict[str, Any]], str]:
    """Windows in which `energy` is counted above idle instead of estimated: in all of them, over the same hardware, or in none.

    Args:
        windows: Of all sides, each {"wall_s", "items", "readings": {quantity: reading as JSON}}.
        before, after: Idle power; empty where the machine has no counters.

    Returns:
        The readings of each window, in the same order, and why their energy is still the estimate: empty where it is counted, and where
        there are no counters.
    """
    as_given = [dict(window["readings"]) for window in windows]
    if not before:
        return as_given, ""
    idle, found = agreed(before, after), []
    for window, readings in zip(windows, as_given):
        known = {name: reading_from_json(name, data) for name, data in readings.items()}
        energy = energy_above_idle(known, idle, window["wall_s"] / max(1, window["items"]))
        if isinstance(energy, Missing):
            return as_given, energy.reason
        found.append(energy)
    others = [energy for energy in found if energy.covers != found[0].covers]
    if others:
        return as_given, f"some windows are counted over {', '.join(found[0].covers)}, others over {', '.join(others[0].covers)}"
    return [{**readings, "energy": energy.json()} for readings, energy in zip(as_given, found)], ""


def _part(name: str, readings: Mapping[str, Reading | Missing], idle: Rest, wall_s: float) -> Reading | Missing | None:
    """One counter's energy above idle; None where there is no such counter."""
    idle_w, total = idle.get(name), readings.get(name)
    if idle_w is None or total is None:
        return None
    if isinstance(idle_w, Missing):
        return Missing(quantity="energy", reason=idle_w.reason) if idle_w.reason.startswith(Code.IDLE) else None
    if isinstance(total, Missing):
        return Missing(quantity="energy", reason=f"{name}: {total.reason}")
    return above_idle(total, idle_w, wall_s)
