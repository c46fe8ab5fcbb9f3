"""Energy to move and keep data: bytes times declared factors, because nobody measures it from the machine."""

from __future__ import annotations

from paredown.core.reading import How, Missing, Reading
from paredown.core.trial import Readings
from paredown.impact.carbon import KWH_J
from paredown.impact.site import Site


def data_energy(readings: Readings, site: Site) -> Reading | Missing:
    """Energy per inference of a request and its answer, of the model's downloads and of its copies at rest.

    Downloads are shared by the declared volume, copies by the declared rate. No factor stands for another: energy per byte differs by
    orders of magnitude between networks.

    Args:
        readings: With `size`, the bytes that are deployed.
        site: With `data_path`, volume and rate.

    Returns:
        Quantity "data_energy" in J, modelled; Missing where a factor, the volume or the size is not known.
    """
    path, size = site.data_path, readings.get("size")
    if path is None:
        return _missing("no factor for moving or keeping data is declared")
    if path.storage_w_per_b is None and not (path.devices or path.payload_b):
        return _missing("neither `devices` nor `payload` is declared under `deploy.transfer`")
    asked, factors = 0.0, []
    if path.transfer_j_per_b is not None:
        asked += path.payload_b * path.transfer_j_per_b
        factors.append(f"{path.transfer_j_per_b * 1e9 / KWH_J:.3g} kWh/GB moved")
    if path.devices or path.storage_w_per_b is not None:
        if not isinstance(size, Reading):
            return _missing("the size of what is deployed is not known")
        if path.devices:
            if not site.volume:
                return _missing("downloads are shared by the volume, which is not declared")
            asked += size.value * path.devices * (path.transfer_j_per_b or 0.0) / site.volume
        if path.storage_w_per_b is not None:
            if not site.rate:
                return _missing("copies are shared by the rate, and no volume per period is declared")
            asked += size.value * path.copies * path.storage_w_per_b / site.rate
            factors.append(f"{path.storage_w_per_b * 1e12:.3g} W/TB kept")
    return Reading(quantity="data_energy", value=asked, how=How.MODELLED, covers=("network",), source=f"{', '.join(factors)} (declared)")


def _missing(reason: str) -> Missing:
    return Missing(quantity="data_energy", reason=reason)
