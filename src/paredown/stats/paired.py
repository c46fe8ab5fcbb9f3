"""Non-inferiority on the same rows: how much worse the candidate may still be.

Throughout, `b` counts rows that the baseline gets right and the candidate wrong, `c` the reverse, `both` the rows that both get right.
The score statistics carry a continuity correction of half a row: without it a model at the limit passes in up to 6 % of studies where
flips are few (300 rows, 2 % flips), with it in at most 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paredown.stats.intervals import normal, root, student

CORRECTION = 0.5


@dataclass(frozen=True, kw_only=True)
class Drop:
    """How much worse a candidate is than the baseline on the same rows.

    Args:
        n: Rows.
        flips: Share of rows whose correctness differs; whose answer differs where a row is not just right or wrong.
        drop: What was seen, in the limit's scale (a share of the baseline's value, or points); negative when the candidate is better.
        low, upper: One-sided bounds, each at `confidence`.
        confidence: Of each bound.
    """

    n: int
    flips: float
    drop: float
    low: float
    upper: float
    confidence: float


def absolute_score(n: int, b: int, c: int, drop: float) -> float:
    """Score statistic of the hypothesis p_baseline - p_candidate = drop; positive when more was seen.

    Source: Tango 1998, Statistics in Medicine 17:891, with p_c estimated under the hypothesis.
    Departs: half a row of continuity correction.
    """
    if drop < 0:  # exchange the two models, so that only one form is needed
        return -absolute_score(n, c, b, -drop)
    second = (2 * n - b + c) * drop - b - c
    gained = (math.sqrt(second * second + 8 * n * c * drop * (1 - drop)) - second) / (4 * n)
    return _standardized(b - c - n * drop, n * (2 * gained + drop * (1 - drop)))


def relative_score(n: int, both: int, b: int, c: int, drop: float) -> float:
    """Score statistic of the hypothesis 1 - p_candidate / p_baseline = drop; positive when more was seen.

    Source: Tang, Tang & Chan 2003, Statistics in Medicine 22:1217; Nam & Blackwelder 2002, ibid. 21:689.
    Departs: half a row of continuity correction.
    """
    keep = 1 - drop
    either = (both + b + c) / n  # right by at least one of the two; its estimate is the same under the hypothesis
    shift = either * drop
    first = (1 + keep) * (both + b + c)
    second = -(1 + keep) * shift * (both + b) - either * (b + c)
    lost = (math.sqrt(max(second * second - 4 * first * b * either * shift, 0.0)) - second) / (2 * first) if first else 0.0
    return _standardized(keep * (both + b) - (both + c), n * (keep * lost + max(lost - shift, 0.0)))


def _standardized(seen: float, variance: float) -> float:
    seen = math.copysign(max(abs(seen) - CORRECTION, 0.0), seen)
    if seen == 0:
        return 0.0
    return seen / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, seen)


def absolute_upper(n: int, b: int, c: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of the drop p_baseline - p_candidate, in points (0.01 is one).

    Args:
        n: Rows, 1 or more.
        b: Rows that went from right to wrong.
        c: Rows that went from wrong to right.
        confidence: One-sided.

    Source: Tango 1998, Statistics in Medicine 17:891.
    """
    z = normal(confidence)
    return root(lambda drop: -absolute_score(n, b, c, drop) - z, -1.0, 1.0)


def absolute_low(n: int, b: int, c: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of the drop; see `absolute_upper`."""
    return -absolute_upper(n, c, b, confidence)


def relative_upper(n: int, both: int, b: int, c: int, confidence: float = 0.95) -> float:
    """One-sided upper bound of the relative drop 1 - p_candidate / p_baseline, as a share.

    Args:
        n: Rows, 1 or more.
        both: Rows that both get right.
        b: Rows that went from right to wrong.
        c: Rows that went from wrong to right.
        confidence: One-sided.

    Returns:
        The bound; 1 when the baseline gets no row right, as then nothing can be shown.

    Source: Tang, Tang & Chan 2003, Statistics in Medicine 22:1217.
    """
    if both + b == 0:
        return 1.0
    z = normal(confidence)
    return root(lambda drop: -relative_score(n, both, b, c, drop) - z, -float(n), 1.0)


def relative_low(n: int, both: int, b: int, c: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of the relative drop; minus infinity where so few rows give none. See `relative_upper`."""
    z = normal(confidence)
    if both + b == 0 or relative_score(n, both, b, c, -float(n)) < z:
        return -math.inf
    return root(lambda drop: z - relative_score(n, both, b, c, drop), -float(n), 1.0)


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What the mean of (harm - drop x weight) over rows needs: the t statistic for any drop without going over the rows again.

    Args:
        n: Rows.
        harm, weight: Means of the two.
        harm2, cross, weight2: Means of their deviations' squares and product.
    """

    n: int
    harm: float
    weight: float
    harm2: float
    cross: float
    weight2: float

    @classmethod
    def of(cls, harm: Sequence[float], weight: Sequence[float]) -> Sums:
        """The sums over rows.

        Args:
            harm: Per row, how much worse the candidate is, in the metric's unit.
            weight: Per row 1 for a drop in points, the baseline's score for a relative drop.
        """
        n = len(harm)
        mean_h, mean_w = math.fsum(harm) / n, math.fsum(weight) / n
        return cls(
            n=n,
            harm=mean_h,
            weight=mean_w,
            harm2=math.fsum((h - mean_h) ** 2 for h in harm) / n,
            cross=math.fsum((h - mean_h) * (w - mean_w) for h, w in zip(harm, weight)) / n,
            weight2=math.fsum((w - mean_w) ** 2 for w in weight) / n,
        )

    def score(self, drop: float) -> float:
        """Student's t of the hypothesis that the drop is `drop`; positive when more was seen."""
        variance = max(self.harm2 - 2 * drop * self.cross + drop * drop * self.weight2, 0.0) / max(self.n - 1, 1)
        seen = self.harm - drop * self.weight
        if seen == 0:
            return 0.0
        return seen / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, seen)


def mean_bounds(harm: Sequence[float], weight: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """One-sided lower and upper bound of mean(harm) / mean(weight) for scores that are not 0 or 1.

    Args:
        harm: Per row, how much worse the candidate is, in the metric's unit.
        weight: Per row 1 for a drop in points, the baseline's score for a relative drop; its mean is above 0.
        confidence: Of each bound.

    Returns:
        The bounds; infinite where the rows cannot bound the ratio, as when there are fewer than two.

    Source: paired t test; for the ratio Fieller 1954, J. R. Stat. Soc. B 16:175.
    """
    sums = Sums.of(harm, weight)
    if sums.n < 2:
        return -math.inf, math.inf
    t = student(confidence, sums.n - 1)
    if sums.weight <= t * math.sqrt(sums.weight2 / (sums.n - 1)):
        return -math.inf, math.inf
    far = 1.0
    while not (sums.score(-far) > t and sums.score(far) < -t):
        far *= 2
    return root(lambda drop: t - sums.score(drop), -far, far), root(lambda drop: -sums.score(drop) - t, -far, far)
