"""How rows are cut into splits: by label, whole groups, or by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paredown.core.job import DataSpec
from paredown.core.rows import Rows
from paredown.rows import by_group, by_time, keys


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """How rows are cut: whether some are equal by chance, the column whose groups are not parted, and the one that says when they came."""

    chance: bool = False
    groups: str = ""
    time: str = ""

    @classmethod
    def of(cls, data: DataSpec, parts: Mapping[str, Rows], chance: bool, recalls: bool) -> tuple[Cuts, Cuts]:
        """How rows that are judged are cut, and how those that are trained on.

        Groups that are judged stay whole. Where a model recalls what it learned of a group, or test has those of train, what is trained on
        is cut without regard to them: what never saw a user cannot be asked about one.
        """
        both = data.paired_by and "train" in parts and "test" in parts
        parted = recalls or data.time or (both and by_group.shared(parts["test"], parts["train"], data.paired_by))
        return cls(chance=chance, groups=data.paired_by), cls(chance=chance, groups="" if parted else data.paired_by, time=data.time)

    def parted(self, rows: Rows, sizes: Sequence[int], salt: str) -> list[Rows]:
        """Consecutive parts of these sizes, and what is left over; see `stratified`."""
        if not self.groups:
            return stratified(rows, sizes, salt, self.chance)
        return _taken(rows, by_group.cut(rows, sizes, salt, self.groups), len(sizes))

    def newest(self, rows: Rows, size: int) -> list[Rows]:
        """The rows that came before, and about so many that came last."""
        return _taken(rows, by_time.cut(rows, [len(rows) - size], self.time), 1)


def stratified(rows: Rows, sizes: Sequence[int], salt: str, chance: bool = False) -> list[Rows]:
    """Cut rows into consecutive parts that have the same mix of labels.

    Within each class the rows are ordered by a salted digest; row r of n gets the place (r + 1/2) / n on a line from 0 to 1, and the line
    is cut at the sizes. So each part has its share of each class to within one row, and a class of one row stands in the middle. Equal
    rows of one class stand side by side, so that copies hardly leak; where people are equal by chance that would part those with one
    answer from those with the other, so there each has a place of its own.

    Args:
        rows: With or without labels.
        sizes: Rows per part; their sum is at most len(rows). What is left over forms one more part, at the end.
        salt: Another salt gives another order; the order of `rows` never matters.
        chance: Whether rows are equal by chance.

    Returns:
        len(sizes) + 1 parts, each in the order of `rows`.
    """
    classes = rows.names and rows.labels is not None and rows.labels.ndim == 1
    alike = rows if classes else replace(rows, labels=None, names=())  # cut as they come where none are classes
    return _taken(rows, keys.cut(alike, sizes, salt, keys.copies(rows) if chance else None), len(sizes))


def _taken(rows: Rows, part: Any, count: int) -> list[Rows]:
    return [rows.take(part == number) for number in range(count + 1)]
