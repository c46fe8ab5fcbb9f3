"""The rows of each group in the order of their scores, for metrics that look at who stands where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from paredown.core.errors import BadData


def by_rank(values: np.ndarray, scores: np.ndarray, groups: np.ndarray, worth: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The sum over the rows of each group (G,) of a value times what its rank is worth; rows of equal scores share their ranks.

    Args:
        values: Of each row (N,).
        scores: Of each row (N,); the highest of a group has rank 0.
        groups: The number of each row's group (N,), from 0 and without gaps.
        worth: Ranks (N,) -> what each is worth.

    Source: McSherry & Najork 2008, ECIR: the mean over all orders of the equal ones, in closed form.
    """
    order = np.lexsort((-scores, groups))
    group, score = groups[order], scores[order]
    begins = np.concatenate([[True], group[1:] != group[:-1]])
    at = np.arange(len(order))
    rank = at - np.maximum.accumulate(np.where(begins, at, 0))
    equal = np.cumsum(begins | np.concatenate([[True], score[1:] != score[:-1]])) - 1
    mean = np.bincount(equal, values[order]) / np.bincount(equal)
    found: np.ndarray = np.bincount(group, mean[equal] * worth(rank))
    return found


def one_column(metric: str, targets: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets and answers as arrays (N,).

    Raises:
        BadData: They are several numbers for each row, or a target is below 0.
    """
    if targets.shape[1] != 1:
        raise BadData(f"{metric} ranks rows by one number each; these have {targets.shape[1]}.\n  Name one column with `label:`.")
    if (targets < 0).any():
        raise BadData(
            f"{metric} takes targets as what an item is worth, 0 or more; one is {targets.min():g}.\n  Shift them, as by their least."
        )
    return targets[:, 0], answers[:, 0]
