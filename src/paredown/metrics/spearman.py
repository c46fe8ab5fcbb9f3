"""How far the order of the answers is the right one."""

from __future__ import annotations

import math

import numpy as np

from paredown.core.task import OWN, Metric


class Spearman(Metric):
    """The correlation of the ranks of answers and targets: 1 the same order, 0 none, -1 the reverse; the mean over columns.

    Equal values share the mean of their ranks. There is no value where targets or answers are all equal, or of fewer than two rows.
    Source: Spearman 1904, American Journal of Psychology 15:72; the definition of scipy's `spearmanr`.
    """

    kinds = ("numbers",)
    unit = OWN
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean over columns, -1..1."""
        return float(np.mean([_correlation(_ranks(right), _ranks(said)) for right, said in zip(targets.T, answers.T)]))

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """0, as for any answers that do not depend on the row."""
        return 0.0


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, the mean of them where values are equal."""
    equal, counts = np.unique(values, return_inverse=True, return_counts=True)[1:]
    ranks: np.ndarray = (np.cumsum(counts) - (counts + 1) / 2)[equal]
    return ranks


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    spread = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / spread if spread > 0 else math.nan
