"""A site as plain data and back: what result.json keeps, so that readings can be accounted again without the job file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from paredown.core.job import DataPathSpec
from paredown.core.reading import Missing
from paredown.impact.site import Coefficient, Embodied, Grid, Prices, Site

_COEFFICIENTS = ("pue", "water_onsite", "water_offsite")


def site_json(site: Site) -> dict[str, Any]:
    """Each coefficient with its unit and source, or {"missing": reason}. A series is left out: its mean over all hours is there."""
    out = {name: item.json() if isinstance(item, Missing) else item for name, item in vars(site).items()}
    out |= {
        name: asdict(item) for name, item in vars(site).items() if isinstance(item, Coefficient | Grid | Embodied | Prices | DataPathSpec)
    }
    if isinstance(site.grid, Grid):
        del out["grid"]["hourly"]
    return out


def site_from_json(data: Mapping[str, Any]) -> Site:
    """The inverse of `site_json`, without a series."""
    fields = dict(data)
    for name in _COEFFICIENTS:
        fields[name] = _or_missing("water" if name != "pue" else name, data[name], lambda item: Coefficient(**item))
    fields["grid"] = _or_missing("carbon", data["grid"], lambda item: Grid(**{**item, "factor": Coefficient(**item["factor"])}))
    fields["embodied"] = _or_missing(
        "embodied_carbon", data["embodied"], lambda item: Embodied(**{**item, "total": Coefficient(**item["total"])})
    )
    fields["prices"] = None if data["prices"] is None else Prices(**data["prices"])
    fields["data_path"] = None if data["data_path"] is None else DataPathSpec(**data["data_path"])
    return Site(**fields)


def _or_missing(quantity: str, data: Mapping[str, Any], made: Any) -> Any:
    return Missing(quantity=quantity, reason=data["missing"]) if "missing" in data else made(data)
