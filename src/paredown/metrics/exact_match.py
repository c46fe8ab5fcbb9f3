"""The share of rows whose part of the text is exactly one that is right."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric
from paredown.kinds.spans import first_word, overlaps


class ExactMatch(Metric):
    """Rows whose answer has the words of a right one, over all rows: 0 none, 1 all.

    What counts as a word is for the reader of the rows: of SQuAD's format letters in lower case, without punctuation and articles.
    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250).
    """

    kinds = ("spans",)

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The share, 0..1."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """1.0 where the words are those of a right part, else 0.0; shape (N,)."""
        return overlaps(targets, answers)[0]

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What the first word as the answer gets."""
        return self.over_set(targets, first_word(len(targets)))
