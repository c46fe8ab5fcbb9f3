"""Rows are cut at a moment."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.rows import by_time


def rows(times: list[str]) -> Rows:
    return Rows(inputs=np.arange(len(times), dtype=np.float32)[:, None], labels=None, groups={"when": np.array(times, object)})


def test_older_rows_stand_in_earlier_parts_and_one_day_is_not_parted() -> None:
    days = np.random.default_rng(0).integers(0, 50, 1000)
    given = rows([str(day) for day in days])
    part = by_time.cut(given, [700, 100], "when")
    for earlier in (0, 1):
        assert days[part == earlier].max() < days[part == earlier + 1].min()
    assert abs(np.bincount(part) - [700, 100, 200]).max() <= np.bincount(days).max()


def test_dates_times_and_zones_are_moments() -> None:
    found = by_time.moments(rows(["2024-05-31", "2024-05-31T02:00:00", "2024-05-31T02:00:00+02:00"]), "when")
    assert (found - found[0]).tolist() == [0.0, 7200.0, 0.0]


@pytest.mark.parametrize("word", ["tomorrow", "", "nan"])
def test_a_cell_that_is_no_time_is_shown(word: str) -> None:
    with pytest.raises(BadData, match=rf"the column 'when' holds '{word}' in row 1, which is no time\.\n  Write a number that grows"):
        by_time.moments(rows(["1", word]), "when")


def test_too_few_moments_for_the_parts_are_refused() -> None:
    said = (
        r"the rows are of 2 different moments of 'when', which cannot be cut into 3 parts of 2, 1, 1 rows\.\n  Name a column of finer times"
    )
    with pytest.raises(BadData, match=said):
        by_time.cut(rows(["1", "1", "2", "2"]), [2, 1], "when")


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BadData, match=r"the rows have no column 'day' that says when they came\.\n  Name it with `time:`\."):
        by_time.cut(rows(["1", "2"]), [1], "day")
