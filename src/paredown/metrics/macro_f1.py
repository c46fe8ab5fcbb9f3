"""F1 per class or label, averaged over them."""

from __future__ import annotations

import math

import numpy as np

from paredown.core.task import Metric


class MacroF1(Metric):
    """The mean over classes or labels of F1_k = 2 TP_k / (2 TP_k + FP_k + FN_k): 0 none is ever hit, 1 all answers are right.

    Every class counts the same, however rare. Those that occur neither among targets nor among answers are left out, and where all are
    left out there is no value. A label is answered where it is 0.5 or more.
    Source: the definition of scikit-learn's `f1_score(average="macro")`, with 0 where a class is never answered; for labels with
    `zero_division=nan`, which leaves out.
    """

    kinds = ("class", "labels")
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean F1, 0..1."""
        if targets.ndim == 2:
            right, said = targets > 0.5, answers >= 0.5
            hits, seen = np.count_nonzero(right & said, axis=0), np.count_nonzero(right, axis=0) + np.count_nonzero(said, axis=0)
        else:
            classes, picked = answers.shape[1], answers.argmax(axis=1)
            hits = np.bincount(targets[picked == targets], minlength=classes)
            seen = np.bincount(targets, minlength=classes) + np.bincount(picked, minlength=classes)
        known = seen > 0  # 2 TP + FP + FN
        return float((2 * hits[known] / seen[known]).mean()) if known.any() else math.nan

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What the most frequent class gets, or what the labels' base rates get: labels of half of the rows and more are answered, always.

        For classes that is 2 q / (1 + q) for the share q of the most frequent one, over the number of classes that occur.
        """
        if targets.ndim == 2:
            return self.over_set(targets, np.tile(targets.mean(axis=0), (len(targets), 1)))
        counts = np.bincount(targets, minlength=outputs)
        share = counts.max() / len(targets)
        return float(2 * share / (1 + share) / np.count_nonzero(counts))
