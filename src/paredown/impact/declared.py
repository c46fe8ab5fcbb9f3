"""From a job's declarations to the site that its readings are accounted at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from paredown.core.errors import BadData
from paredown.core.job import DataPathSpec, Deploy, GridSpec, MachineSpec
from paredown.core.reading import Missing
from paredown.core.runtime import Host
from paredown.impact.grid import grid_of
from paredown.impact.site import Coefficient, Embodied, Grid, Prices, Site
from paredown.intensity.series import Series, read_series

DECLARED = "declared"


def site_of(deploy: Deploy, folder: Path, host: Host) -> Site:
    """The place and the machine of a deployment.

    Args:
        deploy: As declared in the job; `Deploy(grid=GridSpec(zone="NO"))` is enough for carbon.
        folder: Where the path of a series starts.
        host: The machine that readings come from.

    Raises:
        UnknownName: There is no such zone.
        BadData: The file of a series cannot be used.
    """
    grid, machine = deploy.grid, deploy.machine
    return Site(
        grid=_grid(grid, folder),
        pue=Coefficient(value=1.0, unit="1", source="not declared") if grid.pue is None else _declared(grid.pue, "1"),
        water_onsite=_water("water_onsite", grid.water_onsite),
        water_offsite=_water("water_offsite", grid.water_offsite),
        embodied=_embodied(machine),
        prices=_prices(deploy),
        vcpus=host.cores if machine.vcpus is None else machine.vcpus,
        host_vcpus=host.cores,
        utilization=1.0 if machine.utilization is None else machine.utilization,
        rate=deploy.volume / deploy.period_s if deploy.volume and deploy.period_s else None,
        volume=deploy.volume,
        data_path=None if deploy.data_path == DataPathSpec() else deploy.data_path,
        renewable=grid.renewable,
    )


def grid_of_series(series: Series, zone: str = "", signal: str = "") -> Grid:
    """The grid of an hourly series: its mean as the factor, each hour beside it.

    Args:
        series: Hourly, or in even parts of an hour.
        zone: What to call the place; the series' own name when empty.
        signal: As declared; the series' own when empty.

    Raises:
        BadData: The series says another signal.
    """
    series = signalled(series, signal)
    notes = "; ".join((series.source, f"mean of {series.span}", *(note.rstrip(".") for note in series.notes)))
    factor = Coefficient(value=series.average, unit="g/kWh", source=notes)
    return Grid(zone=zone or series.zone, factor=factor, signal=series.signal, hourly=series.hourly())


def signalled(series: Series, declared: str) -> Series:
    """A series with the signal that was declared, where one was.

    Raises:
        BadData: The file says another one.
    """
    if declared == "average" and series.signal == "marginal":
        raise BadData(
            f"{series.source} says that it is marginal, and average was declared.\n"
            "  Take `signal` out, or give the series of average intensity."
        )
    return replace(series, signal=declared or series.signal)


def _declared(value: float, unit: str) -> Coefficient:
    return Coefficient(value=value, unit=unit, source=DECLARED)


def _grid(spec: GridSpec, folder: Path) -> Grid | Missing:
    if spec.series:
        return grid_of_series(read_series(folder / spec.series, spec.column or None), spec.zone, spec.signal)
    if spec.factor is not None:
        return Grid(zone=spec.zone or "declared", factor=_declared(spec.factor, "g/kWh"), signal=spec.signal or "average")
    if spec.zone:
        return grid_of(spec.zone)
    return Missing(quantity="carbon", reason="no place was declared: write `deploy: {grid: {zone: ...}}` or a `factor`")


def _water(key: str, value: float | None) -> Coefficient | Missing:
    if value is not None:
        return _declared(value, "L/kWh")
    return Missing(quantity="water", reason=f"`deploy.grid.{key}` is not declared")


def _embodied(machine: MachineSpec) -> Embodied | Missing:
    if machine.embodied_g is None or machine.life_s is None:
        return Missing(quantity="embodied_carbon", reason="`embodied` and `life` are not declared under `deploy.machine`")
    return Embodied(total=_declared(machine.embodied_g, "g"), life_s=machine.life_s, share=1.0 if machine.share is None else machine.share)


def _prices(deploy: Deploy) -> Prices | None:
    if not deploy.currency:
        return None
    machine, prices = deploy.machine, deploy.prices
    share = 1.0 if machine.share is None else machine.share
    return Prices(
        currency=deploy.currency,
        electricity=prices.electricity,
        machine=machine.price,
        purchase=None if machine.purchase is None else machine.purchase * share,
        depreciation_s=machine.depreciation_s,
        carbon=prices.carbon,
        tax=prices.tax,
        subsidy=prices.subsidy or 0.0,
    )
