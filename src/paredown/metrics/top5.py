"""The share of rows whose class is among the five most probable."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric


class Top5(Metric):
    """Rows whose class is among the k most probable ones, over all rows: 0 none is, 1 all are.

    k = min(5, classes - 1), and 1 at least: with all classes allowed every answer would be right. top5 = mean_i [rank_i(y_i) <= k]; of
    equal probabilities the first class is ahead, so that k = 1 is `accuracy`.
    Source: the definition of scikit-learn's `top_k_accuracy_score`.
    Departs: there, the last of equal ones is ahead where classes are more than two.
    """

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The share, 0..1."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """1.0 where the class is among them, else 0.0; shape (N,)."""
        classes = answers.shape[1]
        own, before = answers[np.arange(len(targets)), targets][:, None], np.arange(classes) < targets[:, None]
        ahead = np.count_nonzero((answers > own) | ((answers == own) & before), axis=1)
        among: np.ndarray = ahead < _allowed(classes)
        return among.astype(np.float64)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The share of the k most frequent classes."""
        counts = np.sort(np.bincount(targets, minlength=outputs))
        return float(counts[-_allowed(outputs) :].sum() / len(targets))


def _allowed(classes: int) -> int:
    return max(1, min(5, classes - 1))
