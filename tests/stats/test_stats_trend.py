"""The Mann-Kendall test against its table and against all orders of a few numbers."""

from __future__ import annotations

import random
from itertools import combinations, permutations

import pytest

from paredown.stats.trend import mann_kendall


def test_probabilities_of_the_published_table() -> None:
    # Hollander & Wolfe, Nonparametric Statistical Methods, table A.30: P(S >= 10) = 0.008, P(S >= 8) = 0.042 for five values
    assert mann_kendall([1, 2, 3, 4, 5]) == pytest.approx(2 * 1 / 120)
    assert mann_kendall([2, 1, 3, 4, 5]) == pytest.approx(2 * 5 / 120)
    assert mann_kendall([5, 4, 3, 2, 1]) == mann_kendall([1, 2, 3, 4, 5])


def test_every_order_of_six_numbers_by_counting() -> None:
    def score(values: tuple[int, ...]) -> int:
        return abs(sum((b > a) - (b < a) for a, b in combinations(values, 2)))

    orders = list(permutations(range(6)))
    for order in random.Random(0).sample(orders, 40):
        assert mann_kendall(order) == pytest.approx(sum(score(other) >= score(order) for other in orders) / len(orders))


def test_no_values_and_equal_ones_have_no_trend() -> None:
    assert mann_kendall([]) == mann_kendall([3.0]) == mann_kendall([2.0] * 8) == 1
