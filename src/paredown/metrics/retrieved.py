"""Where the relevant documents stand among all, in the order of their similarity to a query. Not a unit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paredown.core.errors import BadData
from paredown.kinds.vector import NOTHING, directions

_AT_ONCE = 1 << 23
_SAME = 9
"""Decimals to which similarities are told apart: equal documents are equal, however their sums were rounded."""


def found_by(targets: np.ndarray, answers: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each query, the grades of its relevant documents, how many documents are more similar to it than each, and how many as much.

    Args:
        targets: (N, 1 + 2 R), see `kinds.vector`.
        answers: (N, D), of which the directions count.

    Yields:
        Three arrays (relevant documents,) for each query, in the order of the rows; a document is as similar as itself.

    Raises:
        BadData: There is no query, or a relevant document is not among the rows.
    """
    if not np.issubdtype(targets.dtype, np.integer) or (targets[:, 0] != NOTHING).all():
        raise BadData(
            "none of these rows is a query, and a ranking needs some.\n"
            "  Say which documents are relevant to which queries, as `test: qrels/test.tsv`, or write `metric: agreement`."
        )
    asked = targets[:, 0] == NOTHING
    there, vectors = np.flatnonzero(~asked), directions(answers)
    documents = vectors[there]
    column = np.full(max(int(targets[:, 0].max(initial=-1)), int(targets[:, 1::2].max(initial=-1))) + 1, NOTHING)
    column[targets[there, 0]] = np.arange(len(there))
    rows = np.flatnonzero(asked)
    for start in range(0, len(rows), step := max(1, _AT_ONCE // max(1, len(there)))):
        some = rows[start : start + step]
        for likeness, judged in zip(np.round(vectors[some] @ documents.T, _SAME), targets[some, 1:]):
            relevant = judged[::2] != NOTHING
            at = column[judged[::2][relevant]]
            if (at == NOTHING).any():
                raise BadData(
                    "a document that is relevant to a query is not among the rows.\n  Judge rows that hold all documents, not some of them."
                )
            mine = likeness[at]
            order = np.sort(likeness)
            last = np.searchsorted(order, mine, side="right")
            yield judged[1::2][relevant], len(order) - last, last - np.searchsorted(order, mine, side="left")


def worth(first: np.ndarray, equal: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """What a document's rank is worth, the mean over the ranks that it shares with those as similar.

    Args:
        first: Documents that are more similar, from 0.
        equal: Documents as similar, itself among them.
        sums: What the first 0, 1, 2, ... ranks are worth together; ranks after the last of them are worth nothing.
    """
    last = len(sums) - 1
    found: np.ndarray = (sums[np.minimum(first + equal, last)] - sums[np.minimum(first, last)]) / equal
    return found
