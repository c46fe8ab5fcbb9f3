"""The wall time of one run, planned backwards from the end of its budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from paredown.protocol.plan import Plan

_WHOLE_FROM_S = 240.0
"""From this budget on, every measurement but the last is as long as without one; below, rounds shrink with the budget."""

_LEAST_ROUNDS = 10

_FINAL_SHARE = 0.3
"""Share of a budget that the long measurement may take, with starting its processes."""

_MARGIN = 1.2
"""Times what was seen that a step is expected to take."""

_REPORT_S, _WRITE_B_PER_S = 3.0, 50e6
"""Seconds for result, report and evidence, and bytes per second at which an artifact is copied and read again."""

_NAMED = 3
"""Recipes that were not begun, by name."""

LEAST_REST_S = 30.0
"""Seconds that follow making the model as given at least, half of them after it was measured; how many really is known then."""


@dataclass(kw_only=True)
class Schedule:
    """What a run does when, so that all of it ends within its budget; without a budget nothing is limited.

    Args:
        budget_s: Wall seconds of the whole run; None is open.
        before_s: Wall seconds that earlier runs of the same study took: the search goes on with what they left of the budget, while the end
            of this run has a budget's time of its own.
        clock: Monotonic seconds.
        reserved_s: Wall seconds kept free for what comes after the present part of the run.
        row_s: Wall seconds of training the model as given on one row, with itself as teacher; infinity where a first try took too long,
            None where it was not tried.
        steps_s: Name of a technique -> (seconds foretold, seconds taken) of each time it was applied.
        rest_s: Name of an engine -> seconds of all else that a trial on it took: export, packing, answers and screening.
        short: What was shortened or left out for want of time, one phrase each.
        not_begun: Recipes that were proposed and could not have ended.
    """

    budget_s: float | None = None
    before_s: float = 0.0
    clock: Callable[[], float] = time.monotonic
    reserved_s: float = 0.0
    row_s: float | None = None
    steps_s: dict[str, list[tuple[float | None, float]]] = field(default_factory=dict)
    rest_s: dict[str, list[float]] = field(default_factory=dict)
    short: list[str] = field(default_factory=list)
    not_begun: list[str] = field(default_factory=list)
    _began_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = self.clock()

    @property
    def limited(self) -> bool:
        """True where there is a budget."""
        return self.budget_s is not None

    def passed_s(self) -> float:
        """Wall seconds since the run began."""
        return self.clock() - self._began_s

    def left_s(self) -> float:
        """Wall seconds to the end of the budget."""
        return math.inf if self.budget_s is None else self.budget_s - self.passed_s()

    def open_s(self) -> float:
        """Wall seconds that what runs now may take, so that what comes after it has its own."""
        return self.left_s() - self.reserved_s

    def search_s(self) -> float:
        """The same for the search, which shares its budget with the earlier runs of the study."""
        return self.open_s() - self.before_s

    def scaled(self, plan: Plan) -> Plan:
        """A short measurement's plan for a small budget; the same for the same budget, so that what is recorded is found again."""
        if self.budget_s is None or self.budget_s >= _WHOLE_FROM_S:
            return plan
        rounds = max(min(plan.rounds, _LEAST_ROUNDS), round(plan.rounds * self.budget_s / _WHOLE_FROM_S))
        return replace(plan, rounds=rounds)

    def final_s(self, plan: Plan, sitting_s: float, sides: int) -> float:
        """Wall seconds for the long measurement: what it takes whole, or its share of the budget, but never less than its shortest form.

        Args:
            plan: Of the long measurement.
            sitting_s: Seconds of starting and warming up all its processes once.
            sides: How many it compares.
        """
        whole_s = plan.takes_s(sitting_s, sides)
        if self.budget_s is None:
            return whole_s
        return max(min(whole_s, _FINAL_SHARE * self.budget_s), _MARGIN * plan.least_s(sitting_s, sides))

    def final_most_s(self, plan: Plan, sitting_s: float, sides: int) -> float:
        """Wall seconds that the long measurement may take where it turns out slower: its share of the budget, when that is more."""
        return max(self.final_s(plan, sitting_s, sides), 0.0 if self.budget_s is None else _FINAL_SHARE * self.budget_s)

    def report_s(self, artifact_b: int = 0) -> float:
        """Wall seconds for result, report and evidence.

        Args:
            artifact_b: Bytes of what is released.
        """
        return 0.0 if self.budget_s is None else _REPORT_S + artifact_b / _WRITE_B_PER_S

    def step_s(self, name: str, rows: float = 0.0, default_s: float = 0.0) -> float:
        """Wall seconds that one technique is expected to take.

        Args:
            name: Of the technique.
            rows: Rows times passes that it trains on; 0 where it does not train.
            default_s: For one that does not train and was never seen.
        """
        seen = self.steps_s.get(name, [])
        if not rows or self.row_s is None:
            return _MARGIN * seen[-1][1] if seen else default_s
        off = max((taken / foretold for foretold, taken in seen if foretold), default=1.0)
        return _MARGIN * off * rows * self.row_s

    def trained_rows(self, name: str, wall_s: float) -> int:
        """Rows times passes that a technique is expected to train on in a time; 0 where that is not known."""
        one_s = self.step_s(name, 1.0) if self.row_s else math.inf
        return max(0, int(wall_s / one_s)) if 0 < one_s < math.inf else 0

    def engine_s(self, engine: str) -> float:
        """Wall seconds that a trial on an engine is expected to take beside its techniques."""
        seen = self.rest_s.get(engine) or [taken for known in self.rest_s.values() for taken in known]
        return _MARGIN * sorted(seen)[len(seen) // 2] if seen else 0.0

    def left_out(self, what: str) -> None:
        """Keep what was shortened or left out, once."""
        if what not in self.short:
            self.short.append(what)

    def said(self) -> str:
        """One sentence of all that was shortened or left out; empty where nothing was."""
        more = f" and {len(self.not_begun) - _NAMED} more" if len(self.not_begun) > _NAMED else ""
        everything = [*self.short, *([f"not begun were {', '.join(self.not_begun[:_NAMED])}{more}"] if self.not_begun else [])]
        if not everything or self.budget_s is None:
            return ""
        return f"To end within the budget of {self.budget_s:g} s: {'; '.join(everything)}."
