"""Sparse rows of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground import lazy
from paredown.ingest.lines import Lines
from paredown.ingest.sources import check_room, find, rows_from_arrays


class Svmlight(DatasetReader):
    """`.svm`, `.svmlight` and `.libsvm` files, `label index:value ...`, as dense rows (N, D) of 32-bit numbers.

    Indices start at 1, or at 0 with `zero_based: true`. D is the largest index of the first split that is read; rows of the others
    that end earlier are filled with zeros.
    """

    suffixes = (".svm", ".svmlight", ".libsvm")

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in the order of the file.

        Raises:
            BadData: No such file, no rows, a broken line, an index that is 0, too large or out of order, more numbers than memory can hold.
            MissingExtra: scikit-learn is not installed.
        """
        path = find(source, folder)
        load = lazy.need("sklearn.datasets", source).load_svmlight_file
        zero_based = bool(columns.get("zero_based"))
        with Lines(path, source) as lines:
            try:
                found, targets = load(_Bytes(lines), dtype=np.float32, zero_based=zero_based)
            except (ValueError, OverflowError) as error:
                first = "0 on" if zero_based else "1 on, or set `zero_based: true`"
                raise BadData(f"{lines.where}: {error}.\n  Write `label index:value ...` with rising indices, from {first}.") from None
        if not lines.number or not len(targets):
            raise BadData(f"{source} has no rows.\n  Write one row per line.")
        height, width = found.shape
        wanted = int(columns.get("width") or width)
        if width > wanted:
            raise BadData(
                f"{source} has {width} columns; the first split has {wanted}.\n"
                "  A model cannot see columns that train does not have; take them out."
            )
        check_room(source, 4 * height * wanted, f"{height} rows of {wanted} columns")
        dense = np.zeros((height, wanted), np.float32)
        dense[:, :width] = found.toarray()
        return rows_from_arrays(dense, targets if columns.get("label", "") is not None else None, source=source, names=labels)


class _Bytes:
    """What scikit-learn takes for an open file, which it reads line by line."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def __iter__(self) -> Iterator[bytes]:
        return (line.encode() for line in self.lines)

    def read(self) -> bytes:
        """All that is left."""
        return b"".join(self)
