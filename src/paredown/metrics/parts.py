"""What metrics of parts of texts share. Not a unit."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric
from paredown.kinds.spans import first_word


class OfParts(Metric):
    """The mean over rows of how well the answered part of a text fits a right one."""

    kinds = ("spans",)

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean, 0..1."""
        return float(np.mean(self.per_item(targets, answers)))

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What the first word as the answer gets."""
        return self.over_set(targets, first_word(len(targets)))
