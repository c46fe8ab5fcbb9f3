"""Paired bootstrap over rows, for a metric that is not a mean (macro F1)."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from paredown.stats.intervals import normal_cdf, student

Statistic = Callable[[Sequence[int]], float]


def resampled(statistic: Statistic, n: int, resamples: int = 2000, seed: int = 0) -> list[float]:
    """The statistic on `resamples` samples of n rows drawn with replacement, sorted; NaN, as where a sample has no value, comes last.

    Args:
        statistic: Row positions -> the drop; it takes both models' answers at the same positions, which makes it paired.
        n: Rows.
        resamples: How many.
        seed: Of the draws.
    """
    draw = random.Random(seed)
    rows = range(n)
    return sorted((statistic(draw.choices(rows, k=n)) for _ in range(resamples)), key=lambda value: (math.isnan(value), value))


def bound(values: Sequence[float], n: int, probability: float) -> float:
    """A one-sided percentile bound from sorted resamples, widened for a small n.

    The plain percentile is too narrow by what parts a normal quantile from Student's and n from n - 1; the share is moved outward by that.
    BCa would need one more evaluation per row, and corrects a skewness that the difference of two paired metrics hardly has.

    Args:
        values: From `resampled`.
        n: Rows.
        probability: 0.95 for the upper bound at 95 %, 0.05 for the lower.

    Source: expanded percentile interval, Hesterberg 2015, The American Statistician 69:371.
    """
    if n < 2:
        return math.copysign(math.inf, probability - 0.5)
    share = normal_cdf(math.sqrt(n / (n - 1)) * student(probability, n - 1))
    position = share * (len(values) + 1) - 1
    place = math.ceil(position) if probability > 0.5 else math.floor(position)
    return values[min(max(place, 0), len(values) - 1)]


def bootstrap_upper(statistic: Statistic, n: int, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> float:
    """One-sided upper bound of a drop.

    Args:
        statistic: Row positions -> the drop.
        n: Rows, 1 or more; infinity comes back for one row.
        confidence: One-sided.
        resamples: 2 000 place a 95 % bound within about half a point of its share.
        seed: Of the draws.
    """
    return bound(resampled(statistic, n, resamples, seed), n, confidence)
