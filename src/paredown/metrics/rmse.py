"""How far the numbers are off, where large errors count more."""

from __future__ import annotations

import numpy as np

from paredown.core.task import OWN, Metric


class Rmse(Metric):
    """The root of the mean squared error, in the unit of the targets: 0 every number is right, larger is worse.

    rmse = mean_d sqrt(mean_i (y_id - a_id)^2). All columns count the same, in their own units.
    Source: the definition of scikit-learn's `root_mean_squared_error`.
    """

    better = "lower"
    kinds = ("numbers",)
    unit = OWN
    bounded = False
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean over columns of the root of the mean over rows."""
        return float(np.sqrt(((targets - answers) ** 2).mean(axis=0)).mean())

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The error of each column's mean, its standard deviation: the least of a model that looks at nothing."""
        return float(targets.std(axis=0).mean())
