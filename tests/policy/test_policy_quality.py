"""Comparisons by the kind of metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from paredown.core.policy import Scale
from paredown.core.task import Metric
from paredown.policy.quality import compare, contest, level
from paredown.stats.intervals import student, wilson
from paredown.stats.paired import absolute_upper, relative_low, relative_upper


class Right(Metric):
    """Right or wrong, higher is better."""

    def over_set(self, labels: Any, probabilities: Any) -> float:
        return float(self.per_item(labels, probabilities).mean())

    def per_item(self, labels: Any, probabilities: Any) -> Any:
        return (probabilities.argmax(1) == labels).astype(float)

    def chance(self, labels: Any, classes: int) -> float:
        return 0.5


class Wrong(Right):
    """Right or wrong, lower is better."""

    better = "lower"

    def per_item(self, labels: Any, probabilities: Any) -> Any:
        return (probabilities.argmax(1) != labels).astype(float)


class Brier(Right):
    """A score per row that is neither 0 nor 1, lower is better."""

    better = "lower"

    def per_item(self, labels: Any, probabilities: Any) -> Any:
        return 1 - probabilities[np.arange(len(labels)), labels]


class Recall(Right):
    """A metric over the whole set."""

    def over_set(self, labels: Any, probabilities: Any) -> float:
        return float((probabilities.argmax(1) == labels)[labels == 1].mean()) if (labels == 1).any() else 0.0

    def per_item(self, labels: Any, probabilities: Any) -> Any:
        return None


def rows(both: int, lost: int, gained: int, neither: int) -> tuple[Any, Any, Any]:
    """Labels and probabilities with these counts; classes alternate."""
    n = both + lost + gained + neither
    labels = np.arange(n) % 2
    before = np.repeat([1, 1, 0, 0], [both, lost, gained, neither])
    after = np.repeat([1, 0, 1, 0], [both, lost, gained, neither])
    return labels, *(np.eye(2)[np.where(right, labels, 1 - labels)] for right in (before, after))


def test_right_or_wrong_takes_the_score_bounds() -> None:
    data = rows(850, 20, 10, 20)
    drop = compare(Right(), *data)
    assert (drop.n, drop.flips, drop.drop, drop.confidence) == (900, pytest.approx(30 / 900), pytest.approx(10 / 870), 0.95)
    assert drop.upper == relative_upper(900, 850, 20, 10)
    assert drop.low == relative_low(900, 850, 20, 10)
    points = compare(Right(), *data, scale=Scale.POINTS, confidence=0.9)
    assert (points.drop, points.upper) == (pytest.approx(10 / 900), absolute_upper(900, 20, 10, 0.9))


def test_an_error_rate_in_points_is_the_same_drop_turned_over() -> None:
    data = rows(850, 20, 10, 20)
    assert compare(Wrong(), *data, scale=Scale.POINTS) == compare(Right(), *data, scale=Scale.POINTS)
    rise = compare(Wrong(), *data)  # 40 wrong become 50? 30 before (gained + neither), 40 after
    assert rise.drop == pytest.approx(10 / 30)
    assert rise.flips == pytest.approx(30 / 900)
    assert rise.low < 10 / 30 < rise.upper


def test_scores_take_students_t() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 60)
    first, second = draw.uniform(0.6, 1, 60), draw.uniform(0.5, 1, 60)
    before, after = (np.where(np.eye(2)[labels] == 1, p[:, None], 1 - p[:, None]) for p in (first, second))
    drop = compare(Brier(), labels, before, after, scale=Scale.POINTS)
    harm = first - second
    half = student(0.95, 59) * harm.std(ddof=1) / math.sqrt(60)
    assert (drop.drop, drop.low, drop.upper) == pytest.approx((harm.mean(), harm.mean() - half, harm.mean() + half))
    assert drop.flips == pytest.approx(np.mean((first > 0.5) != (second > 0.5)))
    assert compare(Brier(), labels, before, after).drop == pytest.approx(harm.mean() / (1 - first).mean())


def test_a_metric_over_the_set_is_resampled_in_pairs() -> None:
    data = rows(850, 20, 10, 20)
    drop = compare(Recall(), *data, seed=3)
    assert drop.drop == pytest.approx((435 - 430) / 435, abs=0.005)
    assert drop.low < drop.drop < drop.upper
    assert drop == compare(Recall(), *data, seed=3) != compare(Recall(), *data, seed=4)
    ones = data[0] == 1
    same = relative_upper(*(int(np.sum(ones[part])) for part in (slice(None), slice(0, 850), slice(850, 870), slice(870, 880))))
    assert drop.upper == pytest.approx(same, abs=0.004)


def test_a_baseline_that_gets_nothing_right_shows_nothing() -> None:
    data = rows(0, 0, 5, 20)
    for metric in (Right(), Recall()):
        drop = compare(metric, *data)
        assert drop.drop == -math.inf
        assert drop.low == -math.inf


def test_the_chance_of_a_fail_agrees_with_the_lower_bound() -> None:
    for metric, scale in ((Right(), Scale.RELATIVE), (Right(), Scale.POINTS), (Wrong(), Scale.RELATIVE), (Recall(), Scale.POINTS)):
        found = contest(metric, *rows(300, 20, 5, 10), scale)
        low, upper = found.bounds(0.95)
        tolerance = 0.01
        assert found.chance(low) == pytest.approx(0.05, abs=tolerance)
        assert found.chance(upper) == pytest.approx(0.95, abs=tolerance)
    lonely = contest(Brier(), np.array([1]), np.array([[0.3, 0.7]]), np.array([[0.4, 0.6]]), Scale.POINTS)
    assert (lonely.chance(0.01), lonely.bounds(0.95)) == (1.0, (-math.inf, math.inf))


def test_the_level_of_one_model() -> None:
    labels, _, after = rows(850, 20, 10, 20)
    assert level(Right(), labels, after, 0.95) == (pytest.approx(860 / 900), *wilson(860, 900, 0.9))
    value, low, high = level(Recall(), labels, after, 0.95)
    assert low < value < high
    value, low, high = level(Brier(), labels, after * 0.8 + 0.1, 0.95)
    assert low < value < high
    assert value == pytest.approx(0.1 + 0.8 * 40 / 900)


def test_a_resampled_metric_that_saw_no_flip_proves_no_more_than_its_rows_can() -> None:
    """What a bootstrap cannot draw it cannot count: with no flip in n rows a share of up to 1 - 0.05^(1/n) may hide."""
    labels = np.arange(100) % 2
    answers = np.eye(2)[labels]
    found = compare(Recall(), labels, answers, answers, scale=Scale.POINTS)
    assert found.drop == 0
    assert found.upper == pytest.approx(1 - 0.05 ** (1 / 100))
    assert found.low == pytest.approx(-found.upper)
