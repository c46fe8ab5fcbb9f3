"""What one inference holds of the machines that are kept for it: time, and energy with its share of idle.

A machine that is kept draws its idle power whether it is asked or not: E(rate) = P_idle / rate + E_dynamic for as long as one machine is
enough. Above that, so many are kept that none is busier than the declared utilization. Without a declared rate there is one inference
after the other.

Source: SCI specification v1.1.0, "Energy": all hardware reserved or provisioned counts, not just the hardware actually used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paredown.core.reading import How, Missing, Reading, weakest
from paredown.core.trial import Readings
from paredown.impact.site import Site


@dataclass(frozen=True, kw_only=True)
class Load:
    """Machine time per inference.

    Args:
        busy: Seconds that an inference keeps a machine busy, one after the other.
        held: Machine seconds kept for it: the busy ones and its share of the waiting.
        machines: How many are kept; None without a declared rate.
        note: At which load, in words.
    """

    busy: Reading
    held: Reading
    machines: int | None
    note: str

    @property
    def idle_factor(self) -> float:
        """Held over busy time: 1 for a machine that never waits."""
        return self.held.value / self.busy.value


def load_of(readings: Readings, site: Site) -> Load | Missing:
    """Time held per inference at the declared rate, or at the declared utilization where there is no rate.

    Args:
        readings: With `throughput`; for a run that is not cut into inferences, 1 over its wall seconds, with a source that says so.
        site: Gives rate and utilization.
    """
    found = readings.get("throughput")
    if not isinstance(found, Reading) or not found.value:
        return Missing(quantity="throughput", reason=found.reason if isinstance(found, Missing) else "no throughput was measured")
    low = 1 / found.high if found.high else None
    high = 1 / found.low if found.low else None
    busy = Reading(quantity="held_time", unit="s", value=1 / found.value, low=low, high=high, how=found.how, n=found.n)
    if not site.rate:
        note = found.source or "as if the machine were busy all the time; no volume per period is declared"
        if site.utilization < 1:
            note = f"with the machine busy {site.utilization:.0%} of the time, as declared"
        return Load(busy=busy, held=busy.times(1 / site.utilization), machines=None, note=note)
    machines = max(1, math.ceil(site.rate / (found.value * site.utilization) * (1 - 1e-9)))
    held = replace(busy, value=max(machines / site.rate, busy.value), low=None, high=None)
    kept = "1 machine" if machines == 1 else f"{machines} machines, each answering one after the other"
    return Load(busy=busy, held=held, machines=machines, note=f"at {site.rate:.2g} inferences per second on {kept}")


def energy_of(readings: Readings, site: Site) -> Reading | Missing:
    """Joules of the machines per inference, at the declared load.

    The best there is: the plug's meter; the work above idle and its idle share, where both were counted; the counters as they stand; the
    estimate of both. What a machine draws while it waits is added from `idle_energy`.

    Returns:
        Quantity "energy" in J, idle in it; its source says what stands behind it.
    """
    load, idle = load_of(readings, site), readings.get("idle_energy")
    share = site.vcpus / site.host_vcpus
    parts = busy_machine(readings, share)
    if not parts:
        work = readings.get("energy")
        return Missing(quantity="energy", reason=work.reason if isinstance(work, Missing) else "no energy was measured")
    notes = [] if isinstance(idle, Reading) or parts[0].quantity != "energy" else ["idle share not known, so left out"]
    if isinstance(load, Missing):
        notes.append("as measured; the time held is not known")
    else:
        notes.append(load.note)
        waiting = load.idle_factor - 1
        if isinstance(idle, Reading) and waiting:
            parts.append(idle.times(share * waiting))
        elif waiting:
            notes.append("idle power not known, so waiting is left out")
    return total("energy", parts, notes)


def busy_machine(readings: Readings, share: float = 1.0) -> list[Reading]:
    """Energies that add up to that of a busy machine, idle in it, none counted twice.

    Args:
        readings: By quantity; those that are no energy do not matter.
        share: Of the machine's idle power that counts.
    """
    known = {name: item for name, item in readings.items() if isinstance(item, Reading)}
    work, idle = known.get("energy"), known.get("idle_energy")
    apart = [] if work is None else [work] if idle is None else [work, idle.times(share)]
    counted = [known[name] for name in ("package_energy", "dram_energy") if name in known and "package_energy" in known]
    if "wall_energy" in known:
        return [known["wall_energy"]]
    if "platform_energy" in known:
        found = [known["platform_energy"]]
    elif counted and (work is None or not work.how.at_least(How.MEASURED)):
        found = counted
    else:
        found = apart
    card = known.get("gpu_energy")
    beside = card is not None and not any(set(card.covers) & set(part.covers) for part in found)
    return [*found, card] if card is not None and beside else found


def total(quantity: str, parts: Sequence[Reading], notes: Sequence[str] = (), unit: str = "") -> Reading:
    """The sum of readings of different hardware or purpose, the weakest origin kept; `covers` and sources are joined, each said once.

    The ends add up, as if all parts erred the same way.
    """
    bounds = [[getattr(part, end) if getattr(part, end) is not None else part.value for part in parts] for end in ("low", "high")]
    spread = any(part.low is not None for part in parts)
    covers = dict.fromkeys(name for part in parts for name in part.covers)
    sources = dict.fromkeys(piece for text in (*(part.source for part in parts), *notes) if text for piece in text.split("; "))
    return Reading(
        quantity=quantity,
        value=sum(part.value for part in parts),
        low=sum(bounds[0]) if spread else None,
        high=sum(bounds[1]) if spread else None,
        unit=unit,
        how=weakest(part.how for part in parts),
        covers=tuple(covers),
        source="; ".join(sources),
    )
