"""The columns of a table: which part each one plays, and rows made of them. Not a unit."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.sources import as_words, nearest, rows_from_arrays

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which column is what.

    Args:
        label: The column of words that label rows; None for rows without.
        numbers: The columns of numbers that label rows; empty for rows that words label, or nothing.
        text: One or two columns that are the inputs; then there are no features.
        features: The columns that a model sees, in their order.
        groups: Kept apart as words; a group may be a feature too.
    """

    label: str | None
    text: tuple[str, ...]
    features: tuple[str, ...]
    groups: tuple[str, ...]
    numbers: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """All columns that are read, each once."""
        return list(dict.fromkeys([*self.text, *self.features, *self.groups, *([] if self.label is None else [self.label]), *self.numbers]))


def listed(columns: Mapping[str, Any], entry: str) -> list[str]:
    """An entry of the job that may be one name, a list, or absent."""
    value = columns.get(entry)
    return [] if value is None else [value] if isinstance(value, str) else [str(item) for item in value]


def missing_words(columns: Mapping[str, Any]) -> frozenset[str]:
    """The cells that mean "no value": the empty one, and those that the job names."""
    return frozenset({"", *listed(columns, "missing")})


def roles(header: Sequence[str], columns: Mapping[str, Any], where: str) -> Roles:
    """Which column plays which part.

    Args:
        header: The names of all columns, in their order.
        columns: The job's entries label, text, features, drop and groups.
        where: The file and the line of its header, for messages.

    Raises:
        BadData: A column is not there, stands there twice or has no name; the label is an input; nothing is left as an input; `text:` names
            more than two columns, or stands beside `features:`.
    """
    known, counts = set(header), Counter(header)

    def named(name: str, entry: str) -> str:
        if name not in known:
            shown = ", ".join(header[:12])[:200] + (", ..." if len(header) > 12 else "")
            raise BadData(f"{where}: there is no column {name!r}.{nearest(name, header)}\n  Set `{entry}:` to one of the columns: {shown}.")
        return name

    if "" in known:
        raise BadData(f"{where}: column {header.index('') + 1} has no name; an index column?\n  Name it, or give `names:`.")
    if len(known) < len(header):
        twice = next(name for name in header if counts[name] > 1)
        raise BadData(f"{where}: the column {twice!r} stands there {counts[twice]} times.\n  Every column needs its own name.")
    label = columns.get("label", "label")
    numbers = tuple(named(name, "label") for name in label) if isinstance(label, list) else ()
    label = None if numbers else label
    if label is not None:
        named(label, "label")
    answers = [*numbers, *([] if label is None else [label])]
    groups = tuple(named(name, "paired_by" if name == columns.get("paired_by") else "groups") for name in listed(columns, "groups"))
    text = tuple(named(name, "text") for name in listed(columns, "text"))
    if len(text) > 2 or len(set(text)) < len(text):
        raise BadData(f"{where}: `text:` names {', '.join(text)}.\n  Name one column, or two different ones for pairs.")
    if seen := next((name for name in answers if name in text), None):
        raise BadData(f"{where}: the label {seen!r} is in `text:`.\n  A model must not see the answer; name another column.")
    wanted = listed(columns, "features")
    if text and wanted:
        raise BadData(f"{where}: there are `text:` and `features:` ({', '.join(wanted)}).\n  A model sees texts or a table; take one out.")
    drop = {named(name, "drop") for name in listed(columns, "drop")}
    features = [] if text else [named(name, "features") for name in wanted] or [name for name in header if name not in answers]
    features = [name for name in features if name not in drop]
    if seen := next((name for name in answers if name in features), None):
        raise BadData(f"{where}: the label {seen!r} is among `features:`.\n  A model must not see the answer; take it out.")
    if not features and not text:
        raise BadData(f"{where}: no column is left as a feature.\n  Drop fewer columns.")
    return Roles(label=label, text=text, features=tuple(features), groups=groups, numbers=numbers)


def number(cell: str, column: str, where: str, missing: frozenset[str]) -> float:
    """A finite number, or NaN for a missing one.

    Raises:
        BadData: The cell is a word, or not finite.
    """
    if cell in missing:
        return math.nan
    value = as_number(cell)
    if value is None:
        do = "Write it with a decimal point." if comma_number(cell) else "Correct the cell, or add it to `missing:`."
        raise BadData(f"{where}: column {column!r} holds {cell!r}; it is a column of numbers.\n  {do}")
    if not abs(value) <= _LARGEST:
        raise BadData(f"{where}: column {column!r} holds {cell!r}; numbers must be finite.\n  Correct the cell, or add it to `missing:`.")
    return value


def as_number(cell: str) -> float | None:
    """The number that a word is, if it is one."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def comma_number(cell: str) -> bool:
    """Whether a word is a number with a decimal comma, as "1,5" and "-1.234,50"."""
    return re.fullmatch(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+", cell) is not None


def rows_from_table(
    values: Mapping[str, Any],
    parts: Roles,
    columns: Mapping[str, Any],
    names: Sequence[str],
    *,
    source: str,
    where: Callable[[int], str] | None = None,
) -> Rows:
    """Rows from columns of typed values, as JSON and parquet have them.

    Args:
        values: Column -> one value per row: numbers, words, truth values, None where there is none.
        parts: Which column is what.
        columns: The job's entries missing, numeric, categorical and label_suffix.
        names: Class names in the model's order, or empty.
        source: Shown in messages.
        where: Position of a row, for messages; by default its number, from 0.

    Raises:
        BadData: What `rows_from_arrays` refuses; a word in a column that `numeric:` names.
    """
    at = where or (lambda row: f"{source}: row {row}")
    missing = missing_words(columns)
    numeric, categorical = set(listed(columns, "numeric")), set(listed(columns, "categorical"))

    def feature(name: str) -> Any:
        column = values[name]
        if isinstance(column, np.ndarray) and column.dtype.kind in "buif" and name not in categorical:
            return column
        cells = [None if isinstance(cell, str) and cell in missing else cell for cell in column]
        if name in categorical:
            return [cell if cell is None or isinstance(cell, str) else str(cell) for cell in cells]
        if name in numeric:
            return [number(cell, name, at(row), missing) if isinstance(cell, str) else cell for row, cell in enumerate(cells)]
        return cells

    labels = None if parts.label is None else _label_cells(values[parts.label], columns)
    rows = rows_from_arrays(
        {name: values[name] for name in parts.text} if parts.text else {name: feature(name) for name in parts.features},
        labels,
        source=source,
        names=names,
        groups={name: values[name] for name in parts.groups},
        text=parts.text,
        where=at,
    )
    if not parts.numbers:
        return rows
    found = _as_numbers([_label_cells(values[name], columns) for name in parts.numbers], parts.numbers, at)
    numbered = [f"{parts.numbers[0]} {place}" for place in range(found.shape[1])]
    return replace(rows, labels=found, names=parts.numbers if len(parts.numbers) == found.shape[1] else tuple(numbered))


def _label_cells(cells: Any, columns: Mapping[str, Any]) -> list[Any]:
    """The cells of a label, without the suffix; None where there is none."""
    missing, suffix = missing_words(columns), str(columns.get("label_suffix") or "")
    return [(None if cell in missing else cell.removesuffix(suffix)) if isinstance(cell, str) else cell for cell in cells]


def label_words(cells: Any, columns: Mapping[str, Any], *, source: str, where: Callable[[int], str]) -> list[str]:
    """The labels of some rows as words; arguments as for `rows_from_table`.

    Raises:
        BadData: A row has no label, or one that is neither a word nor a whole number.
    """
    found = _label_cells(cells, columns)
    return as_words(found, len(found), source, where)


def _as_numbers(cells: Sequence[Sequence[Any]], names: Sequence[str], where: Callable[[int], str]) -> np.ndarray:
    """Columns of labels as numbers (N, D), float64; of one column cells may be lists of D numbers.

    Raises:
        BadData: A row has none, or a word; lists of different lengths.
    """
    if len(cells) == 1 and any(isinstance(cell, list | tuple | np.ndarray) for cell in cells[0]):
        sizes = [len(cell) if isinstance(cell, list | tuple | np.ndarray) else 1 for cell in cells[0]]
        if other := next((row for row, size in enumerate(sizes) if size != sizes[0]), None):
            raise BadData(f"{where(other)}: the label holds {sizes[other]} numbers; the first holds {sizes[0]}.\n  Give all rows as many.")
        names, cells = [names[0]] * sizes[0], list(zip(*cells[0]))
    out = np.empty((len(cells[0]), len(cells)))
    for place, (name, column) in enumerate(zip(names, cells)):
        for row, cell in enumerate(column):
            out[row, place] = label_number(str(cell) if cell is not None and cell == cell else "", name, where(row), frozenset({""}))
    return out


def label_number(cell: str, column: str, where: str, missing: frozenset[str]) -> float:
    """A label that is a number.

    Raises:
        BadData: There is none, or a word.
    """
    if cell in missing:
        raise BadData(f"{where}: the row has no label ({cell!r} in {column!r}).\n  Give it one, or remove the row.")
    return number(cell, column, where, missing)
