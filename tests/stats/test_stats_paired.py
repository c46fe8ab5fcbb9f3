"""Score bounds against a brute-force likelihood, and their size at the limit by enumeration."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.stats import paired
from paredown.stats.intervals import normal, student
from paredown.stats.paired import absolute_low, absolute_score, absolute_upper, mean_bounds, relative_low, relative_score, relative_upper


def most_likely(counts: tuple[int, int, int, int], cells: object, low: float, high: float) -> list[float]:
    """The cells of the greatest likelihood along one free parameter, by ternary search; independent of any closed form."""

    def likelihood(q: float) -> float:
        total = 0.0
        for count, cell in zip(counts, cells(q)):  # type: ignore[operator]
            if count and cell <= 0:
                return -math.inf
            total += count * math.log(cell) if count else 0.0
        return total

    for _ in range(200):
        third = (high - low) / 3
        if likelihood(low + third) < likelihood(high - third):
            low += third
        else:
            high -= third
    return cells((low + high) / 2)  # type: ignore[operator]


def corrected(rows: float) -> float:
    return math.copysign(max(abs(rows) - paired.CORRECTION, 0), rows)


COUNTS = st.tuples(st.integers(1, 200), st.integers(1, 20), st.integers(1, 20), st.integers(1, 30))


@given(COUNTS, st.floats(-0.3, 0.3))
@settings(max_examples=60, deadline=None)
def test_absolute_score_uses_the_likeliest_cells_under_the_hypothesis(counts: tuple[int, int, int, int], drop: float) -> None:
    both, b, c, neither = counts
    n = sum(counts)
    same = (both + neither, b, c, 0)
    cells = most_likely(same, lambda q: [1 - 2 * q - drop, q + drop, q, 1], max(0.0, -drop), (1 - drop) / 2)
    lost, gained = cells[1], cells[2]
    expected = corrected(b - c - n * drop) / math.sqrt(n * (lost + gained - drop * drop))
    assert absolute_score(n, b, c, drop) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(COUNTS, st.floats(-0.5, 0.5))
@settings(max_examples=60, deadline=None)
def test_relative_score_uses_the_likeliest_cells_under_the_hypothesis(counts: tuple[int, int, int, int], drop: float) -> None:
    both, b, c, _ = counts
    n, keep = sum(counts), 1 - drop
    either = (both + b + c) / n

    def cells(q: float) -> list[float]:  # p_both, p_lost, p_gained with p_gained = (keep - 1) p_both + keep p_lost
        stay = (either - (1 + keep) * q) / keep
        return [stay, q, either - stay - q, 1 - either]

    _, lost, gained, _ = most_likely(counts, cells, max(0.0, either * drop), either / (1 + keep))
    expected = corrected(keep * (both + b) - (both + c)) / math.sqrt(n * keep * (lost + gained))
    assert relative_score(n, both, b, c, drop) == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(COUNTS, st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_bounds_lie_around_what_was_seen_where_the_score_equals_z(counts: tuple[int, int, int, int], confidence: float) -> None:
    both, b, c, _ = counts
    n, z = sum(counts), normal(confidence)
    low, high = absolute_low(n, b, c, confidence), absolute_upper(n, b, c, confidence)
    assert low < (b - c) / n < high
    assert absolute_score(n, b, c, high) == pytest.approx(-z, rel=1e-6)
    assert absolute_score(n, b, c, low) == pytest.approx(z, rel=1e-6)
    low, high = relative_low(n, both, b, c, confidence), relative_upper(n, both, b, c, confidence)
    assert low < (b - c) / (both + b) < high
    assert relative_score(n, both, b, c, high) == pytest.approx(-z, rel=1e-6)
    if low == -math.inf:  # so few rows that not even a candidate many times better can be ruled out
        assert relative_score(n, both, b, c, -n) < z
    else:
        assert relative_score(n, both, b, c, low) == pytest.approx(z, rel=1e-6)


def test_no_flips_still_leave_doubt_that_shrinks_with_the_rows() -> None:
    bounds = [relative_upper(n, n, 0, 0) for n in (100, 1000, 10_000)]
    assert bounds[0] > 0.02 > bounds[1] > 0.002 > bounds[2] > 0


def test_a_baseline_without_a_right_row_shows_nothing() -> None:
    assert relative_upper(50, 0, 0, 7) == 1.0
    assert relative_low(50, 0, 0, 7) == -math.inf


def size(n: int, accuracy: float, flips: float, margin: float, relative: bool) -> float:
    """The exact chance that a candidate at the limit passes; whether a table of counts passes is found once per (lost, gained)."""
    drop = margin * accuracy if relative else margin
    lost, gained = (flips + drop) / 2, (flips - drop) / 2
    z, total = normal(0.95), 0.0

    def passes(both: int, b: int, c: int) -> bool:
        score = relative_score(n, both, b, c, margin) if relative else absolute_score(n, b, c, margin)
        return score <= -z

    def chance(count: int, trials: int, share: float) -> float:
        if share in (0.0, 1.0):
            return float(count == trials * share)
        log = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
        return math.exp(log + count * math.log(share) + (trials - count) * math.log1p(-share))

    for c in range(int(n * gained + 6 * math.sqrt(n * gained) + 4)):
        for b in range(int(n * lost + 4)):  # a candidate that loses more than expected at the limit never passes
            weight = chance(c, n, gained) * chance(b, n - c, lost / (1 - gained))
            rest = n - b - c
            if weight < 1e-8 or not passes(rest, b, c):
                continue
            if not relative or passes(0, b, c):
                total += weight
                continue
            low, high = 0, rest  # more rows right for both make it pass
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if passes(middle, b, c) else (middle, high)
            share = (accuracy - lost) / (1 - flips)
            mean, spread = rest * share, math.sqrt(rest * share * (1 - share))
            ends = range(max(high, int(mean - 7 * spread)), min(rest, int(mean + 7 * spread)) + 1)
            total += weight * sum(chance(both, rest, share) for both in ends)
    return total


CASES = [
    (500, 0.90, 0.04, 0.01, True), (500, 0.95, 0.02, 0.02, True), (900, 0.95, 0.02, 0.02, True), (900, 0.95, 0.08, 0.02, True),
    (300, 0.95, 0.02, 0.02, False), (500, 0.95, 0.04, 0.01, False), (900, 0.95, 0.02, 0.02, False), (900, 0.95, 0.04, 0.03, False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_model_at_the_limit_passes_in_at_most_five_percent(case: tuple[int, float, float, float, bool]) -> None:
    assert 0.01 < size(*case) <= 0.05


def test_without_the_correction_it_would_pass_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired, "CORRECTION", 0.0)
    assert size(300, 0.95, 0.02, 0.02, False) == pytest.approx(0.060, abs=0.001)


@pytest.mark.parametrize("rows", [500, 2000])
@pytest.mark.parametrize("accuracy", [0.90, 0.95])
@pytest.mark.parametrize("flips", [0.02, 0.04, 0.08])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.03])
@pytest.mark.parametrize("relative", [True, False])
def test_size_over_the_whole_range(rows: int, accuracy: float, flips: float, margin: float, relative: bool) -> None:
    if flips >= margin:
        assert size(rows, accuracy, flips, margin, relative) <= 0.05


def test_mean_bounds_in_points_are_the_paired_t_interval() -> None:
    draw = random.Random(1)
    harm = [draw.gauss(0.02, 0.1) for _ in range(40)]
    mean = sum(harm) / 40
    half = student(0.95, 39) * math.sqrt(sum((h - mean) ** 2 for h in harm) / 39 / 40)
    assert mean_bounds(harm, [1.0] * 40) == pytest.approx((mean - half, mean + half), rel=1e-9)


def test_relative_mean_bounds_satisfy_fieller() -> None:
    draw = random.Random(2)
    before = [draw.uniform(0.5, 1.0) for _ in range(60)]
    harm = [b * 0.01 + draw.gauss(0, 0.05) for b in before]
    for bound, sign in zip(mean_bounds(harm, before, 0.9), (1, -1)):
        rest = [h - bound * w for h, w in zip(harm, before)]
        mean = sum(rest) / 60
        spread = math.sqrt(sum((r - mean) ** 2 for r in rest) / 59 / 60)
        assert mean / spread == pytest.approx(sign * student(0.9, 59), rel=1e-6)


def test_mean_bounds_say_nothing_for_one_row_or_a_baseline_near_zero() -> None:
    assert mean_bounds([0.1], [1.0]) == (-math.inf, math.inf)
    assert mean_bounds([0.1, 0.2, 0.3], [1.0, -1.0, 0.1]) == (-math.inf, math.inf)


def test_mean_bounds_of_a_constant_harm_are_that_harm() -> None:
    assert mean_bounds([0.25] * 8, [1.0] * 8) == pytest.approx((0.25, 0.25))
