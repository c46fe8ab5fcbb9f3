"""How much of what is relevant to each user or query stands among its first rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paredown.metrics.ranked import Ranked, by_rank, one_column
from paredown.metrics.retrieved import found_by, worth


@dataclass(frozen=True)
class Recall(Ranked):
    """Relevant rows among the k of a group with the highest scores, over all its relevant ones, its mean over groups: 1 none is missed.

    A row is relevant where its target is above 0, as a click; ratings that are all above 0 need a column that says which are good. Rows of
    equal scores share their ranks. A group without a relevant row, or with no other, says nothing of an order and is left out. Of vectors
    the documents are ordered for each query by the cosine of their direction with its own.
    Source: Manning, Raghavan & Schutze 2008, Introduction to Information Retrieval, section 8.4.
    Departs: a group of relevant rows only, which has k / n whatever is answered, is left out.

    Args:
        k: Rows that count.
        kind: Of the answers.
    """

    k: int = 10

    def of_queries(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Of each query of vectors.

        Raises:
            BadData: There is no query, or a relevant document is not among the rows.
        """
        sums = np.arange(self.k + 1.0)
        return np.array([float(worth(first, equal, sums).mean()) for _, first, equal in found_by(targets, answers)])

    def per_group(self, targets: np.ndarray, answers: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """Of each group (G,), NaN where none of its rows is relevant, or all are.

        Raises:
            BadData: A target is below 0, or rows have several.
        """
        worth, scores = one_column(self.text(), targets, answers)
        relevant = (worth > 0).astype(np.float64)
        found, there = by_rank(relevant, scores, groups, lambda rank: rank < self.k), np.bincount(groups, relevant)
        said = (there > 0) & (there < np.bincount(groups))
        return np.where(said, found / np.maximum(there, 1), np.nan)
