"""Series through the cuts: no step is in two splits, and nothing that is forecast lies in another."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from cut_jobs import job

from paredown.core.errors import BadData
from paredown.study.splits import Splits, load_splits

START = datetime(2020, 1, 1)
ENTRIES = {"label": "y", "time": "t", "window": 5, "horizon": [1, 4]}


def write(folder: Path, first: int = 0, count: int = 1000, name: str = "all.csv", series=("A",)) -> None:
    lines = [f"{START + timedelta(hours=at):%Y-%m-%d %H:%M},{one},{at}" for one in series for at in range(first, first + count)]
    (folder / name).write_text("t,s,y\n" + "\n".join(lines) + "\n")


def spans(splits: Splits) -> list[tuple[str, float, float]]:
    """Each split with the first step that it sees and the last that it forecasts, in the order of time; y is the hour."""
    parts = {name: getattr(splits, name) for name in splits.counts}
    found = [(name, float(rows.inputs["y"][:][:, 0].min()), float(rows.labels.max())) for name, rows in parts.items()]
    return sorted(found, key=lambda item: item[1])


def apart(found: list[tuple[str, float, float]]) -> bool:
    return all(one[2] < other[1] for one, other in pairwise(found))


def load(folder: Path, trains: bool = True, /, *, columns=None, shares=None, **sources) -> Splits:
    return load_splits(job(folder, "series-forecasting", columns=columns or ENTRIES, shares=shares, **sources), 0, trains)


def test_one_source_is_cut_by_time_the_oldest_first(tmp_path: Path) -> None:
    write(tmp_path)
    splits = load(tmp_path, all="all.csv")
    found = spans(splits)
    assert [name for name, *_ in found] == ["train", "calibration", "validation", "test"]
    assert apart(found)
    assert splits.counts["test"] == 496  # half of the 992 windows
    assert splits.names == ("y +1", "y +4")
    assert splits.notes[-1].startswith("The 992 windows of all were cut by time, the oldest first: train ")
    assert splits.notes[-1].endswith("; 24 across a cut are in none.")  # 8 at each of three cuts


def test_shares_and_moments_say_where_to_cut(tmp_path: Path) -> None:
    write(tmp_path)
    splits = load(tmp_path, shares={"test": 0.2, "validation": 0.1}, all="all.csv")
    assert (splits.counts["test"], splits.counts["validation"]) == (198, 99)
    moments = {"begins": {"test": "2020-02-01", "validation": "2020-01-25 06:00"}}
    splits = load(tmp_path, columns=ENTRIES | moments, all="all.csv")
    found = {name: first for name, first, _ in spans(splits)}
    assert (found["test"], found["validation"]) == (31 * 24, 24 * 24 + 6)
    assert apart(spans(splits))


def test_many_series_are_cut_at_one_moment(tmp_path: Path) -> None:
    write(tmp_path, series=("A", "B", "C"), count=400)
    splits = load(tmp_path, columns=ENTRIES | {"series": "s"}, all="all.csv")
    assert apart(spans(splits))
    assert splits.counts["test"] % 3 == 0


def test_what_has_no_source_is_cut_off_the_newest_end_of_another(tmp_path: Path) -> None:
    write(tmp_path, 0, 800, "train.csv")
    write(tmp_path, 800, 300, "test.csv")
    splits = load(tmp_path, train="train.csv", test="test.csv")
    assert [name for name, *_ in spans(splits)] == ["train", "calibration", "validation", "test"]
    assert apart(spans(splits))
    splits = load(tmp_path, False, train="train.csv", test="test.csv")  # it arrives trained
    assert [name for name, *_ in spans(splits)] == ["train", "calibration", "validation", "test"]
    assert splits.counts["test"] == 292 - round(292 / 3)
    splits = load(tmp_path, False, test="test.csv")
    assert [name for name, *_ in spans(splits)] == ["validation", "calibration", "test"]
    assert apart(spans(splits))


def test_steps_without_a_time_follow_each_other(tmp_path: Path) -> None:
    entries = {name: value for name, value in ENTRIES.items() if name != "time"} | {"drop": ["t", "s"]}
    write(tmp_path, 0, 800, "train.csv")
    write(tmp_path, 700, 300, "test.csv")
    splits = load(tmp_path, columns=entries, train="train.csv", test="test.csv")
    assert any("Windows that another split has too: 92 of 792 of train, 92 of 292 of test" in note for note in splits.notes)
    assert apart(spans(load(tmp_path, columns=entries, all="train.csv")))


def test_unlabeled_steps_need_nothing_after_them(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, 2000, 50, "more.csv")
    splits = load(tmp_path, all="all.csv", unlabeled="more.csv")
    assert splits.unlabeled is not None
    assert splits.unlabeled.labels is None


@pytest.mark.parametrize(
    ("sources", "more", "said"),
    [
        ({"all": "few.csv"}, {}, "all has 4 windows, which would be cut into train"),
        ({"all": "all.csv"}, {"begins": {"test": "2030-01-01"}}, "validation 248, test 0"),
        ({"train": "all.csv", "test": "late.csv"}, {}, "train and test both have the time 2020-01-31 16:00, and 263 more"),
        ({"test": "all.csv"}, {}, "there is no train, and the job trains the model"),
        ({"all": "all.csv"}, {"label": "z"}, "there is no column 'z'"),
    ],
)
def test_what_cannot_be_cut_is_refused(tmp_path: Path, sources: dict, more: dict, said: str) -> None:
    write(tmp_path)
    write(tmp_path, 0, 12, "few.csv")
    write(tmp_path, 736, 300, "late.csv")
    with pytest.raises(BadData, match=said):
        load(tmp_path, columns={**ENTRIES, **more}, **sources)


def test_steps_are_in_memory_once(tmp_path: Path) -> None:
    write(tmp_path)
    splits = load(tmp_path, all="all.csv")
    assert splits.train is not None
    assert splits.train.inputs["y"].steps is splits.test.inputs["y"].steps
    np.testing.assert_array_equal(splits.train.inputs["y"].covered()[:5], range(5))
