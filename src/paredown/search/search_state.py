"""What a strategy sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paredown.core.reading import Reading
from paredown.core.recipe import Chain, Recipe, engines_of, parse, steps_of
from paredown.core.technique import Technique
from paredown.core.trial import Trial
from paredown.kinds.kind import Kind


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A recipe to try.

    Args:
        recipe: The recipe.
        why: One sentence for the report.
    """

    recipe: Recipe
    why: str


@dataclass(frozen=True, kw_only=True)
class SearchState:
    """What a strategy may use.

    Args:
        trials: All recorded trials, oldest first; read anew at each call.
        techniques: Classes that may be used here, by name order: installed, not excluded, their data are there.
        engines: Names of the runtimes that may be deployed here.
        trainable: True when there are training or unlabeled rows.
        minimize: The quantity to minimize.
        margin: The drop of quality that the policy allows, as a share of the baseline's; None when it has no such rule.
        outputs: Artifact digest -> answers (N, outputs) on validation.
        targets: What is right of each row of validation.
        kind: What the answers are.
        fitted: A chain that trains -> the same with the passes and rows that the budget's time holds.
    """

    trials: Callable[[], Sequence[Trial]]
    techniques: Sequence[type[Technique]]
    engines: Sequence[str]
    trainable: bool
    minimize: str
    margin: float | None
    outputs: Callable[[str], object]
    targets: object
    kind: Kind
    fitted: Callable[[Chain], Chain] = lambda chain: chain

    def done(self) -> list[Trial]:
        """The candidates that were built and measured."""
        return [trial for trial in self.trials() if trial.state == "done" and trial.role != "baseline"]

    def allowed(self, trial: Trial) -> bool:
        """True when the job allows every technique and engine of a trial now, whatever it allowed when it was tried."""
        names = {unit.name() for unit in self.techniques}
        recipe = parse(trial.recipe)
        return all(name in names for name in steps_of(recipe)) and all(name in self.engines for name in engines_of(recipe))

    def gain(self, trial: Trial) -> float:
        """How many times less of the minimized quantity than the baseline; 0 where it is not known."""
        found = trial.ratios.get(self.minimize)
        return found.value if isinstance(found, Reading) else 0.0

    def keeps_quality(self, trial: Trial, slack: float = 0.0) -> bool:
        """True when the drop seen on validation is within the margin plus `slack`; validation alone proves nothing."""
        return self.margin is None or trial.drop.get("drop", 0.0) <= self.margin + slack


def trial_of(trials: Sequence[Trial], recipe: Chain) -> Trial | None:
    """The finished trial of a recipe, whatever thread count was found best for it; the model as given on its own engine is none."""
    for trial in trials:
        if trial.state == "done" and trial.role != "baseline":
            tried = parse(trial.recipe)
            if isinstance(tried, Chain) and tried.steps == recipe.steps and tried.engine.name == recipe.engine.name:
                return trial
    return None
