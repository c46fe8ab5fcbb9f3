"""Arrays in; a model is fed what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.kinds.known import kind_named
from paredown.tasks import whole_numbers
from paredown.tasks.finite import refuse_not_finite
from paredown.tasks.graph_columns import made_whole, refuse_fractions_of, whole_of

_OPTIONS = ("input", "numbers")


class Arrays(Task):
    """Arrays of numbers of one shape, fed to the model as they are: nothing is scaled or moved."""

    raw = "array"

    def check(self, rows: Rows) -> None:
        """Refuse what is no array of finite numbers.

        Raises:
            BadData: Another form or kind of number, or values that are not finite; says the first row.
        """
        inputs = rows.inputs
        dtype, shape = getattr(inputs, "dtype", None), getattr(inputs, "shape", ())
        if dtype is None or dtype.kind not in "buif" or len(shape) < 2 or 0 in shape[1:]:
            found = f"an array {shape} of {dtype}" if dtype is not None else f"a {type(inputs).__name__}"
            raise BadData(f"the inputs are {found}.\n  Such a task needs one array of numbers, shape (N, ...).")
        refuse_not_finite(rows, "rows", "Fill or remove them.")

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """The shape of one row.

        Args:
            train: Rows.
            options: input: the name of the model's input ("input" by default); numbers: "float32", or "int64" for a model that takes whole
                numbers, as tokens.

        Raises:
            UnknownName: No such option; what has to be scaled is an image or a table.
            BadData: The rows hold fractions, and the model or an ONNX graph takes whole numbers.
        """
        options = dict(options)
        whole = whole_of(options.pop("graph", None))
        for key in options:
            if key not in _OPTIONS:
                hint = "Arrays are fed as they are; `task: image-...` and `tabular-...` scale theirs."
                raise UnknownName("preprocess option of a task of arrays", key, _OPTIONS, hint)
        if whole is not None:
            refuse_fractions_of(train.inputs, whole, "")
        shape = list(train.inputs.shape[1:])
        made = {"kind": "array", "input": str(options.get("input", "input")), "shape": shape}
        return made | ({"whole": whole} if whole else {}) | whole_numbers.entry(train.inputs, options)

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """As the task's kind of answers has it."""
        return kind_named(self.kind).decoder(names)

    def probe(self, encoder: Mapping[str, Any], seed: int) -> np.ndarray:
        """Four rows of normal numbers; of zeros and ones where whole numbers are taken, which name something that the model knows."""
        if "numbers" in encoder:
            return whole_numbers.probe((4, *encoder["shape"]), seed)
        values = np.random.default_rng(seed).standard_normal((4, *encoder["shape"]))
        made: np.ndarray = made_whole(values, encoder.get("whole")).astype(np.float32)
        return made
