"""The rows of each group in the order of their scores, for metrics that look at who stands where. Not a unit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from paredown.core.errors import BadData
from paredown.core.task import Metric


@dataclass(frozen=True)
class Ranked(Metric):
    """A metric of the order of each user's rows, or of the documents for each query: of vectors one score per query, else per group.

    Args:
        k: Ranks that count; all where it is not given.
        kind: Of the answers.
    """

    k: int | None = None
    kind: str = "numbers"

    cuts = True
    kinds = ("numbers", "vector")

    @property
    def pairs(self) -> str:  # type: ignore[override]
        """Queries of vectors, else groups of rows."""
        return "query" if self.kind == "vector" else "group"

    @property
    def per_item_scores(self) -> bool:  # type: ignore[override]
        """Of vectors, where each query has one."""
        return self.kind == "vector"

    def text(self) -> str:
        """The metric's name, with `@k` where it has one."""
        return self.name() if self.k is None else f"{self.name()}@{self.k}"

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """Of all rows as one group, 0..1, NaN where it has none; of vectors the mean over queries."""
        if self.kind == "vector":
            return float(self.of_queries(targets, answers).mean())
        return float(self.per_group(targets, answers, np.zeros(len(targets), np.int64))[0])

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray | None:
        """Of each query of vectors, shape (queries,).

        Raises:
            BadData: There is no query, or a relevant document is not among the rows.
        """
        return self.of_queries(targets, answers) if self.kind == "vector" else None

    @abstractmethod
    def of_queries(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """One score per query of vectors."""

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """What equal scores for all get."""
        return self.over_set(targets, np.zeros(targets.shape))


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
