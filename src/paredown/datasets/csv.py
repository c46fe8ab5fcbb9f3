"""Tables as text: one row per line."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets.sources import find, match_labels, nearest

_LONGEST_LINE = 1 << 24
_LARGEST = float(np.finfo(np.float32).max)


class Csv(DatasetReader):
    """`.csv`, `.tsv`, `.txt`, `.data` and `.test` files in UTF-8.

    Entries of the job that it reads:
        label: The column of labels; "label" by default. `label_suffix`: taken off the end of each label, as the "." in "<=50K.".
        features: The columns a model sees; by default all but the label and `drop`. A column in `groups` stays a feature, unless it is
            dropped or left out of `features`: to judge a model by group does not by itself hide the group from it.
        groups: Columns that are kept apart as strings as well, for rules by group.
        names: Column names of a file without a header line.
        separator: "," or, for `.tsv`, a tab by default. skip: lines before the header. comment: lines that start with it are no rows.
        missing: Cells that mean "no value", besides the empty one; a number becomes NaN, a word the empty word.
        numeric, categorical: Columns that are numbers or words whatever they look like; else a column is numbers when every cell that
            is not missing is one.

    The file is read twice, line by line: once for the kinds of the columns, once for the values. Numbers need 4 bytes, equal words share
    one string, so that memory stays below the file's size or a small multiple of it.
    """

    suffixes = (".csv", ".tsv", ".txt", ".data", ".test")

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in the order of the file.

        Raises:
            BadData: No such file or column, no rows, text that is not UTF-8, a broken line, rows of unequal length, a number that is not
                finite, a word in a column of numbers, a row without label, a label that is not in `labels`; with `file:line`.
        """
        table = _Table(source, find(source, folder), columns)
        layout = table.layout()
        words = table.word_columns(layout)
        return _fill(table, layout, words, labels)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Column name -> place in the line; `label` is None for unlabeled rows."""

    width: int
    label: int | None
    features: dict[str, int]
    groups: dict[str, int]


class _Lines:
    """The file's lines as text, without skipped lines and comments; `number` is the line last read, from 1."""

    def __init__(self, file: BinaryIO, source: str, skip: int, comment: str | None) -> None:
        self.file, self.source, self.skip, self.comment = file, source, skip, comment
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while raw := self.file.readline(_LONGEST_LINE):
            self.number += 1
            where = f"{self.source}:{self.number}"
            if len(raw) == _LONGEST_LINE:
                raise BadData(f"{where}: the line is longer than {_LONGEST_LINE >> 20} MiB.\n  This is not a table with one row per line.")
            if b"\0" in raw:
                raise BadData(f"{where}: there is a NUL byte.\n  This is not a text file in UTF-8; export the table again as UTF-8.")
            try:
                text = raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = raw[error.start]
                raise BadData(
                    f"{where}: byte {error.start + 1} of the line (0x{byte:02x}) is not UTF-8.\n  Save the file as UTF-8."
                ) from None
            if self.number > self.skip and not (self.comment and text.startswith(self.comment)):
                return text
        raise StopIteration


class _Table:
    """One file with the entries that say how to read it."""

    def __init__(self, source: str, path: Path, columns: Mapping[str, Any]) -> None:
        self.source, self.path, self.columns = source, path, columns
        self.missing = frozenset({"", *(str(item) for item in self.listed("missing"))})

    def listed(self, entry: str) -> list[str]:
        """An entry that may be one name, a list, or absent."""
        value = self.columns.get(entry)
        return [] if value is None else [value] if isinstance(value, str) else [str(item) for item in value]

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of the header and the rows; blank lines are left out."""
        separator = self.columns.get("separator") or ("\t" if self.path.suffix.lower() == ".tsv" else ",")
        with self.path.open("rb") as file:
            lines = _Lines(file, self.source, int(self.columns.get("skip") or 0), self.columns.get("comment"))
            try:
                for cells in csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True):
                    if len(cells) > 1 or (cells and cells[0].strip()):
                        yield lines.number, [cell.strip() for cell in cells]
            except csv.Error as error:
                raise BadData(
                    f"{self.source}:{lines.number}: {error}.\n  Check quotes and line ends there; a quoted cell ends with a quote."
                ) from None

    def rows(self, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of the rows, each of the right length."""
        records = self.records()
        if not self.listed("names"):
            next(records, None)
        for line, cells in records:
            if len(cells) != layout.width:
                raise BadData(
                    f"{self.source}:{line}: the row has {len(cells)} cells; the table has {layout.width} columns.\n"
                    "  Quote cells that hold the separator."
                )
            yield line, cells

    def layout(self) -> _Layout:
        """Which column stands where."""
        line, header = 1, self.listed("names")
        if not header:
            line, header = next(self.records(), (0, []))
        if not header:
            raise BadData(f"{self.source} is empty.\n  It needs a header line and rows.")
        where = f"{self.source}:{line}"
        for name in header:
            if not name:
                raise BadData(
                    f"{where}: column {header.index(name) + 1} has no name; an index column?\n"
                    f"  Name it, or give `names:` with `skip: {line}`."
                )
            if header.count(name) > 1:
                raise BadData(f"{where}: the column {name!r} stands there {header.count(name)} times.\n  Every column needs its own name.")
        place = {name: at for at, name in enumerate(header)}

        def known(name: str, entry: str) -> str:
            if name not in place:
                shown = ", ".join(header[:12])[:200] + (", ..." if len(header) > 12 else "")
                raise BadData(
                    f"{where}: there is no column {name!r}.{nearest(name, header)}\n  Set `{entry}:` to one of the columns: {shown}."
                )
            return name

        label = self.columns.get("label", "label")
        if label is not None:
            known(label, "label")
        groups = [known(name, "groups") for name in self.listed("groups")]
        drop = {known(name, "drop") for name in self.listed("drop")}
        features = [known(name, "features") for name in self.listed("features")] or [name for name in header if name != label]
        features = [name for name in features if name not in drop]
        if label in features:
            raise BadData(f"{where}: the label {label!r} is among `features:`.\n  A model must not see the answer; take it out.")
        if not features:
            raise BadData(f"{where}: no column is left as a feature.\n  Drop fewer columns.")
        return _Layout(
            width=len(header),
            label=None if label is None else place[label],
            features={name: place[name] for name in features},
            groups={name: place[name] for name in groups},
        )

    def word_columns(self, layout: _Layout) -> set[str]:
        """The features that hold a cell which is neither missing nor a number."""
        forced, numeric = set(self.listed("categorical")), set(self.listed("numeric"))
        words = forced & layout.features.keys()
        open_columns = {name: at for name, at in layout.features.items() if name not in forced | numeric}
        if open_columns:
            for _, cells in self.rows(layout):
                for name, at in list(open_columns.items()):
                    if cells[at] not in self.missing and _number(cells[at]) is None:
                        words.add(name)
                        del open_columns[name]
        return words

    def number(self, cell: str, column: str, line: int) -> float:
        """A finite number, or NaN for a missing one."""
        if cell in self.missing:
            return math.nan
        value = _number(cell)
        if value is None:
            raise BadData(
                f"{self.source}:{line}: column {column!r} holds {cell!r}; it is a column of numbers.\n"
                "  Correct the cell, or add it to `missing:`."
            )
        if not abs(value) <= _LARGEST:
            raise BadData(
                f"{self.source}:{line}: column {column!r} holds {cell!r}; numbers must be finite.\n"
                "  Correct the cell, or add it to `missing:`."
            )
        return value


def _number(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def _fill(table: _Table, layout: _Layout, words: set[str], names: Sequence[str]) -> Rows:
    """The second pass: the values."""
    numbers = {name: (at, array("f")) for name, at in layout.features.items() if name not in words}
    texts: dict[str, tuple[int, list[str]]] = {name: (at, []) for name, at in layout.features.items() if name in words}
    groups: dict[str, tuple[int, list[str]]] = {name: (at, []) for name, at in layout.groups.items()}
    labels: list[str] = []
    lines, seen = array("Q"), dict[str, str]()
    suffix = str(table.columns.get("label_suffix") or "")
    for line, cells in table.rows(layout):
        lines.append(line)
        for name, (at, values) in numbers.items():
            values.append(table.number(cells[at], name, line))
        for at, column in texts.values():
            column.append("" if cells[at] in table.missing else seen.setdefault(cells[at], cells[at]))
        for at, column in groups.values():
            column.append(seen.setdefault(cells[at], cells[at]))
        if layout.label is not None:
            label = cells[layout.label]
            if label in table.missing:
                raise BadData(f"{table.source}:{line}: the row has no label ({label!r}).\n  Give it one, or remove the row.")
            label = label.removesuffix(suffix)
            labels.append(seen.setdefault(label, label))
    if not lines:
        raise BadData(f"{table.source} has a header and no rows.\n  Give at least one row.")
    inputs: dict[str, np.ndarray] = {}
    for name in layout.features:
        inputs[name] = np.array(texts[name][1], object) if name in texts else np.frombuffer(numbers[name][1], np.float32).copy()
    kept = {name: np.array(column, object) for name, (_, column) in groups.items()}
    if layout.label is None:
        return Rows(inputs=inputs, labels=None, names=tuple(names), groups=kept)
    index, found = match_labels(labels, names, lambda row: f"{table.source}:{lines[row]}")
    return Rows(inputs=inputs, labels=index, names=found, groups=kept)
