"""What rows can show, and Holm's correction."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.stats.holm import holm
from paredown.stats.paired import absolute_upper
from paredown.stats.power import rows_for, smallest_drop


def test_the_numbers_of_the_design() -> None:
    assert smallest_drop(500, 0.04) == pytest.approx(0.0262, abs=1e-4)
    assert rows_for(0.01, 0.04) == 3426  # (1.64485 + 1.28155)^2 * 0.04 / 0.01^2
    assert smallest_drop(0, 0.04) == math.inf
    assert smallest_drop(100, 0.0) == 0.0


@given(st.floats(0.002, 0.1), st.floats(0.005, 0.2))
def test_rows_for_is_the_least_number_that_suffices(drop: float, flips: float) -> None:
    rows = rows_for(drop, flips)
    assert smallest_drop(rows, flips) <= drop * (1 + 1e-9)
    assert rows <= 1 or smallest_drop(rows - 1, flips) > drop * (1 - 1e-9)


def test_nine_of_ten_studies_without_a_drop_confirm_the_smallest_drop() -> None:
    draw, n, flips = random.Random(0), 2000, 0.06
    margin = smallest_drop(n, flips)
    shown = 0
    for _ in range(300):
        flipped = [draw.random() for _ in range(n)]
        lost, gained = sum(f < flips / 2 for f in flipped), sum(flips / 2 <= f < flips for f in flipped)
        shown += absolute_upper(n, lost, gained) <= margin
    assert 0.84 <= shown / 300 <= 0.95


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.5, 0.9]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_step_by_step_until_the_first_miss(chances: list[float]) -> None:
    rejected = set()
    for done, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        if chances[place] * (len(chances) - done) > 0.05:
            break
        rejected.add(place)
    assert {place for place, value in enumerate(holm(chances)) if value <= 0.05} == rejected
