"""Greenhouse gases of a kilowatt hour by place: countries, states and provinces, cloud regions.

Zones are written as ISO 3166 writes them ("NO", "NOR", "US-CA"), by English name ("Norway"), or as `gcp:europe-west1`. There is no zone by
default and none is guessed. Every table says its source, licence and date in its first lines.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from paredown.core.errors import UnknownName
from paredown.impact.site import Coefficient, Grid

OLD_YEARS = 2
_TABLES = {"grid_countries.csv": "Ember and Energy Institute by Our World in Data (CC BY 4.0): yearly average of production, life cycle"}


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
    known = _zones()
    key = name.strip().casefold()
    if key not in known:
        raise UnknownName("grid zone", name, {item.code if len(key) <= 3 else item.name for item in known.values()})
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
    old = f"; data of {age} years ago" if age > OLD_YEARS else ""
    source = f"{found.name} {found.year}, {found.source}{old}"
    return Grid(zone=found.code, factor=Coefficient(value=found.g_per_kwh, unit="g/kWh", source=source))


@cache
def _zones() -> dict[str, Zone]:
    """Every zone by each of its names, in lower case."""
    out: dict[str, Zone] = {}
    for table, source in _TABLES.items():
        for row in _rows(table):
            item = Zone(code=row["zone"], name=row["name"], g_per_kwh=float(row["g_per_kwh"]), year=int(row["year"]), source=source)
            out |= {key.casefold(): item for key in (row["zone"], row.get("alpha3", ""), row["name"]) if key}
    return out


def _rows(table: str) -> list[dict[str, str]]:
    text = resources.files("paredown.impact").joinpath("tables", table).read_text("utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
