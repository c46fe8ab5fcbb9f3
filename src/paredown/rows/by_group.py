"""Rows that belong together, as those of one user or query: numbered, and never parted where a split is cut."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import PART_ROWS, Rows
from paredown.rows import windows


def numbered(rows: Rows, column: str) -> Any:
    """The number of each row's group (N,), from 0 and without gaps.

    Args:
        rows: With the column among their groups.
        column: Its name.

    Raises:
        BadData: They do not have it.
    """
    return np.unique(np.asarray(_column(rows, column), object).astype(str), return_inverse=True)[1]


def cut(rows: Rows, sizes: Sequence[int], salt: str, column: str) -> Any:
    """The part of each row in a cut into consecutive parts of about these sizes, none of which has rows of another's group.

    Groups are put in the order of a salted digest of their names, and a group goes to the part in which its middle row lies.

    Args:
        rows: With the column among their groups.
        sizes: Rows per part; what is left over forms one more part, at the end.
        salt: Another salt gives another order; the order of `rows` never matters.
        column: What says the group of a row.

    Returns:
        Numbers from 0 to len(sizes), (N,).

    Raises:
        BadData: The rows do not have the column; there are too few groups for so many parts.
    """
    words, counts = _column(rows, column), Counter[str]()
    for start in range(0, len(rows), PART_ROWS):
        counts.update(map(str, words[start : start + PART_ROWS]))
    order = sorted(counts, key=lambda word: hashlib.sha256(f"{salt}/{word}".encode()).digest())
    each = np.array([counts[word] for word in order])
    part = np.searchsorted(np.cumsum(sizes), np.cumsum(each) - each / 2, side="right")
    if len({*part.tolist()}) <= len(sizes):
        listed = ", ".join(map(str, [*sizes, len(rows) - sum(sizes)]))
        raise BadData(
            f"the rows are of {len(order)} groups of {column!r}, which cannot be cut into {len(sizes) + 1} parts of {listed} rows.\n"
            "  A group is never parted; give rows of more of them, or the splits."
        )
    of = dict(zip(order, part.tolist()))
    parts = [np.array([of[str(word)] for word in words[start : start + PART_ROWS]], np.uint8) for start in range(0, len(rows), PART_ROWS)]
    return np.concatenate(parts) if parts else np.empty(0, np.uint8)


def shared(first: Rows, second: Rows, column: str) -> bool:
    """Whether most groups of the first rows have rows among the second too, as users of a time split do."""
    found, other = ({*map(str, _column(rows, column)[:])} for rows in (first, second))
    return 2 * len(found & other) > len(found)


def blocks_of(rows: Rows, column: str, pairs: str = "row") -> tuple[Any, str]:
    """A number for each row (N,), the same for rows that are not independent, and what these blocks are, in words: "groups of 'user'".

    Args:
        rows: Rows that are judged.
        column: By which the job pairs them; empty where it does not. Then windows that overlap are of spans of time, and others rows.
        pairs: What has a score, see `Metric`; queries are rows of their own.

    Raises:
        BadData: The rows do not have the column.
    """
    if pairs == "query":
        return None, "queries"
    if column:
        return numbered(rows, column), f"groups of {column!r}"
    spans = windows.blocks(rows)
    return spans, "rows" if spans is None else "spans of time"


def _column(rows: Rows, column: str) -> Any:
    if column not in rows.groups:
        has = ", ".join(rows.groups) or "none"
        raise BadData(
            f"the rows have no column {column!r} that says which belong together; kept beside the inputs: {has}.\n"
            "  Name it with `paired_by:`."
        )
    return rows.groups[column]
