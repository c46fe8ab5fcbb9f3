"""Rows by their digests, some at a time: which are equal, and in which order a salt puts them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paredown.core.rows import PART_ROWS, Rows
from paredown.rows.blocks import spool

_MOST = 1 << 17
"""Rows that are sorted in memory at a time; with fewer, all are sorted at once."""
_NEAR = 3
_HALVINGS = 80


@dataclass(frozen=True, kw_only=True)
class Equal:
    """Rows sorted by digest, such that all rows of one digest are among them.

    Args:
        part: Which of the parts each row is of.
        row: Its place in that part.
        label: Its class index; -1 where it has none.
        group: The number of its digest, from 0.
    """

    part: Any
    row: Any
    label: Any
    group: Any


def by_digest(parts: Sequence[Rows]) -> Iterator[Equal]:
    """All rows of some parts, those of like digests at a time; within a digest in the order of the parts and their rows."""
    width = next((rows.labels.shape[1:] for rows in parts if rows.labels is not None), ())
    shares = _shares(sum(map(len, parts)), any(rows.digests is not None for rows in parts))
    for share in range(shares if parts else 0):
        found: list[tuple[Any, ...]] = []
        for number, rows in enumerate(parts):
            start = 0
            for piece in rows.digest_parts():
                digests = np.frombuffer(piece, ">u8").reshape(-1, 4)
                at = _of_share(digests[:, 0], share, shares)
                labels = np.full((len(at), *width), -1 if not width else np.nan)
                labels = labels if rows.labels is None else rows.labels[start : start + len(digests)][at]
                found.append((digests[at, 0], digests[at, 1], np.full(len(at), number, np.int16), at + start, labels))
                start += len(digests)
        first, second, part, row, label = (np.concatenate(column) for column in zip(*found))
        if width:  # rows of numbers
            unknown = np.isnan(label).any(axis=1)
            label = np.where(unknown, -1, np.unique(label, axis=0, return_inverse=True)[1].reshape(-1))
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        new = np.concatenate([[0], (first[1:] != first[:-1]) | (second[1:] != second[:-1])]) if len(order) else np.empty(0)
        yield Equal(part=part[order], row=row[order], label=label[order], group=np.cumsum(new.astype(np.int64)))


def _shares(count: int, many: bool) -> int:
    return max(1, -(-count // _MOST)) if many else 1


def _of_share(high: Any, share: int, shares: int) -> Any:
    """Positions of the numbers that lie in one of so many equal parts of what 64 bits can hold."""
    return np.flatnonzero((high >> np.uint64(40)) * np.uint64(shares) >> np.uint64(24) == share)


def cut(rows: Rows, sizes: Sequence[int], salt: str, copies: Any = None) -> Any:
    """The part of each row in a cut into consecutive parts with the same mix of labels; see `cuts.stratified`.

    Args:
        rows: With or without labels.
        sizes: Rows per part.
        salt: Of the order.
        copies: How many rows before it are equal to a row, (N,); None where equal rows stand side by side.

    Returns:
        Numbers from 0 to len(sizes), (N,), one byte each.
    """
    counts = _labels_counted(rows)
    cuts = [_Cut(int(size), counts) for size in np.cumsum(sizes)]
    out, passed = np.zeros(len(rows), np.uint8), np.zeros(len(counts), np.int64)
    for row, label, first, second in _salted(rows, salt, copies):
        order = np.lexsort((second, first))
        row, label, first, second = row[order], label[order], first[order], second[order]
        by_label = np.argsort(label, kind="stable")
        tally = np.bincount(label, minlength=len(counts))
        rank = np.empty(len(row), np.int64)
        rank[by_label] = np.arange(len(row)) - np.repeat(np.cumsum(tally) - tally, tally)
        rank += passed[label]
        passed += tally
        for each in cuts:
            out[row[each.look(rank, label, (first, second, row))]] += 1
    for each in cuts:
        out[each.left_out()] += 1
    return out


class _Cut:
    """The first so many rows of a line on which row r of the n of its class stands at (r + 1/2) / n.

    Which of most rows they are follows from the sizes of the classes alone; those next to the cut are compared one by one.
    """

    def __init__(self, size: int, counts: Any) -> None:
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if np.floor(middle * counts + 0.5).sum() < size else (low, middle)
        rank = np.floor(high * counts + 0.5).astype(np.int64)
        self._counts = counts
        self._low, self._high = np.clip(rank - _NEAR, 0, counts), np.clip(rank + _NEAR, 0, counts)
        self._needed = size - int(self._low.sum())
        self._near: list[tuple[Any, ...]] = []

    def look(self, rank: Any, label: Any, key: tuple[Any, ...]) -> Any:
        """True for rows that are surely behind the cut; those next to it are kept for later."""
        near = np.flatnonzero((rank >= self._low[label]) & (rank < self._high[label]))
        place = (rank[near] + 0.5) / self._counts[label[near]]
        self._near += zip(place.tolist(), *(item[near].tolist() for item in key))
        return rank >= self._high[label]

    def left_out(self) -> list[int]:
        """Of the rows next to the cut, those behind it."""
        return [row for *_, row in sorted(self._near)[self._needed :]]


def _labels_counted(rows: Rows) -> Any:
    if rows.labels is None:
        return np.array([len(rows)])
    counts = np.zeros(max(1, len(rows.names)), np.int64)
    for start in range(0, len(rows), PART_ROWS):
        found = np.bincount(rows.labels[start : start + PART_ROWS], minlength=len(counts))
        counts = found + np.pad(counts, (0, len(found) - len(counts)))
    return counts


def _salted(rows: Rows, salt: str, copies: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """(row, label, first and second half of a salted digest), in the order of the digests, some at a time."""
    shares = _shares(len(rows), rows.digests is not None)
    with spool() if shares > 1 else io.BytesIO() as file:
        start = 0
        for piece in rows.digest_parts():
            lines = [piece[at : at + 32].hex() for at in range(0, len(piece), 32)]
            tails = (
                [""] * len(lines)
                if copies is None
                else [f"/{copy}" if copy else "" for copy in copies[start : start + len(lines)].tolist()]
            )
            start += len(lines)
            file.write(b"".join(hashlib.sha256(f"{salt}/{line}{tail}".encode()).digest()[:16] for line, tail in zip(lines, tails)))
        for share in range(shares):
            file.seek(0)
            start, found = 0, list[tuple[Any, ...]]()
            while piece := file.read(1 << 20):
                keys = np.frombuffer(piece, ">u8").reshape(-1, 2)
                at = _of_share(keys[:, 0], share, shares)
                labels = np.zeros(len(at), np.int64) if rows.labels is None else rows.labels[start : start + len(keys)][at]
                found.append((at + start, labels, keys[at, 0].astype(np.uint64), keys[at, 1].astype(np.uint64)))
                start += len(keys)
            yield tuple(np.concatenate(column) for column in zip(*found))  # type: ignore[misc]


def copies(rows: Rows) -> Any:
    """How many rows before it have the same input and label as a row, (N,)."""
    out = np.zeros(len(rows), np.uint32)
    for found in by_digest([rows]):
        order = np.lexsort((found.row, found.label, found.group))
        group, label = found.group[order], found.label[order]
        begins = np.concatenate([[True], (group[1:] != group[:-1]) | (label[1:] != label[:-1])])[: len(order)]
        at = np.arange(len(order))
        out[found.row[order]] = at - np.maximum.accumulate(np.where(begins, at, 0))
    return out
