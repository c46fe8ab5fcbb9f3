"""Rows in the order in which they came, cut at a moment: what is later is never learned from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import PART_ROWS, Rows


def cut(rows: Rows, sizes: Sequence[int], column: str) -> Any:
    """The part of each row in a cut into consecutive parts of about these sizes, the oldest rows first.

    Rows of one moment, as of one day, stay together: a part ends at the change of moments that is nearest to its size.

    Args:
        rows: With the column among their groups.
        sizes: Rows per part, oldest first; what is left over forms one more part, the newest.
        column: What says when a row came.

    Returns:
        Numbers from 0 to len(sizes), (N,).

    Raises:
        BadData: A cell is no moment; there are too few different ones for so many parts.
    """
    known, moment, counts = np.unique(moments(rows, column), return_inverse=True, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(counts)])  # rows before each moment
    edges = [int(np.abs(ends - size).argmin()) for size in np.cumsum(sizes)]
    if min(np.diff([0, *edges, len(known)])) < 1:
        raise BadData(
            f"the rows are of {len(known)} different moments of {column!r}, which cannot be cut into {len(sizes) + 1} parts of "
            f"{', '.join(map(str, [*sizes, len(rows) - sum(sizes)]))} rows.\n  Name a column of finer times, or other shares."
        )
    return np.searchsorted(edges, moment, side="right")


def moments(rows: Rows, column: str) -> Any:
    """When each row came (N,), float64: the number in the column, or seconds of a date or a time in ISO 8601, in UTC where it says none.

    Raises:
        BadData: The rows do not have the column, or a cell is neither.
    """
    if column not in rows.groups:
        raise BadData(f"the rows have no column {column!r} that says when they came.\n  Name it with `time:`.")
    words, out = rows.groups[column], np.empty(len(rows))
    for start in range(0, len(rows), PART_ROWS):
        part = words[start : start + PART_ROWS]
        try:
            out[start : start + len(part)] = [float(word) for word in part]
        except ValueError:
            out[start : start + len(part)] = [_moment(str(word), column, start + at) for at, word in enumerate(part)]
    if not np.isfinite(out).all():
        bad = int(np.flatnonzero(~np.isfinite(out))[0])
        raise BadData(f"the column {column!r} holds {words[bad]!r:.60} in row {bad}, which is no time.\n  {_FORMS}")
    return out


_FORMS = "Write a number that grows, or dates and times as 2024-05-31T18:00; remove rows without one."


def _moment(word: str, column: str, row: int) -> float:
    try:
        return float(word)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(word.strip())
    except ValueError:
        raise BadData(f"the column {column!r} holds {word!r:.60} in row {row}, which is no time.\n  {_FORMS}") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
