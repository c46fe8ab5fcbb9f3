"""Which rows are of a class and which are not, for metrics that look at the order of scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np


def one_vs_rest(targets: np.ndarray, answers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The scores of the rows that are of a class, or have a label, and those of the others, each ascending; for each class or label.

    Two classes are one question: the scores of class 1. A class or label that all rows have, or none, is left out.

    Args:
        targets: Class indices (N,), or labels (N, L) as 0 and 1.
        answers: Scores (N, classes) or (N, L).
    """
    several = targets.ndim == 2
    for at in range(answers.shape[1]) if several or answers.shape[1] != 2 else (1,):
        is_one, scores = targets[:, at] > 0.5 if several else targets == at, answers[:, at]
        ones, rest = scores[is_one], scores[~is_one]
        if len(ones) and len(rest):
            yield np.sort(ones), np.sort(rest)


def mean_one_vs_rest(of: Callable[[np.ndarray, np.ndarray], float], targets: np.ndarray, answers: np.ndarray) -> float:
    """The mean of what `of` says of each pair of `one_vs_rest`; NaN where there is none."""
    found = [of(ones, rest) for ones, rest in one_vs_rest(targets, answers)]
    return sum(found) / len(found) if found else math.nan
