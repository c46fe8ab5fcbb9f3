"""Rows that stand in two splits: copies that give answers away, or people who happen to share their row (decision 0013)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.rows.keys import Equal, by_digest

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
    repeated, different, count = 0, 0, sum(map(len, parts))
    for found in by_digest(parts):
        times = np.bincount(found.group)
        repeated, different = repeated + int((times > 1).sum()), different + len(times)
    if not repeated:
        return False
    if count >= _OFTEN * different:
        return True
    random, hashes = np.random.default_rng(0), []
    inputs = parts[0].inputs
    width = len(inputs) if isinstance(inputs, Mapping) else inputs.shape[1]
    at = np.unique(np.linspace(0, count - 1, max(2, min(_ROWS, _CELLS // width))).astype(np.int64))
    for column in _columns(parts, at):
        values, code = np.unique(column, return_inverse=True)
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


def _columns(parts: Sequence[Rows], at: np.ndarray) -> Iterator[np.ndarray]:
    """Each column at some places of all parts, one after the other."""
    edges = np.searchsorted(at, np.cumsum([0, *map(len, parts)]))
    begins = np.cumsum([0, *map(len, parts)])
    few = [rows.take(at[low:high] - begin).inputs for rows, low, high, begin in zip(parts, edges, edges[1:], begins)]
    for key in few[0] if isinstance(few[0], Mapping) else range(few[0].shape[1]):
        yield np.concatenate([inputs[key] if isinstance(inputs, Mapping) else inputs[:, key] for inputs in few])


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
    order = [split for split in FIRST if split in parts]
    keep = [np.ones(len(parts[split]), bool) for split in order]
    for found in by_digest([parts[split] for split in order]):
        nobody = np.full(len(found.part), len(order))
        anyone = _earliest(found.group, found.part)
        unknown = _earliest(found.group, np.where(found.label < 0, found.part, nobody))
        same = _earliest(_with_label(found), found.part)
        leaked = (np.minimum(same, unknown) < found.part) | ((found.label < 0) & (anyone < found.part))
        for number, mask in enumerate(keep):
            mask[found.row[leaked & (found.part == number)]] = False
    out, dropped = dict[str, Rows](), dict[str, int]()
    for split, mask in zip(order, keep):
        if not mask.any():
            raise BadData(
                f"all {len(mask)} rows of {split} are also in test or another split.\n"
                "  Are the files the same, or the features too few to tell rows apart?"
            )
        dropped[split] = int(np.count_nonzero(~mask))
        out[split] = parts[split].take(mask) if dropped[split] else parts[split]
    return out, dropped


def _with_label(found: Equal) -> np.ndarray:
    """The number of each row's digest and label together, from 0."""
    numbers: np.ndarray = np.unique(found.group * (int(found.label.max(initial=0)) + 2) + found.label + 1, return_inverse=True)[1]
    return numbers


def _earliest(group: np.ndarray, part: np.ndarray) -> np.ndarray:
    """For each row the least number of a part among those of its group."""
    least = np.full(int(group.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, group, part)
    of_row: np.ndarray = least[group]
    return of_row


def equal_rows(parts: Mapping[str, Rows]) -> dict[str, int]:
    """Split -> rows whose input another split has too."""
    counts = np.zeros(len(parts), np.int64)
    for found in by_digest([*parts.values()]):
        latest = -_earliest(found.group, -found.part.astype(np.int64))
        shared = _earliest(found.group, found.part) < latest
        counts += np.bincount(found.part[shared], minlength=len(parts))
    return dict(zip(parts, counts.tolist()))


def parts_of_another(parts: Mapping[str, Rows], sources: Mapping[str, Any]) -> Iterator[str]:
    """What speaks for a source that was taken out of another one, in a table whose rows are equal by chance; one sentence each.

    Of the rows that stand in one source alone, chance leaves some to each. A part of another source has none or nearly none.

    Args:
        parts: Source -> its rows, before anything is cut from them.
        sources: Source -> what the job calls it.

    Raises:
        BadData: Two sources hold the same rows with the same labels.
    """
    labeled = [split for split, rows in parts.items() if rows.labels is not None]
    pairs = {pair: np.zeros(4) for pair in permutations(range(len(labeled)), 2)}  # differing counts, expected, alone, different rows of one
    for found in by_digest([parts[split] for split in labeled]):
        key = _with_label(found)
        counts = np.zeros((int(key.max(initial=-1)) + 1, len(labeled)), np.int64)
        np.add.at(counts, (key, found.part), 1)
        for (left, right), sums in pairs.items():
            mine, its = counts[:, left], counts[:, right]
            sizes = [len(parts[labeled[at]]) for at in (left, right)]
            both = (mine + its)[mine + its > 0]
            sums += [(mine != its).sum(), ((sizes[0] / sum(sizes)) ** both).sum(), ((mine > 0) & (its == 0)).sum(), (mine > 0).sum()]
    for (first, second), (differing, expected, alone, different) in pairs.items():
        one, other = labeled[first], labeled[second]
        if not differing:
            raise BadData(
                f"{one} ({sources[one]}) and {other} ({sources[other]}) hold the same {len(parts[one])} rows.\n"
                "  Give each its own; `all:` cuts one file into splits."
            )
        if expected >= _SURE and alone < expected / _SURE:
            yield (
                f"{alone:.0f} of {different:.0f} different rows of {one} are not in {other} too; chance would leave about {expected:.0f}. "
                f"If {one} was taken out of {other}, remove it there: answers that were trained on prove nothing."
            )
