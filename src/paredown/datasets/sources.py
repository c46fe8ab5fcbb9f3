"""What the readers share: finding a file, naming labels, turning arrays into rows. Not a unit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows


def find(source: str, folder: Path) -> Path:
    """The file that a source names.

    Raises:
        BadData: It is not there, or is a folder; the nearest name beside it is suggested.
    """
    path = folder / source
    if path.is_file():
        return path
    if path.is_dir():
        raise BadData(f"{source} is a folder.\n  Name a file in it.")
    beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    raise BadData(
        f"{source}: no such file in {folder.resolve()}.{nearest(path.name, beside)}\n  Relative paths start at the job file's folder."
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def match_labels(found: Sequence[str], names: Sequence[str], where: Callable[[int], str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class indices of labels.

    With `names`, labels are matched by name; where none of them is a name and all are whole numbers from 0, they are indices into `names`.
    Without, the names are the labels that occur: whole numbers in their order, words in alphabetical order.

    Args:
        found: One label per row.
        names: The class names in the model's order, or empty.
        where: Position of a row, for messages.

    Returns:
        Indices (N,), int64, and the names.

    Raises:
        BadData: A label is not among the names, or the labels are fractions.
    """
    distinct = set(found)
    whole = {label: number for label in distinct if (number := _whole(label)) is not None}
    all_whole = len(whole) == len(distinct)
    if not names:
        fraction = next((label for label in distinct if _is_fraction(label)), None)
        if fraction is not None and all(_is_fraction(label) or label in whole for label in distinct):
            raise BadData(
                f"{where(found.index(fraction))}: the label {fraction!r} is a fraction.\n"
                "  Classification needs words or whole numbers; cut the values into classes first."
            )
        if all_whole:
            names = [str(number) for number in sorted(set(whole.values()))]
            at = {name: place for place, name in enumerate(names)}
            index = {label: at[str(number)] for label, number in whole.items()}
        else:
            names = sorted(distinct)
            index = {name: place for place, name in enumerate(names)}
    else:
        index = {name: place for place, name in enumerate(names)}
        unknown = next((label for label in found if label not in index), None)
        if unknown is not None and all_whole and not distinct & index.keys() and all(0 <= number < len(names) for number in whole.values()):
            index, unknown = whole, None
        if unknown is not None:
            shown = ", ".join(list(names)[:5]) + (", ..." if len(names) > 5 else "")
            raise BadData(
                f"{where(found.index(unknown))}: the label {unknown!r} is not one of the {len(names)} in `labels:` ({shown})."
                f"{nearest(unknown, names)}\n  Correct the label or the list."
            )
    return np.array([index[label] for label in found], np.int64), tuple(names)


def _whole(label: str) -> int | None:
    """5 for "5" and "5.0"; "05" is a word."""
    found = re.fullmatch(r"(-?(?:0|[1-9]\d*))(?:\.0+)?", label)
    return int(found[1]) if found else None


def _is_fraction(label: str) -> bool:
    try:
        return not float(label).is_integer()
    except ValueError:
        return False


def rows_from_arrays(
    inputs: Any, labels: Any, *, source: str, names: Sequence[str] = (), groups: Mapping[str, Any] | None = None, high: float | None = None
) -> Rows:
    """Rows from arrays in memory.

    Args:
        inputs: Array (N, ...), a list of arrays of one shape, a mapping column -> array (N,), or a data frame.
        labels: Words or whole numbers (N,); None for unlabeled rows.
        source: Shown in messages.
        names: Class names in the model's order, or empty.
        groups: Column -> values (N,).
        high: The largest raw value of a pixel.

    Raises:
        BadData: Objects instead of numbers, items of different shapes, columns or labels of another length, no rows.
    """
    if hasattr(inputs, "columns") and hasattr(inputs, "to_numpy"):
        inputs = {str(name): inputs[name].to_numpy() for name in inputs.columns}
    if isinstance(inputs, Mapping):
        columns = {str(name): _column(values, f"{source}: column {str(name)!r}") for name, values in inputs.items()}
        if not columns:
            raise BadData(f"{source}: there are no columns.\n  Give at least one column name -> values.")
        lengths = {name: len(column) for name, column in columns.items()}
        count, table = next(iter(lengths.values())), columns
        for name, length in lengths.items():
            if length != count:
                raise BadData(
                    f"{source}: column {name!r} has {length} rows; column {next(iter(lengths))!r} has {count}.\n"
                    "  All columns need the same length."
                )
        data: Any = table
    else:
        data = _array(inputs, source)
        count = len(data)
    if not count:
        raise BadData(f"{source}: there are no rows.\n  Give at least one.")
    split = {str(name): np.array([str(value) for value in np.asarray(values).tolist()], object) for name, values in (groups or {}).items()}
    for name, values in split.items():
        if len(values) != count:
            raise BadData(f"{source}: the group {name!r} has {len(values)} values for {count} rows.\n  Give one per row.")
    if labels is None:
        return Rows(inputs=data, labels=None, names=tuple(names), groups=split, high=high)
    words = _labels(labels, count, source)
    index, named = match_labels(words, names, lambda row: f"{source}: row {row}")
    return Rows(inputs=data, labels=index, names=named, groups=split, high=high)


def _array(inputs: Any, source: str) -> np.ndarray:
    if not hasattr(inputs, "__len__"):
        raise BadData(
            f"{source}: the inputs are a {type(inputs).__name__}.\n  Give an array, a list of arrays, or a mapping column -> values."
        )
    if hasattr(inputs, "__array__") and np.asarray(inputs).dtype != object:
        array = np.asarray(inputs)
    else:
        shapes = [np.shape(item) for item in inputs]
        other = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), None)
        if other is not None:
            raise BadData(
                f"{source}: row {other} has shape {shapes[other]}; row 0 has {shapes[0]}.\n"
                "  All rows need one shape; resize or pad them first."
            )
        array = np.array(list(inputs))
    if array.ndim == 0 or array.dtype.kind not in "buifU":
        raise BadData(f"{source}: the inputs are {array.dtype} with shape {array.shape}.\n  Give numbers, shape (N, ...).")
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _flat(values: Any, where: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise BadData(f"{where}: some rows are single values, others lists.\n  Give one value per row.") from None


def _column(values: Any, where: str) -> np.ndarray:
    """One column as float32 numbers (NaN is missing) or as words (the empty word is missing)."""
    array = _flat(values, where)
    if array.ndim != 1:
        raise BadData(f"{where} has shape {array.shape}.\n  A column is one value per row.")
    if array.dtype.kind in "buif":
        return array.astype(np.float32)
    cells = array.tolist()
    if all(cell is None or isinstance(cell, int | float) for cell in cells):
        return np.array(cells, np.float64).astype(np.float32)
    absent = [cell is None or cell != cell for cell in cells]
    strange = next((at for at, cell in enumerate(cells) if not absent[at] and not isinstance(cell, str)), None)
    if strange is not None:
        raise BadData(
            f"{where} holds {cells[strange]!r} in row {strange}, among words.\n  A column is numbers or words; write all of them as text."
        )
    return np.array(["" if gone else cell for gone, cell in zip(absent, cells)], object)


def _labels(labels: Any, count: int, source: str) -> list[str]:
    array = _flat(labels, f"{source}: the labels")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise BadData(
            f"{source}: the labels have shape {array.shape}.\n  Give one class per row, shape (N,); for one-hot rows use argmax(axis=1)."
        )
    if len(array) != count:
        raise BadData(f"{source}: {len(array)} labels for {count} rows.\n  Give one label per row.")
    cells = array.astype(np.int64).tolist() if array.dtype.kind == "b" else array.tolist()
    strange = next((at for at, cell in enumerate(cells) if not isinstance(cell, int | float | str) or cell != cell or cell == ""), None)
    if strange is not None:
        raise BadData(
            f"{source}: the label in row {strange} is {cells[strange]!r}.\n  Labels are words or whole numbers; remove rows without one."
        )
    return [str(cell) for cell in cells]
