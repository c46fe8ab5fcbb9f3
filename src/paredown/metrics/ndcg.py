"""How well the rows of each user, or the documents for each query, are ordered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paredown.metrics.ranked import Ranked, by_rank, one_column
from paredown.metrics.retrieved import found_by, worth


@dataclass(frozen=True)
class Ndcg(Ranked):
    """Normalized discounted cumulative gain of each group's rows by score, its mean over groups: 1 all stand in the best order.

    dcg = sum over ranks r = 1..k of y_r / log2(1 + r), where the target itself is the gain (not 2^y - 1); ndcg = dcg over that of the best
    order. Rows of equal scores share their ranks. A group of which no row is worth anything has 0; one of a single row has no order, and
    is left out. Of vectors the documents are ordered for each query by the cosine of their direction with its own; grades are the gains.
    Source: Jarvelin & Kekalainen 2002, ACM TOIS 20:422; the definition of scikit-learn's `ndcg_score`, which refuses a single row.
    """

    def of_queries(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Of each query of vectors.

        Raises:
            BadData: There is no query, or a relevant document is not among the rows.
        """
        documents = int((targets[:, 0] >= 0).sum())
        sums = np.concatenate([[0.0], np.cumsum(self._worth(np.arange(documents))[: self.k])])
        scores = []
        for grades, first, equal in found_by(targets, answers):
            best = float(np.sort(grades)[::-1][: len(sums) - 1] @ np.diff(sums)[: len(grades)])
            scores.append(float(grades @ worth(first, equal, sums)) / best if best > 0 else 0.0)
        return np.array(scores)

    def per_group(self, targets: np.ndarray, answers: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Of each group (G,), NaN where it is a single row.

        Raises:
            BadData: A target is below 0, or rows have several.
        """
        gains, scores = one_column(self.text(), targets, answers)
        found, best = by_rank(gains, scores, groups, self._worth), by_rank(gains, gains, groups, self._worth)
        share = np.divide(found, best, out=np.zeros(len(best)), where=best > 0)
        return np.where(np.bincount(groups) > 1, share, np.nan)

    def _worth(self, rank: np.ndarray) -> np.ndarray:
        worth = 1 / np.log2(rank + 2.0)
        return worth if self.k is None else np.where(rank < self.k, worth, 0.0)
