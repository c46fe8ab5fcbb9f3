"""What stands in a user's program, as rows: arrays, tensors, data frames and texts with their labels and groups."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED, MASK, Rows
from paredown.ground import digests
from paredown.ingest.sources import match_labels, rows_from_arrays
from paredown.kinds.map import Map
from paredown.rows.rowfile import write_rows
from paredown.study.classes import has_fractions

_FORM = "Give `(X, y)`, or `(X, y, groups)` with groups as a mapping column -> values."


def labeled(split: str, given: Any, columns: Sequence[str]) -> Rows:
    """The rows of `(X, y)` or `(X, y, groups)`.

    Args:
        split: Shown in messages.
        given: What the user passed.
        columns: Columns of X that are groups too.

    Raises:
        BadData: It has another form, or X and y do not fit together; says the row.
    """
    if isinstance(given, str | os.PathLike):
        raise BadData(f"{split} is {str(given)!r}, a path.\n  Files are for `paredown.run`; `paredown init` writes the job. Here: {_FORM}")
    if not isinstance(given, tuple) or len(given) not in (2, 3):
        found = f"a tuple of {len(given)}" if isinstance(given, tuple) else f"a {type(given).__name__}"
        raise BadData(f"{split} is {found}.\n  {_FORM} Of a data frame: `(frame.drop(columns='label'), frame['label'])`.")
    groups = given[2] if len(given) == 3 else {}
    if not isinstance(groups, Mapping) and not hasattr(groups, "columns"):
        raise BadData(f"{split}: the groups are a {type(groups).__name__}.\n  Give a mapping column -> values, as {{'sex': [...]}}.")
    return _rows(split, given[0], given[1], {str(key): _plain(groups[key]) for key in groups}, columns)


def unlabeled(given: Any) -> Rows:
    """The rows of X alone.

    Raises:
        BadData: It is no array, table or list of texts.
    """
    if isinstance(given, tuple):
        raise BadData(f"unlabeled is a tuple of {len(given)}.\n  Give X alone: no labels are read from it.")
    return _rows("unlabeled", given, None, {}, ())


def _rows(split: str, inputs: Any, labels: Any, groups: Mapping[str, Any], columns: Sequence[str]) -> Rows:
    inputs, labels = _plain(inputs), None if labels is None else _plain(labels)
    if isinstance(inputs, tuple):
        inputs = tuple(map(_plain, inputs))
    if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
        inputs = {str(key): _plain(inputs[key]) for key in (inputs if isinstance(inputs, Mapping) else inputs.columns)}
    for column in columns:
        if not isinstance(inputs, dict) or column not in inputs:
            has = ", ".join(inputs) if isinstance(inputs, dict) else "no columns, X is an array"
            raise BadData(f"{split} has no column {column!r} for `groups`; it has {has}.\n  {_FORM}")
        groups = {**groups, column: inputs[column]}
    texts = _texts(inputs)
    if texts is None:
        return rows_from_arrays(inputs, labels, source=split, groups=groups)
    # the labels are read beside a placeholder: texts of very different length do not belong into one array of fixed width
    rows = rows_from_arrays(np.zeros((len(texts), 1), np.float32), labels, source=split, groups=groups)
    return replace(rows, inputs=texts)


def _plain(values: Any) -> Any:
    """Tensors and columns of a data frame as numpy arrays; the rest as it is."""
    if hasattr(values, "detach") and hasattr(values, "cpu"):
        values = values.detach().cpu()
        return (values.float() if str(values.dtype) == "torch.bfloat16" else values).numpy()
    return values.to_numpy() if hasattr(values, "to_numpy") and not hasattr(values, "columns") else values


def _texts(inputs: Any) -> Any:
    """Texts as an object array (N,), pairs of texts as (N, 2); None when these are no texts."""
    if isinstance(inputs, dict) or not hasattr(inputs, "__len__") or not len(inputs) or isinstance(inputs, str):
        return None
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind not in "OU":
        return None
    first = inputs[0]
    pairs = isinstance(first, tuple | list | np.ndarray) and len(first) == 2 and all(isinstance(part, str) for part in first)
    if not pairs and not isinstance(first, str):
        return None
    out = np.empty((len(inputs), 2) if pairs else len(inputs), object)
    for at, item in enumerate(inputs):
        parts = tuple(item) if pairs and isinstance(item, tuple | list | np.ndarray) else (item,)
        if len(parts) != (2 if pairs else 1) or not all(isinstance(part, str) for part in parts):
            raise BadData(
                f"row {at} of X is {item!r}, among {'pairs of texts' if pairs else 'texts'}.\n  Give one form of text for all rows."
            )
        out[at] = [str(part) for part in parts] if pairs else str(item)
    return out


def class_names(labels: Sequence[Any]) -> list[str]:
    """Classes as the labels in y are called: 1.0 is "1", and so is True; a word is itself."""
    plain = [item.item() if hasattr(item, "item") else item for item in labels]
    return [f"{item:.15g}" if isinstance(item, float) else str(int(item) if isinstance(item, bool) else item) for item in plain]


def with_names(parts: Mapping[str, Rows], labels: Sequence[Any] | None, outputs: int) -> dict[str, Rows]:
    """The same rows with labels that index the model's outputs.

    Args:
        parts: Split -> rows.
        labels: The classes in the order of the outputs, or None: then whole numbers are that order, and words are refused.
        outputs: How many numbers the model answers per row.

    Raises:
        BadData: The labels cannot be matched with the outputs; nothing is guessed.
    """
    found = sorted({name for rows in parts.values() if rows.labels is not None for name in rows.names})
    if labels is not None:
        names = class_names(labels)
        if len(names) != outputs:
            raise BadData(
                f"`labels` names {len(names)} classes; the model answers {outputs} numbers per row.\n  Name one class per output."
            )
    else:
        shown = ", ".join(found[:6]) + (", ..." if len(found) > 6 else "")
        if not all(re.fullmatch(r"\d+", name) for name in found):
            raise BadData(
                f"y holds {len(found)} words ({shown}), and the model has {outputs} outputs; which is which is not guessed.\n"
                "  Name the classes in the order of the outputs: `labels=[...]`."
            )
        if (largest := max(map(int, found))) >= outputs:
            raise BadData(
                f"y goes up to {largest}; the model answers {outputs} numbers per row, so classes go from 0 to {outputs - 1}.\n"
                "  Give y as places of the outputs, or name the classes in their order: `labels=[...]`."
            )
        names = [str(at) for at in range(outputs)]
    out = {}
    for split, rows in parts.items():
        if rows.labels is not None:
            place, _ = match_labels(list(rows.names), names, lambda at, split=split: split)  # type: ignore[misc]
            rows = replace(rows, labels=place[rows.labels])
        out[split] = replace(rows, names=tuple(names))
    return out


def refuse_masks(parts: Mapping[str, Rows], kind: str, module: bool) -> None:
    """Refuse a class for each pixel where it is not taken from a program.

    Args:
        parts: Split -> rows.
        kind: Of the task's answers.
        module: Whether the model is a module in memory.

    Raises:
        BadData: Says what does take it.
    """
    masks = any(name.startswith(MASK) for rows in parts.values() for name in rows.names[:1])
    if (masks and kind != Map.name) or (module and kind == Map.name):
        raise BadData(
            "y holds a class for each pixel, and `shrink` takes modules that answer one row with classes, labels or numbers.\n"
            "  Write the arrays with `numpy.savez('train.npz', X=images, y=masks)`, channels of images last, and a job with "
            "`task: image-segmentation` and `model: {python: ...}`."
        )


def guessed(rows: Rows, as_images: bool) -> tuple[str, str]:
    """The task that fits the inputs, and what it was seen by.

    Args:
        rows: Of test.
        as_images: Arrays of three and four axes are raw images, channels last; else they are what the model takes.

    Raises:
        BadData: Nothing fits.
    """
    inputs = rows.inputs
    answer, seen = answers_of(rows)
    if isinstance(inputs, Mapping):
        return f"tabular-{answer}", f"{len(inputs)} columns{seen}"
    if inputs.dtype.kind == "O" and isinstance(inputs[0], bytes):
        return f"audio-{answer}", f"the bytes of files{seen}"
    if inputs.dtype.kind in "OU":
        return f"text-{answer}", f"{'pairs of texts' if inputs.ndim == 2 else 'texts'}{seen}"
    shape = f"an array {inputs.shape}{seen}"
    if inputs.ndim == 2:
        return f"tabular-{answer}", shape
    if inputs.ndim > 2:
        return f"image-{answer}" if as_images and inputs.ndim < 5 else f"array-{answer}", shape
    raise BadData(f"X has shape {inputs.shape}.\n  Give one row per item: (N, ...), columns by name, or a list of texts.")


def answers_of(rows: Rows) -> tuple[str, str]:
    """The second half of a task's name by what the labels are: classification, regression or multilabel; and what it was seen by."""
    if rows.labels is not None and rows.labels.ndim > 1:
        return "regression", f", and y has {rows.labels.shape[1]} numbers per row"
    if any(name.startswith(LISTED) for name in rows.names):
        return "multilabel", ", and y has several labels per row"
    if has_fractions(rows.names):
        return "regression", ", and y has fractions"
    return "classification", ""


def numbers_of(rows: Rows) -> int:
    """How many numbers the label of a row is."""
    return 1 if rows.labels is None or rows.labels.ndim < 2 else int(rows.labels.shape[1])


def keep(rows: Rows, split: str, folder: Path) -> str:
    """Write rows into a study's folder under a name that says their content; returns the file's name."""
    groups = {name: column.tolist() for name, column in rows.groups.items()}
    name = f"{split}-{digests.of_value([rows.digest(), groups])[:16]}.rows"
    if not (folder / name).is_file():
        part = folder / f".{name}.part.npz"  # numpy adds the ending where it is missing
        write_rows(rows, part)
        part.replace(folder / name)
    return name
