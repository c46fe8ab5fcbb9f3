"""Rows of one array or several, by the names of a model's inputs. Not a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows

ARRAYS = "arrays"
"""The entry of the columns that asks a reader for arrays: input of the model -> its axes with that of the rows; empty where not known."""
USUAL = ("X", "x", "inputs", "images")
LABELS = ("y", "labels", "targets")


def wanted(columns: Mapping[str, Any]) -> Mapping[str, int] | None:
    """What of a source's arrays is asked for; None where the task takes no such rows."""
    found: Mapping[str, int] | None = columns.get(ARRAYS)
    return found


def chosen(names: Any, columns: Mapping[str, Any], source: str) -> list[str]:
    """Which of a source's arrays are inputs: those that the model calls so; of one for a model of one input any; else all but labels.

    Raises:
        BadData: The model takes one array, and which of several is not known.
    """
    inputs, groups = wanted(columns) or {}, columns.get("groups") or ()
    if columns.get("inputs") is not None and columns["inputs"] in names:
        return [columns["inputs"]]
    if found := [name for name in inputs if name in names]:
        return found
    usual = [name for name in USUAL if name in names]
    rest = [name for name in names if name not in (*LABELS, columns.get("label"), *groups)]
    if len(usual) == 1 and len(inputs) < 2:
        return usual
    if len(inputs) == 1 and len(rest) > 1:
        raise BadData(
            f"{source} has the arrays {', '.join(names)}; the model takes one, {next(iter(inputs))!r}.\n  Say which with `inputs:`."
        )
    return rest


def rows_of_arrays(arrays: Mapping[str, Any], source: str, groups: Mapping[str, Any] | None = None) -> Rows:
    """Rows without labels; one array stands by itself.

    Args:
        arrays: Name -> (N, ...), or one number for all rows.
        source: Shown in messages.
        groups: Column -> values (N,).

    Raises:
        BadData: Something else than numbers, arrays of other lengths, no rows.
    """
    found = {str(name): _numbers(str(name), array, source) for name, array in arrays.items()}
    lengths = {name: len(array) for name, array in found.items() if array.ndim}
    if not lengths or not min(lengths.values()):
        raise BadData(f"{source}: there are no rows in {', '.join(found) or 'it'}.\n  Give arrays (N, ...) with at least one row.")
    counts = [*lengths.values()]
    count = max(set(counts), key=lambda each: (counts.count(each), each))
    other = next((name for name, length in lengths.items() if length != count), None)
    if other is not None:
        raise BadData(
            f"{source}: the array {other!r} has {lengths[other]} along its first axis; "
            f"{next(name for name in lengths if lengths[name] == count)!r} has {count}.\n"
            "  Each array has one row of the data at each place of its first axis (`np.moveaxis` puts it there), or is one number for all."
        )
    found = {name: array if array.ndim else np.full(count, array[()]) for name, array in found.items()}
    split = {str(name): np.array([str(value) for value in np.asarray(values).tolist()], object) for name, values in (groups or {}).items()}
    for name, values in split.items():
        if len(values) != count:
            raise BadData(f"{source}: the group {name!r} has {len(values)} values for {count} rows.\n  Give one per row.")
    return Rows(inputs=next(iter(found.values())) if len(found) == 1 else found, labels=None, groups=split)


def _numbers(name: str, array: Any, source: str) -> np.ndarray:
    try:
        found = np.asarray(array.detach().cpu() if hasattr(array, "detach") else array)
    except ValueError:
        raise BadData(
            f"{source}: the rows of the array {name!r} have different shapes.\n  All rows need one shape; pad them first."
        ) from None
    if found.dtype.kind not in "buif":
        raise BadData(f"{source}: the array {name!r} is of {found.dtype}.\n  Give numbers, shape (N, ...).")
    return found.astype(np.float32) if found.dtype.kind == "f" else found
