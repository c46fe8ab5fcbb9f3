"""How pixels of classes lie over each other, against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from paredown.core.policy import Scale
from paredown.metrics.dice import Dice
from paredown.metrics.miou import Miou
from paredown.metrics.overlaps import counted
from paredown.policy.quality import contest, level
from paredown.testing.contracts import check_metric


def drawn(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """1 to 4 images of 2 to 6 classes, of which some do not occur; half of the pixels are told rightly, some have no class."""
    count, classes, height, width = (int(draw.integers(*ends)) for ends in ((1, 5), (2, 7), (1, 6), (1, 6)))
    there = draw.permutation(classes)[: draw.integers(1, classes + 1)]
    targets = draw.choice(there, (count, height, width)).astype(np.int16)
    said = np.where(draw.random(targets.shape) < 0.5, targets, draw.choice(there, targets.shape))
    targets[draw.random(targets.shape) < 0.1] = -1
    return targets, np.eye(classes)[said].transpose(0, 3, 1, 2)


def test_200_random_sets_give_what_scikit_learn_gives() -> None:
    draw, without = np.random.default_rng(3), 0
    for _ in range(200):
        targets, answers = drawn(draw)
        there = targets >= 0
        right, said = targets[there], answers.argmax(axis=1)[there]
        known = sorted({*right.tolist(), *said.tolist()})
        ones = [at for at in known if at > 0]
        expected = jaccard_score(right, said, labels=known, average="macro") if known else math.nan
        assert Miou().over_set(targets, answers) == pytest.approx(expected, rel=1e-9, nan_ok=True)
        expected = f1_score(right, said, labels=ones, average="macro", zero_division=0) if ones else math.nan
        assert Dice().over_set(targets, answers) == pytest.approx(expected, rel=1e-9, nan_ok=True)
        without += not ones
    assert 0 < without < 100


@pytest.mark.parametrize("metric", [Miou(), Dice()])
def test_contract(metric: Miou | Dice) -> None:
    check_metric(metric)
    check_metric(metric, outputs=2)


def test_a_pixel_that_has_no_class_or_no_answer_counts_as_that() -> None:
    targets = np.array([[[0, 1, -1, 1]]], np.int16)
    answers = np.eye(2)[np.array([[[0, 1, 1, 0]]])].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(counted(targets, answers), [[[1, 1], [1, 2], [2, 1]]])
    assert Miou().over_set(targets, answers) == (1 / 2 + 1 / 2) / 2
    assert Dice().over_set(targets, answers) == 2 / 3
    narrow = answers[:, :, :, :2]  # what a target has and an answer has not is answered wrongly
    np.testing.assert_array_equal(counted(targets, narrow), [[[1, 1], [1, 2], [1, 1]]])


def test_what_looks_at_nothing_tells_one_class_everywhere() -> None:
    targets = np.array([[[0, 0, 0, 1]]], np.int16)
    blind = np.zeros((1, 2, 1, 4))
    blind[:, 0] = 1
    assert Miou().chance(targets, 2) == Miou().over_set(targets, blind) == 3 / 8
    assert Dice().chance(targets, 2) == 2 / 5  # all are told the second
    assert Dice().chance(np.full((1, 1, 4), -1, np.int16), 2) == 0.0


@pytest.mark.parametrize("metric", [Miou(), Dice()])
def test_images_are_drawn_anew_by_their_counts(metric: Miou | Dice) -> None:
    draw = np.random.default_rng(0)
    targets = draw.integers(0, 3, (12, 4, 4)).astype(np.int16)
    before, after = (draw.dirichlet(np.ones(3), (12, 4, 4)).transpose(0, 3, 1, 2) for _ in range(2))
    right, counts = metric.condensed(targets, after)
    for rows in draw.integers(0, 12, (20, 12)):
        assert metric.over_set(right[rows], counts[rows]) == metric.over_set(targets[rows], after[rows])
    drop = contest(metric, targets, before, after, Scale.POINTS, kind="map").drop(0.95)
    assert drop.drop == metric.over_set(targets, before) - metric.over_set(targets, after)
    assert drop.low < drop.drop < drop.upper
    whole, low, high = level(metric, targets, after, 0.95, kind="map")
    assert low < whole == metric.over_set(targets, after) < high
