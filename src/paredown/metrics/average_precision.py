"""How pure the top of the scores is."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric
from paredown.metrics.one_vs_rest import mean_one_vs_rest


class AveragePrecision(Metric):
    """The area under the steps of precision over recall: 1 every row of a class is above every other; its base rate for equal scores.

    The mean over the rows of a class of the share that this class has among all rows with the same score or a higher one; no
    interpolation. 0 is reached by no finite set. Two classes: by the score of class 1. Several classes, or labels: the mean over those that
    some rows have and others not; there is no value where none is such.
    Source: the definition of scikit-learn's `average_precision_score(average="macro")`.
    """

    kinds = ("class", "labels")
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean area, 0..1."""
        return mean_one_vs_rest(_area, targets, answers)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The base rate, as for equal scores."""
        return self.over_set(targets, np.zeros((len(targets), outputs)))


def _area(ones: np.ndarray, rest: np.ndarray) -> float:
    above, others = (len(scores) - np.searchsorted(scores, ones) for scores in (ones, rest))
    return float((above / (above + others)).mean())
