"""How much of what the numbers vary is answered."""

from __future__ import annotations

import math

import numpy as np

from paredown.core.task import OWN, Metric


class R2(Metric):
    """The coefficient of determination: 0 no better than the mean of the targets, 1 every number is right; below 0 worse than the mean.

    r2 = mean_d (1 - sum_i (y_id - a_id)^2 / sum_i (y_id - mean_i y_id)^2). A column that does not vary has 1 where all of it is right,
    else 0. Fewer than two rows have no value.
    Source: the definition of scikit-learn's `r2_score(multioutput="uniform_average")`.
    Departs: a column of equal numbers does not vary, even where their mean is rounded.
    """

    kinds = ("numbers",)
    unit = OWN
    bounded = False
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean over columns, 1 at most."""
        if len(targets) < 2:
            return math.nan
        lost = ((targets - answers) ** 2).sum(axis=0)
        spread = ((targets - targets.mean(axis=0)) ** 2).sum(axis=0)
        varies = (spread > 0) & (np.ptp(targets, axis=0) > 0)
        return float(np.where(varies, 1 - lost / np.where(varies, spread, 1.0), lost == 0).mean())

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What each column's mean gets: 0, and 1 where the column does not vary."""
        return float((np.ptp(targets, axis=0) == 0).mean())
