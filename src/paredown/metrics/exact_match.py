"""The share of rows whose part of the text is exactly one that is right."""

from __future__ import annotations

import numpy as np

from paredown.kinds.spans import overlaps
from paredown.metrics.parts import OfParts


class ExactMatch(OfParts):
    """Rows whose answer has the words of a right one, over all rows: 0 none, 1 all.

    What counts as a word is for the reader of the rows: of SQuAD's format letters in lower case, without punctuation and articles.
    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250).
    """

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """1.0 where the words are those of a right part, else 0.0; shape (N,)."""
        return overlaps(targets, answers)[0]
