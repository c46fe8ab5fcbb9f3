"""Columns on disk in the form of arrays, and rows made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from paredown.core.rows import Rows
from paredown.rows.blocks import IN_MEMORY_B, Picture, Table, Writer, arrays, size_b, spool
from paredown.rows.read_when_asked import ReadWhenAsked
from paredown.rows.selection import Selection

_MADE_B = 8 << 20


class Column(ReadWhenAsked):
    """One array of a table in the form of an array that is read when asked: whole where somebody asks for all.

    A slice, whole numbers in any order or one of them give arrays in memory; a mask of truth values gives a column again.
    """

    def __init__(self, table: Table, name: str, selection: Selection | None = None, lookup: Any = None, packed: bool = False) -> None:
        self._table, self._name, self._selection, self._lookup = table, name, selection, lookup
        form: tuple[Any, tuple[int, ...]] = (np.dtype(object), ()) if packed else table.form(name)
        self.dtype = form[0] if lookup is None else lookup.dtype
        self._item: tuple[int, ...] = form[1] if lookup is None else (*form[1], *lookup.shape[1:])
        self.row_b = table.row_b
        self._packed = packed

    def __len__(self) -> int:
        return len(self._table if self._selection is None else self._selection)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self), *self._item)

    @property
    def ndim(self) -> int:
        """As of an array."""
        return 1 + len(self._item)

    def mapped(self, lookup: Any) -> Column:
        """The same rows with `lookup[value]` in place of each value, which is a whole number from 0."""
        return Column(self._table, self._name, self._selection, lookup if self._lookup is None else lookup[self._lookup])

    @property
    def picture(self) -> Picture | None:
        """How the files of these images are read as pixels; None where this is no column of images."""
        return None if self._packed else self._table.picture(self._name)

    def packed(self) -> Column:
        """The files of images that are else read as pixels."""
        return Column(self._table, self._name, self._selection, packed=True)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            start, stop, step = which.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            if stop <= start:
                return np.empty((0, *self._item), self.dtype)
            return self._read((start, stop) if self._selection is None else self._selection.between(start, stop))
        if isinstance(which, int | np.integer):
            return self[np.array([which])][0]
        which = np.asarray(which)
        if which.dtype == bool:
            return Column(self._table, self._name, self._table.narrowed(self._selection, which), self._lookup, self._packed)
        which = which.astype(np.int64)
        which = np.where(which < 0, which + len(self), which)
        if len(which) and not 0 <= which.min() <= which.max() < len(self):
            raise IndexError(f"row {int(which.max())} of {len(self)}")
        return self._read(which if self._selection is None else self._selection.at(which))

    def _read(self, rows: Any) -> Any:
        found = self._table.read(self._name, rows, packed=self._packed)
        return found if self._lookup is None else self._lookup[found]


def rows_of(table: Table) -> Rows:
    """All rows of a table, none of them in memory."""
    columns = [Column(table, f"column {number}") for number in range(len(table.columns) if table.columns is not None else 1)]
    return Rows(
        inputs=columns[0] if table.columns is None else dict(zip(table.columns, columns)),
        labels=Column(table, "labels") if table.has("labels") else None,
        names=table.names,
        groups={name: Column(table, f"group {number}") for number, name in enumerate(table.groups)},
        high=table.high,
        digests=Column(table, "digests") if table.has("digests") else None,
    )


def made(part: Callable[[slice], Any], count: int, each_b: int, most_b: int = IN_MEMORY_B) -> Any:
    """An array of which some rows are made at a time: in memory where it is small, else on disk.

    Args:
        part: Positions -> these rows.
        count: Rows.
        each_b: Bytes of one.
        most_b: Bytes that are held in memory.
    """
    if count * each_b <= most_b:
        return part(slice(0, count))
    step = max(1, _MADE_B // each_b)
    with spool() as file:
        writer = Writer(file, digests=False)
        for start in range(0, count, step):
            writer.add(Rows(inputs=part(slice(start, min(start + step, count))), labels=None))
        writer.finish((), None)
        return Column(Table(file, "rows that were made"), "column 0")


class _Joined:
    """Two columns, of which at least one is on disk, as one that is read slice by slice."""

    def __init__(self, first: Any, second: Any) -> None:
        self._first, self._second = first, second
        self.dtype, self.shape = first.dtype, (len(first) + len(second), *first.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, which: slice) -> Any:
        start, stop, _ = which.indices(len(self))
        middle = len(self._first)
        return np.concatenate([self._first[start : min(stop, middle)], self._second[max(start - middle, 0) : max(stop - middle, 0)]])


def joined(first: Rows, second: Rows) -> Rows:
    """The inputs of two lots of rows, one after the other, without labels; on disk they can be gone over in slices alone."""

    def both(one: Any, other: Any) -> Any:
        return np.concatenate([one, other]) if isinstance(one, np.ndarray) and isinstance(other, np.ndarray) else _Joined(one, other)

    if isinstance(first.inputs, Mapping):
        return Rows(inputs={name: both(column, second.inputs[name]) for name, column in first.inputs.items()}, labels=None)
    return Rows(inputs=both(first.inputs, second.inputs), labels=None)


def on_disk(rows: Rows) -> bool:
    """Whether rows are read from disk when asked."""
    return any(isinstance(column, Column) for column in arrays(rows).values())


def judged(rows: Rows) -> Rows:
    """Rows with their labels and groups in memory, a few bytes each: answers are judged by them."""
    labels = None if rows.labels is None else np.asarray(rows.labels)
    return replace(rows, labels=labels, groups={name: np.asarray(values) for name, values in rows.groups.items()})


def held(rows: Rows, most_b: int = IN_MEMORY_B) -> Rows:
    """The same rows in memory, where they are few enough."""
    if not on_disk(rows) or not len(rows):
        return rows
    few = rows.take(slice(len(rows) // 2, len(rows) // 2 + 256))
    each_b = sum(map(size_b, arrays(few).values())) + (0 if few.digests is None else few.digests.nbytes)
    return rows if each_b / len(few) * len(rows) > most_b else rows.take(slice(0, len(rows)))
