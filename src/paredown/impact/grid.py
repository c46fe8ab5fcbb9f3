"""Greenhouse gases of a kilowatt hour by place: countries, states and provinces, cloud regions.

Zones are written as ISO 3166 writes them ("NO", "NOR", "US-CA"), by English name ("Norway"), or as `gcp:europe-west1`. There is no zone by
default and none is guessed. Every table says its source, licence and date in its first lines.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from paredown.core.errors import UnknownName
from paredown.impact.site import Coefficient, Grid

OLD_YEARS = 2
EXAMPLES = ("NO", "NOR", "Norway", "US-CA", "CN-GD", "gcp:europe-west1", "aws:eu-west-1", "azure:westeurope")
_ALSO = {"UK": "GB", "EL": "GR"}
_TABLES = {
    "grid_countries.csv": "average of production over the life cycle of the plants; Ember and Energy Institute by Our World in Data, "
    "CC BY 4.0",
    "grid_us_states.csv": "average of production at the power stations; US EPA eGRID, public domain",
    "grid_canada_provinces.csv": "average of production over the life cycle of the plants, modelled from its mix; Canada Energy Regulator, "
    "Open Government Licence - Canada, and IPCC medians",
    "grid_china_provinces.csv": "average of production and transfers at the power stations, CO2 alone; official notice 2025 No. 47",
    "grid_nordic_zones.csv": "average of production, a lower bound; ENTSO-E by Khepri, MIT",
    "grid_gcp_regions.csv": "average of the grid in operation; Google Cloud, Apache-2.0",
}


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A place with its yearly factor.

    Args:
        code: As "NO", "US-CA".
        name: In English.
        g_per_kwh: g CO2e per kWh.
        year: Of the data.
        source: Who says so, under which licence, and what kind of average it is.
    """

    code: str
    name: str
    g_per_kwh: float
    year: int
    source: str


def zone(name: str) -> Zone:
    """The zone of a code or an English name.

    Raises:
        UnknownName: There is none; the nearest name is suggested.
    """
    known = zones()
    key = name.strip().casefold()
    if key not in known:
        around = max((other for other in known if key.startswith(f"{other}-")), key=len, default="")
        inside = next((other for other in known if other.endswith(f"-{key}")), "")
        near = inside or around or next(iter(difflib.get_close_matches(key, known, n=1, cutoff=0.7)), "")
        labels = {label.casefold(): label for item in known.values() for label in (item.code, item.name)}
        raise UnknownName("grid zone", name, EXAMPLES, "`paredown list zones` shows all.", labels.get(near, near))
    return known[key]


def grid_of(name: str, this_year: int | None = None) -> Grid:
    """The grid of a zone of the tables.

    Args:
        name: A code or an English name.
        this_year: What the age of the data is told from; the current year when None.

    Raises:
        UnknownName: There is no such zone.
    """
    found = zone(name)
    age = (this_year or datetime.now(UTC).year) - found.year
    old = f"; the data are {age} years old" if age > OLD_YEARS else ""
    source = f"{found.name} {found.year}, {found.source}{old}"
    return Grid(zone=found.code, factor=Coefficient(value=found.g_per_kwh, unit="g/kWh", source=source))


@cache
def zones() -> Mapping[str, Zone]:
    """Every zone by each of its names, in lower case; a country goes before a state of the same name."""
    out: dict[str, Zone] = {}
    for table, source in _TABLES.items():
        for row in _rows(table):
            item = Zone(code=row["zone"], name=row["name"], g_per_kwh=float(row["g_per_kwh"]), year=int(row["year"]), source=source)
            _add(out, item, row["zone"], row.get("alpha3", ""), row["name"] if ":" not in row["zone"] else "")
    for code, also in _ALSO.items():
        _add(out, out[also.casefold()], code)
    for row in _rows("cloud_regions.csv"):
        grid = out[row["zone"].casefold()]
        source = f"{grid.source}; taken for a region in {row['name']}, whose provider publishes none"
        _add(out, replace(grid, code=row["region"], source=source), row["region"])
    return out


def _add(zones: dict[str, Zone], item: Zone, *names: str) -> None:
    for name in names:
        if name:
            zones.setdefault(name.casefold(), item)


def _rows(table: str) -> list[dict[str, str]]:
    text = resources.files("paredown.impact").joinpath("tables", table).read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
