"""Ratios of paired windows."""

from __future__ import annotations

import math
import random

import pytest

from paredown.stats.intervals import student
from paredown.stats.ratios import noise_floor, ratio


def test_few_windows_give_the_t_interval_of_the_logs() -> None:
    above, below = [2.0, 4.4, 3.9, 8.4], [1.0, 2.0, 2.1, 4.0]
    logs = [math.log(x / y) for x, y in zip(above, below)]
    mean = sum(logs) / 4
    half = student(0.975, 3) * math.sqrt(sum((v - mean) ** 2 for v in logs) / 3 / 4)
    assert ratio(above, below) == pytest.approx((math.exp(mean), math.exp(mean - half), math.exp(mean + half)))


def test_drift_common_to_both_windows_cancels() -> None:
    drift = [1.0 + 0.1 * i for i in range(12)]
    value, low, high = ratio([12 * d for d in drift], drift)
    assert (value, low, high) == pytest.approx((12.0, 12.0, 12.0))


def test_exchanging_the_two_turns_the_interval_over() -> None:
    draw = random.Random(0)
    a, b = ([draw.uniform(1, 2) for _ in range(20)] for _ in range(2))
    value, low, high = ratio(a, b)
    assert ratio(b, a) == pytest.approx((1 / value, 1 / high, 1 / low))


def test_one_disturbed_window_of_ten_does_not_carry_the_result() -> None:
    draw = random.Random(1)
    base = [3.0 * draw.gauss(1, 0.01) for _ in range(20)]
    cand = [draw.gauss(1, 0.01) for _ in range(20)]
    calm = ratio(base, cand)
    value, low, high = ratio(base, [cand[0] * 50, *cand[1:]])
    assert value == pytest.approx(calm[0], rel=0.01)
    assert high / low < 1.05


@pytest.mark.parametrize("pairs", [6, 10, 60])
def test_the_interval_holds_the_truth_in_95_of_100(pairs: int) -> None:
    draw = random.Random(pairs)
    held = 0
    for _ in range(600):
        base = [5.0 * math.exp(draw.gauss(0, 0.1)) for _ in range(pairs)]
        cand = [math.exp(draw.gauss(0, 0.1)) for _ in range(pairs)]
        _, low, high = ratio(base, cand)
        held += low <= 5.0 <= high
    assert 0.925 <= held / 600 <= 0.975


def test_noise_floor_is_the_far_end_of_the_interval() -> None:
    draw = random.Random(2)
    a = [draw.gauss(1.02, 0.02) for _ in range(20)]
    a2 = [draw.gauss(1.00, 0.02) for _ in range(20)]
    value, low, high = ratio(a, a2)
    assert value > 1
    assert noise_floor(a, a2) == pytest.approx(high - 1) == pytest.approx(noise_floor(a2, a))
    assert noise_floor(a, a2) > 1 / low - 1


def test_windows_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more pairs of windows; got 3 and 2"):
        ratio([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="got 1 and 1"):
        noise_floor([1.0], [1.0])
    with pytest.raises(ValueError, match=r"above 0; the least is -0\.5"):
        ratio([1.0, 2.0], [1.0, -0.5])
