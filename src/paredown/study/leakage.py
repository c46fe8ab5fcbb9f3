"""Rows that stand in two splits: copies that give answers away, or people who happen to share their row (decision 0013)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows

FIRST = ("test", "validation", "calibration", "train", "unlabeled")
"""Who keeps a row that leaked: test is what the claim is about, so nothing is ever dropped from it."""

_HALVINGS, _ROWS, _CELLS = 16, 20_000, 2_000_000
_EXPLAINED = 0.1
"""Chance makes at least this share of the repeats of a coarse table: halves depend on each other, so it is more than was worked out; where
rows were copied, it makes thousands of times less."""
_OFTEN = 5
"""Times that each row stands in a table on average: nobody copies a whole table so often, and rows weighted by copies come to two."""
_SURE = 20.0
"""Rows expected somewhere by chance that none or nearly none are found in: as rare as exp(-20)."""


def by_chance(parts: Sequence[Rows]) -> bool:
    """Whether rows of a table are equal because few values are possible, and not because they were copied.

    The columns are halved at random, several times. How many pairs of different rows agree in the one half, and how many in the other?
    If the halves were independent, the product of both shares would be that of equal rows. In a coarse table that makes about as many
    equal pairs as there are rows that repeat, or more; where rows were copied, hardly any two different ones agree in half of their
    columns. A table of very few different rows needs no such sum. How the table is cut into parts does not matter for it.

    Args:
        parts: Tables with the same columns, in any cut.
    """
    found = Counter(digest for rows in parts for digest in rows.row_digests())
    repeated, count = sum(times > 1 for times in found.values()), found.total()
    if not repeated:
        return False
    if count >= _OFTEN * len(found):
        return True
    random, hashes = np.random.default_rng(0), []
    columns = [*_columns(parts)]
    at = np.unique(np.linspace(0, count - 1, max(2, min(_ROWS, _CELLS // len(columns)))).astype(np.int64))
    for column in columns:
        values, code = np.unique(column[at], return_inverse=True)
        if len(values) > 1:
            hashes.append(random.integers(0, 2**63, len(values), dtype=np.uint64)[code])
    if len(hashes) < 2:
        return True  # one column of values that repeat
    equal, expected = _pairs(hashes), 0.0
    for _ in range(_HALVINGS):
        order = random.permutation(len(hashes))
        halves = [_pairs([hashes[place] for place in half]) for half in (order[: len(hashes) // 2], order[len(hashes) // 2 :])]
        expected = max(expected, (halves[0] - equal) * (halves[1] - equal) * count * (count - 1) / 2)
    return expected >= _EXPLAINED * repeated


def _columns(parts: Sequence[Rows]) -> Iterator[np.ndarray]:
    first = parts[0].inputs
    for key in first if isinstance(first, Mapping) else range(first.shape[1]):
        yield np.concatenate([rows.inputs[key] if isinstance(first, Mapping) else rows.inputs[:, key] for rows in parts])


def _pairs(columns: Sequence[np.ndarray]) -> float:
    """Share of all pairs of rows that agree in all these columns of hashes."""
    counts = np.unique(np.sum(columns, axis=0, dtype=np.uint64), return_counts=True)[1].astype(np.float64)
    return float((counts * (counts - 1)).sum() / max(1.0, counts.sum() * (counts.sum() - 1)))


def without_leaks(parts: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, int]]:
    """No input with its label in two splits; the first of FIRST keeps it. Where a label is not known, the input alone counts.

    An equal input with another label gives no answer away: it contradicts it, and stays.

    Returns:
        The splits, and how many rows each lost.

    Raises:
        BadData: A split would be empty.
    """
    seen, out, dropped = dict[str, set[int | None]](), dict[str, Rows](), dict[str, int]()
    for split in FIRST:
        if split in parts:
            keys = _keys(parts[split])
            known = [seen.get(digest, set()) for digest, _ in keys]
            keep = np.array([not labels or not ({label, None} & labels or label is None) for (_, label), labels in zip(keys, known)], bool)
            if not keep.any():
                raise BadData(
                    f"all {len(keep)} rows of {split} are also in test or another split.\n"
                    "  Are the files the same, or the features too few to tell rows apart?"
                )
            dropped[split] = int((~keep).sum())
            out[split] = parts[split].take(keep)
            for digest, label in keys:
                seen.setdefault(digest, set()).add(label)
    return out, dropped


def equal_rows(parts: Mapping[str, Rows]) -> dict[str, int]:
    """Split -> rows whose input another split has too."""
    digests = {split: rows.row_digests() for split, rows in parts.items()}
    held = Counter(digest for found in digests.values() for digest in {*found})
    return {split: sum(held[digest] > 1 for digest in found) for split, found in digests.items()}


def parts_of_another(parts: Mapping[str, Rows], sources: Mapping[str, Any]) -> Iterator[str]:
    """What speaks for a source that was taken out of another one, in a table whose rows are equal by chance; one sentence each.

    Of the rows that stand in one source alone, chance leaves some to each. A part of another source has none or nearly none.

    Args:
        parts: Source -> its rows, before anything is cut from them.
        sources: Source -> what the job calls it.

    Raises:
        BadData: Two sources hold the same rows with the same labels.
    """
    counts = {split: Counter(_keys(rows)) for split, rows in parts.items() if rows.labels is not None}
    for one, other in permutations(counts, 2):
        mine, its = counts[one], counts[other]
        if mine == its:
            raise BadData(
                f"{one} ({sources[one]}) and {other} ({sources[other]}) hold the same {mine.total()} rows.\n"
                "  Give each its own; `all:` cuts one file into splits."
            )
        share = mine.total() / (mine.total() + its.total())
        expected, alone = sum(share ** (mine[key] + its[key]) for key in mine | its), sum(key not in its for key in mine)
        if expected >= _SURE and alone < expected / _SURE:
            yield (
                f"{alone} of {len(mine)} different rows of {one} are not in {other} too; chance would leave about {expected:.0f}. "
                f"If {one} was taken out of {other}, remove it there: answers that were trained on prove nothing."
            )


def _keys(rows: Rows) -> list[tuple[str, int | None]]:
    """(digest, label) of each row."""
    labels = [None] * len(rows) if rows.labels is None else rows.labels.tolist()
    return list(zip(rows.row_digests(), labels))
