"""Rows of one user stay together where they are judged, and what is later is never trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData, BadDocument, UsageError
from paredown.kinds.known import kind_named
from paredown.metrics.ndcg import Ndcg
from paredown.metrics.recall import Recall
from paredown.study.jobfile import read_job
from paredown.study.splits import Splits, load_splits
from paredown.study.units import metric_named

DATA = {"label": "rating", "categorical": ["user", "item"], "paired_by": "user"}


def write(folder: Path, users: int, rows: int, *files: str, start: int = 0) -> None:
    """Tables of so many rows, by the users from `start` on, each later than the one before it."""
    draw = np.random.default_rng(start)
    for number, file in enumerate(files):
        lines = [
            f"u{start + draw.integers(users)},i{draw.integers(40)},{draw.integers(1, 11)},{1000 * number + at // 10}\n"
            for at in range(rows)
        ]
        (folder / file).write_text("user,item,rating,day\n" + "".join(lines))


def cut(folder: Path, task: str = "tabular-regression", *, trains: bool = True, **data: object) -> Splits:
    document = {"name": "j", "model": {"builtin": "mlp"}, "task": task, "metric": "ndcg@10", "policy": "frugal"}
    job = read_job({**document, "data": {**DATA, **data}}, folder)
    return load_splits(job, 0, trains)


def users_of(splits: Splits, *names: str) -> list[set[str]]:
    return [{*getattr(splits, name).groups["user"]} for name in names]


def days_of(splits: Splits, *names: str) -> list[np.ndarray]:
    return [getattr(splits, name).groups["day"].astype(int) for name in names]


def test_one_source_is_cut_between_users(tmp_path: Path) -> None:
    write(tmp_path, 60, 900, "all.csv")
    parts = users_of(cut(tmp_path, all="all.csv"), "train", "calibration", "validation", "test")
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_third_of_test_is_cut_between_users(tmp_path: Path) -> None:
    write(tmp_path, 60, 600, "train.csv", "test.csv")
    splits = cut(tmp_path, trains=False, train="train.csv", test="test.csv")
    validation, test = users_of(splits, "validation", "test")
    assert not validation & test
    assert abs(len(splits.validation) - 200) < 30


def test_users_of_train_that_test_asks_about_are_not_taken_out_of_train(tmp_path: Path) -> None:
    write(tmp_path, 60, 900, "train.csv", "test.csv")
    train, validation, test = users_of(cut(tmp_path, train="train.csv", test="test.csv"), "train", "validation", "test")
    assert len(validation & train) > 50
    assert len(test & train) > 50
    write(tmp_path, 60, 900, "other.csv", start=100)  # users that train never had: then validation has none of its either
    train, validation = users_of(cut(tmp_path, train="train.csv", test="other.csv"), "train", "validation")
    assert not validation & train


def test_by_time_test_is_what_came_last_and_validation_what_came_before(tmp_path: Path) -> None:
    write(tmp_path, 60, 900, "all.csv")
    splits = cut(tmp_path, all="all.csv", time="day")
    train, calibration, validation, test = days_of(splits, "train", "calibration", "validation", "test")
    assert max(train.max(), calibration.max()) < validation.min() <= validation.max() < test.min()
    assert len({*calibration}) > 20  # drawn from all of the time before
    assert "day" not in splits.test.inputs  # when a row came is no input
    assert "day" in cut(tmp_path, all="all.csv", time="day", features=["user", "item", "day"]).test.inputs
    assert abs(len(splits.test) - 450) <= 10


def test_by_time_validation_is_the_newest_of_train(tmp_path: Path) -> None:
    write(tmp_path, 60, 900, "train.csv", "test.csv")
    splits = cut(tmp_path, train="train.csv", test="test.csv", time="day")
    train, calibration, validation = days_of(splits, "train", "calibration", "validation")
    assert max(train.max(), calibration.max()) < validation.min()
    assert abs(len(validation) - 225) <= 10
    assert any(f"set aside: {len(calibration)} for calibration and {len(validation)} for validation" in note for note in splits.notes)


def test_rows_of_a_recommender_are_cut_by_row_where_no_time_is_named(tmp_path: Path) -> None:
    write(tmp_path, 60, 1800, "all.csv")
    train, test = users_of(cut(tmp_path, "recommendation", all="all.csv"), "train", "test")
    assert len(train & test) == 60


def test_a_column_that_the_data_do_not_have_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 60, 90, "all.csv")
    with pytest.raises(BadData, match=r"there is no column 'query'.*\n  Set `paired_by:` to one of the columns: user, "):
        cut(tmp_path, all="all.csv", paired_by="query")


def test_a_metric_is_named_with_how_many_rows_it_looks_at() -> None:
    numbers = kind_named("numbers")
    assert metric_named("ndcg@10", Path(), numbers) == Ndcg(10)
    assert metric_named("ndcg", Path(), numbers) == Ndcg()
    assert metric_named("recall@5", Path(), numbers) == Recall(5)
    assert (Ndcg(10).text(), Ndcg().text(), Recall(5).text()) == ("ndcg@10", "ndcg", "recall@5")
    for name, said in (
        ("ndcg@0", r"metric ndcg@0: ndcg looks at the first so many rows, and '0' is no whole number from 1\.\n  Write ndcg@10\."),
        ("ndcg@", r"metric ndcg@: ndcg looks at the first so many rows, and '' is no whole number"),
        ("mae@10", r"metric mae@10: mae has no first rows to look at\.\n  Write mae\."),
    ):
        with pytest.raises(UsageError, match=said):
            metric_named(name, Path(), numbers)
    with pytest.raises(UsageError, match="metric ndcg@10 judges numbers and vectors; the task's answers are one class per row"):
        metric_named("ndcg@10", Path(), kind_named("class"))


def test_a_metric_that_nobody_knows_is_refused_with_its_cut(tmp_path: Path) -> None:
    write(tmp_path, 60, 90, "all.csv")
    document = {"model": {"builtin": "mlp"}, "task": "recommendation", "metric": "ndgc@10", "policy": "frugal"}
    with pytest.raises(BadDocument, match=r"no metric 'ndgc'\. Did you mean 'ndcg'"):
        read_job({**document, "data": {**DATA, "all": "all.csv"}}, tmp_path)
