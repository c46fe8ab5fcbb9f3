"""A metric that the user wrote."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData, BadModel
from paredown.core.task import Metric
from paredown.ground import user_code


@dataclass(frozen=True)
class Python(Metric):
    """`pkg.mod:function(y_true, y_pred) -> float`, higher is better unless the function has an attribute `better = "lower"`.

    Both arguments are arrays (N,) of class indices. The function is taken as one number over the set, so its drop is judged by bootstrap.

    Args:
        target: The function's dotted name.
        folder: The folder of the job file, where the module is looked up first.
    """

    target: str
    folder: Path = Path()

    per_item_scores = False

    @property
    def better(self) -> str:  # type: ignore[override]
        """ "higher" or "lower", as the function says."""
        return str(getattr(self._function, "better", "higher"))

    def over_set(self, labels: np.ndarray, probabilities: np.ndarray) -> float:
        """What the function returns for the answers.

        Raises:
            BadModel: The module or function is not there.
            BadData: It raised, or did not return a finite number.
        """
        return self._call(labels, probabilities.argmax(axis=1))

    def chance(self, labels: np.ndarray, classes: int) -> float:
        """The function's value when the most frequent class is always answered."""
        return self._call(labels, np.full_like(labels, np.bincount(labels, minlength=classes).argmax()))

    def _call(self, labels: np.ndarray, answers: np.ndarray) -> float:
        function = self._function
        try:
            value = function(labels, answers)
        except (Exception, SystemExit) as error:
            raise BadData(
                f"metric {self.target} raised {type(error).__name__}: {error}.\n  It is called with two arrays (N,) of class indices."
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
