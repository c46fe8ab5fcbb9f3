"""The ratio of two models' costs from interleaved windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from paredown.stats.intervals import normal, student

TRIM = 0.1
"""Share of the numbers set aside at each end, always, so that no disturbed window carries a result and nobody chooses which."""


def ratio(baseline: Sequence[float], candidate: Sequence[float], confidence: float = 0.95, sittings: int = 1) -> tuple[float, float, float]:
    """Baseline over candidate, from windows measured side by side.

    The mean of log(baseline / candidate) with Student's t, then exponentiated. Where the processes were started several times, each start
    gives one number, the median of its pairs: where a process's memory lies moves its speed by a per cent or more for its whole life, and
    windows of one life cannot show that. A tenth of the numbers is trimmed at each end: none of fewer than 10, one at each end of 12.
    `benchmarks/aa.py` holds this against other estimators on recorded windows.

    Args:
        baseline: One cost per window, above 0, in the order of time.
        candidate: The window measured next to it, above 0.
        confidence: Two-sided.
        sittings: Times that the processes were started; the windows are cut into so many equal runs.

    Returns:
        value, low, high; 12.0 means that the candidate costs twelve times less.

    Raises:
        ValueError: The two differ in length, there are fewer than two pairs, or a cost is not above 0.

    Source: trimmed t, Yuen 1974, Biometrika 61:165, one-sample form after Tukey & McLaughlin 1963; repetition at the level that varies,
    Kalibera & Jones 2013, ISMM.
    """
    middle, half = _log_ratio(baseline, candidate, confidence, sittings)
    return math.exp(middle), math.exp(middle - half), math.exp(middle + half)


def noise_floor(a: Sequence[float], a2: Sequence[float], confidence: float = 0.95, sittings: int = 1) -> float:
    """The relative saving below which nothing is claimed, from a run of one model against itself.

    Args:
        a, a2: Paired windows of the same model, as in `ratio`.
        confidence: Two-sided.
        sittings: As in `ratio`.

    Returns:
        A share: 0.02 means that a ratio has to leave 1/1.02 to 1.02 before it says anything. The far end of the interval of the log ratio.

    Raises:
        ValueError: As for `ratio`.
    """
    middle, half = _log_ratio(a, a2, confidence, sittings)
    return math.expm1(abs(middle) + half)


def detectable(a: Sequence[float], a2: Sequence[float], confidence: float = 0.95, power: float = 0.9, sittings: int = 1) -> float:
    """The smallest saving that windows like these would show above the noise floor, in `power` of all measurements.

    Args:
        a, a2: Paired windows of the same model, as in `ratio`.
        confidence: Two-sided, of the interval and of the floor.
        power: How often the saving has to be claimed.
        sittings: As in `ratio`.

    Returns:
        A share of the baseline's cost between 0 and 1: 0.03 is a candidate that takes 3 % less.

    Raises:
        ValueError: As for `ratio`.

    Source: floor + half-width + z_power standard deviations of (estimate - its half-width), on the log ratio, normal approximation.
    """
    middle, half = _log_ratio(a, a2, confidence, sittings)
    count = sittings if sittings > 1 else len(a)
    freedom = count - 2 * int(TRIM * count) - 1
    t = student((1 + confidence) / 2, freedom)
    spread = half / t * math.sqrt(1 + t * t / freedom)
    return -math.expm1(-(abs(middle) + 2 * half + normal(power) * spread))


def cut(values: Sequence[float], sittings: int) -> list[Sequence[float]]:
    """A series in the order of time as one run per sitting; the lengths differ by one at most."""
    ends = [len(values) * at // sittings for at in range(sittings + 1)]
    return [values[first:last] for first, last in pairwise(ends)]


def _log_ratio(above: Sequence[float], below: Sequence[float], confidence: float, sittings: int) -> tuple[float, float]:
    if len(above) != len(below) or len(above) < 2:
        raise ValueError(f"a ratio needs two or more pairs of windows; got {len(above)} and {len(below)}.")
    if not all(0 < cost < math.inf for cost in (*above, *below)):
        raise ValueError(f"a window's cost must be above 0; the least is {min(*above, *below):g}.")
    logs = [math.log(x / y) for x, y in zip(above, below)]
    if len(logs) < sittings:
        raise ValueError(f"a ratio needs a pair of windows per sitting; got {len(logs)} pairs in {sittings} sittings.")
    ranked = sorted(map(median, cut(logs, sittings)) if sittings > 1 else logs)
    n, aside = len(ranked), int(TRIM * len(ranked))
    kept = ranked[aside : n - aside]
    middle = math.fsum(kept) / len(kept)
    winsorized = [kept[0]] * aside + kept + [kept[-1]] * aside
    center = math.fsum(winsorized) / n
    spread = math.sqrt(math.fsum((value - center) ** 2 for value in winsorized) / (n - 1))
    return middle, student((1 + confidence) / 2, len(kept) - 1) * spread / ((1 - 2 * aside / n) * math.sqrt(n))
