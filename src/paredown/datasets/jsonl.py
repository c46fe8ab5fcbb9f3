"""One JSON object per line."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.lines import Lines, objects
from paredown.ingest.shapes import joined
from paredown.ingest.sources import find, listed
from paredown.ingest.tables import roles, rows_from_table

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
            items = objects(lines)
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
