"""What using the model takes before and after, what the search took, and when it is paid back: the part `impact` of result.json.

It is made of the readings in a result and of a site alone, so that another site can be taken later without measuring again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.core.trial import Readings
from paredown.impact.account import account, account_of_work
from paredown.impact.disclosure import disclosure
from paredown.impact.load import energy_of, load_of
from paredown.impact.site import Grid, Site
from paredown.impact.site_json import site_from_json, site_json
from paredown.pipeline.derived import accounted, accounted_ratios, bounds, views

MILLION = 1e6
DAY_S = 86400.0
TAKEN = ("energy", "idle_energy", "data_energy", "carbon", "market_carbon", "embodied_carbon", "sci", "water", "cost")
PAID = ("energy", "carbon", "cost")
_SIDES = ("baseline", "baseline_as_found", "fastest_fp32", "chosen", "nearest")
_AGAINST = {"ratios": "baseline", "ratios_vs_fastest_fp32": "fastest_fp32", "ratios_as_found": "baseline_as_found"}


def impact_of(result: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """The part `impact`.

    Args:
        result: The content of result.json; its sides are accounted at the site already.
        site: Where and how the model will run. The search is accounted there too: nothing else is known of the place it ran at.

    Returns:
        totals, search, payback, sci and site; every number a reading or {"missing": reason}.
    """
    found = result["chosen"] or result["nearest"]
    before = _readings(result["baseline"]["readings"])
    after = _readings(found["readings"]) if found else {}
    ratios = _readings(found["ratios"]) if found else {}
    count = MILLION if site.volume is None else site.volume
    spent = _spent(result["search"], site)
    return {
        "totals": {
            "count": count,
            "declared": site.volume is not None,
            "period_s": None if site.volume is None or site.rate is None else site.volume / site.rate,
            "load": {name: _load(side, site) for name, side in (("before", before), ("after", after))},
            "quantities": _totals((before, after, ratios), site, count),
        },
        "search": spent,
        "payback": {name: _payback(name, (before, after, ratios), spent, site) for name in PAID} if result["chosen"] else {},
        "sci": {
            name: disclosure(side, energy_of(side, site), site, result["unit"]) for name, side in (("before", before), ("after", after))
        },
        "site": site_json(site),
    }


def reaccounted(result: Mapping[str, Any], grid: Grid) -> dict[str, Any]:
    """A result with the electricity of another place or another year; nothing is measured, verdict and findings stay those of the run.

    Args:
        result: The content of result.json, with `impact`.
        grid: The other electricity.
    """
    site = replace(site_from_json(result["impact"]["site"]), grid=grid)
    out = dict(result)
    for side in _SIDES:
        if result[side]:
            out[side] = _accounted(result[side], site)
    for side in ("chosen", "nearest"):
        for ratios, against in _AGAINST.items():
            if out[side] and out[side][ratios]:
                out[side][ratios] = _ratios(out[side][ratios], out[against], out[side], site)
    trials = [_accounted(trial, site) for trial in result["trials"]]
    out["trials"] = [
        trial | {"ratios": _ratios(trial["ratios"], out["baseline"], trial, site)} if trial["ratios"] else trial for trial in trials
    ]
    return out | {"impact": impact_of(out, site) | {"instead_of": result["impact"]["site"]["grid"]}}


def _accounted(side: Mapping[str, Any], site: Site) -> dict[str, Any]:
    return {**side, "readings": _json(accounted(_readings(side["readings"]), site)) if side["readings"] else side["readings"]}


def _ratios(ratios: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any], site: Site) -> dict[str, Any]:
    return _json(accounted_ratios(_readings(ratios), _readings(before["readings"]), _readings(after["readings"]), site))


def _readings(data: Mapping[str, Any]) -> dict[str, Reading | Missing]:
    return {name: reading_from_json(name, item) for name, item in data.items()}


def _json(readings: Readings) -> dict[str, Any]:
    return {name: item.json() for name, item in readings.items()}


def _get(readings: Readings, name: str) -> Reading | Missing:
    return readings.get(name, Missing(quantity=name, reason="it was not measured"))


def _taken(readings: Readings, site: Site) -> dict[str, Reading | Missing]:
    """What one inference takes at the declared load: its idle energy is that of the work, and of waiting for the next."""
    idle, load = _get(readings, "idle_energy"), load_of(readings, site)
    if isinstance(load, Missing):
        idle = load
    elif isinstance(idle, Reading):
        idle = idle.times(load.idle_factor * site.vcpus / site.host_vcpus)
    return {"energy": _get(readings, "energy"), "idle_energy": idle, **account(readings, site)}


def _totals(sides: tuple[Readings, Readings, Readings], site: Site, count: float) -> dict[str, Any]:
    """Each quantity over all inferences: as given, chosen, and saved; the ends of what is saved are those over all that both may be."""
    before, after = (_taken(side, site) for side in sides[:2])
    pairs = views(sides[2], sides[0], sides[1])
    differ = [] if isinstance(pairs, Missing) else [(_taken(under, site), _taken(over, site)) for under, over in pairs]
    out = {}
    for name in (name for name in TAKEN if name in before):
        gaps = [_all(over[name], under[name]) for under, over in differ]
        saved = _less(before[name], after[name], gaps)
        shown = {"before": before[name], "after": after[name], "saved": saved}
        out[name] = {side: (item if isinstance(item, Missing) else item.times(count)).json() for side, item in shown.items()}
    return out


def _less(before: Reading | Missing, after: Reading | Missing, pairs: Sequence[list[Reading] | Missing]) -> Reading | Missing:
    """Before less after, between the extremes over pairs of what both may be."""
    found = _all(before, after)
    if isinstance(found, Missing):
        return found
    value, gaps = _gap(found), [_gap(pair) for pair in pairs if not isinstance(pair, Missing)]
    low, high = (pick(*gaps, value) if any(gaps) else None for pick in (min, max))
    return replace(found[1], value=value, low=low, high=high, source="")


def _gap(pair: Sequence[Reading]) -> float:
    """The first less the second; what differs by the rounding of numbers alone is 0."""
    first, second = (item.value for item in pair)
    return 0.0 if math.isclose(first, second, rel_tol=1e-9) else first - second


def _load(readings: Readings, site: Site) -> dict[str, Any]:
    """How many machines are kept and how busy they are; the count is None where no rate is declared."""
    load = load_of(readings, site)
    if isinstance(load, Missing):
        return load.json()
    return {"machines": load.machines, "busy": 1 / load.idle_factor, "note": load.note}


def _all(*items: Reading | Missing) -> list[Reading] | Missing:
    """The readings, or the first of them that is missing."""
    there = [item for item in items if isinstance(item, Reading)]
    return there if len(there) == len(items) else next(item for item in items if isinstance(item, Missing))


def _spent(search: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """What the search took, accounted as one piece of work that had the whole machine to itself."""
    energy, idle = (reading_from_json(name, search[key]) for name, key in (("energy", "energy_j"), ("idle_energy", "idle_energy_j")))
    work = {"energy": energy, "idle_energy": idle}
    factor, hours = _factor(search["hourly_j"], site.grid) if isinstance(site.grid, Grid) else (None, 0)
    alone = replace(site, vcpus=site.host_vcpus)
    if factor is not None and isinstance(site.grid, Grid):
        alone = replace(alone, grid=replace(site.grid, factor=replace(site.grid.factor, value=factor, low=None, high=None)))
    taken = {**work, **account_of_work(work, search["wall_s"], alone)}
    return {name: taken[name].json() for name in TAKEN if name in taken and name != "data_energy"} | {
        "g_per_kwh": factor,
        "hours": len(search["hourly_j"]),
        "hours_in_series": hours,
    }


def _factor(hourly_j: Mapping[str, float], grid: Grid) -> tuple[float | None, int]:
    """The mean factor over the joules of each hour, and how many hours the series holds; the others take its mean over all hours."""
    whole_j = sum(hourly_j.values())
    inside = [hour for hour in hourly_j if hour in grid.hourly]
    if not inside or whole_j <= 0:
        return None, 0
    return sum(joules * grid.hourly.get(hour, grid.factor.value) for hour, joules in hourly_j.items()) / whole_j, len(inside)


def _payback(name: str, sides: tuple[Readings, Readings, Readings], spent: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """After how many inferences, and days at the declared volume, the search has saved what it took."""
    before, after, ratio = (_get(side, name) for side in sides)
    inferences = _inferences(name, before, after, ratio, spent[name])
    days: Reading | Missing = Missing(quantity=name, reason="no volume over a period is declared, as `volume: 2e6 / month for 12 months`")
    if isinstance(inferences, Missing):
        days = inferences
    elif site.rate:
        days = replace(inferences.times(1 / site.rate / DAY_S), unit="d")
    return {"inferences": inferences.json(), "days": days.json()}


def _inferences(name: str, before: Reading | Missing, after: Reading | Missing, ratio: Reading | Missing, spent: Any) -> Reading | Missing:
    found = _all(reading_from_json(name, spent), before, after, ratio)
    if isinstance(found, Missing):
        return found
    cost, first, second, times = found
    low, high = bounds(times)
    if low <= 1 or first.value <= second.value:
        return Missing(quantity=name, reason=f"no saving is shown: the ratio is {times.value:.3g} ({low:.3g} to {high:.3g})")
    value = cost.value / (first.value - second.value)
    soonest, latest = (value * (times.value - 1) / (end - 1) for end in (high, low))
    return Reading(quantity="payback_inferences", value=value, low=soonest, high=latest, how=How.ESTIMATED)
