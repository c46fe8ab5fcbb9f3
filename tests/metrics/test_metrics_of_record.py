"""Every metric against scikit-learn on 200 random sets: with ties, absent classes, one column and several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as record

from paredown.core.task import Metric
from paredown.ground import registry
from paredown.testing.contracts import check_metric

SETS = 200


def classes(draw: np.random.Generator) -> tuple[Any, Any]:
    """2 to 60 rows of 2 to 8 classes, of which some may not occur; probabilities with ties in half of the sets."""
    count, width = int(draw.integers(2, 61)), int(draw.integers(2, 9))
    there = draw.permutation(width)[: draw.integers(1, width + 1)]
    answers = draw.dirichlet(np.ones(width), count)
    return draw.choice(there, count).astype(np.int64), answers.round(1) if draw.random() < 0.5 else answers


def labels(draw: np.random.Generator) -> tuple[Any, Any]:
    """1 to 6 labels, of which some are on every row and some on none; scores of 0.5 among them."""
    count, width = int(draw.integers(2, 61)), int(draw.integers(1, 7))
    targets = (draw.random((count, width)) < draw.choice([0.0, 0.1, 0.5, 1.0], width)).astype(np.float64)
    answers = np.clip(0.3 * targets + 0.7 * draw.random((count, width)), 0, 1)
    return targets, answers.round(1) if draw.random() < 0.5 else answers


def numbers(draw: np.random.Generator) -> tuple[Any, Any]:
    """1 to 4 columns of their own scales; some do not vary, some are answered without an error."""
    count, width = int(draw.integers(2, 61)), int(draw.integers(1, 5))
    targets = (draw.normal(size=(count, width)) + draw.normal(size=width)) * 10.0 ** draw.integers(-2, 4, width)
    targets[:, draw.random(width) < 0.2] = 3.0
    answers = targets + draw.normal(size=(count, width)) * targets.std(axis=0).clip(0.1)
    right = draw.random(width) < 0.2
    answers[:, right] = targets[:, right]
    return targets, answers


def each(targets: Any, answers: Any) -> Iterator[tuple[Any, Any]]:
    """Whether a row is of a class, with the score for it: the class 1 of two, each of several, each label; those that vary only."""
    several = targets.ndim == 2
    for at in range(answers.shape[1]) if several or answers.shape[1] > 2 else [1]:
        truth = targets[:, at] == 1 if several else targets == at
        if 0 < truth.sum() < len(truth):
            yield truth.astype(int), answers[:, at]


def ranked(one: Callable[[Any, Any], float]) -> Callable[[Any, Any], float]:
    def reference(targets: Any, answers: Any) -> float:
        found = [one(*pair) for pair in each(targets, answers)]
        return float(np.mean(found)) if found else math.nan

    return reference


def f1(average: str) -> Callable[[Any, Any], float]:
    def reference(targets: Any, answers: Any) -> float:
        if targets.ndim == 1:
            return record.f1_score(targets, answers.argmax(1), average=average)
        said = (answers >= 0.5).astype(int)
        if targets.shape[1] == 1:
            return record.f1_score(targets[:, 0], said[:, 0], zero_division=math.nan)
        return record.f1_score(targets.astype(int), said, average=average, zero_division=math.nan)

    return reference


def top5(targets: Any, answers: Any) -> float:
    width = answers.shape[1]
    if width == 2:
        return record.accuracy_score(targets, answers.argmax(1))
    mirrored = (width - 1 - targets, answers[:, ::-1])  # there, the last of equal ones is ahead
    return record.top_k_accuracy_score(*mirrored, k=min(5, width - 1), labels=range(width))


def correlation(targets: Any, answers: Any) -> float:
    said = answers.argmax(1)
    return record.matthews_corrcoef(targets, said) if len({*targets, *said}) > 1 else 0.0  # there, with a warning


def log_loss(targets: Any, answers: Any) -> float:
    picked = answers[np.arange(len(targets)), targets]
    sure = np.stack([1 - picked, picked], 1)
    return record.log_loss(np.ones(len(targets), int), sure, labels=[0, 1])


RECORD: dict[str, dict[Callable[..., Any], Callable[[Any, Any], float]]] = {
    "accuracy": {classes: lambda targets, answers: record.accuracy_score(targets, answers.argmax(1))},
    "auroc": {kind: ranked(record.roc_auc_score) for kind in (classes, labels)},
    "average_precision": {kind: ranked(record.average_precision_score) for kind in (classes, labels)},
    "loss": {classes: log_loss},
    "macro_f1": {kind: f1("macro") for kind in (classes, labels)},
    "mae": {numbers: record.mean_absolute_error},
    "mcc": {classes: correlation},
    "micro_f1": {labels: f1("micro")},
    "r2": {numbers: record.r2_score},
    "rmse": {numbers: record.root_mean_squared_error},
    "top5": {classes: top5},
}
KINDS = {classes: "class", labels: "labels", numbers: "numbers"}
ELSEWHERE = {"entity_f1", "token_accuracy", "exact_match", "answer_f1", "miou", "dice", "ndcg", "recall", "spearman"}
"""Metrics whose records are of their own, in files of their own."""


def built_in(name: str) -> Metric:
    return registry.get("metrics", name)()


def test_every_metric_has_its_record_for_every_kind() -> None:
    units = {name: unit.load() for name, unit in registry.units("metrics").items() if unit.origin == "built-in"}
    own = {name: set(unit.kinds) for name, unit in units.items() if not unit.by_baseline and name not in ELSEWHERE}
    assert own == {name: {KINDS[kind] for kind in kinds} for name, kinds in RECORD.items()}


def test_errors_are_better_when_lower_and_only_they_and_r2_have_no_bound() -> None:
    metrics = {name: registry.get("metrics", name) for name in RECORD}
    assert {name for name, metric in metrics.items() if metric.better == "lower"} == {"loss", "mae", "rmse"}
    assert {name for name, metric in metrics.items() if not metric.bounded} == {"loss", "mae", "r2", "rmse"}
    assert {name for name, metric in metrics.items() if metric.per_item_scores} == {"accuracy", "loss", "mae", "top5"}


@pytest.mark.parametrize("name", RECORD)
def test_contract(name: str) -> None:
    check_metric(built_in(name))


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in RECORD.items() for kind in kinds])
def test_200_random_sets_give_what_scikit_learn_gives(name: str, kind: Callable[..., Any]) -> None:
    metric, draw, without = built_in(name), np.random.default_rng(7), 0
    for _ in range(SETS):
        targets, answers = kind(draw)
        found, expected = metric.over_set(targets, answers), RECORD[name][kind](targets, answers)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
        assert isinstance(found, float)
        without += math.isnan(found)
        if metric.per_item_scores:
            items = metric.per_item(targets, answers)
            assert items.shape == (len(targets),)
            assert items.mean() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert without < SETS / 4


def test_rankings_of_several_classes_are_one_against_the_rest() -> None:
    draw = np.random.default_rng(3)
    for _ in range(SETS):
        width = int(draw.integers(3, 7))
        targets = np.concatenate([np.arange(width), draw.integers(0, width, 40)])
        answers = draw.dirichlet(np.ones(width), len(targets))
        whole = record.roc_auc_score(targets, answers, multi_class="ovr", average="macro")
        assert built_in("auroc").over_set(targets, answers) == pytest.approx(whole, abs=1e-9)
        whole = record.average_precision_score(targets, answers, average="macro")
        assert built_in("average_precision").over_set(targets, answers) == pytest.approx(whole, abs=1e-9)
