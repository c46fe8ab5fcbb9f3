"""What a trial is expected to take, made to fit where it can be, and what does not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from paredown.core.errors import BudgetTooSmall, Damaged, LimitExceeded, ParedownError
from paredown.core.knob import knobs
from paredown.core.recipe import Chain, Composed, Recipe, Step, parse, steps_of
from paredown.core.technique import DataNeed, Technique
from paredown.ground import digests
from paredown.running.workspace import Workspace
from paredown.search.schedule import LEAST_REST_S, Schedule
from paredown.search.search_state import SearchState

_LEAST_STEPS = 20
"""Steps of training below which nothing is learned."""

_SHARED = 2
"""A training may take one part of so many of what is left of the search, and of more while more kinds of training wait."""

_LATE = 2.0
"""Times what was expected after which a trial is ended."""

_PACE_SHARE = 0.1
"""Share of the search's time in which training has to show how fast it is."""

_UP_TO_S = 30
"""A budget that is suggested is a multiple of this."""


@contextmanager
def holding(schedule: Schedule, what: str, rest_s: float = LEAST_REST_S) -> Iterator[None]:
    """Work without which there is no result: where the budget does not hold it, the run is refused.

    Args:
        schedule: Of the run.
        what: The work, as "measuring the model as given".
        rest_s: Wall seconds that what has to follow takes at least.

    Raises:
        BudgetTooSmall: Says the smallest budget that would do, as far as is known.
    """
    began_s, schedule.reserved_s = schedule.passed_s(), rest_s if schedule.limited else 0.0
    try:
        if schedule.open_s() <= 0:
            raise LimitExceeded(f"it cannot begin after {began_s:.0f} s")
        yield
    except LimitExceeded as error:
        if not schedule.limited:
            raise
        needed_s = (schedule.passed_s() if error.needed_s is None else began_s + error.needed_s) + rest_s
        smallest = f"{budget_for(1.1 * needed_s)} s"
        known = "The smallest budget that would do is" if error.needed_s is not None else "A budget that would do is more than"
        raise BudgetTooSmall(
            f"the budget of {schedule.budget_s:g} s does not hold {what}: {str(error).splitlines()[0].partition(';')[0].rstrip('.')}. "
            f"{rest_s:g} s are kept for what has to follow.\n  {known} {smallest}: write `search: {{budget: {smallest}}}`."
        ) from error
    finally:
        schedule.reserved_s = 0.0


def budget_for(wall_s: float) -> int:
    """A budget in seconds, as a person would write it, that holds so much time."""
    return max(1, math.ceil(wall_s / _UP_TO_S)) * _UP_TO_S


def learn_pace(workspace: Workspace, state: SearchState) -> None:
    """Find out how fast the model as given trains here, where the budget makes that matter; a model that does not train has no pace."""
    schedule, trains = workspace.schedule, [unit for unit in state.techniques if unit.data is DataNeed.TRAINING]
    if not schedule.limited or not trains or workspace.baseline is None or workspace.baseline.form != "torch" or schedule.search_s() <= 0:
        return
    kept_s = schedule.reserved_s
    schedule.reserved_s = schedule.left_s() - _PACE_SHARE * schedule.search_s()
    try:
        schedule.row_s = workspace.builder.pace_s()
    except Damaged:
        raise
    except ParedownError:
        schedule.row_s = math.inf
    finally:
        schedule.reserved_s = kept_s


@dataclass(frozen=True)
class Steps:
    """What the parts of one trial took, for those that come after it.

    Args:
        schedule: Where it is kept.
        foretold: From `foretold`.
    """

    schedule: Schedule
    foretold: dict[str, float | None]

    def took(self, name: str, wall_s: float) -> None:
        """One technique was applied."""
        self.schedule.steps_s.setdefault(name, []).append((self.foretold.get(name), wall_s))

    def rest(self, engines: Sequence[str], wall_s: float) -> None:
        """The whole trial came to its ratios; what its techniques took is not the rest."""
        known_s = sum(self.schedule.steps_s[name][-1][1] for name in self.foretold if name in self.schedule.steps_s)
        for engine in engines:
            self.schedule.rest_s.setdefault(engine, []).append(max(0.0, wall_s - known_s))


def foretold(workspace: Workspace, recipe: Recipe) -> dict[str, float | None]:
    """Technique that is still to be applied -> seconds that its training takes by the pace alone; None for one that does not train."""
    if isinstance(recipe, Composed) or not workspace.schedule.limited:
        return {}
    row_s = workspace.schedule.row_s
    return {
        one.name(): (row_s * rows if row_s and (rows := _trained_on(workspace, one)) else None) for one in workspace.builder.pending(recipe)
    }


def expected_s(workspace: Workspace, recipe: Recipe) -> float:
    """Wall seconds that a recipe is expected to take from here to its ratios, by what was measured on this machine."""
    if isinstance(recipe, Composed):
        return max(expected_s(workspace, part) for part in recipe.parts)  # what its parts are made of is recorded
    rest_s = workspace.schedule.engine_s(recipe.engine.name)
    return rest_s + sum(_step_s(workspace, technique, rest_s) for technique in workspace.builder.pending(recipe))


def share_s(workspace: Workspace, recipe: Recipe) -> float:
    """Wall seconds after which building a candidate is ended: twice what was expected or half of the search's time, at most all of it."""
    left_s = workspace.schedule.search_s()
    return left_s if math.isinf(left_s) else min(left_s, max(_LATE * expected_s(workspace, recipe), left_s / _SHARED))


def time_lacking(workspace: Workspace, recipe: Recipe) -> str | None:
    """Why a recipe cannot come to its end before what is kept for the end of the run begins; None where it can, or is recorded."""
    if not workspace.schedule.limited or _recorded(workspace, recipe):
        return None
    needed_s, left_s = expected_s(workspace, recipe), workspace.schedule.search_s()
    return f"it is expected to take {needed_s:.0f} s, and the search has {max(left_s, 0):.0f} s." if needed_s > left_s else None


def fitted(workspace: Workspace, chain: Chain) -> Chain:
    """The chain with fewer passes, or fewer rows, of each training that by its own setting takes more than its share of the time."""
    schedule = workspace.schedule
    if not schedule.limited or not schedule.row_s or math.isinf(schedule.row_s):
        return chain
    pending, rest_s = workspace.builder.pending(chain), schedule.engine_s(chain.engine.name)
    trained = [one for one in pending if one.passes(1) and {"epochs", "rows"} <= set(knobs(one))]
    other_s = rest_s + sum(_step_s(workspace, one, rest_s) for one in pending if one not in trained)
    share_s = (schedule.search_s() - other_s) / max(_SHARED, _waiting(workspace)) / max(1, len(trained))
    steps = list(chain.steps)
    for one in trained:
        found = fitting(one, _rows(workspace), schedule.trained_rows(one.name(), share_s))
        if found:
            at = max(place for place, step in enumerate(steps) if step.name == one.name())
            steps[at] = Step.of(one.name(), **(steps[at].values | found))
            schedule.left_out(f"{one.name()} took {_said(found)}")
    return Chain(tuple(steps), chain.engine)


def fitting(technique: Technique, rows: int, most: int) -> dict[str, int]:
    """The knobs with which a technique trains on at most so many rows times passes; none where its own do, or where too few are left.

    Args:
        technique: That trains.
        rows: Training rows.
        most: Rows times passes.
    """
    if not rows or rows * technique.passes(rows) <= most:
        return {}
    if most >= rows:
        return {"epochs": most // rows}
    return {"epochs": 1, "rows": most} if most >= _LEAST_STEPS * getattr(technique, "batch", 1) else {}


def _said(knob: dict[str, int]) -> str:
    if "rows" in knob:
        return f"one pass over {knob['rows']} of the training rows"
    return f"{knob['epochs']} pass{'es' * (knob['epochs'] > 1)} over the training rows"


def _step_s(workspace: Workspace, technique: Technique, rest_s: float) -> float:
    return workspace.schedule.step_s(technique.name(), _trained_on(workspace, technique), rest_s / 2)


def _trained_on(workspace: Workspace, technique: Technique) -> int:
    """Rows times passes; 0 for a technique that does not train."""
    rows = _rows(workspace)
    taken = min(rows, getattr(technique, "rows", 0) or rows)
    return taken * technique.passes(taken)


def _rows(workspace: Workspace) -> int:
    rows = workspace.splits.train if workspace.splits.train is not None else workspace.splits.unlabeled
    return 0 if rows is None else len(rows)


def _waiting(workspace: Workspace) -> int:
    """Kinds of steps on tensors that no trial has tried yet."""
    from paredown.ground import registry

    tried = {name for trial in workspace.trials() for name in steps_of(parse(trial.recipe))}
    units = [unit for unit in registry.working("techniques") if unit.name() not in workspace.job.search.exclude]
    units = [unit for unit in units if workspace.baseline is None or unit.form in ("", workspace.baseline.form)]
    return len({unit.name() for unit in units if unit.data is not DataNeed.NONE and not unit.stage.on_graph} - tried)


def _recorded(workspace: Workspace, recipe: Recipe) -> bool:
    asked = f"candidate: {recipe} within "
    return any(record.key.startswith(asked) and record.value["state"] == "done" for record in workspace.study.ledger.records("trial"))


def sitting_s(workspace: Workspace, artifacts: Sequence[str]) -> float:
    """Wall seconds of starting and warming up the processes of some artifacts once; one not yet seen is as slow as the slowest seen."""
    seen = workspace.bench.sitting_s
    slowest_s = max(seen.values(), default=0.0)
    return sum(seen.get(workspace.artifacts.folder(artifact), slowest_s) for artifact in artifacts)


def test_s(workspace: Workspace, artifacts: Sequence[str]) -> float:
    """Wall seconds of asking artifacts all rows of test, by how long they took for validation; another takes what the middle one did.

    Args:
        artifacts: Digests; what has answered already takes no time.
    """
    find, digest = workspace.study.ledger.find, workspace.splits.digests
    known = [record.value["answer_s"] for record in workspace.study.ledger.records("predict") if "answer_s" in record.value]
    middle_s = sorted(known)[len(known) // 2] if known else 0.0
    total_s = 0.0
    for artifact in artifacts:
        if find("test_read", digests.of_value([artifact, digest["test"]])) is None:
            record = find("predict", digests.of_value([artifact, digest["validation"]]))
            total_s += middle_s if record is None else record.value.get("answer_s", middle_s)
    return total_s * len(workspace.splits.test) / max(1, len(workspace.splits.validation))
