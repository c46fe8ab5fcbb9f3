"""NDCG and recall of documents found for queries, against scikit-learn's and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from paredown.core.errors import BadData, UsageError
from paredown.core.policy import Scale
from paredown.kinds.vector import Vector
from paredown.metrics.agreement import Agreement
from paredown.metrics.ndcg import Ndcg
from paredown.metrics.recall import Recall
from paredown.policy.quality import chance, compare, judged, level, value
from paredown.study.units import metric_named
from paredown.testing.contracts import check_metric


def drawn(draw: np.random.Generator, documents: int, queries: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, vectors of some of which several are equal, and the grade of each document for each query."""
    grades = np.zeros((queries, documents), np.int64)
    targets = np.full((documents + queries, 1 + 2 * most), -1, np.int64)
    targets[:documents, 0] = np.arange(documents)
    for query in range(queries):
        some = draw.choice(documents, draw.integers(1, most + 1), replace=False)
        grades[query, some] = draw.integers(1, 4, len(some))
        targets[documents + query, 1 : 1 + 2 * len(some)] = np.stack([some, grades[query, some]], 1).ravel()
    vectors = draw.normal(size=(documents + queries, 5))
    vectors[: documents // 3] = vectors[draw.integers(documents // 3, documents, documents // 3)]
    return targets, vectors, grades


def scores(unit: Ndcg | Recall, targets: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """One per query."""
    found = unit.per_item(targets, vectors)
    assert found is not None
    return found


@pytest.mark.parametrize("unit", [Ndcg(kind="vector"), Ndcg(k=10, kind="vector"), Recall(kind="vector"), Recall(k=3, kind="vector")])
def test_contract(unit: Ndcg | Recall) -> None:
    check_metric(unit)


def test_contract_of_agreement() -> None:
    check_metric(Agreement(kind="vector"))


@pytest.mark.parametrize("k", [1, 3, 10, 100, None])
def test_ndcg_is_that_of_scikit_learn(k: int | None) -> None:
    draw, unit = np.random.default_rng(3), Ndcg(k=k, kind="vector")
    for documents in (2, 7, 40):
        targets, vectors, grades = drawn(draw, documents, 30, min(6, documents))
        unitary = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        likeness = np.round(unitary[documents:] @ unitary[:documents].T, 9)  # copies are equal however their sums were rounded
        each = [ndcg_score(grades[at : at + 1], likeness[at : at + 1], k=k) for at in range(30)]
        np.testing.assert_allclose(scores(unit, targets, vectors), np.array(each), rtol=0, atol=1e-9)
        assert unit.over_set(targets, vectors) == pytest.approx(ndcg_score(grades, likeness, k=k), abs=1e-9)
        order = draw.permutation(len(targets))
        assert unit.over_set(targets[order], vectors[order]) == pytest.approx(np.mean(each), abs=1e-12)


def test_recall_counts_what_stands_among_the_first() -> None:
    targets = np.array([[0, -1, -1, -1, -1], [1, -1, -1, -1, -1], [2, -1, -1, -1, -1], [-1, 0, 1, 2, 3], [-1, 1, 1, -1, -1]])
    vectors = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1], [1.0, 0.0], [1.0, 0.05]])
    np.testing.assert_allclose(scores(Recall(k=1, kind="vector"), targets, vectors), np.array([0.5, 0.0]))
    np.testing.assert_allclose(scores(Recall(k=2, kind="vector"), targets, vectors), np.array([1.0, 0.0]))
    np.testing.assert_allclose(scores(Recall(k=5, kind="vector"), targets, vectors), np.array([1.0, 1.0]))


def test_who_looks_at_nothing_gets_what_a_random_order_gets() -> None:
    targets, _, _ = drawn(np.random.default_rng(1), 12, 200, 4)
    for unit in (Ndcg(k=5, kind="vector"), Recall(k=5, kind="vector")):
        draw = np.random.default_rng(2)
        random = np.mean([unit.over_set(targets, draw.normal(size=(len(targets), 50))) for _ in range(40)])
        assert chance(unit, targets, 50) == pytest.approx(random, abs=0.02)


def test_a_claim_is_paired_by_query() -> None:
    draw, unit = np.random.default_rng(4), Ndcg(k=10, kind="vector")
    targets, before, _ = drawn(draw, 60, 40, 3)
    after = before + 0.3 * draw.normal(size=before.shape)
    drop = compare(unit, targets, before, after, Scale.POINTS, kind="vector")
    old, new = scores(unit, targets, before), scores(unit, targets, after)
    assert drop.n == 40
    assert drop.flips == pytest.approx(np.mean(old != new))
    assert drop.drop == pytest.approx((old - new).mean())
    width = 1.6849 * (old - new).std(ddof=1) / np.sqrt(40)  # Student's t with 39 degrees of freedom
    assert drop.upper == pytest.approx((old - new).mean() + width, rel=1e-3)
    assert judged(unit, targets) == 40
    assert value(unit, targets, after) == pytest.approx(new.mean())
    assert level(unit, targets, after, 0.95, kind="vector")[0] == pytest.approx(new.mean())
    same = compare(unit, targets, before, before, Scale.RELATIVE, kind="vector")
    assert (same.drop, same.flips) == (0.0, 0.0)


def test_rows_without_queries_or_with_some_of_the_documents_are_refused() -> None:
    targets, vectors, _ = drawn(np.random.default_rng(0), 6, 4, 2)
    with pytest.raises(BadData, match=r"none of these rows is a query, and a ranking needs some\.\n"):
        Ndcg(kind="vector").over_set(targets[:6], vectors[:6])
    with pytest.raises(BadData, match="none of these rows is a query"):
        Recall(kind="vector").over_set(vectors, vectors)
    with pytest.raises(BadData, match="a document that is relevant to a query is not among the rows"):
        Ndcg(kind="vector").over_set(targets[6:], vectors[6:])


def test_a_job_names_them_as_the_field_does() -> None:
    found = metric_named("ndcg@10", __file__, Vector())  # type: ignore[arg-type]
    assert (found, found.text(), found.pairs) == (Ndcg(k=10, kind="vector"), "ndcg@10", "query")
    assert metric_named("agreement", __file__, Vector()) == Agreement(kind="vector")  # type: ignore[arg-type]
    with pytest.raises(
        UsageError, match=r"metric accuracy judges one class per row; the task's answers are vectors\.\n  Write `metric:` as"
    ):
        metric_named("accuracy", __file__, Vector())  # type: ignore[arg-type]
