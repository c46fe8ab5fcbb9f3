"""What the readers share: finding a file, naming labels, turning arrays and texts into rows. Not a unit."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED, Rows
from paredown.core.unsupported import several_inputs
from paredown.ground.host import host
from paredown.ingest.shapes import files, lists, marks, matrix, one_each, refuse_other_count, several, several_numbers

NO_LABEL = "Give it one, or remove the row; where none of several labels holds write []."
"""What to do about a row without a label."""


def find(source: str, folder: Path) -> Path:
    """The file that a source names.

    Raises:
        BadData: It is not there, or is a folder; the nearest name beside it is suggested.
    """
    path = folder / source
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        raise BadData(f"{source} is a folder.\n  Name a file in it.")
    beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
    raise BadData(
        f"{source}: no such file in {folder.resolve()}.{nearest(path.name, beside)}\n  Relative paths start at the job file's folder."
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing; a name that differs in case only is the nearest."""
    names = list(islice(known, 10_000))
    near = [other for other in names if other.casefold() == name.casefold()] or difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_room(source: str, needed_b: int, what: str) -> None:
    """Refuse what a file announces before it is read, where it cannot fit in half of the machine's memory.

    Raises:
        BadData: It cannot.
    """
    memory_b = host().memory_b
    if needed_b > memory_b / 2:
        raise BadData(
            f"{source} announces {what}: {needed_b / 1e9:.3g} GB in memory; half of this machine's {memory_b / 1e9:.3g} GB is the most.\n"
            "  Give fewer rows or columns, or a machine with more memory; if it should be small, the file is damaged or made to harm."
        )


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
        BadData: A label is not among the names.
    """
    distinct = set(found)
    for label in (*sorted(distinct), *names):
        _refuse_half(label, "the label", lambda label=label: where(found.index(label)) if label in distinct else "`labels:`")  # type: ignore[misc]
    whole = {label: number for label in distinct if (number := _whole(label)) is not None}
    all_whole = len(whole) == len(distinct)
    if not names:
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


def rows_from_arrays(
    inputs: Any,
    labels: Any,
    *,
    source: str,
    names: Sequence[str] = (),
    groups: Mapping[str, Any] | None = None,
    high: float | None = None,
    text: Sequence[str] = (),
    where: Callable[[int], str] | None = None,
) -> Rows:
    """Rows from arrays in memory.

    Args:
        inputs: Array (N, ...), a list of arrays of one shape, or of the bytes of files, texts (N,) or pairs of texts (N, 2) as list, array
            or series, a mapping column -> values (N,), or a data frame.
        labels: Words or whole numbers (N,); several numbers for each row (N, D); None for unlabeled rows.
        source: Shown in messages.
        names: Class names in the model's order, or empty.
        groups: Column -> values (N,).
        high: The largest raw value of a pixel.
        text: The one or two columns of a mapping or frame that are texts, and then the only inputs.
        where: Position of a row, for messages; by default its number, from 0.

    Raises:
        BadData: Objects instead of numbers, items of different shapes, empty texts, columns or labels of another length, no rows.
    """
    at = where or (lambda row: f"{source}: row {row}")
    if count := several(inputs, labels):
        raise BadData(several_inputs(f"{source}: the inputs are {count} arrays"))
    if hasattr(inputs, "columns") and hasattr(inputs, "to_numpy"):
        inputs = {str(name): inputs[name].to_numpy() for name in inputs.columns}
    data: Any
    if isinstance(inputs, Mapping):
        data = _table({str(name): values for name, values in inputs.items()}, source, text, at)
        count = len(next(iter(data.values()))) if isinstance(data, Mapping) else len(data)
    else:
        data = _array(inputs, source, at)
        count = len(data)
    if not count:
        raise BadData(f"{source}: there are no rows.\n  Give at least one.")
    for name in (*(data if isinstance(data, Mapping) else ()), *(groups or ())):
        _refuse_half(str(name), "the name of the column", lambda: source)
    split = {str(name): np.array([_word(value) for value in _cells(values)], object) for name, values in (groups or {}).items()}
    for name, values in split.items():
        if len(values) != count:
            raise BadData(f"{source}: the group {name!r} has {len(values)} values for {count} rows.\n  Give one per row.")
        _refuse_halves(values.tolist(), f"the group {name!r}:", at)
    if labels is None:
        return Rows(inputs=data, labels=None, names=tuple(names), groups=split, high=high)
    if (numbers := several_numbers(labels)) is not None:
        refuse_other_count(len(numbers), count, source)
        if not (fine := np.isfinite(numbers).all(axis=1)).all():
            raise BadData(f"{at(int(np.argmin(fine)))}: the labels hold NaN or infinite numbers.\n  {NO_LABEL}")
        named = tuple(names or map("label {}".format, range(numbers.shape[1])))
        return Rows(inputs=data, labels=numbers, names=named, groups=split, high=high)
    index, named = match_labels(as_words(labels, count, source, at), names, at)
    return Rows(inputs=data, labels=index, names=named, groups=split, high=high)


def text_inputs(columns: Sequence[Sequence[Any]], names: Sequence[str], where: Callable[[int], str]) -> np.ndarray:
    """Texts as inputs: an object array of str, (N,) for one column, (N, 2) for two.

    Args:
        columns: One or two lists of texts of one length.
        names: The names of the columns for messages, or none.
        where: Position of a row, for messages.

    Raises:
        BadData: A cell is no text, holds nothing but spaces, or half of a surrogate pair.
    """
    out = np.empty((len(columns[0]), len(columns)), object)
    for place, column in enumerate(columns):
        called = f"the text in {names[place]!r}" if names else "the text"
        for row, cell in enumerate(column):
            if found := _flaw_of_text(cell):
                raise BadData(f"{where(row)}: {called} {found}.\n  Every row needs a text; write one, or remove the row.")
            out[row, place] = str(cell)
    return out if len(columns) > 1 else out[:, 0].copy()


def _refuse_halves(words: Sequence[str], called: str, where: Callable[[int], str]) -> None:
    for word in {*words}:
        _refuse_half(word, called, lambda word=word: where(words.index(word)))  # type: ignore[misc]


def _refuse_half(text: str, called: str, where: Callable[[], str]) -> None:
    """Refuse half of a surrogate pair, which no file in UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadData(f"{where()}: {called} {text!r:.60} holds half of a character.\n  Write the whole character.") from None


def _flaw_of_text(cell: Any) -> str | None:
    if _absent(cell):
        return "is missing"
    if not isinstance(cell, str):
        return f"is {cell!r:.60}"
    if not cell.strip():
        return f"is empty ({cell!r:.60})"
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        return f"holds {cell[error.start]!r}, half of a character"
    return None


def _absent(cell: Any) -> bool:
    """None and NaN, and the words that pandas has for them."""
    return cell is None or (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NAType", "NaTType")


def _word(cell: Any) -> str:
    return "" if _absent(cell) else str(cell)


def _cells(values: Any) -> list[Any]:
    """The values as plain Python objects."""
    items = values.tolist() if hasattr(values, "tolist") else values
    return [item.item() if isinstance(item, np.generic) else item for item in items]


def _table(values: Mapping[str, Any], source: str, text: Sequence[str], where: Callable[[int], str]) -> Any:
    """Columns of numbers and words, or the texts in some of them."""
    if not values:
        raise BadData(f"{source}: there are no columns.\n  Give at least one column name -> values.")
    for name in text:
        if name not in values:
            raise BadData(
                f"{source}: there is no column {name!r}.{nearest(name, values)}\n  Set `text:` to one of the columns: {', '.join(values)}."
            )
    lengths = {name: len(values[name]) for name in text or values}
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise BadData(
                f"{source}: column {name!r} has {length} rows; column {first!r} has {lengths[first]}.\n  All columns need the same length."
            )
    if text:
        return text_inputs([_cells(values[name]) for name in text], text, where)
    return {name: _column(column, name, source, where) for name, column in values.items()}


def _array(inputs: Any, source: str, where: Callable[[int], str]) -> np.ndarray:
    if not hasattr(inputs, "__len__") or isinstance(inputs, str | bytes):
        raise BadData(
            f"{source}: the inputs are a {type(inputs).__name__}.\n"
            "  Give an array, a list of arrays or texts, or a mapping column -> values."
        )
    if hasattr(inputs, "__array__") and np.asarray(inputs).dtype.kind in "buifc":
        array = np.asarray(inputs)
    else:
        items = _cells(inputs)
        given = next((item for item in items if not _absent(item)), None)
        if isinstance(given, str):
            return text_inputs([items], (), where)
        if isinstance(given, bytes):
            return files(items, where)
        if isinstance(given, list | tuple) and any(isinstance(part, str) for part in given):
            return _pairs(items, where)
        shapes = [np.shape(item) for item in items]
        other = next((at for at, shape in enumerate(shapes) if shape != shapes[0]), None)
        if other is not None:
            raise BadData(
                f"{where(other)} has shape {shapes[other]}; the first one has {shapes[0]}.\n"
                "  All rows need one shape; resize or pad them first."
            )
        array = np.array(items)
    if array.ndim == 0 or array.dtype.kind not in "buif":
        raise BadData(f"{source}: the inputs are {array.dtype} with shape {array.shape}.\n  Give numbers, shape (N, ...), or texts.")
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _pairs(items: list[Any], where: Callable[[int], str]) -> np.ndarray:
    for row, item in enumerate(items):
        if not isinstance(item, list | tuple) or len(item) != 2:
            found = f"{len(item)} texts" if isinstance(item, list | tuple) else f"{item!r:.60}"
            raise BadData(f"{where(row)} is {found} among pairs.\n  Give one text per row, or a pair (first, second) for every row.")
    return text_inputs([[item[place] for item in items] for place in (0, 1)], (), where)


def _flat(values: Any, where: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:
        raise BadData(f"{where}: some rows are single values, others lists.\n  Give one value per row.") from None


def _column(values: Any, name: str, source: str, where: Callable[[int], str]) -> np.ndarray:
    """One column as float32 numbers (NaN is missing) or as words (the empty word is missing)."""
    array = _flat(values, f"{source}: column {name!r}")
    if array.ndim != 1:
        raise BadData(f"{source}: column {name!r} has shape {array.shape}.\n  A column is one value per row.")
    cells: list[Any] = []
    if array.dtype.kind not in "buif":
        cells = [None if _absent(cell) else cell for cell in _cells(values)]
        dates = array.dtype.kind in "mM"
        if dates or not all(cell is None or isinstance(cell, int | float) for cell in cells):
            strange = 0 if dates else next((row for row, cell in enumerate(cells) if not (cell is None or isinstance(cell, str))), None)
            if strange is not None:
                raise BadData(
                    f"{where(strange)}: column {name!r} holds {array[strange]!s:.60}.\n"
                    "  A column is numbers or words; write all of them as text, or add it to `drop:`."
                )
            words = ["" if cell is None else str(cell) for cell in cells]
            _refuse_halves(words, f"column {name!r}:", where)
            return np.array(words, object)
        array = np.array([math.nan if cell is None else _double(cell) for cell in cells], np.float64)
    with np.errstate(over="ignore"):
        numbers = array.astype(np.float32)
    if np.isinf(numbers).any():
        row = int(np.argmax(np.isinf(numbers)))
        raise BadData(
            f"{where(row)}: column {name!r} holds {array[row]:g}; numbers must be finite in 32 bits.\n"
            "  Correct the value, or leave it empty."
        )
    return numbers


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def listed(labels: Any, where: str) -> str:
    """Several labels of one row as one word.

    Raises:
        BadData: One is no word or whole number, or there is none of them.
    """
    cells = [cell.item() if isinstance(cell, np.generic) else cell for cell in labels]
    for cell in cells:
        if isinstance(cell, bool) or not isinstance(cell, int | str) or cell == "":
            raise BadData(f"{where}: the label is a list that holds {cell!r:.60}.\n  Labels are words or whole numbers.")
    return "".join(f"{LISTED}{cell}" for cell in cells) or LISTED


def as_words(labels: Any, count: int, source: str, where: Callable[[int], str]) -> list[str]:
    """Labels as words, one for each of `count` rows.

    Raises:
        BadData: Another number or shape of labels, or a row without one.
    """
    lists_of_labels = (list, tuple, set, np.ndarray)
    if any(isinstance(cell, lists_of_labels) for cell in lists(labels)):
        labels = [listed(cell, where(row)) if isinstance(cell, lists_of_labels) else cell for row, cell in enumerate(labels)]
    array = _flat(labels, f"{source}: the labels")
    if (single := one_each(array, source)) is not None:
        labels = array = single
    if marks(array):
        return [listed(row.astype(int), where(at)) for at, row in enumerate(array)]
    if array.ndim != 1:
        raise BadData(matrix(array, source))
    refuse_other_count(len(array), count, source)
    cells = [int(cell) if isinstance(cell, bool) else cell for cell in _cells(labels)]
    strange = next((at for at, cell in enumerate(cells) if _absent(cell) or not isinstance(cell, int | float | str) or cell == ""), None)
    if strange is not None:
        found = "there is no label" if _absent(cells[strange]) or cells[strange] == "" else f"the label is {cells[strange]!r:.60}"
        raise BadData(f"{where(strange)}: {found}.\n  Labels are words or numbers; {NO_LABEL}")
    return [str(cell) for cell in cells]
