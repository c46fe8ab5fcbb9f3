"""Rows of a table in, one class out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task

_OPTIONS = ("standardize", "one_hot", "input")
_MOST_WORDS = 1000


class TabularClassification(Task):
    """Columns of numbers and words, or a plain array (N, D); one label per row.

    NaN in a column of numbers and the empty word in a column of words mean "missing". A plain array has no missing values.
    """

    raw = "table"

    def check(self, rows: Rows) -> None:
        """Refuse infinite numbers, columns that hold nothing and columns that are neither numbers nor words.

        Raises:
            BadData: Says the column, the first row and what was found.
        """
        if not isinstance(rows.inputs, Mapping):
            _check_array(rows.inputs)
            return
        if not rows.inputs:
            raise BadData("the table has no feature columns.\n  Name them with `features:`, or drop fewer.")
        for name, column in rows.inputs.items():
            if column.dtype.kind in "buif":
                infinite = np.isinf(column)
                if infinite.any():
                    raise BadData(
                        f"column {name!r} holds infinite values in {int(infinite.sum())} rows, first row {int(np.argmax(infinite))}.\n"
                        "  Remove or repair them."
                    )
                empty = bool(np.isnan(column).all())
            else:
                cells = column.tolist()
                strange = next((at for at, cell in enumerate(cells) if not isinstance(cell, str)), None)
                if strange is not None:
                    raise BadData(f"column {name!r} holds {cells[strange]!r} in row {strange}.\n  A column is numbers or words.")
                empty = not any(cell.strip() for cell in cells)
            if empty:
                raise BadData(f"column {name!r} holds no value in {len(column)} rows.\n  Add it to `drop:`, or correct the data.")

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers standardized, words one number per value, in the order of the columns.

        A missing number becomes the mean; a missing word is a value of its own where train has it.

        Args:
            train: Rows that the statistics and the words come from.
            options: standardize (true for columns; a plain array stays as it is unless true), one_hot (true; false gives one code per
                word, its place among the sorted words).

        Raises:
            UnknownName: No such option.
            BadData: An option is not true or false; a column has more than 1000 different words.
        """
        for key, value in options.items():
            if key not in _OPTIONS:
                raise UnknownName("preprocess option", key, _OPTIONS)
            if key != "input" and not isinstance(value, bool):
                raise BadData(f"preprocess: {key} is {value!r}.\n  Write true or false.")
        if not isinstance(train.inputs, Mapping):
            out: dict[str, Any] = {"kind": "vector", "input": str(options.get("input", "input")), "width": int(train.inputs.shape[1])}
            if options.get("standardize", False):
                spread = train.inputs.std(axis=0, dtype=np.float64)
                out |= {"mean": train.inputs.mean(axis=0, dtype=np.float64).tolist(), "std": np.where(spread > 0, spread, 1.0).tolist()}
            return out
        standardize, one_hot = options.get("standardize", True), options.get("one_hot", True)
        columns = []
        for name, column in train.inputs.items():
            columns.append(_numeric(name, column, standardize) if column.dtype.kind in "buif" else _words(name, column, one_hot))
        return {"kind": "table", "input": str(options.get("input", "input")), "columns": columns}

    def decoder(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Logits, one per class."""
        return {"kind": "softmax", "output": "logits", "classes": len(names)}

    def probe(self, encoder: Mapping[str, Any], seed: int) -> Any:
        """Four rows: normal numbers with the encoder's mean and spread, random words of its lists; a list of dicts, or an array (4, D)."""
        random = np.random.default_rng(seed)
        if encoder["kind"] == "vector":
            values = random.standard_normal((4, encoder["width"]))
            return (values * encoder.get("std", 1.0) + encoder.get("mean", 0.0)).astype(np.float32)
        return [{column["name"]: _cell(column, random) for column in encoder["columns"]} for _ in range(4)]


def _check_array(inputs: Any) -> None:
    if not isinstance(inputs, np.ndarray) or inputs.dtype.kind not in "buif" or inputs.ndim != 2 or not inputs.shape[1]:
        found = f"an array {inputs.shape} of {inputs.dtype}" if isinstance(inputs, np.ndarray) else f"a {type(inputs).__name__}"
        raise BadData(f"the inputs are {found}.\n  Tabular classification needs columns by name, or one array of numbers, shape (N, D).")
    fine = np.isfinite(inputs).all(axis=1)
    if not fine.all():
        raise BadData(
            f"{int((~fine).sum())} of {len(inputs)} rows hold NaN or infinite values, first row {int(np.argmin(fine))}.\n"
            "  Fill or remove them."
        )


def _numeric(name: str, column: np.ndarray, standardize: bool) -> dict[str, Any]:
    known = column[~np.isnan(column)].astype(np.float64)
    mean, spread = float(known.mean()), float(known.std())
    scaled = {"mean": mean, "std": spread if spread > 0 else 1.0} if standardize else {"mean": 0.0, "std": 1.0}
    return {"name": name, "kind": "numeric", **scaled, "fill": mean}


def _words(name: str, column: np.ndarray, one_hot: bool) -> dict[str, Any]:
    values = sorted(set(column.tolist()))
    if len(values) > _MOST_WORDS:
        raise BadData(
            f"column {name!r} holds {len(values)} different words in {len(column)} rows; up to {_MOST_WORDS} can be encoded.\n"
            "  Add it to `drop:` if it is an identifier, or group its values."
        )
    return {"name": name, "kind": "categorical" if one_hot else "code", "values": values}


def _cell(column: Mapping[str, Any], random: np.random.Generator) -> float | str:
    if column["kind"] == "numeric":
        return float(column["fill"] + column["std"] * random.standard_normal())
    return str(column["values"][int(random.integers(len(column["values"])))])
