"""Values that follow from the definitions: few rows, one class, equal scores, constant numbers, and what looking at nothing gets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paredown.metrics.auroc import Auroc
from paredown.metrics.average_precision import AveragePrecision
from paredown.metrics.macro_f1 import MacroF1
from paredown.metrics.mae import Mae
from paredown.metrics.mcc import Mcc
from paredown.metrics.micro_f1 import MicroF1
from paredown.metrics.r2 import R2
from paredown.metrics.rmse import Rmse
from paredown.metrics.top5 import Top5

CLASSES = np.array([0, 0, 1, 1])
COLUMN = np.array([[1.0], [2.0], [3.0], [6.0]])


def of_one(*scores: float) -> np.ndarray:
    """Probabilities of two classes from those of class 1."""
    return np.stack([1 - np.array(scores), np.array(scores)], axis=1)


def test_errors_of_columns_are_averaged_in_their_own_units():
    targets, answers = np.zeros((4, 2)), np.array([[1.0, 10.0], [-1.0, 10.0], [1.0, 10.0], [3.0, -10.0]])
    assert Mae().per_item(targets, answers).tolist() == [5.5, 5.5, 5.5, 6.5]
    assert Mae().over_set(targets, answers) == 5.75
    assert Rmse().over_set(targets, answers) == pytest.approx((math.sqrt(12 / 4) + 10) / 2)
    assert (Mae().over_set(targets, targets), Rmse().over_set(targets, targets)) == (0.0, 0.0)


def test_numbers_that_look_at_nothing():
    assert Mae().chance(COLUMN, 1) == (1.5 + 0.5 + 0.5 + 3.5) / 4  # off the median, 2.5
    assert Rmse().chance(COLUMN, 1) == pytest.approx(math.sqrt((4 + 1 + 0 + 9) / 4))  # off the mean, 3
    assert R2().chance(COLUMN, 1) == 0.0
    assert R2().over_set(COLUMN, np.full((4, 1), 3.0)) == 0.0
    draw = np.random.default_rng(0)
    for _ in range(50):
        targets = draw.normal(size=(31, 3)) * [1, 10, 100]
        for metric, blind in ((Mae(), np.median(targets, axis=0)), (Rmse(), targets.mean(axis=0)), (R2(), targets.mean(axis=0))):
            said = metric.over_set(targets, np.tile(blind, (31, 1)))
            assert metric.chance(targets, 3) == pytest.approx(said, abs=1e-12)
            other = metric.over_set(targets, np.tile(blind + draw.normal(size=3), (31, 1)))
            assert other < said if metric.better == "higher" else other > said


def test_a_column_that_does_not_vary_is_right_or_not():
    constant = np.full((5, 1), 0.1)  # the mean of such a column is rounded
    assert R2().over_set(constant, constant) == 1.0
    assert R2().over_set(constant, constant + 1e-9) == 0.0
    both = np.concatenate([constant[:4], COLUMN], axis=1)
    assert R2().over_set(both, both) == 1.0
    assert R2().over_set(both, both + np.array([1.0, 0.0])) == 0.5
    assert (R2().chance(constant, 1), R2().chance(both, 2)) == (1.0, 0.5)
    assert math.isnan(R2().over_set(COLUMN[:1], COLUMN[:1]))
    assert R2().over_set(np.array([[0.0], [1e-200]]), np.zeros((2, 1))) == 1.0  # too near to each other to vary in float64


def test_rankings_from_the_worst_to_the_best():
    areas = {(0.1, 0.2, 0.8, 0.9): 1.0, (0.9, 0.8, 0.2, 0.1): 0.0, (0.5, 0.5, 0.5, 0.5): 0.5, (0.1, 0.7, 0.7, 0.9): 0.875}
    for scores, area in areas.items():
        assert Auroc().over_set(CLASSES, of_one(*scores)) == area
    assert AveragePrecision().over_set(CLASSES, of_one(0.1, 0.2, 0.8, 0.9)) == 1.0
    assert AveragePrecision().over_set(CLASSES, of_one(0.9, 0.8, 0.2, 0.1)) == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert AveragePrecision().over_set(CLASSES, of_one(0.5, 0.5, 0.5, 0.5)) == 0.5


@pytest.mark.parametrize("metric", [Auroc(), AveragePrecision()])
def test_a_ranking_needs_rows_of_both_kinds(metric):
    assert math.isnan(metric.over_set(np.zeros(4, np.int64), of_one(0.1, 0.2, 0.3, 0.4)))
    assert math.isnan(metric.over_set(np.ones((4, 1)), np.full((4, 1), 0.5)))
    three = np.eye(3)[[0, 0, 1, 0]] * 0.7 + 0.1  # class 2 does not occur: the mean over the two others
    expected = np.mean([metric.over_set(np.equal(CLASSES, at).astype(np.int64), of_one(*three[:, at])) for at in (0, 1)])
    assert metric.over_set(CLASSES, three) == pytest.approx(expected)
    labels, scores = np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]), np.array([[0.2, 0.9], [0.3, 0.1], [0.1, 0.2]])
    assert metric.over_set(labels, scores) == 1.0  # of the second label alone


def test_ranks_of_equal_scores_are_chance():
    draw = np.random.default_rng(0)
    classes, labels = draw.integers(0, 4, 90), (draw.random((90, 3)) < [0.1, 0.5, 0.9]).astype(float)
    for targets, outputs in ((classes, 4), (labels, 3), (classes % 2, 2)):
        same = np.full((90, outputs), 0.25)
        for metric in (Auroc(), AveragePrecision()):
            assert metric.chance(targets, outputs) == pytest.approx(metric.over_set(targets, same))
    assert AveragePrecision().chance(classes % 2, 2) == pytest.approx((classes % 2).mean())
    assert AveragePrecision().chance(labels, 3) == pytest.approx(labels.mean())


def test_correlation_of_classes():
    right, turned = of_one(0.1, 0.2, 0.8, 0.9), of_one(0.9, 0.8, 0.2, 0.1)
    assert (Mcc().over_set(CLASSES, right), Mcc().over_set(CLASSES, turned)) == (1.0, -1.0)
    assert Mcc().over_set(CLASSES, of_one(0.9, 0.9, 0.9, 0.9)) == 0.0
    assert Mcc().over_set(np.ones(4, np.int64), right) == 0.0
    assert Mcc().chance(CLASSES, 2) == 0.0
    many = np.arange(400_000) % 2  # the square of the number of rows, squared, is no int64
    flipped = np.eye(2)[np.where(np.arange(400_000) % 4 < 1, 1 - many, many)]
    assert Mcc().over_set(many, flipped) == pytest.approx(1 / math.sqrt(3))  # of counts 100, 100, 0, 200


def test_the_five_most_probable():
    scores = np.tile([0.4, 0.2, 0.1, 0.1, 0.1, 0.06, 0.04], (7, 1))
    assert Top5().per_item(np.arange(7), scores).tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert Top5().per_item(np.arange(4), scores[:4, :4]).tolist() == [1, 1, 1, 0]  # one of four is always wrong
    assert Top5().per_item(np.arange(3), np.full((3, 3), 1 / 3)).tolist() == [1, 1, 0]  # the first of equal ones is ahead
    assert Top5().per_item(CLASSES, of_one(0.4, 0.6, 0.5, 0.7)).tolist() == [1, 0, 0, 1]
    assert Top5().over_set(np.zeros(3, np.int64), np.ones((3, 1))) == 1.0


def test_the_five_most_frequent_are_chance():
    targets = np.repeat(np.arange(8), [9, 1, 7, 5, 3, 2, 0, 4])
    blind = np.tile(np.bincount(targets, minlength=8) / len(targets), (len(targets), 1))
    assert Top5().chance(targets, 8) == pytest.approx(28 / 31)
    assert Top5().chance(targets, 8) == pytest.approx(Top5().over_set(targets, blind))
    assert Top5().chance(CLASSES, 2) == 0.5
    assert Top5().chance(np.zeros(3, np.int64), 1) == 1.0


def test_labels_that_nobody_names_are_left_out():
    targets, scores = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]), np.array([[0.5, 0.4, 0.1], [0.49, 0.1, 0.2]])
    assert MacroF1().over_set(targets, scores) == 0.5  # 1 and 0; the second has no value
    assert MicroF1().over_set(targets, scores) == pytest.approx(2 / 3)
    for metric in (MacroF1(), MicroF1()):
        assert math.isnan(metric.over_set(targets * 0, scores * 0))
        assert metric.over_set(targets * 0, scores) == 0.0
        assert metric.over_set(targets, scores * 0) == 0.0


def test_base_rates_of_labels_are_chance():
    targets = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])  # on 3, 2 and 1 of 4 rows
    assert MicroF1().chance(targets, 3) == pytest.approx(2 * 5 / (2 * 5 + 3 + 1))
    assert MacroF1().chance(targets, 3) == pytest.approx((6 / 7 + 4 / 6 + 0) / 3)
