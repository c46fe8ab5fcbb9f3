"""How the pixels of each class lie over each other, counted image by image. Not a unit."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from paredown.core.task import Metric
from paredown.kinds.places import NOTHING, classes_at


class Overlaps(Metric):
    """A metric of sums of pixels over all images; a row, which is what is paired and drawn anew, is an image.

    Where `answers` has three axes it is what `condensed` made of answers.
    """

    kinds = ("map",)
    per_item_scores = False

    def condensed(self, targets: np.ndarray, answers: np.ndarray) -> tuple[Any, Any]:
        """Nothing, and the counts of each image (N, 3, classes): pixels that are right of a class, that have it, that are told it."""
        return np.empty((len(targets), 0)), counted(targets, answers)

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The metric over all images, 0..1; NaN where no class that counts occurs."""
        return self.of((answers if answers.ndim == 3 else counted(targets, answers)).sum(axis=0))

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What the best of those gets that tell one class for all pixels."""
        has = np.bincount(targets[targets != NOTHING], minlength=outputs)
        told = np.eye(outputs, dtype=np.int64) * has.sum()
        return float(np.nanmax([self.of(np.stack([np.minimum(has, one), has, one])) for one in told] + [0.0]))

    @abstractmethod
    def of(self, counts: np.ndarray) -> float:
        """The metric of the counts (3, classes) of all pixels; NaN where no class that counts occurs."""


def counted(targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """For each image (N, 3, classes): pixels that are right of a class, that have it, and that are told it; those without a target count
    for nothing."""
    classes = answers.shape[1]
    out = np.zeros((len(targets), 3, classes), np.int64)
    for at, row in enumerate(out):
        (said,) = classes_at(targets[at : at + 1], answers[at : at + 1])
        there = targets[at] != NOTHING
        has, told = targets[at][there], said[there]
        row[0], row[1] = (np.bincount(some, minlength=classes) for some in (has[has == told], has))
        row[2] = np.bincount(told[told != NOTHING], minlength=classes)
    return out
