"""Where and how a model is run, as declared: what turns joules into carbon, water and money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from paredown.core.job import DataPathSpec
from paredown.core.reading import Missing


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A number that was declared or taken from a table.

    Args:
        value: In `unit`.
        unit: As "g/kWh", "L/kWh", "EUR/kWh".
        source: Who says so, with year and licence where it is a table; "declared" for the user's own.
        low, high: Its range where the source has one.
    """

    value: float
    unit: str
    source: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Greenhouse gases of a kilowatt hour at a place.

    Args:
        zone: As declared: a country, a province, a cloud region, or the name of a series.
        factor: g CO2e per kWh over the whole year or the whole series.
        signal: "average", "marginal", or "unknown" where nobody says; no two of them are mixed in one sum.
        hourly: UTC hour ("2023-01-01T00") -> g CO2e per kWh where a series was given, else empty.
    """

    zone: str
    factor: Coefficient
    signal: str = "average"
    hourly: dict[str, float] = field(default_factory=dict)

    def over(self, hourly_j: Mapping[str, float]) -> float | None:
        """g CO2e per kWh over joules by UTC hour; an hour that the series lacks takes its mean. None without a series or joules."""
        whole_j = sum(hourly_j.values())
        if not self.hourly or whole_j <= 0:
            return None
        return sum(joules * self.hourly.get(hour, self.factor.value) for hour, joules in hourly_j.items()) / whole_j


@dataclass(frozen=True, kw_only=True)
class Embodied:
    """Greenhouse gases of making the machine, and the share of them that this use takes (SCI: M = TE x TiR/EL x RR/ToR).

    Args:
        total: TE, g CO2e of the whole machine.
        life_s: EL, seconds that the machine is expected to live.
        share: RR/ToR, the share of the machine that is reserved, 0 to 1.
    """

    total: Coefficient
    life_s: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Money, all in one currency; what was not declared is None.

    Args:
        currency: ISO 4217 code.
        electricity: Per kWh. `machine` and it are alternatives: rent has the electricity in it.
        machine: Rent per hour of the machine.
        purchase: Price of an own machine, or of the share of it that is reserved, written off over `depreciation_s`.
        depreciation_s: Seconds over which `purchase` is written off.
        carbon: Price or tax per tonne of CO2e.
        tax: Energy tax per kWh on top of `electricity`.
        subsidy: Share of the cost that somebody else pays, 0 to 1.
    """

    currency: str
    electricity: float | None = None
    machine: float | None = None
    purchase: float | None = None
    depreciation_s: float | None = None
    carbon: float | None = None
    tax: float | None = None
    subsidy: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """All that is known about the place and the machine of a deployment.

    Args:
        grid: Missing where no place was declared: carbon is then Missing with that reason, never a silent default.
        pue: Energy of the building over energy of its machines, 1 or more; says "not declared" in its source where it is a plain 1.
        water_onsite: L per kWh of the machines (WUE).
        water_offsite: L per kWh at the plug, used up by power stations.
        embodied: Of the machine.
        prices: None where none was declared.
        vcpus: Reserved for this use.
        host_vcpus: Of the machine on which idle power was measured; idle goes by vcpus / host_vcpus.
        utilization: Share of the reserved time in which a machine may be kept busy, 0 to 1; the rest is put on what it does.
        rate: Inferences per second that are asked; None where no volume per period was declared.
        volume: Inferences over the model's life; None where it was not declared.
        data_path: What moving and keeping data takes; None where it was not declared.
        renewable: Share of the electricity that is under contract, 0 to 1; makes a market-based figure beside, never inside SCI.
    """

    grid: Grid | Missing
    pue: Coefficient
    water_onsite: Coefficient | Missing
    water_offsite: Coefficient | Missing
    embodied: Embodied | Missing
    prices: Prices | None
    vcpus: float
    host_vcpus: float
    utilization: float = 1.0
    rate: float | None = None
    volume: float | None = None
    data_path: DataPathSpec | None = None
    renewable: float | None = None
