"""What using the model takes before and after, what the search took, and when it is paid back: the part `impact` of result.json.

It is made of the readings in a result and of a site alone, so that another site can be taken later without measuring again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paredown.core.errors import UsageError
from paredown.core.job import ModelSpec
from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.core.trial import Readings, Spent
from paredown.impact.account import account, account_of_work
from paredown.impact.declared import grid_of_series
from paredown.impact.derived import accounted, accounted_ratios, views
from paredown.impact.disclosure import disclosure
from paredown.impact.energy import Curve, idle_energy
from paredown.impact.grid import grid_of
from paredown.impact.load import energy_of, load_of
from paredown.impact.site import Grid, Site
from paredown.impact.site_json import site_from_json, site_json
from paredown.intensity.series import read_series

MILLION = 1e6
DAY_S = 86400.0
TAKEN = ("energy", "idle_energy", "data_energy", "carbon", "market_carbon", "embodied_carbon", "sci", "water", "cost")
SPENT = ("energy", "idle_energy", "carbon", "embodied_carbon", "water", "cost")
PAID = ("energy", "carbon", "cost")
_SIDES = ("baseline", "baseline_as_found", "fastest_fp32", "chosen", "nearest")
_AGAINST = {"ratios": "baseline", "ratios_vs_fastest_fp32": "fastest_fp32", "ratios_as_found": "baseline_as_found"}


def impact_of(result: Mapping[str, Any], site: Site, upstream: Reading | Missing) -> dict[str, Any]:
    """The part `impact`.

    Args:
        result: The content of result.json; its sides are accounted at the site already.
        site: Where and how the model will run. The search is accounted there too: nothing else is known of the place it ran at.
        upstream: Energy of the training that made the model as given, as declared; never in a sum.

    Returns:
        totals, search, payback, upstream, sci and site; every number a reading or {"missing": reason}.
    """
    found = result["chosen"] or result["nearest"]
    before = _readings(result["baseline"]["readings"])
    after = _readings(found["readings"]) if found else {}
    known = Known.of(before, after, _readings(found["ratios"]) if found else {}, site)
    factor, hours = _factor(result["search"]["hourly_j"], site.grid)
    spent = _spent(result["search"], site, factor)
    return {
        "totals": {
            "count": MILLION if site.volume is None else site.volume,
            "declared": site.volume is not None,
            "period_s": None if site.volume is None or site.rate is None else site.volume / site.rate,
            "load": {name: _load(side, site) for name, side in (("before", before), ("after", after))},
            "quantities": _totals(known, MILLION if site.volume is None else site.volume),
        },
        "search": {name: spent[name].json() for name in SPENT}
        | {"g_per_kwh": factor, "hours": len(result["search"]["hourly_j"]), "hours_in_series": hours},
        "payback": {name: _payback(name, known, result["search"], site, factor) for name in PAID} if result["chosen"] else {},
        "upstream": upstream.json(),
        "sci": {
            name: disclosure(side, energy_of(side, site), site, result["unit"]) for name, side in (("before", before), ("after", after))
        },
        "site": site_json(site),
    }


def spent_json(spent: Spent, curve: Curve, cores: float) -> dict[str, Any]:
    """What a search took, as result.json holds it: the one source of every payback.

    Args:
        spent: The sum over its work.
        curve: The machine's energy model.
        cores: Of that machine.
    """
    ends = {end: spent.energy_j * getattr(curve.active_w, end) / curve.active_w.value for end in ("low", "high")}
    energy = {"value": spent.energy_j, **ends, "unit": "J", "how": str(How.ESTIMATED), "covers": ["cpu"], "source": curve.source}
    return {
        "energy_j": energy | {"unmetered_s": spent.unmetered_s},
        "idle_energy_j": idle_energy(curve, cores, spent.wall_s).json(),
        "cpu_s": spent.cpu_s,
        "wall_s": spent.wall_s,
    }


def payback_of(before: Readings, after: Readings, ratios: Readings, search: Mapping[str, Any], site: Site) -> Reading | Missing:
    """The inferences after which the energy of a search is saved.

    Args:
        before, after: Readings as given and of the candidate.
        ratios: Of the two.
        search: From `spent_json`, or the part `search` of a result.
        site: Of both.
    """
    found = _inferences("energy", Known.of(before, after, ratios, site), search, site, None)
    return replace(found, quantity="payback_inferences")


def upstream_of(model: ModelSpec) -> Reading | Missing:
    """The declared energy of the training that made a model."""
    if model.training_j is None:
        return Missing(quantity="energy", reason='not declared, as `model: {training_energy: 500 kWh, source: "model card, 2024"}`')
    return Reading(quantity="energy", value=model.training_j, how=How.ESTIMATED, source=f"declared: {model.training_source}")


def grid_named(name: str, column: str | None = None) -> Grid:
    """The grid of a file with a series, else of a zone of the tables.

    Args:
        name: A path, or a zone as `paredown list zones` shows them.
        column: Of a file with several.

    Raises:
        UnknownName: It is neither.
        BadData: The file is no series.
    """
    path = Path(name)
    if path.is_file() or path.suffix.lower() in (".csv", ".json", ".gz"):
        return grid_of_series(read_series(path, column), path.stem.removesuffix(".csv"))
    return grid_of(name)


def reaccounted(result: Mapping[str, Any], grid: Grid) -> dict[str, Any]:
    """A result with the electricity of another place or another year; nothing is measured, verdict and findings stay those of the run.

    Args:
        result: The content of result.json.
        grid: The other electricity.

    Raises:
        UsageError: The result has no `impact`: an older paredown wrote it.
    """
    if "site" not in result.get("impact", {}):
        raise UsageError(
            f"the result of {result['name']} was written by paredown {result['paredown']}, which kept no energy by the hour.\n"
            "  Run its job again: what is recorded is not measured again, and the result is written anew."
        )
    site = replace(site_from_json(result["impact"]["site"]), grid=grid)
    out = dict(result)
    for side in _SIDES:
        if result.get(side):
            out[side] = _accounted(result[side], site)
    for side in ("chosen", "nearest"):
        for ratios, against in _AGAINST.items():
            if out[side] and out[side][ratios]:
                out[side][ratios] = _ratios(out[side][ratios], out[against], out[side], site)
    trials = [_accounted(trial, site) for trial in result["trials"]]
    out["trials"] = [
        trial | {"ratios": _ratios(trial["ratios"], out["baseline"], trial, site)} if trial["ratios"] else trial for trial in trials
    ]
    upstream = reading_from_json("energy", result["impact"]["upstream"])
    return out | {"impact": impact_of(out, site, upstream) | {"instead_of": result["impact"]["site"]["grid"]}}


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


@dataclass(frozen=True, kw_only=True)
class Known:
    """Both sides at a site, per inference at the declared load.

    Args:
        before, after: As given and chosen, by quantity.
        pairs: All that both may be: (candidate's readings over those of `after`: energy, idle energy), candidate, baseline.
    """

    before: Readings
    after: Readings
    pairs: Sequence[tuple[tuple[float, float], Readings, Readings]]

    @classmethod
    def of(cls, before: Readings, after: Readings, ratios: Readings, site: Site) -> Known:
        """From recorded readings and their ratios."""
        seen = views(ratios, before, after)
        pairs = (
            [] if isinstance(seen, Missing) else [(_scales(under, after), _taken(under, site), _taken(over, site)) for under, over in seen]
        )
        return cls(before=_taken(before, site), after=_taken(after, site), pairs=pairs)

    def gap(self, name: str) -> float | Missing:
        """What one inference saves of a quantity."""
        found = _all(_get(self.before, name), _get(self.after, name))
        return found if isinstance(found, Missing) else _gap(found)

    def gaps(self, name: str) -> list[tuple[tuple[float, float], float]]:
        """The same for all that both may be."""
        found = [(scales, _all(_get(over, name), _get(under, name))) for scales, under, over in self.pairs]
        return [(scales, _gap(pair)) for scales, pair in found if not isinstance(pair, Missing)]


def _scales(readings: Readings, of: Readings) -> tuple[float, float]:
    """How many times its middle the energy and the idle energy are taken: the search's own err with them."""
    pairs = [(readings.get(name), of.get(name)) for name in ("energy", "idle_energy")]
    energy, idle = (
        first.value / second.value if isinstance(first, Reading) and isinstance(second, Reading) and second.value > 0 else 1.0
        for first, second in pairs
    )
    return energy, idle


def _gap(pair: Sequence[Reading]) -> float:
    """The first less the second; what differs by the rounding of numbers alone is 0."""
    first, second = (item.value for item in pair)
    return 0.0 if math.isclose(first, second, rel_tol=1e-9) else first - second


def _all(*items: Reading | Missing) -> list[Reading] | Missing:
    """The readings, or the first of them that is missing."""
    there = [item for item in items if isinstance(item, Reading)]
    return there if len(there) == len(items) else next(item for item in items if isinstance(item, Missing))


def _taken(readings: Readings, site: Site) -> dict[str, Reading | Missing]:
    """What one inference takes at the declared load: its idle energy is that of the work, and of waiting for the next."""
    idle, load = _get(readings, "idle_energy"), load_of(readings, site)
    if isinstance(load, Missing):
        idle = load
    elif isinstance(idle, Reading):
        idle = idle.times(load.idle_factor * site.vcpus / site.host_vcpus)
    return {"energy": _get(readings, "energy"), "idle_energy": idle, **account(readings, site)}


def _totals(known: Known, count: float) -> dict[str, Any]:
    """Each quantity over all inferences: as given, chosen, and saved between the extremes of what both may be."""
    out = {}
    for name in (name for name in TAKEN if name in known.before):
        before, after, gap = known.before[name], _get(known.after, name), known.gap(name)
        saved: Reading | Missing = gap if isinstance(gap, Missing) else _saved(after, gap, [one for _, one in known.gaps(name)])
        shown = {"before": before, "after": after, "saved": saved}
        out[name] = {side: (item if isinstance(item, Missing) else item.times(count)).json() for side, item in shown.items()}
    return out


def _saved(after: Reading | Missing, value: float, gaps: Sequence[float]) -> Reading:
    assert isinstance(after, Reading)
    low, high = (pick(*gaps, value) if any(gaps) else None for pick in (min, max))
    return replace(after, value=value, low=low, high=high, source="")


def _load(readings: Readings, site: Site) -> dict[str, Any]:
    """How many machines are kept and how busy they are; the count is None where no rate is declared."""
    load = load_of(readings, site)
    if isinstance(load, Missing):
        return load.json()
    return {"machines": load.machines, "busy": 1 / load.idle_factor, "note": load.note}


def _factor(hourly_j: Mapping[str, float], grid: Grid | Missing) -> tuple[float | None, int | None]:
    """The mean factor over the joules of each hour, and how many hours the series holds; the others take its mean over all hours.

    Both are None where no series was given.
    """
    mean = None if isinstance(grid, Missing) else grid.over(hourly_j)
    if isinstance(grid, Missing) or mean is None:
        return None, None
    return mean, sum(hour in grid.hourly for hour in hourly_j)


def _spent(search: Mapping[str, Any], site: Site, factor: float | None, scales: tuple[float, float] = (1.0, 1.0)) -> Readings:
    """What the search took, accounted as one piece of work that had the whole machine to itself."""
    energy, idle = (reading_from_json(name, search[f"{name}_j"]) for name in ("energy", "idle_energy"))
    work = {item.quantity: item.times(scale) for item, scale in zip((energy, idle), scales) if isinstance(item, Reading)}
    alone = replace(site, vcpus=site.host_vcpus)
    if factor is not None and isinstance(site.grid, Grid):
        alone = replace(alone, grid=replace(site.grid, factor=replace(site.grid.factor, value=factor, low=None, high=None)))
    return {**work, **account_of_work(work, search["wall_s"], alone)}


def _payback(name: str, known: Known, search: Mapping[str, Any], site: Site, factor: float | None) -> dict[str, Any]:
    """After how many inferences, and days at the declared volume, the search has saved what it took."""
    inferences = _inferences(name, known, search, site, factor)
    days: Reading | Missing = Missing(quantity=name, reason="no volume over a period is declared, as `volume: 2e6 / month for 12 months`")
    if isinstance(inferences, Missing):
        days = inferences
    elif site.rate:
        days = replace(inferences.times(1 / site.rate / DAY_S), unit="d")
    return {"inferences": inferences.json(), "days": days.json()}


def _inferences(name: str, known: Known, search: Mapping[str, Any], site: Site, factor: float | None) -> Reading | Missing:
    gap, spent = known.gap(name), _spent(search, site, factor)[name]
    for item in (gap, spent):
        if isinstance(item, Missing):
            return item
    assert isinstance(gap, float)
    assert isinstance(spent, Reading)
    gaps = known.gaps(name)
    if gap <= 0 or any(one <= 0 for _, one in gaps):
        return Missing(quantity=name, reason="no saving is shown")
    value = spent.value / gap
    ends = [item.value / one for scales, one in gaps if isinstance(item := _spent(search, site, factor, scales)[name], Reading)]
    return Reading(quantity="payback_inferences", value=value, low=min([*ends, value]), high=max([*ends, value]), how=How.ESTIMATED)
