"""The share of right answers."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric


class Accuracy(Metric):
    """Right answers over all answers: 0 none is right, 1 all are.

    accuracy = mean_i [argmax_k p_ik = y_i]; the first of equal probabilities is the answer.
    """

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The share, 0..1."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """1.0 where the answer is right, else 0.0; shape (N,)."""
        right: np.ndarray = answers.argmax(axis=1) == targets
        return right.astype(np.float64)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The share of the most frequent class."""
        return float(np.bincount(targets, minlength=outputs).max() / len(targets))
