"""What a record adds up, and how strong each number is; what formats of counters have in common."""

from __future__ import annotations

from collections.abc import Iterator

from paredown.core.quantity import quantity
from paredown.core.reading import How, Reading
from paredown.core.record import EnergyRecord

SUMS = (
    "cpu_time", "energy", "idle_energy", "package_energy", "dram_energy", "platform_energy", "gpu_energy", "wall_energy", "carbon",
    "embodied_carbon", "sci", "water", "cost",
)  # fmt: skip
"""The quantities that grow with the work; a latency does not."""

_TIERS = {How.COUNTED: "T1", How.MEASURED: "T2", How.ESTIMATED: "T4", How.MODELLED: "T5"}


def sums(record: EnergyRecord) -> Iterator[tuple[str, Reading]]:
    """The quantities of SUMS that a record has, in that order."""
    for name in SUMS:
        item = record.readings.get(name)
        if isinstance(item, Reading):
            yield name, item


def meaning(name: str) -> str:
    """What a quantity is, of a whole record instead of one inference."""
    text = quantity(name).meaning.replace("One inference's share", "The share")
    for words in (" per inference", " of one inference", " of the serving process"):
        text = text.replace(words, "")
    return text


def tier(item: Reading) -> str:
    """How strong a number of energy is: T0 the plug's meter, T1 a component's counter, T2 sampled power, T4 a curve, T5 a rule of thumb."""
    return "T0" if item.quantity == "wall_energy" and item.how is How.COUNTED else _TIERS[item.how]


def relative_uncertainty(item: Reading) -> float | None:
    """Half the width of the 95 % interval over the value; None where there is no interval or the value is 0."""
    if item.low is None or item.high is None or not item.value:
        return None
    return (item.high - item.low) / 2 / abs(item.value)
