"""Arrays as the MNIST files have them."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.lines import known_by_content
from paredown.ingest.sources import check_room, find, rows_from_arrays
from paredown.ingest.tables import listed

_KINDS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_FACTOR = 1100  # deflate cannot pack better than about 1032 to 1


class Idx(DatasetReader):
    """idx files, packed with gzip or not, as `train-images-idx3-ubyte.gz`; the labels stand in a file of their own.

    For images in `train-images-idx3-ubyte.gz` the labels are in `train-labels-idx1-ubyte.gz` beside it, with or without `.gz`; `label:`
    names another file. The largest pixel is 255 where pixels have 8 bits.

    Source: the format's description by LeCun, Cortes and Burges, yann.lecun.com/exdb/mnist.
    """

    suffixes = (".idx", ".idx.gz", "-ubyte", "-ubyte.gz")

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """By the ending, or a packed file with an idx file in it."""
        path = folder / source
        if super().claims(source, folder) or not source.lower().endswith(".gz") or not path.is_file():
            return super().claims(source, folder)
        try:
            with gzip.open(path) as file:
                return _is_idx(file.read(4))
        except (OSError, EOFError, zlib.error):
            return False

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All items; without a file of labels they are unlabeled.

        Raises:
            BadData: No such file, not idx, cut short, longer than it announces, more than memory can hold, or labels for another number of
                items.
        """
        inputs, targets = _array(find(source, folder), source), None
        if columns.get("label", "") is not None:
            beside = next(iter(listed(columns, "label")), "") if "label" in columns else _labels_of(source, folder)
            targets = None if beside is None else _array(find(beside, folder), beside)
            if targets is not None and len(targets) != len(inputs):
                raise BadData(f"{beside} has {len(targets)} labels; {source} has {len(inputs)} items.\n  Are they of one split?")
        high = 255.0 if inputs.dtype == np.uint8 and inputs.ndim > 2 else None
        return rows_from_arrays(inputs, targets, source=source, names=labels, high=high)


def _labels_of(source: str, folder: Path) -> str | None:
    """The file of labels by its usual name: `images` becomes `labels`, `idx3` becomes `idx1`."""
    place, name = Path(source).parent, Path(source).name
    plain = re.sub(r"idx\d", "idx1", name.replace("images", "labels").replace("Images", "Labels")).removesuffix(".gz")
    found = [place / other for other in (plain, f"{plain}.gz") if other != name and (folder / place / other).is_file()]
    return str(found[0]) if found else None


def _is_idx(head: bytes) -> bool:
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _KINDS and 0 < head[3] <= 6


def _array(path: Path, source: str) -> np.ndarray:
    """The whole array, in this machine's byte order."""
    with path.open("rb") as plain:
        packed = plain.read(2) == _GZIP
        plain.seek(0)
        try:
            with gzip.open(plain) if packed else plain as file:
                head = file.read(4)
                if not _is_idx(head):
                    what = known_by_content(head) or ("something else" if head else "empty", "")
                    raise BadData(
                        f"{source} is {what[0]}, not an idx file (its first bytes are {head.hex()}).\n"
                        "  An idx file begins with two zero bytes, its kind of number and its dimensions."
                    )
                dtype = np.dtype(_KINDS[head[2]])
                sizes = file.read(4 * head[3])
                if len(sizes) < 4 * head[3]:
                    raise EOFError("it ends in its header")
                shape = [int.from_bytes(sizes[at : at + 4], "big") for at in range(0, len(sizes), 4)]
                announced_b = math.prod(shape) * dtype.itemsize
                held_b = path.stat().st_size * (_FACTOR if packed else 1)
                check_room(source, announced_b, " x ".join(map(str, shape)) + " numbers")
                data = file.read(announced_b + 1) if announced_b <= held_b else b""
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BadData(f"{source} is damaged or cut short: {error}.\n  Fetch it again.") from None
    if len(data) != announced_b:
        found = "goes on after" if len(data) > announced_b else "ends before"
        raise BadData(
            f"{source} announces {' x '.join(map(str, shape))} numbers and {found} {announced_b} bytes of them.\n  Fetch it again."
        )
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("=")).reshape(shape)
