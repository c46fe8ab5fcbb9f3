"""Raw inputs with their labels: what a dataset gives and a task takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

PART_ROWS, _PART_B = 1 << 14, 16 << 20
"""Rows that are in memory at a time where all are gone over, and their bytes."""
LISTED = "\x1f"
"""Stands before each of several labels in the word that says them."""
MASK = "\x1e"
"""Stands before the word that is a mask; see `rows.masks`."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of raw data, before any encoding.

    Args:
        inputs: An array (N, ...), one item per row, for images and feature vectors; an object array of str, (N,) or (N, 2) for pairs, for
            texts; an object array (N,) of bytes for the files of images of any size, and of sounds; or a mapping column -> array (N,)
            for tables, (N, window) for windows of a series, and input -> array (N, ...) for models of several inputs.
        labels: What is right of each row, as its kind of answers has it: an array (N,) of class indices into `names`, int64; (N, outputs)
            of 0 and 1 for labels, or of numbers, float64; (N, words) or (N, H, W) of class indices; None for unlabeled rows.
        names: The names of the classes, labels or numbers in the model's order.
        groups: Column -> array (N,) of strings; never given to a model.
        high: The largest raw value an image can take (16 for the digits, 255 for 8-bit images); None where it means nothing.
        digests: Array (N, 32) of bytes, the digests of the rows where they were worked out before; None has them worked out when asked.

    Rows that do not fit in memory have columns that are read from disk when asked (`ground.blocks`): a slice or positions of them are
    arrays, a mask of truth values gives a column again. Whoever goes over all rows does so in `parts`.
    """

    inputs: Any
    labels: Any
    names: tuple[str, ...] = ()
    groups: Mapping[str, Any] = field(default_factory=dict)
    high: float | None = None
    digests: Any = None

    def __len__(self) -> int:
        columns = self.inputs
        return len(next(iter(columns.values()))) if isinstance(columns, Mapping) else len(columns)

    def take(self, which: Any) -> Rows:
        """The rows at these positions (an index array, a slice or a mask), in that order."""
        inputs = {key: column[which] for key, column in self.inputs.items()} if isinstance(self.inputs, Mapping) else self.inputs[which]
        labels = None if self.labels is None else self.labels[which]
        groups = {key: column[which] for key, column in self.groups.items()}
        digests = None if self.digests is None else self.digests[which]
        return Rows(inputs=inputs, labels=labels, names=self.names, groups=groups, high=self.high, digests=digests)

    def part_rows(self) -> int:
        """How many of these rows are in memory at a time where all are gone over: fewer where one row takes much."""
        columns = [*self.inputs.values()] if isinstance(self.inputs, Mapping) else [self.inputs]
        columns += [] if self.labels is None else [self.labels]
        each_b = [max(prod(column.shape[1:]) * column.dtype.itemsize, getattr(column, "row_b", 0)) for column in columns]
        return max(1, min(PART_ROWS, _PART_B // int(max(1, *each_b))))

    def parts(self, count: int | None = None) -> Iterator[Rows]:
        """All rows in order, some at a time, in memory."""
        count = count or self.part_rows()
        for start in range(0, len(self), count):
            yield self.take(slice(start, start + count))

    def spread(self, count: int) -> Rows:
        """At most `count` rows in memory, evenly spaced over all: data are often sorted, so that the first rows are of one kind."""
        if len(self) <= count:
            return self.take(slice(0, len(self)))
        return self.take([round(at * (len(self) - 1) / max(1, count - 1)) for at in range(count)])

    def row_digests(self) -> list[str]:
        """One digest per row over its raw input alone; equal inputs have equal digests.

        Texts go through JSON, whose escapes are the same in every version of Python, and a pair is not the text that looks like one.
        """
        if isinstance(self.inputs, Mapping):
            keys = sorted(self.inputs)
            if any(self.inputs[key].ndim > 1 for key in keys):  # windows: hundreds of numbers each
                cells = zip(*(self.inputs[key][:] for key in keys))
                return [hashlib.sha256(b"".join(map(_bytes, row))).hexdigest() for row in cells]
            lines = zip(*(self.inputs[key].tolist() for key in keys))
            return [hashlib.sha256(repr(line).encode()).hexdigest() for line in lines]
        if self.inputs.dtype.kind in "OU":
            items = self.inputs.tolist()
            return [hashlib.sha256(item if isinstance(item, bytes) else json.dumps(item).encode()).hexdigest() for item in items]
        return [hashlib.sha256(item.tobytes()).hexdigest() for item in self.inputs]

    def digest_parts(self) -> Iterator[bytes]:
        """The digests of all rows in order, 32 bytes each, those of some rows at a time."""
        count = PART_ROWS if self.digests is not None else self.part_rows()
        for start in range(0, len(self), count):
            which = slice(start, start + count)
            yield self.digests[which].tobytes() if self.digests is not None else bytes.fromhex("".join(self.take(which).row_digests()))

    def form(self) -> list[Any]:
        """What `digest` leaves out and an encoder or a rule goes by: columns, kinds of numbers, shape, largest pixel, groups."""
        columns = self.inputs.items() if isinstance(self.inputs, Mapping) else [("", self.inputs)]
        groups = {name: self._listed(values) for name, values in self.groups.items()}
        return [[[name, str(values.dtype), list(values.shape)] for name, values in columns], self.high, groups]

    def _listed(self, values: Any) -> str:
        """The digest of all values as one JSON list."""
        whole = hashlib.sha256(b"[")
        for start in range(0, len(self), PART_ROWS):
            part = json.dumps(values[start : start + PART_ROWS].tolist())[1:-1]
            whole.update(f"{', ' if start else ''}{part}".encode())
        whole.update(b"]")
        return whole.hexdigest()

    def digest(self) -> str:
        """Over inputs, labels and class names of all rows, in order."""
        whole = hashlib.sha256()
        for part in self.digest_parts():
            whole.update(part.hex().encode())
        count = PART_ROWS if self.labels is None or self.labels.ndim == 1 else self.part_rows()
        for start in range(0, 0 if self.labels is None else len(self), count):
            part = self.labels[start : start + count]
            whole.update(part.astype("<f8" if part.dtype.kind == "f" else "<i8").tobytes())
        whole.update(repr(self.names).encode())
        return whole.hexdigest()


def _bytes(cell: Any) -> bytes:
    """A number, a word or an array of either."""
    numbers: bytes = cell.tobytes() if getattr(cell, "dtype", None) not in (None, object) else b""
    return numbers or repr([*cell]).encode()
