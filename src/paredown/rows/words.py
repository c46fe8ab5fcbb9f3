"""Words and files as bytes one after the other, with where each ends: no pickles, no width of the longest one."""

from __future__ import annotations

from typing import Any

import numpy as np


def packed(array: Any) -> tuple[Any, Any]:
    """Where each cell ends, int64, and the bytes of all of them; words in UTF-8, absent cells empty, files as they are."""
    cells = array.reshape(-1).tolist()
    parts = [cell if isinstance(cell, bytes) else _word(cell).encode("utf-8", "surrogatepass") for cell in cells]
    return np.cumsum([len(part) for part in parts], dtype=np.int64), np.frombuffer(b"".join(parts), np.uint8)


def are_files(array: Any) -> bool:
    """Whether an array of objects holds the bytes of files."""
    return array.dtype == object and array.size > 0 and all(isinstance(cell, bytes) for cell in array.reshape(-1))


def _word(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell)


def unpacked(data: Any, ends: Any, shape: tuple[int, ...], rows: Any = slice(None), *, files: bool) -> Any:
    """Some rows of what `packed` gave, as an array of objects.

    Args:
        data: The bytes.
        ends: Where each cell ends.
        shape: Of the whole array.
        rows: Which of its rows.
        files: True gives bytes, else text.
    """
    stops = ends.reshape(shape)[rows]
    begins = np.concatenate([[0], ends[:-1]]).reshape(shape)[rows]
    parts = [bytes(data[start:end]) for start, end in zip(begins.ravel().tolist(), stops.ravel().tolist())]
    cells = np.empty(len(parts), object)
    cells[:] = parts if files else [part.decode("utf-8", "surrogatepass") for part in parts]
    return cells.reshape(stops.shape)
