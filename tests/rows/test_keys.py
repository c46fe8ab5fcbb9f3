"""Rows on disk are cut, and compared, as those in memory, however few are sorted at a time."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

import numpy as np
import pytest

from paredown.core.rows import Rows
from paredown.rows import keys
from paredown.rows.blocks import Table, Writer, spool
from paredown.rows.columns import rows_of
from paredown.study.cuts import stratified
from paredown.study.leakage import by_chance, equal_rows, parts_of_another, without_leaks


def stored(rows: Rows) -> Rows:
    file = spool()
    writer = Writer(file)
    writer.add(rows)
    writer.finish(rows.names, rows.high)
    return rows_of(Table(file, "rows"))


def made(seed: int, count: int = 400) -> Rows:
    draw = np.random.default_rng(seed)
    values, classes = int(draw.integers(2, 3 * count)), int(draw.integers(1, 9))
    words = np.array([("a", "b", "c")[at] for at in draw.integers(0, 3, count)], object)
    names = tuple(map(str, range(classes)))
    return Rows(
        inputs={"x": draw.integers(0, values, count).astype(np.float32), "word": words},
        labels=draw.integers(0, classes, count),
        names=names,
    )


def cut_by_sorting(rows: Rows, sizes: list[int], salt: str, chance: bool) -> list[Any]:
    """The places of each part, by sorting everything at once."""
    labels, lines, copies = rows.labels.tolist(), list[str](), Counter[Any]()
    for row in zip(rows.row_digests(), labels):
        copy = f"/{copies[row]}" if chance and copies[row] else ""
        lines.append(hashlib.sha256(f"{salt}/{row[0]}{copy}".encode()).hexdigest())
        copies[row] += 1
    members: dict[int, list[int]] = {}
    for at in sorted(range(len(rows)), key=lines.__getitem__):
        members.setdefault(labels[at], []).append(at)
    line = sorted(((rank + 0.5) / len(group), lines[at], at) for group in members.values() for rank, at in enumerate(group))
    return [sorted(part) for part in np.split(np.array([at for *_, at in line]), np.cumsum(sizes))]


@pytest.mark.parametrize("chance", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_cut_is_the_one_that_sorting_all_rows_gives(seed: int, chance: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_MOST", 60)
    rows = made(seed)
    sizes = [int(size) for size in np.random.default_rng(seed).integers(0, 200, 2)]
    expected = [rows.take(part).digest() for part in cut_by_sorting(rows, sizes, "salt", chance)]
    for given in (rows, stored(rows)):
        assert [part.digest() for part in stratified(given, sizes, "salt", chance)] == expected


@pytest.mark.parametrize("seed", range(4))
def test_equal_rows_are_found_on_disk_as_in_memory(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_MOST", 60)
    test, train, more = stratified(made(seed), [100, 250], "salt")
    few = {"test": test, "train": train, "unlabeled": Rows(inputs=more.inputs, labels=None, names=more.names)}
    many = {split: stored(rows) for split, rows in few.items()}
    assert by_chance([*few.values()]) == by_chance([*many.values()])
    assert equal_rows(few) == equal_rows(many)
    counts = Counter(digest for rows in few.values() for digest in {*rows.row_digests()})
    assert equal_rows(few)["train"] == sum(counts[digest] > 1 for digest in train.row_digests())
    assert [*parts_of_another(few, few)] == [*parts_of_another(many, many)]
    for (kept, dropped), (also, too) in [(without_leaks(few), without_leaks(many))]:
        assert dropped == too
        assert {split: rows.digest() for split, rows in kept.items()} == {split: rows.digest() for split, rows in also.items()}
