"""F1 of entities and accuracy of tags, against the rules of record."""

from __future__ import annotations

import math

import numpy as np
import pytest
from seqeval.metrics import f1_score

from paredown.metrics.entity_f1 import EntityF1
from paredown.metrics.token_accuracy import TokenAccuracy
from paredown.testing.contracts import check_metric

TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "E-LOC", "S-PER")


def drawn(draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """1 to 20 rows of 1 to 9 words, and answers of which half are right."""
    count, words = int(draw.integers(1, 21)), int(draw.integers(1, 10))
    targets = draw.integers(0, len(TAGS), (count, words))
    targets[draw.random((count, words)) < 0.3] = 0
    for row, size in zip(targets, draw.integers(1, words + 1, count)):
        row[size:] = -1
    said = np.where(draw.random(targets.shape) < 0.5, targets, draw.integers(0, len(TAGS), targets.shape))
    return targets, np.eye(len(TAGS))[said].transpose(0, 2, 1)


@pytest.mark.filterwarnings("ignore")  # the reference warns where there is no entity
def test_entities_are_those_of_conlleval() -> None:
    draw, metric = np.random.default_rng(0), EntityF1().named(TAGS)
    for _ in range(200):
        targets, answers = drawn(draw)
        said = answers.argmax(axis=1)
        known = [[TAGS[at] for at in row if at >= 0] for row in targets.tolist()]
        told = [[TAGS[mine] for mine, at in zip(row, goal) if at >= 0] for row, goal in zip(said.tolist(), targets.tolist())]
        mine = metric.over_set(targets, answers)
        assert mine == pytest.approx(f1_score(known, told), abs=1e-9) or (math.isnan(mine) and f1_score(known, told) == 0)
        there = targets >= 0
        assert TokenAccuracy().over_set(targets, answers) == pytest.approx((said == targets)[there].mean(), abs=1e-12)


def test_where_there_is_nothing_there_is_no_value() -> None:
    targets = np.zeros((2, 3), np.int64)
    assert math.isnan(EntityF1().named(TAGS).over_set(targets, np.eye(7)[targets].transpose(0, 2, 1)))
    assert math.isnan(TokenAccuracy().over_set(np.full((1, 2), -1), np.zeros((1, 7, 2))))


def test_tags_of_other_schemes_are_read() -> None:
    plain = EntityF1(("O", "PER", "U-ORG", "B-ORG", "L-ORG"))
    assert [*plain.entities(np.array([1, 1, 0, 1, 2, 3, 4, -1]))] == [("PER", 0, 1), ("PER", 3, 3), ("ORG", 4, 4), ("ORG", 5, 6)]


@pytest.mark.parametrize("metric", [EntityF1(), TokenAccuracy()])
def test_the_contract_of_metrics_holds(metric: EntityF1 | TokenAccuracy) -> None:
    check_metric(metric)
