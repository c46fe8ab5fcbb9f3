"""Metrics of an order: against scikit-learn and scipy, against all orders of equal scores, and where there is no value."""

from __future__ import annotations

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]
from sklearn.metrics import ndcg_score

from paredown.core.errors import BadData
from paredown.metrics.ndcg import Ndcg
from paredown.metrics.recall import Recall
from paredown.metrics.spearman import Spearman
from paredown.testing.contracts import check_metric


@pytest.mark.parametrize("unit", [Ndcg(), Ndcg(3), Recall(3), Recall(), Spearman()], ids=lambda unit: unit.text())
def test_contract(unit: Ndcg | Recall | Spearman) -> None:
    check_metric(unit)


def test_ndcg_equals_that_of_scikit_learn_with_equal_scores_and_equal_targets() -> None:
    draw = np.random.default_rng(0)
    for _ in range(200):
        sizes = draw.integers(2, 13, draw.integers(1, 4))
        groups = np.repeat(np.arange(len(sizes)), sizes)
        targets = draw.integers(0, 6, (len(groups), 1)).astype(float)
        answers = draw.integers(0, draw.integers(2, 9), (len(groups), 1)) / 2 - 1  # few different scores: many are equal
        for k in (None, int(draw.integers(1, 6))):
            known = [
                ndcg_score([targets[groups == at, 0]], [answers[groups == at, 0]], k=k) if targets[groups == at].any() else 0.0
                for at in range(len(sizes))
            ]
            np.testing.assert_allclose(Ndcg(k).per_group(targets, answers, groups), known, rtol=0, atol=1e-9)


def test_a_group_of_one_row_has_no_ndcg_and_one_without_relevant_rows_has_0() -> None:
    targets, answers = np.array([[5.0], [0.0], [0.0], [2.0], [1.0]]), np.array([[1.0], [3.0], [4.0], [7.0], [8.0]])
    found = Ndcg(10).per_group(targets, answers, np.array([0, 1, 1, 2, 2]))
    assert math.isnan(found[0])
    assert found[1] == 0.0
    assert found[2] == pytest.approx(ndcg_score([[2, 1]], [[7, 8]]), abs=1e-12)
    with pytest.raises(ValueError, match="more than 1 document"):
        ndcg_score([[5]], [[1]])
    assert ndcg_score([[0, 0]], [[3, 4]]) == 0.0


def test_recall_is_the_mean_over_all_orders_of_equal_scores() -> None:
    draw = np.random.default_rng(1)
    for _ in range(40):
        count, k = int(draw.integers(3, 7)), int(draw.integers(1, 5))
        targets = np.zeros((count, 1))
        targets[: draw.integers(1, count), 0] = draw.uniform(0.5, 3)
        answers = draw.integers(0, 3, (count, 1)).astype(float)
        orders = [order for order in permutations(range(count)) if all(answers[a] >= answers[b] for a, b in pairwise(order))]
        known = np.mean([(targets[list(order[:k]), 0] > 0).sum() / (targets > 0).sum() for order in orders])
        assert Recall(k).over_set(targets, answers) == pytest.approx(known, abs=1e-12)


def test_a_group_with_no_relevant_row_or_with_no_other_has_no_recall() -> None:
    targets, groups = np.array([[0.0], [0.0], [1.0], [8.0], [0.0], [1.0]]), np.array([0, 0, 1, 1, 2, 2])
    found = Recall(1).per_group(targets, np.arange(6.0)[:, None], groups)
    assert np.isnan(found[:2]).all()
    assert found[2] == 1.0


def test_spearman_equals_that_of_scipy() -> None:
    draw = np.random.default_rng(2)
    for _ in range(200):
        count = int(draw.integers(3, 40))
        targets, answers = draw.integers(0, 8, (count, 2)).astype(float), draw.integers(0, 8, (count, 2)).astype(float)
        targets[0], answers[1] = 8, 8  # none is constant: then there is no value
        known = np.mean([stats.spearmanr(targets[:, at], answers[:, at]).statistic for at in range(2)])
        assert Spearman().over_set(targets, answers) == pytest.approx(known, abs=1e-9)
    assert math.isnan(Spearman().over_set(np.ones((4, 1)), np.arange(4.0)[:, None]))


def test_what_looking_at_nothing_gets_is_the_mean_over_all_orders() -> None:
    targets = np.array([[3.0], [1.0], [0.0]])
    for unit in (Ndcg(), Ndcg(2), Recall(1)):
        known = np.mean([unit.over_set(targets, -np.array(order, float)[:, None]) for order in permutations(range(3))])
        assert unit.chance(targets, 1) == pytest.approx(known, abs=1e-12)


@pytest.mark.parametrize("unit", [Ndcg(10), Recall(10)], ids=lambda unit: unit.text())
def test_what_is_no_worth_of_an_item_is_refused(unit: Ndcg | Recall) -> None:
    rows = np.array([[1.0], [-2.0]])
    with pytest.raises(BadData, match=rf"{unit.text()} takes targets as what an item is worth, 0 or more; one is -2\.\n  Shift them"):
        unit.over_set(rows, rows)
    with pytest.raises(BadData, match=rf"{unit.text()} ranks rows by one number each; these have 2\.\n  Name one column with `label:`\."):
        unit.over_set(np.ones((3, 2)), np.ones((3, 2)))
