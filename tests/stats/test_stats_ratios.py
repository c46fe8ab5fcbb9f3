"""Ratios of paired windows."""

from __future__ import annotations

import math
import random

import pytest

from paredown.stats.intervals import student
from paredown.stats.ratios import detectable, noise_floor, ratio


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


def _lives(draw: random.Random, sittings: int, between: float) -> tuple[list[float], list[float]]:
    """Windows of two equal models whose processes are started several times; each life has a speed of its own."""
    a, b = [], []
    for _ in range(sittings):
        mine, yours = (math.exp(draw.gauss(0, between)) for _ in range(2))
        a += [mine * math.exp(draw.gauss(0, 0.02)) for _ in range(20)]
        b += [yours * math.exp(draw.gauss(0, 0.02)) for _ in range(20)]
    return a, b


def test_lives_that_differ_are_in_the_interval_of_several_starts_and_not_in_that_of_their_windows() -> None:
    draw = random.Random(7)
    held = plain = 0
    for _ in range(300):
        a, b = _lives(draw, 8, 0.02)
        _, low, high = ratio(a, b, sittings=8)
        held += low <= 1 <= high
        _, low, high = ratio(a, b)
        plain += low <= 1 <= high
    assert 0.92 <= held / 300 <= 0.98
    assert plain / 300 < 0.7


def test_the_value_of_several_starts_is_the_mean_of_their_medians() -> None:
    above = [2.0, 2.0, 90.0, 8.0, 8.0, 8.0]
    value, low, high = ratio(above, [1.0] * 6, sittings=2)
    half = student(0.975, 1) * (math.log(8) - math.log(2)) / 2
    assert (value, low, high) == pytest.approx((4.0, 4.0 * math.exp(-half), 4.0 * math.exp(half)))


def test_what_a_measurement_detects_it_claims_nine_times_out_of_ten() -> None:
    draw, claimed = random.Random(11), 0
    for _ in range(300):
        a, b = _lives(draw, 10, 0.01)
        twin = _lives(draw, 10, 0.01)[0]
        saving, floor = detectable(a, twin, sittings=10), noise_floor(a, twin, sittings=10)
        _, low, _ = ratio(a, [cost * (1 - saving) for cost in b], sittings=10)
        claimed += low / (1 + floor) > 1
    assert 0.82 <= claimed / 300 <= 0.97


def test_fewer_pairs_than_starts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a pair of windows per sitting; got 3 pairs in 4 sittings"):
        ratio([1.0] * 3, [1.0] * 3, sittings=4)
