"""Water used up for electricity and cooling."""

from __future__ import annotations

from paredown.impact.carbon import KWH_J


def water_l(energy_j: float, onsite_l_per_kwh: float, offsite_l_per_kwh: float, pue: float = 1.0) -> float:
    """E_machines x (WUE_onsite + PUE x WUE_offsite), in liters.

    Args:
        energy_j: Of the machines.
        onsite_l_per_kwh: Evaporated for cooling, per kWh of the machines.
        offsite_l_per_kwh: Used up by power stations, per kWh at the plug of the building.
        pue: Energy of the building over energy of its machines.

    Source: Li, Yang, Islam & Ren, "Making AI less thirsty", 2025, arXiv:2304.03271; as EcoLogits writes it.
    """
    return energy_j / KWH_J * (onsite_l_per_kwh + pue * offsite_l_per_kwh)
