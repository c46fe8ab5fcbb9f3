"""When to stop: the budget of energy is spent, or the next trial cannot pay. Time is the schedule's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paredown.core.job import Deploy, SearchSpec
from paredown.core.trial import Trial

_FIRST_TRIAL_J = 30.0
"""What a first trial is taken to cost in joules while none has been seen; replaced by what trials here really cost."""


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What the search has used so far.

    Args:
        energy_j: Joules.
    """

    energy_j: float


def reason_to_stop(search: SearchSpec, deploy: Deploy, spent: Spending, trials: Sequence[Trial], energy_now_j: float | None) -> str | None:
    """None to go on, else one sentence.

    Where a volume is declared, the next trial has to be able to pay: even a model that cost nothing could only save the volume times what
    the best one so far takes.

    Args:
        search: With the budgets.
        deploy: With the volume.
        spent: By the search so far.
        trials: Recorded ones, without the baseline.
        energy_now_j: Joules per inference of the best candidate so far, or of the baseline; None when not known.
    """
    if search.budget_j is not None and spent.energy_j >= search.budget_j:
        return f"the budget of {search.budget_j:g} J is spent ({spent.energy_j:.0f} J)."
    if deploy.volume is None or energy_now_j is None:
        return None
    costs = sorted(trial.energy_j for trial in trials if trial.energy_j > 0)
    next_j = costs[len(costs) // 2] if costs else _FIRST_TRIAL_J
    could_save_j = deploy.volume * energy_now_j
    if next_j >= could_save_j:
        return (
            f"one more trial costs about {next_j:.3g} J; over {deploy.volume:.3g} inferences even a model that cost nothing "
            f"would save {could_save_j:.3g} J."
        )
    return None
