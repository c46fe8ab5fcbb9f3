"""How much of a right part of the text is found, and found alone."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric
from paredown.kinds.spans import first_word, overlaps


class AnswerF1(Metric):
    """The mean over rows of the F1 of the answer's words with those of the right answer that fits best: 0 none in common, 1 the same.

    What counts as a word is for the reader of the rows: of SQuAD's format letters in lower case, without punctuation and articles.
    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250).
    """

    kinds = ("spans",)

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean, 0..1."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """The F1 of each row, shape (N,)."""
        return overlaps(targets, answers)[1]

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What the first word as the answer gets."""
        return self.over_set(targets, first_word(len(targets)))
