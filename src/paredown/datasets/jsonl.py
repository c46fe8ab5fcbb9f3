"""One JSON object per line."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets.lines import Lines
from paredown.datasets.shapes import joined
from paredown.datasets.sources import find, listed
from paredown.datasets.tables import roles, rows_from_table

_HEAD = 1000


class Jsonl(DatasetReader):
    """`.jsonl` and `.ndjson` files: one JSON object per line, with the same entries as a csv file.

    The columns are the keys of the first 1000 objects. A key that a row does not have, or has as null, is a missing value. Numbers are
    numbers and words are words as JSON has them, unless `numeric:` or `categorical:` says otherwise.
    """

    suffixes = (".jsonl", ".ndjson")

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in the order of the file.

        Raises:
            BadData: No such file or column, no rows, a line that is no JSON object, a value that is a list or an object, an empty text, a
                row without label; with `file:line`.
        """
        with Lines(find(source, folder), source) as lines:
            items = _objects(lines)
            head = list(islice(items, _HEAD))
            if not head:
                raise BadData(f"{source} is empty.\n  Write one JSON object per line.")
            parts = roles(list(dict.fromkeys(key for _, item in head for key in item)), columns, f"{source}:{head[0][0]}")
            values: dict[str, list[Any]] = {name: [] for name in parts.columns}
            numbers, seen = array("Q"), dict[str, str]()
            for line, item in chain(head, items):
                numbers.append(line)
                for name, column in values.items():
                    cell = item.get(name)
                    if isinstance(cell, list) and name == parts.label:
                        cell = listed(cell, f"{source}:{line}")
                    if isinstance(cell, list) and name in parts.text:
                        cell = joined(cell, f"{source}:{line}")
                    if isinstance(cell, dict) or (isinstance(cell, list) and name not in parts.numbers):
                        raise BadData(
                            f"{source}:{line}: {name!r} is {'a list' if isinstance(cell, list) else 'an object'}.\n"
                            "  Every value has to be a word, a number, true, false or null; flatten it, or add it to `drop:`."
                        )
                    column.append(seen.setdefault(cell, cell) if isinstance(cell, str) else cell)
        return rows_from_table(values, parts, columns, labels, source=source, where=lambda row: f"{source}:{numbers[row]}")


def _objects(lines: Lines) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of each line that is not blank."""
    for text in lines:
        if not text.strip():
            continue
        try:
            item = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise BadData(f"{lines.where}: the line is not JSON: {said}.\n  Write one JSON object per line.") from None
        if not isinstance(item, dict):
            raise BadData(
                f'{lines.where}: the line is a {type(item).__name__}, not an object.\n  Write one object per line, as {{"text": "..."}}.'
            )
        if "\\ud" in text.lower() and not _is_unicode(item):
            raise BadData(f"{lines.where}: a text holds half of a surrogate pair (\\ud...).\n  Write the whole character, as UTF-8.")
        yield lines.number, item


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number; write null for a missing value")


def _is_unicode(item: dict[str, Any]) -> bool:
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
