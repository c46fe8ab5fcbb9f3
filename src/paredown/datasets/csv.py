"""Tables as text: one row per line."""

from __future__ import annotations

import csv
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground.separated import LONGEST_CELL, SEEN, SIGNS, broken, is_blank, separator_of, sign_name
from paredown.ingest import masked
from paredown.ingest.lines import Lines
from paredown.ingest.sources import NO_LABEL, find, match_labels, text_inputs
from paredown.ingest.streams import PIECE_ROWS, Piece, collected, is_large
from paredown.ingest.tables import Roles, as_number, comma_number, label_number, listed, missing_words, number, roles

_TIMES_B = 2
"""Bytes in memory for each byte of a file of text, about."""


class Csv(DatasetReader):
    """`.csv`, `.tsv`, `.txt`, `.data` and `.test` files in UTF-8.

    Entries of the job that it reads:
        text: One or two columns of text, which are then the inputs; outer spaces do not count. Beside it, a `.txt` file that needs no
            labels is one text per line, without header; blank lines are left out.
        label: The column of labels; "label" by default; a list of columns is read as numbers, several for each row. `label_suffix`: taken
            off the end of each label, as the "." in "<=50K.".
        features: The columns a model sees; by default all but the label and `drop`. A column in `groups` stays a feature, unless it is
            dropped or left out of `features`: to judge a model by group does not by itself hide the group from it.
        groups: Columns that are kept apart as strings as well, for rules by group.
        names: Column names of a file without a header line.
        separator: Seen by itself where it is a comma, semicolon, tab or bar. skip: lines before the header. comment: lines that start
            with it are no rows.
        missing: Cells that mean "no value", besides the empty one; a number becomes NaN, a word the empty word.
        numeric, categorical: Columns that are numbers or words whatever they look like; else a column is numbers when every cell that
            is not missing is one.
        inputs: Makes it a list of images with masks (see `masked`): of a `.txt` file with one name per line the folder or zip file that
            they are in, else the column of their paths; `label` is then the same for the masks.

    The file is read twice, line by line: once for the kinds of the columns, once for the values. Numbers need 4 bytes, equal words share
    one string; the rows of a large file go piece by piece onto the disk.
    """

    suffixes = (".csv", ".tsv", ".txt", ".data", ".test")

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in the order of the file.

        Raises:
            BadData: No such file or column, no rows, text that is not UTF-8, a broken line, rows of unequal length, a number that is not
                finite, a word in a column of numbers, an empty text, no label in a row, a label that is not in `labels`; with `file:line`.
        """
        path = find(source, folder)
        if isinstance(columns.get("inputs"), str):
            return masked.of_list(source, folder, columns)
        if path.suffix.lower() == ".txt" and columns.get("text") and columns.get("label", "") is None:
            return _one_text_per_line(source, path, columns, labels)
        table = _Table(source, path, columns)
        layout = table.layout()
        words = table.word_columns(layout)
        return _all_rows(table, layout, words, labels)


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """The parts that columns play, and the place of each column in the line."""

    parts: Roles
    place: dict[str, int]

    def places(self, names: Iterable[str]) -> dict[str, int]:
        """Some columns with their places."""
        return {name: self.place[name] for name in names}


class _Table:
    """One file with the entries that say how to read it."""

    def __init__(self, source: str, path: Path, columns: Mapping[str, Any]) -> None:
        self.source, self.path, self.columns = source, path, columns
        self.missing = missing_words(columns)

    def _lines(self) -> Lines:
        return Lines(self.path, self.source, int(self.columns.get("skip") or 0), self.columns.get("comment"))

    @cached_property
    def separator(self) -> str:
        """The sign between cells, as the job says it or as it is seen.

        Raises:
            BadData: The job names something else than one sign.
        """
        named = self.columns.get("separator")
        if named:
            if not isinstance(named, str) or len(named) != 1 or named in '\r\n"':
                raise BadData(f'separator: {named!r} is not one sign.\n  Write `";"`, `","`, `"|"` or `"\\t"`.')
            return named
        usual = "\t" if self.path.suffix.lower() == ".tsv" else ","
        with self._lines() as lines:
            head = list(islice(lines, SEEN))
        entries = (name for entry in ("text", "features", "groups") for name in listed(self.columns, entry))
        label = listed(self.columns, "label") if "label" in self.columns else ["label"]
        return separator_of(head, usual, {*entries, *label}, len(listed(self.columns, "names")))

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of the header and the rows; blank lines are left out."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
        separator, ended = self.separator, 0
        with self._lines() as lines:
            try:
                for cells in csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True):
                    ended = lines.number
                    if not is_blank(cells):
                        yield lines.number, [cell.strip() for cell in cells]
            except csv.Error as error:
                line, said = broken(error, ended + 1, lines.number)
                raise BadData(f"{self.source}:{line}: {said}.\n  Check quotes and line ends there.") from None

    def rows(self, layout: _Layout) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of the rows, each of the right length."""
        records = self.records()
        if not listed(self.columns, "names"):
            next(records, None)
        for line, cells in records:
            if len(cells) != len(layout.place):
                raise BadData(
                    f"{self.source}:{line}: the row has {len(cells)} cells; the table has {len(layout.place)} columns.\n"
                    f"  Cells are parted by {sign_name(self.separator)}: quote those that hold one, or name another with `separator:`."
                )
            yield line, cells

    def layout(self) -> _Layout:
        """Which column stands where."""
        line, header = 1, listed(self.columns, "names")
        if not header:
            line, header = next(self.records(), (0, []))
        if not header:
            raise BadData(f"{self.source} is empty.\n  It needs a header line and rows.")
        try:
            parts = roles(header, self.columns, f"{self.source}:{line}")
        except BadData as error:
            if len(header) > 1:
                raise
            signs = ", ".join(map(sign_name, SIGNS))
            raise BadData(f"{error}\n  If cells are parted by something else than {signs}, name it with `separator:`.") from None
        return _Layout(parts=parts, place={name: at for at, name in enumerate(header)})

    def word_columns(self, layout: _Layout) -> set[str]:
        """The features that hold a cell which is neither missing nor a number."""
        forced, numeric = set(listed(self.columns, "categorical")), set(listed(self.columns, "numeric"))
        words = forced & set(layout.parts.features)
        open_columns = layout.places(name for name in layout.parts.features if name not in forced | numeric)
        commas: dict[str, tuple[int, str]] = {}
        if open_columns:
            for line, cells in self.rows(layout):
                for name, at in list(open_columns.items()):
                    if cells[at] in self.missing or as_number(cells[at]) is not None:
                        continue
                    if comma_number(cells[at]):
                        commas.setdefault(name, (line, cells[at]))
                        continue
                    words.add(name)
                    del open_columns[name]
        for name in open_columns:
            if name in commas:  # as words each number would be a category of its own
                line, cell = commas[name]
                raise BadData(
                    f"{self.source}:{line}: column {name!r} holds {cell!r}, a number with a decimal comma.\n  Write the numbers with a "
                    f"point; if they are words, say `categorical: [{name}]`, if they are not needed, `drop: [{name}]`."
                )
        return words


def _one_text_per_line(source: str, path: Path, columns: Mapping[str, Any], names: Sequence[str]) -> Rows:
    if len(listed(columns, "text")) > 1:
        raise BadData(f"{source} holds one text per line; `text:` names two columns.\n  Give a .csv, .tsv, .jsonl or .parquet file.")

    def pieces(most: int | None) -> Iterator[Piece]:
        with Lines(path, source, int(columns.get("skip") or 0), columns.get("comment")) as lines:
            texts = (text for line in lines if (text := line.strip()))
            while some := list(islice(texts, most)):
                yield Rows(inputs=np.array(some, object), labels=None, names=tuple(names)), None, lambda row: source

    size_b = path.stat().st_size
    if is_large(_TIMES_B * size_b, size_b):
        return collected(pieces(PIECE_ROWS), source, names)
    whole = next(pieces(None), None)
    if whole is None:
        raise BadData(f"{source} holds no text.\n  Write one text per line.")
    return whole[0]


def _all_rows(table: _Table, layout: _Layout, words: set[str], names: Sequence[str]) -> Rows:
    """The second pass: the values, at once or piece by piece onto the disk."""
    size_b = table.path.stat().st_size
    if is_large(_TIMES_B * size_b, size_b):
        return collected(_pieces(table, layout, words, PIECE_ROWS), table.source, names)
    [(rows, labels, where)] = _pieces(table, layout, words, sys.maxsize)
    if labels is None:
        return replace(rows, names=tuple(names) or rows.names)
    index, found = match_labels(labels, names, where)
    return replace(rows, labels=index, names=found)


def _pieces(table: _Table, layout: _Layout, words: set[str], most: int) -> Iterator[Piece]:
    """The rows, `most` at a time."""
    rows, begun = table.rows(layout), False
    while (piece := _piece(table, layout, words, islice(rows, most))) is not None:
        begun = True
        yield piece
    if not begun:
        raise BadData(f"{table.source} has a header and no rows.\n  Give at least one row.")


def _piece(table: _Table, layout: _Layout, words: set[str], rows: Iterable[tuple[int, list[str]]]) -> Piece | None:
    """The values of some rows; None where there are none."""
    parts = layout.parts
    numbers = {name: (at, array("f")) for name, at in layout.places(parts.features).items() if name not in words}
    texts: dict[str, tuple[int, list[str]]] = {name: (at, []) for name, at in layout.places(words).items()}
    # A text and a group stand as they are, even where a word means "no value": that is for features.
    kept: dict[str, tuple[int, list[str]]] = {name: (at, []) for name, at in layout.places((*parts.text, *parts.groups)).items()}
    labels: list[str] = []
    answers = [(name, layout.place[name], array("d")) for name in parts.numbers]
    lines, seen = array("Q"), dict[str, str]()
    suffix = str(table.columns.get("label_suffix") or "")
    for line, cells in rows:
        lines.append(line)
        for name, (at, values) in numbers.items():
            values.append(number(cells[at], name, f"{table.source}:{line}", table.missing))
        for at, column in texts.values():
            column.append("" if cells[at] in table.missing else seen.setdefault(cells[at], cells[at]))
        for at, column in kept.values():
            column.append(seen.setdefault(cells[at], cells[at]))
        for name, at, column_of_labels in answers:
            cell = cells[at] if cells[at] in table.missing else cells[at].removesuffix(suffix)
            column_of_labels.append(label_number(cell, name, f"{table.source}:{line}", table.missing))
        if parts.label is not None:
            label = cells[layout.place[parts.label]]
            if label in table.missing:
                raise BadData(f"{table.source}:{line}: the row has no label ({label!r}).\n  {NO_LABEL}")
            label = label.removesuffix(suffix)
            labels.append(seen.setdefault(label, label))
    if not lines:
        return None

    def where(row: int) -> str:
        return f"{table.source}:{lines[row]}"

    inputs: Any = {
        name: np.array(texts[name][1], object) if name in texts else np.frombuffer(numbers[name][1], np.float32).copy()
        for name in parts.features
    }
    if parts.text:
        inputs = text_inputs([kept[name][1] for name in parts.text], parts.text, where)
    groups = {name: np.array(kept[name][1], object) for name in parts.groups}
    found = np.stack([np.frombuffer(column, np.float64) for _, _, column in answers], axis=1) if answers else None
    made = Rows(inputs=inputs, labels=found, names=parts.numbers, groups=groups)
    return made, None if parts.label is None else labels, where
