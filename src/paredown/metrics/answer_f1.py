"""How much of a right part of the text is found, and found alone."""

from __future__ import annotations

import numpy as np

from paredown.kinds.spans import overlaps
from paredown.metrics.parts import OfParts


class AnswerF1(OfParts):
    """The mean over rows of the F1 of the answer's words with those of the right answer that fits best: 0 none in common, 1 the same.

    What counts as a word is for the reader of the rows: of SQuAD's format letters in lower case, without punctuation and articles.
    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250).
    """

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """The F1 of each row, shape (N,)."""
        return overlaps(targets, answers)[1]
