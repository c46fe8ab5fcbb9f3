"""The share of words that have the right class."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric
from paredown.kinds.places import NOTHING, classes_at


class TokenAccuracy(Metric):
    """Words with the right class over all words of all rows: 0 none is right, 1 all are. A word that the model was not given is wrong."""

    kinds = ("tokens",)
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The share, 0..1; NaN where the rows have no word."""
        there = targets != NOTHING
        return float((classes_at(targets, answers) == targets)[there].mean()) if there.any() else float("nan")

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The share of the most frequent class."""
        there = targets[targets != NOTHING]
        return float(np.bincount(there, minlength=outputs).max() / max(1, len(there)))
