"""Comparisons by the kind of metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import UnknownName, UsageError
from paredown.core.policy import Scale
from paredown.core.task import Metric
from paredown.metrics.accuracy import Accuracy
from paredown.metrics.mae import Mae
from paredown.policy.parse import load
from paredown.policy.quality import compare, contest, level, refuse_unfit
from paredown.stats.intervals import student, wilson
from paredown.stats.paired import absolute_upper, relative_low, relative_upper


class Right(Metric):
    """Right or wrong, higher is better."""

    def over_set(self, targets: Any, answers: Any) -> float:
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: Any, answers: Any) -> Any:
        return (answers.argmax(1) == targets).astype(float)

    def chance(self, targets: Any, outputs: int) -> float:
        return 0.5


class Wrong(Right):
    """Right or wrong, lower is better."""

    better = "lower"

    def per_item(self, targets: Any, answers: Any) -> Any:
        return (answers.argmax(1) != targets).astype(float)


class Brier(Right):
    """A score per row that is neither 0 nor 1, lower is better."""

    better = "lower"

    def per_item(self, targets: Any, answers: Any) -> Any:
        return 1 - answers[np.arange(len(targets)), targets]


class Recall(Right):
    """A metric over the whole set."""

    def over_set(self, targets: Any, answers: Any) -> float:
        return float((answers.argmax(1) == targets)[targets == 1].mean()) if (targets == 1).any() else 0.0

    def per_item(self, targets: Any, answers: Any) -> Any:
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


class Off(Metric):
    """The mean error of numbers, lower is better."""

    better = "lower"
    kinds = ("numbers",)
    bounded = False

    def over_set(self, targets: Any, answers: Any) -> float:
        return float(np.abs(targets - answers).mean())

    def per_item(self, targets: Any, answers: Any) -> Any:
        return np.abs(targets - answers).mean(1)

    def chance(self, targets: Any, outputs: int) -> float:
        return 1.0


class Farthest(Off):
    """The root of the mean squared error: over the whole set, without a bound."""

    def over_set(self, targets: Any, answers: Any) -> float:
        return math.sqrt(((targets - answers) ** 2).mean())

    def per_item(self, targets: Any, answers: Any) -> Any:
        return None


class Rank(Recall):
    """A metric that has no value where all rows are of one class."""

    def over_set(self, targets: Any, answers: Any) -> float:
        ones = targets == 1
        return float(answers[ones, 1].mean() - answers[~ones, 1].mean()) if 0 < ones.sum() < len(ones) else math.nan


def test_a_kind_of_answers_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"no kind of answers 'number'\. Did you mean 'numbers'"):
        compare(Right(), *rows(10, 1, 1, 1), kind="number")


def test_an_error_in_numbers_is_averaged_even_where_it_is_0_or_1() -> None:
    """0 and 1 are right and wrong where rows are classified; an error of 1 gram is neither."""
    targets = np.zeros((50, 1))
    before, after = targets + (np.arange(50) < 10)[:, None], targets + (np.arange(50) < 12)[:, None]
    drop = compare(Off(), targets, before, after, scale=Scale.POINTS, kind="numbers")
    same = compare(Off(), targets, before * 3.5, after * 3.5, scale=Scale.POINTS, kind="numbers")
    assert (drop.flips, drop.drop) == (2 / 50, pytest.approx(2 / 50))
    assert (drop.low, drop.upper) == pytest.approx((same.low / 3.5, same.upper / 3.5))
    assert level(Off(), targets, after, 0.95, kind="numbers") == pytest.approx(
        [each / 3.5 for each in level(Off(), targets, after * 3.5, 0.95, kind="numbers")]
    )


def test_a_metric_without_a_bound_hides_no_share_of_one() -> None:
    """What a row that was not seen may cost in a unit of its own, no share of rows tells; the drop is the same in every unit."""
    draw = np.random.default_rng(0)
    targets = draw.normal(size=(60, 1))
    before, after = targets + 0.1 * draw.normal(size=(60, 1)), targets + 0.11 * draw.normal(size=(60, 1))
    found, small = (
        compare(Farthest(), *(unit * each for each in (targets, before, after)), scale=Scale.POINTS, kind="numbers") for unit in (1, 1e-3)
    )
    assert (found.low, found.drop, found.upper) == pytest.approx((1e3 * small.low, 1e3 * small.drop, 1e3 * small.upper))
    assert found.low < found.drop < found.upper < found.drop + 0.05
    same = compare(Farthest(), targets, before, before, scale=Scale.POINTS, kind="numbers")
    assert (same.low, same.drop, same.upper) == (0, 0, 0)


def test_a_baseline_without_an_error_has_no_relative_drop() -> None:
    targets = np.arange(20.0)[:, None]
    for metric in (Off(), Farthest()):
        drop = compare(metric, targets, targets, targets + 0.1, kind="numbers")
        assert (drop.drop, drop.upper) == (math.inf, math.inf)


def test_samples_without_a_value_may_lie_anywhere() -> None:
    """With 2 rows of the class among 60, 13 % of the samples hold none of them: more than a bound at 95 % bears."""
    draw = np.random.default_rng(0)
    before, after = (np.stack([1 - scores, scores], 1) for scores in draw.random((2, 60)))
    bounds = [compare(Rank(), (np.arange(60) < few).astype(np.int64), before, after, scale=Scale.POINTS) for few in (2, 8)]
    assert (bounds[0].low, bounds[0].upper) == (-math.inf, math.inf)
    assert -1 < bounds[1].low < bounds[1].drop < bounds[1].upper < 1
    assert contest(Rank(), (np.arange(60) < 2).astype(np.int64), before, after, Scale.POINTS).chance(-2.0) > 0.1
    value, low, upper = level(Rank(), (np.arange(60) < 2).astype(np.int64), after, 0.95)
    assert (math.isfinite(value), low, upper) == (True, -math.inf, math.inf)


@pytest.mark.parametrize("scale", [Scale.RELATIVE, Scale.POINTS])
def test_rows_that_give_no_value_show_nothing(scale: Scale) -> None:
    _, before, after = rows(30, 5, 0, 5)
    drop = compare(Rank(), np.zeros(40, np.int64), before, after, scale=scale)
    assert (math.isnan(drop.drop), drop.low, drop.upper) == (True, -math.inf, math.inf)
    found = contest(Rank(), np.zeros(40, np.int64), before, after, scale)
    assert found.chance(0.01) == 1.0


@pytest.mark.parametrize(
    ("rule", "metric", "said"),
    [
        ({"min": 0.9}, Mae(), r"quality has `min: 0\.9`; mae is better when lower\.\n  Write `max:`"),
        ({"max": 0.9}, Accuracy(), r"quality has `max: 0\.9`; accuracy is better when higher\.\n  Write `min:`"),
        ({"drop": "1 pp"}, Mae(), r"quality has `drop: 1 pp`; mae is in the unit of the data, and has no points or per cent"),
        ({"max": "50 %"}, Mae(), r"quality has `max: 50 %`; mae is in the unit of the data"),
    ],
)
def test_rules_that_a_metric_cannot_be_judged_by_are_refused(rule: dict[str, Any], metric: Metric, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        refuse_unfit(load({"minimize": "cpu_time", "rules": [{"quality": rule}]}), metric)
    refuse_unfit(load({"minimize": "cpu_time", "rules": [{"quality": {"drop": "2 %"}}]}), metric)
