"""From windows to readings with intervals, and to ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paredown.core.meter import Fact, Window
from paredown.core.quantity import COUNTED
from paredown.core.reading import How, Missing, Reading, reading_from_json, weakest
from paredown.core.trial import Readings
from paredown.ground import registry
from paredown.impact.energy import energy_ratio
from paredown.protocol.bench import Windows
from paredown.stats.intervals import mean_interval
from paredown.stats.ratios import cut, ratio

RATIOS = (
    "cpu_time",
    "energy",
    *COUNTED,
    "latency_p50",
    "latency_p95",
    "latency_p99",
    "size",
    "peak_rss",
    "cold_start",
    "parameters",
    "multiply_adds",
)

TIMED = ("cpu_time", "energy", *COUNTED, "latency_p50", "latency_p95", "latency_p99", "cold_start")
"""Those that the machine's noise touches."""


def of_windows(windows: Windows, side: str) -> dict[str, Reading | Missing]:
    """One reading per quantity that the meters gave: the mean over windows with its 95 % interval; memory is the largest."""
    out: dict[str, Reading | Missing] = {}
    rounds = windows.sides[side]
    for quantity in rounds[0]:
        series = windows.series(side, quantity)
        first = reading_from_json(quantity, dict(rounds[0][quantity]))
        if not series or isinstance(first, Missing):
            out[quantity] = first if isinstance(first, Missing) else Missing(quantity=quantity, reason="absent in some windows")
            continue
        if quantity == "peak_rss":
            value = low = high = max(series)
        else:
            value, low, high = mean_interval(_per_sitting(series, windows.sittings))
            low = max(low, 0.0)
        if first.low is not None and first.high is not None and first.value:
            # what all windows share, an estimate's model or the idle power taken off, stands beside their spread
            low, high = low * first.low / first.value, high * first.high / first.value
        out[quantity] = Reading(
            quantity=quantity,
            value=value,
            low=low,
            high=high,
            how=first.how,
            n=len(series),
            covers=first.covers,
            source=first.source,
            unit=first.unit,
        )
    laps = windows.laps_s.get(side, ())
    if laps:
        # single windows hold too few calls for percentiles, so that those of all windows together stand instead
        pooled = registry.get("meters", "latency")().stop(Window(wall_s=sum(laps), items=len(laps), laps_s=laps))
        out |= {item.quantity: item for item in pooled if not isinstance(out.get(item.quantity), Reading)}
    cold_s = windows.cold_s.get(side)
    if cold_s:
        value, low, high = mean_interval(cold_s)
        ends = (max(low, 0.0), high) if len(cold_s) > 1 else (None, None)
        out["cold_start"] = Reading(quantity="cold_start", value=value, how=How.MEASURED, n=len(cold_s), low=ends[0], high=ends[1])
    return out


def _per_sitting(series: Sequence[float], sittings: int) -> Sequence[float]:
    """The mean of each sitting, which is what varies independently; the windows themselves where there was one sitting."""
    return [sum(part) / len(part) for part in cut(series, sittings)] if sittings > 1 else series


def facts(artifact: Path) -> dict[str, Reading | Missing]:
    """What an artifact's files say without running it: size, parameters, multiply-adds."""
    units = [unit() for unit in registry.working("meters") if issubclass(unit, Fact)]
    return {reading.quantity: reading for unit in units for reading in unit.facts(artifact)}


def ratios(windows: Windows, baseline: str, candidate: str, before: Readings, after: Readings) -> dict[str, Reading | Missing]:
    """Baseline over candidate for each quantity, so that 12.0 means twelve times less.

    Args:
        windows: Interleaved windows of both sides.
        baseline, candidate: Side names.
        before, after: Readings of both sides, for what has no windows (size, counts).
    """
    out: dict[str, Reading | Missing] = {}
    for quantity in RATIOS:
        if quantity in COUNTED and not (quantity in before and quantity in after):
            continue
        out[quantity] = _ratio(quantity, windows, (baseline, candidate), before, after)
    cpu = out["cpu_time"]
    energy = after.get("energy")
    if isinstance(cpu, Reading) and isinstance(energy, Reading) and energy.how in (How.ESTIMATED, How.MODELLED):
        out["energy"] = energy_ratio(cpu)
    elif isinstance(out["energy"], Reading) and all("low" in window["energy"] for window in windows.sides[baseline]):
        out["energy"] = _over_idle(out["energy"], windows, (baseline, candidate))
    return out


def _over_idle(found: Reading, windows: Windows, sides: Sequence[str]) -> Reading:
    """The ratio of energies above idle in an interval that holds it at either end of the idle power, which moves both sides one way."""
    ends = [found.low, found.high]
    for end in ("low", "high"):
        series = [[window["energy"][end] for window in windows.sides[side]] for side in sides]
        if all(value is not None for each in series for value in each):
            ends += ratio(series[0], series[1], sittings=windows.sittings)[1:]
    known = [end for end in ends if end is not None]
    return replace(found, low=min(known), high=max(known))


def _ratio(quantity: str, windows: Windows, sides: Sequence[str], before: Readings, after: Readings) -> Reading | Missing:
    series = [windows.series(side, quantity) for side in sides]
    if all(series) and quantity != "peak_rss":
        value, low, high = ratio(series[0], series[1], sittings=windows.sittings)
        return Reading(quantity=quantity, value=value, low=low, high=high, unit="x", how=How.MEASURED, n=len(series[0]))
    first, second = before.get(quantity), after.get(quantity)
    for item in (first, second):
        if not isinstance(item, Reading):
            return item if isinstance(item, Missing) else Missing(quantity=quantity, reason="not measured")
    assert isinstance(first, Reading)
    assert isinstance(second, Reading)
    if second.value == 0:
        return Missing(quantity=quantity, reason="the candidate's value is 0")
    how = weakest((first.how, second.how))
    value = first.value / second.value
    ends: tuple[float | None, float | None] = (None, None)
    spread = (first.low, first.high) != (first.value, first.value) or (second.low, second.high) != (second.value, second.value)
    if spread and None not in (first.low, first.high, second.low, second.high) and second.low and second.high:
        ends = first.low / second.high, first.high / second.low  # type: ignore[operator]
    return Reading(quantity=quantity, value=value, low=ends[0], high=ends[1], unit="x", how=how, n=min(first.n or 1, second.n or 1))
