"""Where a block is run, as its caller says it, and the carbon that follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from paredown.core.errors import UsageError
from paredown.core.job import Deploy, GridSpec
from paredown.core.reading import Missing, Reading
from paredown.ground.amounts import BadAmount, amount, is_finite
from paredown.impact.account import account_of_work
from paredown.impact.declared import site_of
from paredown.impact.site import Coefficient, Grid, Site
from paredown.intensity.series import read_series
from paredown.tracking.instruments import machine

_FILES = (".csv", ".json", ".gz")


def site_at(grid: str | Path | None, pue: float | None = None) -> Site | Missing:
    """The site that a place means.

    Args:
        grid: A zone ("NO", "US-CA", "gcp:europe-west1"), an amount ("380 g/kWh"), or the file of an hourly series.
        pue: Energy of the building over energy of its machines; None says "not declared" and takes 1.

    Raises:
        UnknownName: There is no such zone.
        BadData: The file is no series.
        UsageError: `pue` is below 1, or stands without a place.
    """
    if pue is not None and not (is_finite(pue) and pue >= 1):
        raise UsageError(f"pue is {pue!r}; a building takes at least what its machines take.\n  Write 1 or more, as `pue=1.2`.")
    if grid is None:
        if pue is not None:
            raise UsageError(f'pue is {pue:g} and no place is given.\n  Write `grid="NO"` or `grid="380 g/kWh"` beside it.')
        return Missing(quantity="carbon", reason="no place was declared; `grid` takes one, as NO or 380 g/kWh")
    text = str(grid)
    if isinstance(grid, Path) or text.endswith(_FILES):
        series = read_series(text)
        factor = Coefficient(value=series.average, unit="g/kWh", source=series.source)
        found = Grid(zone=series.zone, factor=factor, signal=series.signal, hourly=series.hourly())
        return replace(_site(GridSpec(factor=series.average, pue=pue)), grid=found)
    if text[:1].isdigit():
        try:
            return _site(GridSpec(factor=amount(text, "g/kWh"), pue=pue))
        except BadAmount as error:
            raise UsageError(f"grid is {text!r}; {error}") from None
    return _site(GridSpec(zone=text, pue=pue))


def _site(grid: GridSpec) -> Site:
    return site_of(Deploy(grid=grid), Path(), machine()[0])


def carbon_at(
    site: Site | Missing, readings: Mapping[str, Reading | Missing], wall_s: float, hourly_j: Mapping[str, float]
) -> Reading | Missing:
    """Carbon of a block, hour by hour where the grid is known by the hour.

    Args:
        site: From `site_at`.
        readings: The block's energies.
        wall_s: Its wall seconds.
        hourly_j: Its joules by UTC hour.
    """
    if isinstance(site, Missing):
        return site
    grid = site.grid
    if isinstance(grid, Grid) and grid.hourly:
        unknown = [hour for hour, joules in hourly_j.items() if joules and hour not in grid.hourly]
        if unknown:
            ends = f"{min(grid.hourly)} to {max(grid.hourly)}"
            return Missing(quantity="carbon", reason=f"{grid.factor.source} holds {ends}, not the hour {unknown[0]}")
        mean = grid.over(hourly_j)
        value = grid.factor.value if mean is None else mean
        site = replace(site, grid=replace(grid, factor=replace(grid.factor, value=value, source=f"{grid.factor.source}, hour by hour")))
    return account_of_work(readings, max(wall_s, 1e-9), site)["carbon"]
