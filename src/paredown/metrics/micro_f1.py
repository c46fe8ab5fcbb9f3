"""F1 over all labels of all rows."""

from __future__ import annotations

import math

import numpy as np

from paredown.core.task import Metric


class MicroF1(Metric):
    """F1 over the labels of all rows, 2 TP / (2 TP + FP + FN): 0 no label is hit, 1 all are, and no other is answered.

    TP, FP and FN are counted over all rows and labels, so that a frequent label counts more; a label is answered where it is 0.5 or more.
    There is no value where no label is right and none is answered.
    Source: the definition of scikit-learn's `f1_score(average="micro")`.
    Departs: scikit-learn says 0 where there is no value.
    """

    kinds = ("labels",)
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """F1, 0..1."""
        right, said = targets > 0.5, answers >= 0.5
        seen = np.count_nonzero(right) + np.count_nonzero(said)  # 2 TP + FP + FN
        return float(2 * np.count_nonzero(right & said) / seen) if seen else math.nan

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What the labels' base rates get: labels of half of the rows and more are answered, always."""
        return self.over_set(targets, np.tile(targets.mean(axis=0), (len(targets), 1)))
