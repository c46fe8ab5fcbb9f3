"""What follows from recorded readings at a declared site: idle share, carbon, water, money, and their ratios.

None of it is recorded: the site may change, and what was measured does not. It is worked out where trials are read and where the final
readings are made, so that rules, the search and result.json see it beside the energy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from paredown.core.quantity import COUNTED
from paredown.core.reading import How, Missing, Reading, weakest
from paredown.core.trial import Readings
from paredown.impact.account import account
from paredown.impact.energy import Curve, idle_energy
from paredown.impact.site import Site

DERIVED = ("carbon", "embodied_carbon", "sci", "water", "cost")
_PARTS = ("energy", *COUNTED, "size")
"""What an account is made of beside time and idle energy."""
CANCELLED = "both sides at the same factors, which cancel"
_ENDS = ("value", "low", "high")
_MIXES = (("value", "value"), ("low", "low"), ("high", "high"), ("low", "high"), ("high", "low"))
"""Ends of energy and idle_energy: both are estimates and may err together or apart."""


def with_idle(readings: Readings, curve: Curve, vcpus: float) -> dict[str, Reading | Missing]:
    """The readings with the idle energy of the machine over the wall time of one inference, where no meter gave it.

    Args:
        readings: Of one side; without `throughput` nothing is added.
        curve: Of the machine that was measured on.
        vcpus: All of that machine's.
    """
    rate = readings.get("throughput")
    if "idle_energy" in readings or not isinstance(rate, Reading) or rate.value <= 0:
        return dict(readings)
    return {**readings, "idle_energy": replace(idle_energy(curve, vcpus, 1 / rate.value), n=rate.n)}


def accounted(readings: Readings, site: Site) -> dict[str, Reading | Missing]:
    """The readings with carbon, embodied_carbon, sci, water and cost at a site; what stood there of another site is replaced."""
    return {**readings, **account(readings, site)}


def undeclared(site: Site) -> dict[str, str]:
    """What will be missing at a site whatever is measured, with the reason: nobody has to wait for a run's end to learn it."""
    all_there = {name: Reading(quantity=name, value=1.0, how=How.MEASURED) for name in ("energy", "idle_energy", "throughput", "size")}
    return {name: item.reason for name, item in account(all_there, site).items() if isinstance(item, Missing)}


def accounted_ratios(ratios: Readings, before: Readings, after: Readings, site: Site) -> dict[str, Reading | Missing]:
    """The ratios with those of the idle energy and of all that is derived.

    Coefficients are the same on both sides and cancel. So a derived ratio is the candidate's account with its energies and its time taken
    as often as the ratios say, over the candidate's account; two accounts with an interval each would only show that nothing is known. Its
    ends are the extremes over the ends of those ratios, and over how energy and idle energy may weigh against each other.

    Args:
        ratios: Baseline over candidate, as measured.
        before, after: Readings of both sides.
        site: Of both.
    """
    now, pairs = account(after, site), views(ratios, before, after)
    if isinstance(pairs, Missing):
        return {**ratios, **{name: replace(pairs, quantity=name) for name in now}}
    accounts = [(account(under, site), account(over, site)) for under, over in pairs]
    derived = {name: _between(item, [(under[name], over[name]) for under, over in accounts]) for name, item in now.items()}
    wall = _wall(ratios, before, after)
    return {**ratios, **({"idle_energy": wall} if wall is not None else {}), **derived}


def views(ratios: Readings, before: Readings, after: Readings) -> list[tuple[Readings, Readings]] | Missing:
    """What both sides may be: the candidate's readings, and the same taken as often as the ratios say, as the baseline's.

    Returns:
        Pairs of (candidate, baseline), the middle one first, then those at the ends of the ratios and of both energies; Missing where
        something that was measured has no ratio.
    """
    parts = {"idle_energy": _wall(ratios, before, after)} | {
        name: found if isinstance(found := ratios.get(name), Reading) else _over(name, before.get(name), after.get(name)) for name in _PARTS
    }
    unknown = [name for name, ratio in parts.items() if ratio is None and isinstance(after.get(name), Reading)]
    if unknown:
        return Missing(quantity=unknown[0], reason=f"the ratio of {unknown[0]} is not known")
    known = {name: ratio for name, ratio in parts.items() if ratio is not None}
    mixed = [(_mixed(after, dict(zip(("energy", "idle_energy"), mix))), end) for mix, end in product(_MIXES, _ENDS)]
    return [(readings, _as_before(readings, known, end)) for readings, end in mixed]


def _wall(ratios: Readings, before: Readings, after: Readings) -> Reading | None:
    """The ratio of the wall times of one inference, and so of its idle energy: paired where windows were kept."""
    paired = ratios.get("idle_energy")
    return paired if isinstance(paired, Reading) else _over("idle_energy", after.get("throughput"), before.get("throughput"))


def _between(now: Reading | Missing, pairs: Sequence[tuple[Reading | Missing, Reading | Missing]]) -> Reading | Missing:
    """The ratio over all views, the first of which is the middle."""
    found = [
        over.value / under.value for under, over in pairs if isinstance(under, Reading) and isinstance(over, Reading) and under.value > 0
    ]
    if isinstance(now, Missing) or len(found) < len(pairs):
        return now if isinstance(now, Missing) else Missing(quantity=now.quantity, reason="it is 0, or not known on both sides")
    return replace(now, value=found[0], low=min(found), high=max(found), unit="x", source=CANCELLED)


def _mixed(readings: Readings, ends: Mapping[str, str]) -> dict[str, Reading | Missing]:
    """The readings with some of them moved to an end of their interval."""
    moved = {name: replace(item, value=_end(item, end)) for name, end in ends.items() if isinstance(item := readings.get(name), Reading)}
    return {**readings, **moved}


def _as_before(after: Readings, ratios: Mapping[str, Reading], end: str) -> dict[str, Reading | Missing]:
    """The candidate's readings as the baseline's would be by an end of their ratios; the time of an inference goes with its idle energy."""
    times = {name: _end(ratio, end) for name, ratio in ratios.items()}
    if "idle_energy" in times:
        times["throughput"] = 1 / times["idle_energy"]
    scaled = {name: item.times(factor) for name, factor in times.items() if isinstance(item := after.get(name), Reading)}
    return {**after, **scaled}


def _over(quantity: str, first: Reading | Missing | None, second: Reading | Missing | None) -> Reading | None:
    """One reading over another that was not paired with it; None where one is missing or 0."""
    if not isinstance(first, Reading) or not isinstance(second, Reading) or first.value <= 0 or second.value <= 0:
        return None
    times = (1 + _spread(first)) * (1 + _spread(second))
    value = first.value / second.value
    how = weakest((first.how, second.how))
    return Reading(quantity=quantity, value=value, low=value / times, high=value * times, unit="x", how=how, n=first.n)


def _spread(reading: Reading) -> float:
    """How far its upper end is above its value, as a share; a ratio takes it both ways."""
    return bounds(reading)[1] / reading.value - 1


def bounds(reading: Reading) -> tuple[float, float]:
    """Both ends of its interval; its value where it has none."""
    return _end(reading, "low"), _end(reading, "high")


def _end(reading: Reading, end: str) -> float:
    found: float | None = getattr(reading, end)
    return reading.value if found is None else found
