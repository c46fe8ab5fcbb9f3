"""F1 per class, averaged over classes."""

from __future__ import annotations

import numpy as np

from paredown.core.task import Metric


class MacroF1(Metric):
    """The mean over classes of F1_k = 2 TP_k / (2 TP_k + FP_k + FN_k): 0 no class is ever hit, 1 all answers are right.

    Every class counts the same, however rare. Classes that occur neither among labels nor among answers are left out.
    Source: the definition of scikit-learn's `f1_score(average="macro")`, with 0 where a class is never answered.
    """

    per_item_scores = False

    def over_set(self, labels: np.ndarray, probabilities: np.ndarray) -> float:
        """The mean F1, 0..1."""
        answers, classes = probabilities.argmax(axis=1), probabilities.shape[1]
        hits = np.bincount(labels[answers == labels], minlength=classes)
        seen = np.bincount(labels, minlength=classes) + np.bincount(answers, minlength=classes)  # 2 TP + FP + FN
        return float((2 * hits[seen > 0] / seen[seen > 0]).mean())

    def chance(self, labels: np.ndarray, classes: int) -> float:
        """F1 of the most frequent class, 2 q / (1 + q) for its share q, over the number of classes that occur."""
        counts = np.bincount(labels, minlength=classes)
        share = counts.max() / len(labels)
        return float(2 * share / (1 + share) / np.count_nonzero(counts))
