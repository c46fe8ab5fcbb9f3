"""A budget is planned from its end: what is kept, what is shortened, what is expected, by times that are written down here."""

from __future__ import annotations

import math

import pytest

from paredown.protocol.plan import Plan
from paredown.search.schedule import Schedule

FINAL = Plan(rounds=200, window_s=0.1, sittings=8)
FLOOR = Plan(rounds=80, window_s=0.05)


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_without_a_budget_nothing_is_limited_or_shortened() -> None:
    schedule = Schedule(clock=Clock())
    assert (schedule.limited, schedule.left_s(), schedule.open_s(), schedule.search_s()) == (False, math.inf, math.inf, math.inf)
    assert schedule.scaled(FLOOR) == FLOOR
    assert schedule.final_s(FINAL, 4.0, 3) == FINAL.takes_s(4.0, 3) == 8 * 4.0 + 200 * 3 * 0.1
    assert (schedule.report_s(10**9), schedule.said()) == (0.0, "")


def test_what_is_kept_for_the_end_is_not_the_searchs_and_neither_is_what_earlier_runs_took() -> None:
    clock = Clock()
    schedule = Schedule(budget_s=100.0, clock=clock)
    clock.now += 30
    schedule.reserved_s = 25.0
    assert (schedule.passed_s(), schedule.left_s(), schedule.open_s(), schedule.search_s()) == (30, 70, 45, 45)
    schedule.before_s = 40.0
    assert (schedule.left_s(), schedule.open_s(), schedule.search_s()) == (70, 45, 5)


@pytest.mark.parametrize(("budget_s", "rounds"), [(60, 20), (120, 40), (240, 80), (1200, 80), (1, 10)])
def test_short_measurements_shrink_with_a_small_budget(budget_s: float, rounds: int) -> None:
    assert Schedule(budget_s=budget_s).scaled(FLOOR) == Plan(rounds=rounds, window_s=0.05)


@pytest.mark.parametrize(("budget_s", "final_s"), [(60, 18.0), (300, 90.0), (1200, 92.0), (20, 1.2 * (2 * 4.0 + 10 * 3 * 0.1))])
def test_the_long_measurement_has_its_share_but_never_less_than_its_shortest_form(budget_s: float, final_s: float) -> None:
    assert Schedule(budget_s=budget_s).final_s(FINAL, 4.0, 3) == pytest.approx(final_s)


def test_the_report_takes_longer_for_a_large_artifact() -> None:
    assert Schedule(budget_s=60).report_s(100_000_000) == Schedule(budget_s=60).report_s() + 2


def test_a_training_is_expected_from_rows_and_pace_and_then_from_how_far_that_was_off() -> None:
    schedule = Schedule(budget_s=600, row_s=0.01)
    assert schedule.step_s("recover", rows=1000) == pytest.approx(1.2 * 10)
    assert schedule.trained_rows("recover", 12.0) == 1000
    schedule.steps_s["recover"] = [(10.0, 30.0), (10.0, 5.0)]
    assert schedule.step_s("recover", rows=1000) == pytest.approx(1.2 * 30)
    assert schedule.trained_rows("recover", 36.0) == 1000


def test_a_model_that_showed_no_pace_is_expected_to_train_for_ever() -> None:
    schedule = Schedule(budget_s=600, row_s=math.inf)
    assert schedule.step_s("recover", rows=10) == math.inf
    assert schedule.trained_rows("recover", 100.0) == 0


def test_other_steps_are_expected_to_take_what_the_last_one_took() -> None:
    schedule = Schedule(budget_s=600)
    assert schedule.step_s("prune", default_s=7.0) == 7.0
    schedule.steps_s["prune"] = [(None, 3.0), (None, 5.0)]
    assert schedule.step_s("prune", default_s=7.0) == pytest.approx(6.0)


def test_the_rest_of_a_trial_is_the_middle_of_what_was_seen_on_the_engine_or_elsewhere() -> None:
    schedule = Schedule(budget_s=600)
    assert schedule.engine_s("a") == 0.0
    schedule.rest_s = {"a": [10.0, 2.0, 4.0]}
    assert schedule.engine_s("a") == schedule.engine_s("b") == pytest.approx(4.8)


def test_what_was_shortened_is_said_once_in_one_sentence() -> None:
    schedule = Schedule(budget_s=60)
    assert schedule.said() == ""
    for what in ("short measurements have fewer windows", "one", "one"):
        schedule.left_out(what)
    assert schedule.said() == "To end within the budget of 60 s: short measurements have fewer windows; one."
    schedule.not_begun = ["a @ x", "b @ x", "c @ x", "d @ x", "e @ x"]
    assert schedule.said().endswith("; one; not begun were a @ x, b @ x, c @ x and 2 more.")


def test_a_long_measurement_that_turns_out_slower_has_its_share_of_an_ample_budget() -> None:
    plan = Plan(rounds=3, window_s=0.02)
    ample, small, none = Schedule(budget_s=7200), Schedule(budget_s=10), Schedule()
    assert ample.final_s(plan, 0.1, 3) < 1
    assert ample.final_most_s(plan, 0.1, 3) == pytest.approx(2160)
    assert small.final_most_s(plan, 10, 3) == small.final_s(plan, 10, 3)
    assert none.final_most_s(plan, 0.1, 3) == none.final_s(plan, 0.1, 3)
