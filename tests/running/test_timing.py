"""What fits a budget: trainings are cut to it, what cannot end is not begun, and a budget that holds nothing is refused."""

from __future__ import annotations

import pytest

from paredown.core.errors import BudgetTooSmall, LimitExceeded
from paredown.running.timing import Steps, fitting, holding
from paredown.search.schedule import Schedule
from paredown.techniques.recover import Recover


@pytest.mark.parametrize(
    ("rows", "most", "knobs"),
    [
        (1000, 1_000_000, {}),  # its own 33 passes of 15 steps fit
        (1000, 5_999, {"epochs": 5}),
        (10_000, 9_999, {"epochs": 1, "rows": 9_999}),
        (10_000, 20 * 64, {"epochs": 1, "rows": 1280}),
        (10_000, 20 * 64 - 1, {}),  # too few steps to learn anything: left as it is, and so not begun
        (0, 10, {}),
    ],
)
def test_a_training_is_cut_to_passes_and_then_to_rows(rows: int, most: int, knobs: dict[str, int]) -> None:
    assert fitting(Recover(), rows, most) == knobs


def test_a_training_takes_as_many_passes_as_it_says_or_as_its_steps_need() -> None:
    assert Recover(epochs=3).passes(10_000) == 3
    assert Recover().passes(64 * 100) == 5
    assert Recover().passes(64 * 10_000) == 4


def test_without_a_budget_work_may_take_its_time() -> None:
    schedule = Schedule()
    with pytest.raises(LimitExceeded, match="of a trial"), holding(schedule, "x"):
        raise LimitExceeded("of a trial")
    with holding(schedule, "x"):
        assert schedule.reserved_s == 0


def test_a_budget_that_does_not_hold_the_model_as_given_is_refused_with_one_that_does() -> None:
    now = [0.0]
    schedule = Schedule(budget_s=60, clock=lambda: now[0])
    now[0] = 10.0
    error = LimitExceeded("would take about 300 s, more than the 35 s that the budget leaves for it; raise it.")
    error.needed_s = 300.0
    said = (
        r"the budget of 60 s does not hold making the model as given: would take about 300 s, more than the 35 s that the budget leaves "
        r"for it\. 30 s are kept for what has to follow\.\n  The smallest budget that would do is 390 s: write `search: "
        r"\{budget: 390 s\}`\."
    )
    kept = []

    def fail() -> None:
        with holding(schedule, "making the model as given"):
            kept.append(schedule.reserved_s)
            raise error

    with pytest.raises(BudgetTooSmall, match=said):
        fail()
    assert (kept, schedule.reserved_s) == ([30], 0)


def test_where_the_end_is_not_known_the_refusal_says_more_than() -> None:
    now = [0.0]
    schedule = Schedule(budget_s=60, clock=lambda: now[0])

    def fail() -> None:
        with holding(schedule, "measuring"):
            now[0] = 50.0
            raise LimitExceeded("took more than the 45 s that the budget leaves for it; raise it.")

    with pytest.raises(BudgetTooSmall, match=r"A budget that would do is more than 90 s: write"):
        fail()


def test_what_cannot_be_begun_any_more_is_refused_before_it_begins() -> None:
    now = [0.0]
    schedule = Schedule(budget_s=60, clock=lambda: now[0])
    now[0] = 50.0
    with pytest.raises(BudgetTooSmall, match="it cannot begin after 50 s"), holding(schedule, "measuring"):
        raise AssertionError


def test_what_techniques_took_is_not_the_rest_of_a_trial() -> None:
    schedule = Schedule(budget_s=600)
    steps = Steps(schedule, {"prune_channels": None, "recover": 8.0})
    steps.took("prune_channels", 3.0)
    steps.took("recover", 10.0)
    steps.rest(["onnxruntime"], 20.0)
    assert schedule.steps_s == {"prune_channels": [(None, 3.0)], "recover": [(8.0, 10.0)]}
    assert schedule.rest_s == {"onnxruntime": [7.0]}
