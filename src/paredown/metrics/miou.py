"""Intersection over union, averaged over classes."""

from __future__ import annotations

import math

import numpy as np

from paredown.metrics.overlaps import Overlaps


class Miou(Overlaps):
    """The mean over classes of IoU_k = TP_k / (TP_k + FP_k + FN_k), of the pixels of all images together: 0 no pixel is right, 1 all are.

    Every class counts the same, the background too; those that occur neither in a mask nor in an answer are left out. Pixels that the
    masks leave open (`ignore:`) count for nothing.

    Source: Everingham et al. 2010 (Pascal VOC), International Journal of Computer Vision 88:303; scikit-learn's
        `jaccard_score(average="macro")` over all pixels.
    """

    def of(self, counts: np.ndarray) -> float:
        """The mean of intersection over union."""
        both, has, told = counts
        union = has + told - both
        known = union > 0
        return float((both[known] / union[known]).mean()) if known.any() else math.nan
