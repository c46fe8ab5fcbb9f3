"""Money per inference: rent, or electricity and write-off, with taxes, a carbon price and a subsidy."""

from __future__ import annotations

from collections.abc import Mapping

from paredown.core.reading import How, Missing, Reading
from paredown.impact.carbon import KWH_J
from paredown.impact.load import Load, total
from paredown.impact.site import Prices

HOUR_S, TONNE_G = 3600.0, 1e6


def parts_of(
    energy: Reading | Missing, carbon: Reading | Missing, load: Load | Missing, prices: Prices, pue: float
) -> Mapping[str, Reading | Missing]:
    """What one inference costs, by what it is paid for.

    Args:
        energy: J of the machines per inference, idle in it.
        carbon: g CO2e per inference, location-based.
        load: Time held per inference.
        prices: As declared; what is None has no entry.
        pue: The building's electricity is paid too.

    Returns:
        rent, electricity, tax, write_off and carbon, each per inference in the currency, before the subsidy.
    """
    rates = {
        "rent": (_held(load), prices.machine, 1 / HOUR_S),
        "electricity": (energy, prices.electricity, pue / KWH_J),
        "tax": (energy, prices.tax, pue / KWH_J),
        "write_off": (_held(load), prices.purchase, 1 / (prices.depreciation_s or 1.0)),
        "carbon": (carbon, prices.carbon, 1 / TONNE_G),
    }
    return {name: _paid(amount, price * per, prices.currency) for name, (amount, price, per) in rates.items() if price is not None}


def cost_of(parts: Mapping[str, Reading | Missing], prices: Prices) -> Reading | Missing:
    """Their sum less the subsidy; Missing when any part is, because a sum without it would look cheap."""
    for name, part in parts.items():
        if isinstance(part, Missing):
            return Missing(quantity="cost", reason=f"{name.replace('_', '-')}: {part.reason}")
    if not {"rent", "electricity", "write_off"} & set(parts):
        return Missing(quantity="cost", reason="neither rent, electricity nor a purchase is declared")
    counted = [part for part in parts.values() if isinstance(part, Reading)]
    notes = [f"{name.replace('_', '-')} {part.value:.2g}" for name, part in parts.items() if isinstance(part, Reading)]
    notes += [f"less a subsidy of {prices.subsidy:.0%}"] if prices.subsidy else []
    return total("cost", counted, [", ".join(notes)], unit=prices.currency).times(1 - prices.subsidy)


def _held(load: Load | Missing) -> Reading | Missing:
    return load if isinstance(load, Missing) else load.held


def _paid(amount: Reading | Missing, price: float, currency: str) -> Reading | Missing:
    """An amount times its price; the origin is the amount's, a price is a fact."""
    if isinstance(amount, Missing):
        return Missing(quantity="cost", reason=amount.reason)
    scaled = amount.times(price)
    return Reading(quantity="cost", value=scaled.value, low=scaled.low, high=scaled.high, how=How(amount.how), unit=currency)
