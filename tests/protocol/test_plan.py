"""A measurement that is made to fit a time: fewer sittings and windows, never fewer than say anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.protocol.plan import LEAST_SITTINGS, Plan

FINAL = Plan(rounds=200, window_s=0.125, sittings=8)


def test_with_enough_time_nothing_is_shortened() -> None:
    assert FINAL.within(107.0, 4.0, 3) == FINAL


@pytest.mark.parametrize(("wall_s", "rounds", "sittings"), [(60.0, 85, 7), (30.0, 48, 3), (18.0, 26, 2), (11.75, 10, 2)])
def test_starting_processes_takes_at_most_half_and_windows_the_rest(wall_s: float, rounds: int, sittings: int) -> None:
    found = FINAL.within(wall_s, 4.0, 3)
    assert found is not None
    assert (found.rounds, found.sittings) == (rounds, sittings)


def test_less_than_the_shortest_is_no_measurement() -> None:
    assert FINAL.least_s(4.0, 3) == pytest.approx(2 * 4.0 + 10 * 3 * 0.125)
    assert FINAL.within(11.7, 4.0, 3) is None


@given(st.floats(0.1, 500), st.floats(0, 60), st.integers(1, 4), st.integers(1, 300), st.integers(1, 12))
def test_what_is_planned_fits(wall_s: float, sitting_s: float, sides: int, rounds: int, sittings: int) -> None:
    plan = Plan(rounds=rounds, window_s=0.1, sittings=sittings)
    found = plan.within(wall_s, sitting_s, sides)
    if found is None:
        assert plan.least_s(sitting_s, sides) > wall_s - 1e-6
    else:
        assert found.takes_s(sitting_s, sides) <= wall_s + 1e-6
        assert min(sittings, LEAST_SITTINGS) <= found.sittings <= sittings
