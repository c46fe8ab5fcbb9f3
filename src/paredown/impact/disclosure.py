"""What has to be said beside a Software Carbon Intensity: boundary, methodology, coefficients.

Source: SCI specification v1.1.0, "Report"; fields of the Green Software Foundation's report template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paredown.core.reading import How, Missing, Reading
from paredown.core.trial import Readings
from paredown.impact.carbon import KWH_J
from paredown.impact.site import Coefficient, Site

SPECIFICATION = "Software Carbon Intensity v1.1.0 (Green Software Foundation); intended to follow ISO/IEC 21031:2024"
_METHODS = {How.COUNTED: "measured", How.MEASURED: "measured", How.ESTIMATED: "modeled", How.MODELLED: "modeled"}


def disclosure(accounted: Readings, energy: Reading | Missing, site: Site, unit: str = "inference") -> dict[str, Any]:
    """The disclosure of one account, as plain data.

    Args:
        accounted: What `account` gave.
        energy: What `energy_of` gave: J of the machines per functional unit.
        site: Of both.
        unit: The functional unit R.

    Returns:
        sci, specification, functional_unit, boundary {included, excluded}, breakdown with E in kWh as the specification wants it,
        methodologies of E, I and M tagged sourced, measured or modeled, and coefficients {coefficient, description, value, unit, source}.
        What only the operator knows (organization, accountable person) is not in it.
    """
    named = {name: accounted.get(name, Missing(quantity=name, reason="not accounted")) for name in ("sci", "carbon", "embodied_carbon")}
    return {
        "sci": named["sci"].json(),
        "specification": SPECIFICATION,
        "functional_unit": unit,
        "boundary": _boundary(accounted, energy, site),
        "breakdown": {"E": _kwh(energy), "operational": named["carbon"].json(), "embodied": named["embodied_carbon"].json()},
        "methodologies": _methodologies(energy, site),
        "coefficients": coefficients(site),
    }


def _kwh(energy: Reading | Missing) -> dict[str, Any]:
    return energy.json() if isinstance(energy, Missing) else replace(energy.times(1 / KWH_J), unit="kWh").json()


def coefficients(site: Site) -> list[dict[str, Any]]:
    """Every coefficient that an account at a site uses."""
    named: Mapping[str, tuple[str, Coefficient | Missing]] = {
        "grid-intensity": ("carbon intensity of the grid", site.grid if isinstance(site.grid, Missing) else site.grid.factor),
        "pue": ("PUE, energy of the building over energy of its machines", site.pue),
        "wue-onsite": ("water evaporated on site", site.water_onsite),
        "wue-offsite": ("water used up by power stations", site.water_offsite),
        "device-embodied": ("carbon of making the machine", site.embodied if isinstance(site.embodied, Missing) else site.embodied.total),
    }
    rows = [
        {"coefficient": name, "description": what, "value": item.value, "unit": item.unit, "source": item.source}
        for name, (what, item) in named.items()
        if isinstance(item, Coefficient)
    ]
    path, declared = site.data_path, []
    if not isinstance(site.embodied, Missing):
        declared += [("expected-lifespan", "life of the machine", site.embodied.life_s, "s")]
        declared += [("resource-share", "share of the machine that is reserved", site.embodied.share, "1")]
    if path is not None and path.transfer_j_per_b is not None:
        declared += [("network-transfer-to-energy", "energy to move a byte", path.transfer_j_per_b, "J/B")]
    if path is not None and path.storage_w_per_b is not None:
        declared += [("storage-to-power", "power to keep a byte", path.storage_w_per_b, "W/B")]
    return rows + [
        {"coefficient": name, "description": what, "value": value, "unit": unit, "source": "declared"}
        for name, what, value, unit in declared
    ]


def _boundary(accounted: Readings, energy: Reading | Missing, site: Site) -> dict[str, list[str]]:
    """What is in the figure and what is not."""
    included = []
    if isinstance(energy, Reading):
        covered = " and ".join(one.replace("cpu", "CPU") for one in energy.covers)
        included.append(f"{covered or 'all'} of the serving machine, with its idle")
    included += ["the building's overhead, by PUE"] if site.pue.value > 1 else []
    included += [] if isinstance(site.embodied, Missing) else ["the making of the reserved share of the machine"]
    moved = isinstance(accounted.get("data_energy"), Reading)
    included += ["requests, downloads and copies of the model, by declared factors"] if moved else []
    excluded = ["training and search before deployment, reported apart", "end user devices", "monitoring, logging and backup"]
    excluded += [] if moved else ["network and storage: no factor is declared"]
    excluded += ["renewable contracts, certificates and offsets: market-based measures are never part of SCI"]
    return {"included": included, "excluded": excluded}


def _methodologies(energy: Reading | Missing, site: Site) -> dict[str, dict[str, str]]:
    """E, I and M, each with how it was obtained."""
    out = {}
    if isinstance(energy, Reading):
        out["E"] = {"method": _METHODS[energy.how], "description": energy.source}
    if not isinstance(site.grid, Missing):
        out["I"] = {"method": "sourced", "description": f"{site.grid.signal} intensity of {site.grid.zone}: {site.grid.factor.source}"}
    if not isinstance(site.embodied, Missing):
        out["M"] = {"method": "sourced", "description": f"TE x (TiR / EL) x (RR / ToR); TE: {site.embodied.total.source}"}
    return out
