"""Quantiles, and intervals for one proportion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

_NORMAL = NormalDist()


def normal(probability: float) -> float:
    """Quantile of the standard normal distribution; 1.645 at 0.95."""
    return _NORMAL.inv_cdf(probability)


def normal_cdf(value: float) -> float:
    """Share of the standard normal distribution below `value`."""
    return _NORMAL.cdf(value)


def root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Where a rising function crosses zero, by bisection.

    Args:
        rising: A function that never falls on [low, high].
        low, high: The end is returned where the function does not cross zero between them.
    """
    if rising(low) >= 0:
        return low
    if rising(high) <= 0:
        return high
    while high - low > 1e-15 * max(1.0, abs(low), abs(high)):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularized incomplete beta function I_x(a, b), to about 14 digits.

    Source: continued fraction by the modified Lentz method, Press et al., Numerical Recipes, section 6.4.
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):  # the fraction converges fast on the other side
        return 1 - beta_cdf(1 - x, b, a)
    tiny = 1e-300
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / max(1 - (a + b) * x / (a + 1), tiny)
    fraction = d
    for m in range(1, 100_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            fraction *= c * d
        if abs(fraction - before) <= 1e-15 * abs(fraction):
            break
    return front * fraction


def student_cdf(value: float, freedom: float) -> float:
    """Share of Student's t distribution below `value`."""
    square = value * value
    if square < freedom:  # near the middle: the form that keeps the small difference from a half
        half = 0.5 * beta_cdf(square / (freedom + square), 0.5, freedom / 2)
        return 0.5 + math.copysign(half, value)
    tail = 0.5 * beta_cdf(freedom / (freedom + square), freedom / 2, 0.5)
    return 1 - tail if value > 0 else tail


def student(probability: float, freedom: float) -> float:
    """Quantile of Student's t distribution; 2.262 at 0.975 with 9 degrees of freedom.

    Args:
        probability: Between 0 and 1, both excluded.
        freedom: Degrees of freedom, above 0.
    """
    if probability < 0.5:
        return -student(1 - probability, freedom)
    high = 1.0
    while student_cdf(high, freedom) < probability:
        high *= 2
    return root(lambda value: student_cdf(value, freedom) - probability, 0.0, high)


def wilson(successes: float, n: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval for a proportion.

    Args:
        successes: Between 0 and n.
        n: Number of trials; 0 gives (0, 1).
        confidence: Two-sided; 0.90 gives two one-sided bounds of 95 %.

    Source: Wilson 1927, JASA 22:209.
    """
    if n == 0:
        return 0.0, 1.0
    z = normal((1 + confidence) / 2)
    share = successes / n
    middle = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def binomial_cdf(successes: int, n: int, probability: float) -> float:
    """Chance of at most this many successes in n trials."""
    if successes >= n:
        return 1.0
    return beta_cdf(1 - probability, n - successes, successes + 1)


def clopper_pearson_upper(successes: int, n: int, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound of a proportion.

    Source: Clopper & Pearson 1934, Biometrika 26:404.
    """
    if successes >= n:
        return 1.0
    return root(lambda share: (1 - confidence) - binomial_cdf(successes, n, share), 0.0, 1.0)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean and its two-sided Student interval; without spread where there is one value."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, mean, mean
    deviation = (sum((value - mean) ** 2 for value in values) / (count - 1)) ** 0.5
    half = student(1 - (1 - confidence) / 2, count - 1) * deviation / count**0.5
    return mean, mean - half, mean + half
