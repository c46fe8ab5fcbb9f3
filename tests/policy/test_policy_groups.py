"""Drops that are paired by the user, query or document that rows belong to."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from paredown.core.errors import UsageError
from paredown.core.finding import Outcome
from paredown.core.policy import Scale
from paredown.metrics.accuracy import Accuracy
from paredown.metrics.mae import Mae
from paredown.metrics.ndcg import Ndcg
from paredown.metrics.rmse import Rmse
from paredown.policy.parse import load
from paredown.policy.quality import chance, compare, judged, level, refuse_unpaired, value
from paredown.policy.rules import Evidence, judge
from paredown.stats import paired
from paredown.stats.intervals import mean_interval, student

USERS = 60


def users(seed: int, count: int = USERS) -> tuple[Any, Any, Any, Any]:
    """Ratings of one to eight items by each of so many users, in no order, and what two models say of them."""
    draw = np.random.default_rng(seed)
    groups = draw.permutation(np.repeat(np.arange(count), draw.integers(1, 9, count)))
    targets = draw.integers(1, 11, (len(groups), 1)).astype(float)
    before = targets + 3 * draw.normal(size=targets.shape)
    return targets, before, before + 2 * draw.normal(size=targets.shape), groups


def of_user(targets: Any, answers: Any, groups: Any) -> list[float]:
    """The NDCG of each user with two items or more, by scikit-learn."""
    counts = np.bincount(groups)
    return [float(ndcg_score([targets[groups == at, 0]], [answers[groups == at, 0]], k=5)) for at in range(len(counts)) if counts[at] > 1]


@pytest.mark.parametrize("scale", [Scale.RELATIVE, Scale.POINTS])
def test_the_drop_is_of_the_mean_over_users(scale: Scale) -> None:
    targets, before, after, groups = users(0)
    old, new = (np.array(of_user(targets, each, groups)) for each in (before, after))
    found = compare(Ndcg(5), targets, before, after, scale, kind="numbers", blocks=groups)
    assert found.n == judged(Ndcg(5), targets, groups) == len(old) < USERS
    assert found.drop == pytest.approx((old - new).mean() / (old.mean() if scale is Scale.RELATIVE else 1), abs=1e-12)
    known = paired.mean_bounds((old - new).tolist(), old.tolist() if scale is Scale.RELATIVE else [1.0] * len(old))
    assert (found.low, found.upper) == pytest.approx(known, abs=1e-12)
    assert found.flips == pytest.approx((old != new).mean())
    assert value(Ndcg(5), targets, after, groups) == pytest.approx(new.mean(), abs=1e-12)


def test_the_level_is_of_the_mean_over_users() -> None:
    targets, _, after, groups = users(1)
    scores = of_user(targets, after, groups)
    mean, low, high = mean_interval(scores, 0.9)
    assert level(Ndcg(5), targets, after, 0.95, blocks=groups, kind="numbers") == pytest.approx((mean, low, high), abs=1e-9)


def test_guessing_gives_all_items_of_a_user_one_score() -> None:
    targets, _, _, groups = users(2)
    assert chance(Ndcg(5), targets, 1, groups) == pytest.approx(np.mean(of_user(targets, 0 * targets, groups)), abs=1e-12)
    assert chance(Mae(), targets, 1) == Mae().chance(targets, 1)


@pytest.mark.parametrize("metric", [Mae(), Rmse()], ids=["mae", "rmse"])
def test_rows_that_repeat_within_a_document_prove_no_more(metric: Mae | Rmse) -> None:
    """Three copies of each row are three rows, but one document: its bounds are those of one row each."""
    draw = np.random.default_rng(3)
    targets = draw.normal(size=(40, 1))
    before = targets + draw.normal(size=targets.shape)
    after = before + 0.3 * draw.normal(size=targets.shape)
    once = compare(metric, targets, before, after, kind="numbers")
    thrice: Any = [np.repeat(each, 3, axis=0) for each in (targets, before, after)]
    documents = compare(metric, *thrice, kind="numbers", blocks=np.repeat(np.arange(40), 3))
    rows = compare(metric, *thrice, kind="numbers")
    assert (documents.n, rows.n) == (40, 120)
    assert (documents.drop, documents.low, documents.upper) == pytest.approx((once.drop, once.low, once.upper), abs=1e-9)
    assert rows.upper < documents.upper
    alone = level(metric, thrice[0], thrice[2], 0.95, kind="numbers", blocks=np.repeat(np.arange(40), 3))
    assert alone == pytest.approx(level(metric, targets, after, 0.95, kind="numbers"), abs=1e-9)


def test_documents_of_one_row_each_are_rows() -> None:
    draw = np.random.default_rng(4)
    labels, before, after = draw.integers(0, 2, 50), draw.random((50, 2)), draw.random((50, 2))
    apart = draw.permutation(50)
    assert compare(Accuracy(), labels, before, after, blocks=apart) == compare(Accuracy(), labels, before, after)
    assert level(Accuracy(), labels, after, 0.95, blocks=apart) == level(Accuracy(), labels, after, 0.95)


def test_right_answers_within_documents_are_summed() -> None:
    labels, groups = np.zeros(30, np.int64), np.repeat(np.arange(10), 3)
    draw = np.random.default_rng(5)
    before, after = (np.eye(2)[(draw.random(30) < wrong).astype(int)] for wrong in (0.1, 0.3))
    found = compare(Accuracy(), labels, before, after, Scale.POINTS, blocks=groups)
    harm = (before[:, 0] - after[:, 0]).reshape(10, 3).mean(axis=1)
    assert found.drop == pytest.approx(harm.mean())
    assert found.upper == pytest.approx(harm.mean() + student(0.95, 9) * harm.std(ddof=1) / math.sqrt(10))
    assert (found.n, judged(Accuracy(), labels, groups), judged(Accuracy(), labels)) == (10, 10, 30)


def test_a_metric_of_groups_without_groups_is_refused() -> None:
    targets, before, after, _ = users(6)
    said = (
        r"ndcg@10 is the mean over users, queries or other groups of rows, .*\n  Name the column that does, as `data: {paired_by: user}`\."
    )
    for refused in (
        lambda: value(Ndcg(10), targets, before),
        lambda: compare(Ndcg(10), targets, before, after, kind="numbers"),
        lambda: level(Ndcg(10), targets, before, 0.95, kind="numbers"),
        lambda: refuse_unpaired(Ndcg(10), ""),
    ):
        with pytest.raises(UsageError, match=said):
            refused()
    refuse_unpaired(Ndcg(10), "user")
    refuse_unpaired(Mae(), "")


def test_rules_say_how_many_users_they_were_judged_on() -> None:
    targets, before, _, groups = users(7, 80)
    halves = np.where(groups < 79, "many", "few").astype(object)
    evidence = Evidence(
        labels=targets,
        before=before,
        after=before,
        kind="numbers",
        metric=Ndcg(5),
        groups={"half": halves},
        blocks=groups,
        counted="groups of 'user'",
        today=date(2026, 1, 1),
    )
    rules: list[dict[str, Any]] = [
        {"quality": {"drop": "2 %"}},
        {"quality": {"id": "level", "min": 0.1}},
        {"quality": {"id": "by", "drop": "2 %", "by": ["half"], "min_rows": 20}},
    ]
    policy = load({"minimize": "size", "rules": rules})
    said = [finding.reason for finding in judge(policy, evidence)]
    count = judged(Ndcg(5), targets, groups)
    assert f"was seen on {count} groups of 'user', at most " in said[0]
    assert f" on {count} groups of 'user' (" in said[1]
    assert "has 1 groups of 'user', too few" in said[2] or "has 0 groups of 'user', too few" in said[2]
    alone = Evidence(**{**vars(evidence), "blocks": np.arange(len(targets))})
    found = judge(policy, alone)[0]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "no value on any of the groups of 'user', as where each has a single row" in found.reason


@pytest.mark.slow
def test_intervals_over_users_hold_the_drop_in_93_of_100_studies() -> None:
    """Two-sided 95 % intervals of the drop of ndcg@5 by 60 users of a large population, whose drop is known from all of them."""
    population = users(8, 20_000)
    targets, before, after, groups = population
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(groups))[:-1])
    truth = compare(Ndcg(5), *population[:3], kind="numbers", blocks=groups).drop
    draw, held = np.random.default_rng(9), 0
    for _ in range(1000):
        drawn = [members[at] for at in draw.integers(0, len(members), USERS)]
        rows, numbers = np.concatenate(drawn), np.repeat(np.arange(USERS), [len(each) for each in drawn])
        found = compare(Ndcg(5), targets[rows], before[rows], after[rows], confidence=0.975, kind="numbers", blocks=numbers)
        held += found.low <= truth <= found.upper
    print(f"{held / 10:.1f} % of the studies")
    assert held >= 930
