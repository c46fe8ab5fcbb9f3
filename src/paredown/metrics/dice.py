"""Dice coefficient of all classes but the background."""

from __future__ import annotations

import math

import numpy as np

from paredown.metrics.overlaps import Overlaps


class Dice(Overlaps):
    """The mean over classes but the first, which is the background, of 2 TP_k / (2 TP_k + FP_k + FN_k), of the pixels of all images
    together: 0 no pixel of them is found, 1 all are, and no other.

    Of two classes it is the F1 of the second. Classes that occur neither in a mask nor in an answer are left out, and where all are left
    out there is no value. Pixels that the masks leave open (`ignore:`) count for nothing.

    Source: Dice 1945, Ecology 26:297; scikit-learn's `f1_score(average="macro")` over all pixels, for the labels from 1 on.
    """

    def of(self, counts: np.ndarray) -> float:
        """The mean F1 of the classes from the second on."""
        both, has, told = counts[:, 1:]
        known = has + told > 0
        return float((2 * both[known] / (has + told)[known]).mean()) if known.any() else math.nan
