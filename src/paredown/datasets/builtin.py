"""Data that come with a package: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground import lazy
from paredown.ingest.sources import nearest, rows_from_arrays

_NAMES = ("digits",)


class Builtin(DatasetReader):
    """`builtin: digits`: 1797 real handwritten digits, 8 x 8 pixels from 0 to 16, that scikit-learn carries.

    Source: UCI Optical Recognition of Handwritten Digits, test part; Alpaydin & Kaynak 1998, doi:10.24432/C50P49.
    """

    prefix = "builtin:"

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows; `columns` is not used.

        Raises:
            BadData: No such data set.
            MissingExtra: scikit-learn is not installed.
        """
        name = source.removeprefix(self.prefix)
        if name not in _NAMES:
            raise BadData(f"no built-in data set {name!r}.{nearest(name, _NAMES)}\n  There is {', '.join(_NAMES)}.")
        found = lazy.need("sklearn.datasets", "builtin: digits").load_digits()
        return rows_from_arrays(found.images.astype(np.uint8), found.target, source=source, names=labels, high=16.0)
