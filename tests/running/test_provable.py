"""What test rows can show, in rows and in groups of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.job import DataSpec, Job, ModelSpec
from paredown.core.policy import Policy
from paredown.core.rows import Rows
from paredown.metrics.accuracy import Accuracy
from paredown.metrics.mae import Mae
from paredown.metrics.ndcg import Ndcg
from paredown.metrics.recall import Recall
from paredown.running.provable import provable_by
from paredown.stats.power import smallest_drop
from paredown.study.units import Units

USERS = np.array(["a", "a", "b", "c", "c", "c"], object)
RATINGS = Rows(inputs=np.zeros((6, 1)), labels=np.array([[1.0], [2], [3], [4], [5], [6]]), groups={"user": USERS})


class Judges:
    """What is asked of a job's units."""

    def __init__(self, metric: Any) -> None:
        self.metric = metric


def said(metric: Any, rows: Rows = RATINGS, paired_by: str = "user") -> dict[str, Any]:
    spec, model = DataSpec(sources={}, paired_by=paired_by), ModelSpec(kind="onnx", value="x")
    job = Job(name="j", model=model, task="recommendation", data=spec, metric="ndcg", policy=Policy(name="p"))
    units: Units = Judges(metric)  # type: ignore[assignment]
    return provable_by(job, units, rows)


def test_groups_with_a_score_are_counted() -> None:
    found = said(Ndcg(10))
    assert found["text"].startswith("test: 2 groups of 'user' with a value; can show a drop of ")
    assert found["drops"] == {f"{spread:.2f}": smallest_drop(2, spread**2) for spread in (0.02, 0.05, 0.1)}
    assert said(Mae())["text"].startswith("test: 3 groups of 'user'; what drop of mae they can show")
    assert said(Mae(), paired_by="")["text"].startswith("test: 6 rows; what drop of mae")


def test_right_and_wrong_answers_of_one_document_count_once() -> None:
    classes = replace(RATINGS, labels=np.array([0, 1, 0, 1, 0, 1]))
    assert said(Accuracy(), classes)["drops"]["0.04"] == smallest_drop(3, 0.04)
    assert said(Accuracy(), classes, paired_by="")["drops"]["0.04"] == smallest_drop(6, 0.04)


def test_a_metric_without_a_value_in_any_group_is_refused() -> None:
    with pytest.raises(
        BadData, match=r"recall@10 has a value for none of the groups of 'user' in the 6 rows of test.*\n  Give groups of several"
    ):
        said(Recall(10))
    alone = replace(RATINGS, groups={"user": np.arange(6).astype(str).astype(object)})
    with pytest.raises(BadData, match=r"ndcg@10 has a value for none of the groups of 'user'"):
        said(Ndcg(10), alone)
