"""One word per line with its tag, a blank line between rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.lines import Lines
from paredown.ingest.sources import find, listed, rows_from_arrays

_DOCUMENT = "-DOCSTART-"
_COMMENT = "#"


class Conll(DatasetReader):
    """`.conll`, `.bio`, `.iob` and `.iob2` files: on each line a word and its tag, the last cell, parted by a tab or by spaces.

    A blank line ends a row. Lines of `-DOCSTART-`, and lines that begin with `# ` at the beginning of a row, are left out. The words of a
    row become one text with a space between them.
    """

    suffixes = (".conll", ".bio", ".iob", ".iob2")
    task = "token-classification"

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in the order of the file; `label: null` reads no tags.

        Raises:
            BadData: No such file, no rows, a line without a tag, or with more or fewer cells than the first; with `file:line`.
        """
        tagged, texts, tags, numbers = columns.get("label", "label") is not None, list[str](), list[str](), list[int]()
        with Lines(find(source, folder), source) as lines:
            for line, words, cells in _sentences(lines, tagged):
                texts.append(" ".join(words))
                tags.append(listed(cells, f"{source}:{line}"))
                numbers.append(line)
        if not texts:
            raise BadData(f"{source} is empty.\n  Write a word and its tag on each line, and a blank line between rows.")
        name = next(iter([columns["text"]] if isinstance(columns.get("text"), str) else columns.get("text") or ()), "text")
        return rows_from_arrays(
            {name: texts}, tags if tagged else None, source=source, text=(name,), where=lambda row: f"{source}:{numbers[row]}"
        )


def _sentences(lines: Lines, tagged: bool) -> Iterator[tuple[int, list[str], list[str]]]:
    """The first line of each row, its words, and their tags."""
    first, count, words, tags = 0, 0, list[str](), list[str]()
    for text in lines:
        cells = _cells(text)
        if not cells or cells[0] == _DOCUMENT:
            if words:
                yield first, words, tags
            words, tags = [], []
            continue
        if not words and _is_comment(text, len(cells), count):
            continue
        if tagged and len(cells) < 2:
            raise BadData(f"{lines.where}: the word {cells[0]!r:.60} has no tag.\n  Write it behind the word, after a tab or a space.")
        if count and len(cells) != count:
            raise BadData(
                f"{lines.where}: there are {len(cells)} cells, and {count} on the lines before.\n  Each line needs a word and its tag."
            )
        first, count = first if words else lines.number, len(cells)
        words.append(cells[0])
        tags.append(cells[-1])
    if words:
        yield first, words, tags


def _cells(text: str) -> list[str]:
    """What stands on a line between tabs, or between spaces where it has no tab."""
    parts = text.rstrip("\r\n").split("\t") if "\t" in text else text.split()
    return [part.strip() for part in parts] if any(part.strip() for part in parts) else []


def _is_comment(text: str, cells: int, count: int) -> bool:
    """Whether a line in front of a row is no word: it begins with the sign, and not with a word of that name and its tag."""
    return text.startswith(_COMMENT) and "\t" not in text and (cells != count or text.startswith(f"{_COMMENT} "))
