"""One array or several in, whatever the model says out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log10, prod
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.kinds.known import kind_named
from paredown.tasks.finite import refuse_not_finite
from paredown.tasks.graph_columns import refuse_fractions_of

_OPTIONS = ("takes",)
_MANY = ((100_000, 4), (1_000_000, 2))
"""Numbers of one row, up to which a probe has so many rows; one of larger rows."""
_DIGITS = 4
"""Of the numbers of a probe."""


class Tensors(Task):
    """Any model on any arrays, fed as they are: all its outputs are held against those of the model as given, without labels."""

    raw = "arrays"
    kind = "tensors"

    def check(self, rows: Rows) -> None:
        """Refuse what are no arrays of finite numbers.

        Raises:
            BadData: Another form or kind of number, or values that are not finite; says which array and the first row.
        """
        for name, array in arrays_of(rows.inputs).items():
            called = f"the array {name!r}" if name else "the inputs"
            dtype: Any = getattr(array, "dtype", None)
            if dtype is None or dtype.kind not in "buif" or 0 in array.shape[1:]:
                found = f"of {dtype} with shape {array.shape}" if dtype is not None else f"a {type(array).__name__}"
                raise BadData(f"{called} {'is' if name else 'are'} {found}.\n  Such a task needs arrays of numbers, shape (N, ...).")
            refuse_not_finite(replace(rows, inputs=array), f"rows of {called}" if name else "rows", "Fill or remove them.")

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Name, shape and kind of number of each array.

        Args:
            train: Rows.
            options: takes: what a graph declares of its inputs, [{"input", "numbers", "shape"}]; the model source says it.

        Raises:
            UnknownName: No such option; what has to be scaled is an image or a table.
            BadData: The model takes an array that the rows do not have, or whole numbers where they hold fractions.
        """
        for key in options:
            if key not in _OPTIONS:
                raise UnknownName("preprocess option of the task tensors", key, _OPTIONS, "Arrays are fed as they are.")
        arrays, takes = arrays_of(train.inputs), options.get("takes") or ()
        named = _taken(arrays, takes) if takes else {name or "input": (array, _own(array)) for name, array in arrays.items()}
        return {"kind": "arrays", "inputs": [_entry(name, array, numbers) for name, (array, numbers) in named.items()]}

    def left_out(self, encoder: Mapping[str, Any], train: Rows) -> list[str]:
        """Arrays that the model does not take."""
        taken = {entry["name"] for entry in encoder["inputs"]}
        unused = [name for name in arrays_of(train.inputs) if name and name not in taken] if len(taken) > 1 else []
        return [f"The model does not take these arrays of the rows: {', '.join(unused)}."] if unused else []

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """The ends of each array, within which a probe is made up."""
        return ["the least and the largest number of each input"]

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """All outputs one after the other; which they are is known once the model has been asked."""
        return kind_named(self.kind).decoder(names)

    def probe(self, encoder: Mapping[str, Any], seed: int) -> Any:
        """Made-up rows between the least and the largest number of each array: an array, or a list of mappings where there are several."""
        draw, entries = np.random.default_rng(seed), encoder["inputs"]
        size = sum(prod(entry["shape"]) for entry in entries)
        count = next((rows for most, rows in _MANY if size <= most), 1)
        made = {entry["name"]: _made_up(draw, entry, count) for entry in entries}
        if len(made) == 1:
            return next(iter(made.values()))
        return [{name: array[at].tolist() for name, array in made.items()} for at in range(count)]


def arrays_of(inputs: Any) -> dict[str, Any]:
    """The arrays of rows by their names; one that has none stands under the empty name."""
    return dict(inputs) if isinstance(inputs, Mapping) else {"": inputs}


def _own(array: Any) -> str:
    return {"f": "float32", "b": "bool"}.get(array.dtype.kind, "int64")


def _taken(arrays: Mapping[str, Any], takes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, str]]:
    """Input of the model -> its array and kind of number, in the model's order; one input takes one array under any name."""
    if len(takes) == len(arrays) == 1:
        return {takes[0]["input"]: (next(iter(arrays.values())), takes[0]["numbers"])}
    for take in takes:
        if take["input"] not in arrays:
            has = f"the arrays {', '.join(arrays)}" if len(arrays) > 1 or "" not in arrays else "one array without a name"
            raise BadData(
                f"the model takes {take['input']!r} ({take['numbers']}, shape {tuple(take['shape'])}); the rows have {has}.\n"
                "  Give one array for each input under its name; what is the same in all rows goes beside the model: "
                f"`model: {{onnx: ..., constants: {{{take['input']}: ...}}}}`."
            )
    return {take["input"]: (arrays[take["input"]], take["numbers"]) for take in takes}


def _entry(name: str, array: Any, numbers: str) -> dict[str, Any]:
    kind = np.dtype(numbers).kind
    low, high = _ends(array)
    if kind != "f":
        bounds = (0, 1) if kind == "b" else (np.iinfo(numbers).min, np.iinfo(numbers).max)
        for part in Rows(inputs=array, labels=None).parts():
            refuse_fractions_of(part.inputs, bounds, f"the array {name!r}")
        low, high = int(low), int(high)
    return {"name": name, "shape": [*array.shape[1:]], "numbers": numbers, "low": low, "high": high}


def _ends(array: Any) -> tuple[float, float]:
    lows, highs = zip(*((part.inputs.min(), part.inputs.max()) for part in Rows(inputs=array, labels=None).parts()))
    return float(min(lows)), float(max(highs))


def _made_up(draw: np.random.Generator, entry: Mapping[str, Any], count: int) -> np.ndarray:
    shape, low, high = (count, *entry["shape"]), entry["low"], entry["high"]
    if np.dtype(entry["numbers"]).kind != "f":
        return draw.integers(low, high, shape, np.int64, endpoint=True)
    if low == high:
        return np.full(shape, low)
    digits = max(0, _DIGITS - round(log10(high - low)))
    found: np.ndarray = np.clip(np.round(draw.uniform(low, high, shape), digits), low, high)
    return found
