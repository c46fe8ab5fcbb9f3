"""The ratio of two models' costs from interleaved windows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from paredown.stats.intervals import student

TRIM = 0.1


def ratio(baseline: Sequence[float], candidate: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Baseline over candidate, from windows measured side by side.

    The mean of log(baseline / candidate) with Student's t, then exponentiated. So that one disturbed window cannot carry the result, and
    nobody chooses which, a tenth of the pairs is trimmed at each end, always: none of fewer than 10, one at each end of 10, six of 60.

    Args:
        baseline: One cost per window, above 0.
        candidate: The window measured next to it, above 0.
        confidence: Two-sided.

    Returns:
        value, low, high; 12.0 means that the candidate costs twelve times less.

    Raises:
        ValueError: The two differ in length, there are fewer than two pairs, or a cost is not above 0.

    Source: trimmed t, Yuen 1974, Biometrika 61:165; one-sample form after Tukey & McLaughlin 1963.
    """
    middle, half = _log_ratio(baseline, candidate, confidence)
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def noise_floor(a: Sequence[float], a2: Sequence[float], confidence: float = 0.95) -> float:
    """The relative saving below which nothing is claimed, from a run of one model against itself.

    Args:
        a, a2: Paired windows of the same model, as in `ratio`.
        confidence: Two-sided.

    Returns:
        A share: 0.02 means that a ratio has to leave 1/1.02 to 1.02 before it says anything. The far end of the interval of the log ratio.

    Raises:
        ValueError: As for `ratio`.
    """
    middle, half = _log_ratio(a, a2, confidence)
    return math.expm1(abs(middle) + half)


def _log_ratio(above: Sequence[float], below: Sequence[float], confidence: float) -> tuple[float, float]:
    if len(above) != len(below) or len(above) < 2:
        raise ValueError(f"a ratio needs two or more pairs of windows; got {len(above)} and {len(below)}.")
    if not all(0 < cost < math.inf for cost in (*above, *below)):
        raise ValueError(f"a window's cost must be above 0; the least is {min(*above, *below):g}.")
    logs = sorted(math.log(x / y) for x, y in zip(above, below))
    n, cut = len(logs), int(TRIM * len(logs))
    kept = logs[cut : n - cut]
    middle = math.fsum(kept) / len(kept)
    winsorized = [kept[0]] * cut + kept + [kept[-1]] * cut
    center = math.fsum(winsorized) / n
    spread = math.sqrt(math.fsum((value - center) ** 2 for value in winsorized) / (n - 1))
    return middle, student((1 + confidence) / 2, len(kept) - 1) * spread / ((1 - 2 * cut / n) * math.sqrt(n))
