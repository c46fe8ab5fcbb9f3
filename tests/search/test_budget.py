"""The search ends for a reason that it says with its numbers."""

from __future__ import annotations

import pytest

from paredown.core.job import Deploy, SearchSpec
from paredown.core.trial import Trial
from paredown.search.budget import Spending, reason_to_stop

OPEN = SearchSpec()


def trials(*energies_j: float) -> list[Trial]:
    return [Trial(id=number, recipe="x @ y", energy_j=energy_j) for number, energy_j in enumerate(energies_j)]


def test_an_open_search_goes_on() -> None:
    spent = Spending(energy_j=1e9)
    assert reason_to_stop(OPEN, Deploy(), spent, trials(1e6), 1.0) is None
    assert reason_to_stop(OPEN, Deploy(volume=10.0), spent, trials(1e6), None) is None


@pytest.mark.parametrize(
    ("search", "spent", "said"),
    [
        (SearchSpec(budget_j=300e3), Spending(energy_j=300_001), "the budget of 300000 J is spent (300001 J)."),
        (SearchSpec(budget_s=60, budget_j=5), Spending(energy_j=4.9), None),
    ],
)
def test_a_spent_budget_ends_it(search: SearchSpec, spent: Spending, said: str | None) -> None:
    assert reason_to_stop(search, Deploy(), spent, [], None) == said


def test_a_trial_that_cannot_pay_is_not_begun() -> None:
    spent = Spending(energy_j=0)
    # the middle one of 100, 200 and 900 J; a trial of 0 J was only read from the ledger
    seen = trials(900.0, 0.0, 100.0, 200.0)
    assert reason_to_stop(OPEN, Deploy(volume=2001.0), spent, seen, 0.1) is None
    assert reason_to_stop(OPEN, Deploy(volume=1999.0), spent, seen, 0.1) == (
        "one more trial costs about 200 J; over 2e+03 inferences even a model that cost nothing would save 200 J."
    )


def test_the_first_trial_is_priced_too() -> None:
    spent = Spending(energy_j=0)
    assert "one more trial costs about" in (reason_to_stop(OPEN, Deploy(volume=1.0), spent, [], 0.01) or "")
    assert reason_to_stop(OPEN, Deploy(volume=1e9), spent, [], 0.01) is None
