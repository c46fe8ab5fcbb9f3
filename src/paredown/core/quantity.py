"""The one table of what can be measured, read from quantities.csv."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

from paredown.core.errors import UnknownName

COUNTED = ("wall_energy", "platform_energy", "package_energy", "dram_energy", "gpu_energy")
"""Energies that only some machines can count; where they cannot, there is no ratio of them to speak of."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One measurable thing.

    Args:
        name: As written in policies, result.json and exports.
        unit: SI base unit; empty for a share or a metric without unit, "1" for a count.
        better: "lower" or "higher".
        print: How a report prints it: time, energy, bytes, share, count, rate.
        meaning: One sentence.
    """

    name: str
    unit: str
    better: str
    print: str
    meaning: str


@cache
def quantities() -> dict[str, Quantity]:
    """Every quantity by name, in the order of the table."""
    text = resources.files("paredown.core").joinpath("quantities.csv").read_text("utf-8")
    return {row["name"]: Quantity(**row) for row in csv.DictReader(text.splitlines())}


def quantity(name: str) -> Quantity:
    """The quantity of that name.

    Raises:
        UnknownName: There is none; the nearest name is suggested.
    """
    table = quantities()
    if name not in table:
        raise UnknownName("quantity", name, table)
    return table[name]
