"""Carbon of electricity, the embodied share, and the Software Carbon Intensity.

SCI = ((E x I) + M) per R, with M = TE x (TiR / EL) x (RR / ToR). I is the grid's own factor; contracts, certificates and offsets never
enter it, and make a figure of their own.

Source: Green Software Foundation, SCI specification v1.1.0; intended to follow ISO/IEC 21031:2024.
"""

from __future__ import annotations

KWH_J = 3.6e6


def operational_g(energy_j: float, factor_g_per_kwh: float, pue: float = 1.0) -> float:
    """O = E x I, the energy with the building's share of it.

    Args:
        energy_j: Of the machines.
        factor_g_per_kwh: I, g CO2e per kWh, average or marginal.
        pue: Energy of the building over energy of its machines.
    """
    return energy_j / KWH_J * pue * factor_g_per_kwh


def embodied_g(total_g: float, reserved_s: float, life_s: float, share: float = 1.0) -> float:
    """M = TE x (TiR / EL) x (RR / ToR).

    Args:
        total_g: TE, g CO2e of making the machine.
        reserved_s: TiR, how long it is reserved.
        life_s: EL, how long it is expected to live.
        share: RR / ToR, the share of the machine that is reserved, 0 to 1.
    """
    return total_g * (reserved_s / life_s) * share


def market_g(carbon_g: float, renewable: float) -> float:
    """Market-based figure: what is under contract counts as 0, the rest as the grid. Never part of SCI.

    Args:
        carbon_g: Location-based.
        renewable: Share of the electricity under contract, 0 to 1.

    Source: GHG Protocol Scope 2 Guidance, market-based method.
    Departs: the rest takes the grid's factor; a residual mix would be higher.
    """
    return carbon_g * (1 - renewable)
