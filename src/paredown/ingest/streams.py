"""Rows of a source that may be too large for memory, from pieces of it. Not a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.sources import match_labels
from paredown.ingest.tables import Roles, label_words, rows_from_table
from paredown.rows.blocks import IN_MEMORY_B, Picture, Table, Writer, spool
from paredown.rows.columns import rows_of

PIECE_ROWS = 1 << 14
"""Rows that a reader hands over at a time."""
_PACKED_MOST = 100


def is_large(needed_b: int, file_b: int) -> bool:
    """Whether a source goes to disk piece by piece; a small file that announces hundreds of times its size is judged as one for memory."""
    return IN_MEMORY_B < needed_b < _PACKED_MOST * file_b


Piece = tuple[Rows, Sequence[str] | None, Callable[[int], str]]
"""Rows, their labels as words, None where these are numbers or there are none, and the position of a row of the piece for messages."""


def collected(pieces: Iterable[Piece], source: str, names: Sequence[str], picture: Picture | None = None, *, spooled: bool = True) -> Rows:
    """All rows of the pieces, on disk, with labels that index one set of names.

    Args:
        pieces: In the order of the source.
        source: Shown in messages.
        names: Class names in the model's order, or empty.
        picture: The inputs are files that are to be read as pixels of this form.
        spooled: False brings them into memory in the end.

    Raises:
        BadData: As `match_labels`; there are no rows.
    """
    seen, first, count, high = dict[str, int](), list[str](), 0, None
    index, found = None, tuple(names)
    with spool() as file:
        writer = Writer(file)
        for rows, words, where in pieces:
            labels, found = rows.labels, found or rows.names
            if words is not None:
                labels = np.empty(len(rows), np.int64)
                for at, word in enumerate(words):
                    if (code := seen.get(word)) is None:
                        code = seen[word] = len(seen)
                        first.append(where(at))
                    labels[at] = code
            writer.add(replace(rows, labels=labels))
            count, high = count + len(rows), rows.high
        if not count:
            raise BadData(f"{source}: there are no rows.\n  Give at least one.")
        if seen:
            index, found = match_labels(list(seen), names, first.__getitem__)
        writer.finish(found, high, picture)
        rows = rows_of(Table(file, source))
    rows = rows if index is None else replace(rows, labels=rows.labels.mapped(index))
    return rows if spooled else rows.take(slice(0, len(rows)))


def piece_of_table(
    values: Mapping[str, Any], parts: Roles, columns: Mapping[str, Any], words: Sequence[str], *, source: str, where: Callable[[int], str]
) -> Piece:
    """One piece of a table for `collected`; arguments as for `tables.rows_from_table`.

    Args:
        words: Columns that hold words, whatever stands in this piece of them.
    """
    plain = replace(parts, label=None)
    rows = rows_from_table(values, plain, columns, (), source=source, where=where)
    if isinstance(rows.inputs, Mapping):
        empty = np.full(len(rows), "", object)
        inputs = {name: empty if name in words and column.dtype != object else column for name, column in rows.inputs.items()}
        rows = replace(rows, inputs=inputs)
    return rows, None if parts.label is None else label_words(values[parts.label], columns, source=source, where=where), where
