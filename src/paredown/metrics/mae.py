"""How far the numbers are off."""

from __future__ import annotations

import numpy as np

from paredown.core.task import OWN, Metric


class Mae(Metric):
    """The mean absolute error, in the unit of the targets: 0 every number is right, larger is worse.

    mae = mean_i mean_d |y_id - a_id|. All columns count the same, in their own units.
    Source: the definition of scikit-learn's `mean_absolute_error`.
    """

    better = "lower"
    kinds = ("numbers",)
    unit = OWN
    bounded = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean over rows and columns."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """The mean over columns of each row, shape (N,)."""
        off: np.ndarray = np.abs(targets - answers).mean(axis=1)
        return off

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The error of each column's median: the least of a model that looks at nothing."""
        return float(np.abs(targets - np.median(targets, axis=0)).mean())
