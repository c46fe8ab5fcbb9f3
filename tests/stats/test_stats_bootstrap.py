"""The bootstrap bound against Student's t where both apply, and its coverage for a metric that is no mean."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from paredown.stats.bootstrap import bootstrap_upper, bound, resampled
from paredown.stats.paired import mean_bounds


def test_the_bound_of_a_mean_agrees_with_student() -> None:
    draw = random.Random(0)
    harm = [draw.gauss(0.01, 0.3) for _ in range(200)]
    upper = bootstrap_upper(lambda rows: sum(harm[row] for row in rows) / len(rows), 200, resamples=4000, seed=1)
    low, expected = mean_bounds(harm, [1.0] * 200)
    assert upper == pytest.approx(expected, abs=0.05 * (expected - low))


def test_it_is_wider_than_the_plain_percentile_for_few_rows() -> None:
    values = [float(value) for value in range(1000)]
    assert bound(values, 10, 0.95) > bound(values, 10_000, 0.95) == pytest.approx(950, abs=2)
    assert bound(values, 10, 0.05) < bound(values, 10_000, 0.05) == pytest.approx(49, abs=2)
    assert bound(values, 1, 0.95) == math.inf
    assert bound(values, 1, 0.05) == -math.inf


def test_the_same_seed_draws_the_same_rows() -> None:
    first, second, other = (resampled(lambda rows: sum(rows), 30, 20, seed) for seed in (5, 5, 6))
    assert first == second != other
    assert first == sorted(first)


def test_samples_without_a_value_come_last() -> None:
    values = resampled(lambda rows: math.nan if rows[0] == 0 else float(rows[0]), 4, 200)
    known = [value for value in values if not math.isnan(value)]
    assert set(known) == {1.0, 2.0, 3.0}
    assert values[: len(known)] == sorted(known)
    assert len(known) < len(values)


def f1(labels: Sequence[int], answers: Sequence[int], rows: Sequence[int]) -> float:
    """F1 of class 1, from counts."""
    hits = sum(labels[r] and answers[r] for r in rows)
    return 2 * hits / max(1, sum(labels[r] + answers[r] for r in rows))


def test_coverage_for_f1_is_near_its_promise() -> None:
    """200 studies of 150 rows; the true drop of F1 is known from a population of 60 000."""
    draw = random.Random(3)

    def rows(n: int) -> tuple[list[int], list[int], list[int]]:
        labels = [int(draw.random() < 0.4) for _ in range(n)]
        before = [label if draw.random() < 0.92 else 1 - label for label in labels]
        after = [answer if draw.random() < 0.95 else 1 - answer for answer in before]
        return labels, before, after

    labels, before, after = rows(60_000)
    everyone = range(60_000)
    truth = f1(labels, before, everyone) - f1(labels, after, everyone)
    held = 0
    for study in range(200):
        labels, before, after = rows(150)
        held += bootstrap_upper(lambda r: f1(labels, before, r) - f1(labels, after, r), 150, resamples=150, seed=study) >= truth  # noqa: B023
    assert 0.91 <= held / 200 <= 0.99
