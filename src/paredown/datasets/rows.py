"""Rows that paredown wrote itself: those of `paredown.shrink`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData, Damaged
from paredown.core.rows import Rows as Table
from paredown.ingest.sources import find, match_labels
from paredown.rows.columns import on_disk
from paredown.rows.rowfile import read_rows


class Rows(DatasetReader):
    """`.rows` files: what `paredown.shrink` was given, with labels and groups; they hold no pickled objects."""

    suffixes = (".rows",)

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Table:
        """All rows, in the order in which they were given.

        Raises:
            BadData: No such file, it is damaged, or a label is not in `labels`.
        """
        rows = None
        with suppress(Damaged):
            rows = read_rows(find(source, folder))
        if rows is None or on_disk(rows):  # `paredown.shrink` writes arrays
            raise BadData(f"{source} is not a whole file of rows.\n  `paredown.shrink` writes it; call it again with the same data.")
        rows = replace(rows, inputs=_texts(rows.inputs), groups={name: column.astype(object) for name, column in rows.groups.items()})
        if rows.labels is None or ("label" in columns and columns["label"] is None):
            return replace(rows, labels=None, names=tuple(labels))
        if not labels or tuple(labels) == rows.names or rows.labels.ndim > 1:
            return rows
        place, names = match_labels(list(rows.names), labels, lambda at: source)
        return replace(rows, labels=place[rows.labels], names=names)


def _texts(inputs: Any) -> Any:
    """Words and texts as Python strings, as every reader gives them."""
    if isinstance(inputs, Mapping):
        return {name: _texts(column) for name, column in inputs.items()}
    return inputs.astype(object) if isinstance(inputs, np.ndarray) and inputs.dtype.kind == "U" else inputs
