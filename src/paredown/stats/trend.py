"""Does a short series still rise or fall?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations


def mann_kendall(values: Sequence[float]) -> float:
    """The chance that a series without a trend is ordered as much as this one, either way, by the exact count of permutations.

    Args:
        values: In the order of time; equal neighbours count for neither side.

    Returns:
        A two-sided p-value; 1 for fewer than two values.

    Source: Mann 1945, Econometrica 13:245; Kendall 1975, Rank Correlation Methods.
    """
    counts = _inversions(len(values))
    later = sum((after > before) - (after < before) for before, after in combinations(values, 2))
    # S = pairs - 2 * inversions, so that |S| or more is at most this many inversions, at either end
    least = (len(counts) - 1 - abs(later)) // 2
    return min(1.0, 2 * sum(counts[: least + 1]) / sum(counts))


@cache
def _inversions(n: int) -> list[int]:
    """How many permutations of n things have 0, 1, 2, ... inversions."""
    counts = [1]
    for size in range(2, n + 1):
        counts = [sum(counts[max(0, at - size + 1) : at + 1]) for at in range(len(counts) + size - 1)]
    return counts
