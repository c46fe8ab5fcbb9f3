"""How well scores put rows of a class above the others."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric
from paredown.metrics.one_vs_rest import mean_one_vs_rest


class Auroc(Metric):
    """The area under the ROC curve: 0.5 the scores say nothing, 1 every row of a class is above every other, 0 below.

    Of a pair of rows, one of the class and one not, it is the chance that the first has the higher score; equal scores count half. Two
    classes: by the score of class 1. Several classes, or labels: the mean over those that some rows have and others not; there is no
    value where none is such.
    Source: Hanley & McNeil 1982, Radiology 143:29; scikit-learn's `roc_auc_score(multi_class="ovr", average="macro")`.
    """

    kinds = ("class", "labels")
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean area, 0..1."""
        return mean_one_vs_rest(_area, targets, answers)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """0.5, as for equal scores."""
        return 0.5


def _area(ones: np.ndarray, rest: np.ndarray) -> float:
    below, up_to = (int(np.searchsorted(rest, ones, side).sum()) for side in ("left", "right"))
    return (below + up_to) / (2 * len(ones) * len(rest))
