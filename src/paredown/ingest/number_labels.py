"""Labels that were read as columns of numbers: made one over all splits. Not a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.kinds.kind import Kind
from paredown.kinds.labels import Labels
from paredown.kinds.numbers import Numbers


def reading(columns: Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    """The job's entries for a reader: the label of a regression is read as numbers, not as words of which each is another."""
    label = columns.get("label")
    return {**columns, "label": [label]} if kind.name == Numbers.name and isinstance(label, str) else columns


def are_numbers(rows: Rows) -> bool:
    """Whether the labels of rows are numbers as they were read, and no words."""
    return rows.labels is not None and rows.labels.ndim > 1


def refuse_numbers(parts: Mapping[str, Rows]) -> None:
    """Refuse labels that are numbers where each row is of one class.

    Raises:
        BadData: Says which split, and which tasks take them.
    """
    for split, rows in parts.items():
        if are_numbers(rows):
            raise BadData(
                f"{split} has {rows.labels.shape[1]} numbers as a label, and a row is of one class.\n"
                "  Write `task: ...-regression`, or `...-multilabel` where each is 0 or 1; for shares of classes give argmax(axis=1)."
            )


def one_set_of_numbers(parts: Mapping[str, Rows], kind: Kind, known: Sequence[str]) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """The splits with the same columns of numbers as labels, in the order of the outputs, and the names of these.

    Args:
        parts: Split -> rows, of which some have numbers as labels.
        kind: Of the answers; of labels that hold or not each is 0 or 1.
        known: The names as the job or the model gives them, or empty: columns of these names are put in their order.

    Raises:
        BadData: Splits have other columns; another number than there are outputs; a label that is neither 0 nor 1.
    """
    labeled = {split: rows for split, rows in parts.items() if rows.labels is not None}
    first, size = next(iter(labeled)), {split: rows.labels.shape[1] if are_numbers(rows) else 1 for split, rows in labeled.items()}
    for split, rows in labeled.items():
        if rows.labels.shape[1:] != labeled[first].labels.shape[1:]:
            raise BadData(f"{split} has {size[split]} numbers as a label, {first} has {size[first]}.\n  Give all splits the same columns.")
        if kind.name == Labels.name:
            _refuse_other_marks(rows, split)
    names = labeled[first].names
    if known and {*known} == {*names}:
        order = [names.index(name) for name in known]
        if order != sorted(order):
            labeled = {split: replace(rows, labels=np.asarray(rows.labels)[:, order]) for split, rows in labeled.items()}
    elif known and (len(known) != len(names) or {*known} & {*names}):
        raise BadData(
            f"a label is {len(names)} numbers ({_few(names)}); there are {len(known)} names of outputs ({_few(known)}).\n"
            "  Name one column for each output with `label: [...]`, in their order."
        )
    return {**parts, **labeled}, tuple(known) or names


def _refuse_other_marks(rows: Rows, split: str) -> None:
    start = 0
    for part in rows.parts():
        if not (fine := ((part.labels == 0) | (part.labels == 1)).all(axis=1)).all():
            row = int(fine.argmin())
            raise BadData(
                f"{split}: row {start + row} has the labels {', '.join(f'{value:g}' for value in part.labels[row][:6])}.\n"
                "  Each column says of a label whether it holds: 0 or 1. For other numbers write `task: ...-regression`."
            )
        start += len(part)


def _few(names: Sequence[str]) -> str:
    return ", ".join([*names][:6]) + (", ..." if len(names) > 6 else "")
