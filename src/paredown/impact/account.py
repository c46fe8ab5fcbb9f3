"""Carbon, water and money per inference, from the readings' energies and the site that was declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from paredown.core.reading import How, Missing, Reading, weakest
from paredown.core.trial import Readings
from paredown.impact import carbon, cost, water
from paredown.impact.data_path import data_energy
from paredown.impact.load import Load, energy_of, load_of, total
from paredown.impact.site import Coefficient, Grid, Site

SIGNAL = " signal of the grid"
"""What a source says after "marginal" or "unknown"; of an average nothing is said."""


def account(readings: Readings, site: Site) -> dict[str, Reading | Missing]:
    """What one inference causes at a site.

    Args:
        readings: Per inference, by quantity: an energy (`wall_energy`, or `energy` with `idle_energy`, or the counters), `throughput` for
            the time held, and `size` for downloads. For a run that is not cut into inferences, throughput is 1 over its wall seconds.
        site: Where and how, as declared.

    Returns:
        data_energy, carbon, embodied_carbon, sci, water and cost, and market_carbon where contracts are declared; what lacks a declaration
        or a reading is Missing with the reason.
    """
    load, energy, moved = load_of(readings, site), energy_of(readings, site), data_energy(readings, site)
    emitted, made = _carbon(energy, moved, site), _embodied(load, site)
    out = {
        "data_energy": moved,
        "carbon": emitted,
        "embodied_carbon": made,
        "sci": _sci(emitted, made),
        "water": _water(energy, site),
        "cost": _cost(energy, emitted, load, site),
    }
    return out if site.renewable is None else {**out, "market_carbon": _market(emitted, site.renewable)}


def signal_of(item: Reading) -> str:
    """The signal of the grid that a reading of carbon was made with: average, marginal or unknown."""
    return next((signal for signal in ("marginal", "unknown") if f"{signal}{SIGNAL}" in item.source), "average")


def account_of_work(readings: Readings, wall_s: float, site: Site) -> dict[str, Reading | Missing]:
    """What a piece of work that is done once causes, as a search or a training: the whole machine is held for as long as it takes.

    Args:
        readings: Of the whole work, by quantity, as for `account`.
        wall_s: Seconds that it took.
        site: Where it was done; rate, reserved CPUs, utilization and the paths of the model's data do not count.
    """
    held = Reading(quantity="throughput", value=1 / wall_s, how=How.MEASURED, source="for as long as it took")
    return account({**readings, "throughput": held}, replace(site, vcpus=site.host_vcpus, rate=None, utilization=1.0, data_path=None))


def _carbon(energy: Reading | Missing, moved: Reading | Missing, site: Site) -> Reading | Missing:
    """The machines' electricity with the building's, and the data's where it is declared; networks have no part in the building's PUE."""
    grid = site.grid
    for part in (grid, energy):
        if isinstance(part, Missing):
            return Missing(quantity="carbon", reason=part.reason)
    assert isinstance(grid, Grid)
    assert isinstance(energy, Reading)
    note = _pue(site) + ("" if grid.signal == "average" else f"; {grid.signal}{SIGNAL}")
    machines = _scaled("carbon", energy, grid.factor, lambda g_per_kwh: carbon.operational_g(1.0, g_per_kwh, site.pue.value), note)
    if isinstance(moved, Missing):
        return machines if site.data_path is None else total("carbon", (machines,), [f"moving data left out: {moved.reason}"])
    return total("carbon", (machines, _scaled("carbon", moved, grid.factor, lambda g_per_kwh: carbon.operational_g(1.0, g_per_kwh), "")))


def _market(emitted: Reading | Missing, renewable: float) -> Reading | Missing:
    if isinstance(emitted, Missing):
        return Missing(quantity="market_carbon", reason=emitted.reason)
    return total("market_carbon", (emitted.times(carbon.market_g(1.0, renewable)),), [f"{renewable:.0%} under contract counts as 0"])


def _embodied(load: Load | Missing, site: Site) -> Reading | Missing:
    if isinstance(site.embodied, Missing):
        return Missing(quantity="embodied_carbon", reason=site.embodied.reason)
    if isinstance(load, Missing):
        return Missing(quantity="embodied_carbon", reason=load.reason)
    machine = site.embodied
    note = f"{machine.share:.3g} of the machine over {machine.life_s / 3600:.6g} h, {load.note}"
    return _scaled("embodied_carbon", load.held, machine.total, lambda g: carbon.embodied_g(g, 1.0, machine.life_s, machine.share), note)


def _sci(emitted: Reading | Missing, made: Reading | Missing) -> Reading | Missing:
    for part in (emitted, made):
        if isinstance(part, Missing):
            return Missing(quantity="sci", reason=f"it needs {part.quantity}: {part.reason}")
    assert isinstance(emitted, Reading)
    assert isinstance(made, Reading)
    return total("sci", (emitted, made))


def _water(energy: Reading | Missing, site: Site) -> Reading | Missing:
    for part in (site.water_onsite, site.water_offsite, energy):
        if isinstance(part, Missing):
            return Missing(quantity="water", reason=part.reason)
    onsite, offsite = site.water_onsite, site.water_offsite
    assert isinstance(energy, Reading)
    assert isinstance(onsite, Coefficient)
    assert isinstance(offsite, Coefficient)
    note = f"on site {onsite.value:g} L/kWh ({onsite.source}), {_pue(site)}"
    return _scaled("water", energy, offsite, lambda l_per_kwh: water.water_l(1.0, onsite.value, l_per_kwh, site.pue.value), note)


def _cost(energy: Reading | Missing, emitted: Reading | Missing, load: Load | Missing, site: Site) -> Reading | Missing:
    if site.prices is None:
        return Missing(quantity="cost", reason="no price is declared")
    return cost.cost_of(cost.parts_of(energy, emitted, load, site.prices, site.pue.value), site.prices)


def _pue(site: Site) -> str:
    return f"PUE {site.pue.value:g} ({site.pue.source})"


def _scaled(quantity: str, amount: Reading, by: Coefficient, of_one: Callable[[float], float], note: str) -> Reading:
    """An amount times what one of it causes by a coefficient; the ends of both make the interval. Never more than an estimate."""
    low, value, high = (of_one(end) for end in (by.value if by.low is None else by.low, by.value, by.value if by.high is None else by.high))
    ends = (amount.low, amount.high) if amount.low is not None or by.low is None else (amount.value, amount.value)
    return Reading(
        quantity=quantity,
        value=amount.value * value,
        low=None if ends[0] is None else ends[0] * low,
        high=None if ends[1] is None else ends[1] * high,
        how=weakest((amount.how, How.ESTIMATED)),
        n=amount.n,
        covers=amount.covers,
        source="; ".join(text for text in (amount.source, f"{by.value:.15g} {by.unit} ({by.source.replace('; ', ', ')})", note) if text),
    )
