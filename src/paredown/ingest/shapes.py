"""What arrays and lists are that are more than one input and one label for each row. Not a unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.rows.masks import mask_words

_MOST_INPUTS = 16


def several(inputs: Any, labels: Any) -> int:
    """How many arrays of several numbers per row stand for the inputs; 0 where each is a row or a column."""
    if hasattr(inputs, "columns") or not isinstance(inputs, Mapping | tuple | list):
        return 0
    parts = [*(inputs.values() if isinstance(inputs, Mapping) else inputs)]
    if not 2 <= len(parts) <= _MOST_INPUTS or not all(hasattr(part, "shape") and len(part.shape) for part in parts):
        return 0
    sizes = {len(part) for part in parts}
    if isinstance(inputs, Mapping):
        return len(parts) if len(sizes) == 1 and any(len(part.shape) > 1 and part.shape[1:] != (1,) for part in parts) else 0
    rows = isinstance(inputs, tuple) if labels is None else hasattr(labels, "__len__") and sizes == {len(labels)} != {len(parts)}
    return len(parts) if rows and len(sizes) == 1 else 0


def several_numbers(labels: Any) -> np.ndarray | None:
    """Labels (N, D) that are numbers, float64; None where they say one class per row, or of each label whether it holds."""
    if not isinstance(labels, np.ndarray):
        lists_of = isinstance(labels, list | tuple) and len(labels) and isinstance(labels[0], list | tuple | np.ndarray)
        if not lists_of and not hasattr(labels, "__array__"):
            return None
        try:
            labels = np.asarray(labels)
        except ValueError:  # lists of different lengths
            return None
    if labels.ndim != 2 or not len(labels) or labels.shape[1] < 2 or labels.dtype.kind not in "buif":
        return None
    return None if np.isin(labels, (0, 1)).all() else labels.astype(np.float64)


def refuse_other_count(labels: int, rows: int, source: str) -> None:
    """Refuse another number of labels than there are rows.

    Raises:
        BadData: Says both.
    """
    if labels != rows:
        raise BadData(f"{source}: {labels} labels for {rows} rows.\n  Give one label per row.")


def matrix(labels: np.ndarray, source: str) -> str:
    """What labels of more than one axis are that are neither several numbers nor marks."""
    shape = f"{source}: the labels have shape {labels.shape}"
    return f"{shape}.\n  Give one class per row, shape (N,); for one-hot rows use argmax(axis=1)."


def marks(labels: np.ndarray) -> bool:
    """Whether labels (N, L) say of each label whether it holds, other than one-hot rows, of which each says one class."""
    marked = labels.ndim == 2 and len(labels) > 0 and labels.dtype.kind in "buif" and bool(np.isin(labels, (0, 1)).all())
    return marked and bool((labels.sum(axis=1) != 1).any())


def one_each(labels: np.ndarray, source: str) -> np.ndarray | None:
    """Labels (N,) of those that are a column, (N, 1), or masks, (N, H, W), also with an axis of one channel, which become words; else None.

    Raises:
        BadData: They are no class indices.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        found: np.ndarray = labels[:, 0]
        return found
    if labels.ndim == 4 and 1 in (labels.shape[1], labels.shape[3]):
        labels = labels[:, 0] if labels.shape[1] == 1 else labels[:, :, :, 0]
    if labels.ndim != 3 or labels.dtype.kind not in "buif":
        return None
    try:
        return np.array(mask_words(labels), object)
    except ValueError as error:
        raise BadData(f"{source}: the labels are masks, of which {error}\n  Give class indices, shape (N, height, width).") from None


def lists(labels: Any) -> Any:
    """Cells that may be lists of any length; none where the labels are numbers or words, or rows of equal length in an array."""
    if isinstance(labels, np.ndarray) or not hasattr(labels, "__len__"):
        return labels if getattr(labels, "ndim", 0) == 1 and labels.dtype.kind == "O" else ()
    sizes = {len(cell) if isinstance(cell, list | tuple | np.ndarray) else -1 for cell in labels}
    return labels if len(sizes) > 1 or any(isinstance(cell, set) or _holds_words(cell) for cell in labels) else ()


def _holds_words(cell: Any) -> bool:
    return isinstance(cell, list | tuple) and any(isinstance(part, str) for part in cell)


def files(items: list[Any], where: Callable[[int], str]) -> np.ndarray:
    """The bytes of files, as sounds are given, as an array of objects.

    Args:
        items: One per row.
        where: Position of a row, for messages.

    Raises:
        BadData: One is something else, or empty.
    """
    out = np.empty(len(items), object)
    for row, item in enumerate(items):
        if not isinstance(item, bytes) or not item:
            found = "empty" if item == b"" else f"a {type(item).__name__}"
            raise BadData(f"{where(row)} is {found} among the bytes of files.\n  Give the bytes of a file for every row.")
        out[row] = item
    return out


def joined(words: Sequence[Any], where: str) -> str:
    """The words of one row as one text with a space between them.

    Raises:
        BadData: One is no word, or holds a space.
    """
    for word in words:
        if not isinstance(word, str) or len(word.split()) != 1:
            raise BadData(f"{where}: the text is a list that holds {word!r:.60}.\n  Its items have to be words without spaces.")
    return " ".join(word.strip() for word in words)
