"""One row per record, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from paredown.core.export import Export
from paredown.core.quantity import quantity
from paredown.core.reading import Missing, Reading
from paredown.core.record import EnergyRecord
from paredown.exports.sums import SUMS, placed
from paredown.exports.texts import one_line

_HEAD = ("subject", "activity", "unit", "count", "started", "wall_s")
_FORMULA = tuple("=+-@＝＋－＠")


class Csv(Export):
    """One row per record, the same columns always: value, both ends, and how it was obtained, or why not; `inner` tells what not to add."""

    suffix = ".csv"

    def text(self, records: Sequence[EnergyRecord]) -> str:
        """Sums over each whole record, not of one unit; rows with nothing in `inner`, or with a part, add up."""
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow([*_HEAD, *(column for name in SUMS for column in _columns(name)), "boundary", "notes", "inner"])
        for record, inner in placed(records):
            row = [record.subject, record.activity, record.unit, record.count, record.started, record.wall_s]
            row += [cell for name in SUMS for cell in _cells(name, record.readings.get(name))]
            table.writerow([_text(cell) for cell in (*row, record.boundary, "; ".join(record.notes), inner)])
        return out.getvalue()


def _columns(name: str) -> tuple[str, ...]:
    """`energy_j`, `energy_low_j`, `energy_high_j`, `energy_how`; money has its currency in a column."""
    unit = quantity(name).unit.lower()
    if unit == "¤":
        return name, f"{name}_low", f"{name}_high", f"{name}_currency", f"{name}_how"
    return f"{name}_{unit}", f"{name}_low_{unit}", f"{name}_high_{unit}", f"{name}_how"


def _cells(name: str, item: Reading | Missing | None) -> list[object]:
    money = quantity(name).unit == "¤"
    if not isinstance(item, Reading):
        why = "missing: not asked for" if item is None else f"missing: {item.reason}"
        return ["", "", "", *([""] if money else []), why]
    return [item.value, item.low, item.high, *([item.unit] if money else []), str(item.how)]


def _text(cell: object) -> object:
    """Text on one line; what a spreadsheet would take for a formula gets an apostrophe in front."""
    if not isinstance(cell, str):
        return cell
    plain = one_line(cell)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain
