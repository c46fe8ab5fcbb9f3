"""What a number of rows can show, before any joule is spent."""

from __future__ import annotations

import math

from paredown.stats.intervals import normal


def smallest_drop(n: int, flips: float, confidence: float = 0.95, power: float = 0.90) -> float:
    """The smallest margin that n rows confirm when there is no drop at all.

    Args:
        n: Rows of the test split; 0 gives infinity.
        flips: Share of rows whose correctness differs, either way.
        confidence: One-sided.
        power: How often it has to be confirmed.

    Returns:
        The margin in points (0.01 is one); divide by the baseline's accuracy for a relative one.

    Source: normal approximation of the paired difference, (z_confidence + z_power) x sqrt(flips / n).
    """
    return (normal(confidence) + normal(power)) * math.sqrt(flips / n) if n else math.inf


def rows_for(drop: float, flips: float, confidence: float = 0.95, power: float = 0.90) -> int:
    """The rows that confirm a margin of `drop` when there is no drop at all; the inverse of `smallest_drop`.

    Args:
        drop: In points, above 0.
        flips, confidence, power: As in `smallest_drop`.
    """
    exact = flips * ((normal(confidence) + normal(power)) / drop) ** 2
    return math.ceil(round(exact, 6))
