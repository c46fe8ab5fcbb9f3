"""Holm's correction for many tests at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(chances: Sequence[float]) -> list[float]:
    """Corrected p-values: compare each with 0.05 and the chance of any false alarm among all is at most 5 %.

    Args:
        chances: One p-value per test.

    Returns:
        The corrected ones, in the order given, at most 1.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    corrected, worst = [0.0] * len(chances), 0.0
    for done, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        worst = max(worst, min(1.0, (len(chances) - done) * chances[place]))
        corrected[place] = worst
    return corrected
