"""The correlation between answered and right classes."""

from __future__ import annotations

import numpy as np

from paredown.core.task import OWN, Metric


class Mcc(Metric):
    """Matthews' correlation coefficient, for several classes Gorodkin's R_K: 0 as good as guessing, 1 all answers are right.

    With n rows, c right ones, t_k rows of class k and p_k answers of class k:
    (c n - sum_k t_k p_k) / sqrt((n^2 - sum_k p_k^2) (n^2 - sum_k t_k^2)). It is 0 where targets or answers are all of one class, and
    below 0, down to -1, where answers are worse than guessing.
    Source: Gorodkin 2004, Computational Biology and Chemistry 28:367; the definition of scikit-learn's `matthews_corrcoef`.
    """

    unit = OWN
    per_item_scores = False

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The coefficient, -1..1."""
        n, classes, picked = float(len(targets)), answers.shape[1], answers.argmax(axis=1)
        there, said = (np.bincount(each, minlength=classes).astype(np.float64) for each in (targets, picked))
        spread = (n * n - there @ there) * (n * n - said @ said)
        return float((np.count_nonzero(picked == targets) * n - there @ said) / np.sqrt(spread)) if spread > 0 else 0.0

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """0, as for any answers that do not depend on the row."""
        return 0.0
