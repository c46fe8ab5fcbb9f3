"""A metric that the user wrote."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData, BadModel
from paredown.core.task import CONTINUOUS, KINDS, Metric
from paredown.ground import user_code
from paredown.kinds.decode import best_spans
from paredown.kinds.places import NOTHING, classes_at
from paredown.kinds.spans import first_word

_CALLED = {
    "class": "two arrays (N,) of class indices",
    "labels": "two arrays (N, labels) of 0 and 1",
    "numbers": "two arrays of numbers, (N,) for one column and (N, columns) for several",
    "tokens": "two arrays (N, words) of class indices, -1 where a row has no such word",
    "spans": "two arrays (N, 2) of the first and the last word",
    "map": "two arrays (N, H, W) of class indices, -1 where nothing is right",
}


@dataclass(frozen=True)
class Python(Metric):
    """`pkg.mod:function(y_true, y_pred) -> float`, higher is better unless the function has an attribute `better = "lower"`.

    Both arguments are arrays (N,) of class indices; (N, labels) of 0 and 1 for labels; of numbers (N, columns), or (N,) for one column;
    (N, words) or (N, H, W) of class indices, -1 where a row has no such word or pixel; (N, 2) of the first and the last word of a part of a
    text. The function is taken as one number over the set, so its drop is judged by bootstrap.

    Args:
        target: The function's dotted name.
        folder: The folder of the job file, where the module is looked up first.
        kind: The kind of answers.
    """

    target: str
    folder: Path = Path()
    kind: str = "class"

    kinds = KINDS
    per_item_scores = False

    @property
    def better(self) -> str:  # type: ignore[override]
        """ "higher" or "lower", as the function says."""
        return str(getattr(self._function, "better", "higher"))

    @property
    def bounded(self) -> bool:  # type: ignore[override]
        """False for numbers, whose errors have no end."""
        return self.kind not in CONTINUOUS

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """What the function returns for the answers.

        Raises:
            BadModel: The module or function is not there.
            BadData: It raised, or did not return a finite number.
        """
        if self.kind == "class":
            return self._call(targets, answers.argmax(axis=1))
        if self.kind in ("tokens", "map"):
            said = answers if answers.ndim == targets.ndim else classes_at(targets, answers)
            return self._call(targets, np.where(targets == NOTHING, NOTHING, said))
        if self.kind == "spans":
            return self._call(targets[:, 1, :2], best_spans(answers)[0])
        if self.kind == "labels":
            return self._call((targets > 0.5).astype(np.int64), (answers >= 0.5).astype(np.int64))
        single = targets.shape[1] == 1
        return self._call(targets[:, 0], answers[:, 0]) if single else self._call(targets, answers)

    def condensed(self, targets: np.ndarray, answers: np.ndarray) -> tuple[Any, Any]:
        """Of a class for each pixel the classes, as the function gets them."""
        return (targets, classes_at(targets, answers)) if self.kind == "map" and answers.ndim > targets.ndim else (targets, answers)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The function's value when the most frequent class is always answered; of labels the base rates, of numbers the mean, of a text
        its first word."""
        if self.kind == "spans":
            return self.over_set(targets, first_word(len(targets)))
        if self.kind == "tokens":
            usual = np.bincount(targets[targets != NOTHING], minlength=outputs)
            return self.over_set(targets, np.tile(usual[None, :, None] / usual.sum(), (len(targets), 1, targets.shape[1])))
        if self.kind == "map":
            most = np.bincount(targets[targets != NOTHING], minlength=outputs).argmax()
            return self.over_set(targets, np.full_like(targets, most))
        blind = np.bincount(targets, minlength=outputs) / len(targets) if self.kind == "class" else targets.mean(axis=0)
        return self.over_set(targets, np.tile(blind, (len(targets), 1)))

    def _call(self, targets: np.ndarray, answers: np.ndarray) -> float:
        function = self._function
        try:
            value = function(targets, answers)
        except (Exception, SystemExit) as error:
            raise BadData(
                f"metric {self.target} raised {type(error).__name__}: {error}.\n  It is called with {_CALLED[self.kind]}."
            ) from error
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise BadData(f"metric {self.target} returned {value!r}.\n  It must return one finite number.")
        return float(value)

    @cached_property
    def _function(self) -> Any:
        user_code.refuse_standard(self.target, self.folder, "metric")
        with user_code.beside(self.folder):
            found = user_code.resolve(self.target, "metric")
        if not callable(found):
            raise BadModel(f"metric {self.target} is of type {type(found).__name__}.\n  Name a function (y_true, y_pred) -> number.")
        return found
