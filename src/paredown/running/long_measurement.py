"""The last measurement of a run: baseline, chosen model and fastest fp32 at length, the model as found, and the time that these take."""

from __future__ import annotations

from collections.abc import Sequence

from paredown.core.reading import How, Missing, Reading
from paredown.core.trial import Trial
from paredown.ground import digests
from paredown.ground.files import size_b
from paredown.protocol.bench import Side, Windows
from paredown.protocol.plan import Plan
from paredown.running.timing import sitting_s, test_s
from paredown.running.trials import baseline_trial, fastest_trial, measured, planned
from paredown.running.workspace import Workspace
from paredown.search.finalists import MOST

FINAL = Plan(rounds=200, window_s=0.1, sittings=8, idle_s=10.0)
"""Short windows of baseline, chosen model and fastest fp32 in turn, 60 s in all, while their processes are started eight times."""

AS_FOUND = Plan(rounds=18, window_s=0.1, idle_s=2.0)
"""The model as given at the user's defaults against the chosen one."""


SLACK = 1.2
"""Times what was seen that a measurement is expected to take."""


def time_to_confirm(workspace: Workspace, *, least: bool = False) -> float:
    """Wall seconds that opening test, the long measurement and the report take at the end of this run; 0 without a budget.

    Args:
        workspace: The run's tools, with the model as given measured.
        least: True for the shortest measurement that says anything.
    """
    schedule, given, fastest = workspace.schedule, baseline_trial(workspace), fastest_trial(workspace)
    if not schedule.limited:
        return 0.0
    other = given if fastest is None else fastest
    sides = [given.artifact, other.artifact] if least else [given.artifact, other.artifact, other.artifact]
    once_s = sitting_s(workspace, sides)
    long_s = FINAL.least_s(once_s, len(sides)) if least else schedule.final_s(FINAL, once_s, len(sides))
    asked = sides[:2] if least else [given.artifact, *(f"{other.artifact} {number}" for number in range(MOST))]
    return test_s(workspace, asked) + long_s + _as_found_s(workspace, sides[:2]) + report_s(workspace, other.artifact)


def _as_found_s(workspace: Workspace, artifacts: Sequence[str]) -> float:
    """Wall seconds of the measurement as found, with the engine's own time."""
    return SLACK * workspace.schedule.scaled(AS_FOUND).takes_s(sitting_s(workspace, artifacts), 2) + 1.0


def report_s(workspace: Workspace, artifact: str) -> float:
    """Wall seconds of result, report and evidence."""
    return workspace.schedule.report_s(size_b(workspace.artifacts.folder(artifact)))


def _sides(workspace: Workspace, trial: Trial) -> list[Side]:
    given = baseline_trial(workspace)
    fastest = fastest_trial(workspace)
    sides = [
        Side(name="baseline", artifact=workspace.artifacts.folder(given.artifact)),
        Side(name="candidate", artifact=workspace.artifacts.folder(trial.artifact)),
    ]
    if fastest is not None and fastest.artifact != trial.artifact:
        sides.append(Side(name="fastest", artifact=workspace.artifacts.folder(fastest.artifact)))
    return sides


def long_windows(workspace: Workspace, trial: Trial) -> tuple[list[Side], Windows]:
    """The long measurement of a candidate between the model as given and the fastest fp32; taken once."""
    sides, schedule = _sides(workspace, trial), workspace.schedule
    if not schedule.limited or workspace.study.ledger.find("measure", _key(sides)) is not None:
        return sides, measured(workspace, "measure", _key(sides), sides, FINAL)
    for some in (sides, sides[:2]):
        if workspace.study.ledger.find("measure", _key(some, schedule.budget_s)) is not None:
            return some, measured(workspace, "measure", _key(some, schedule.budget_s), some, FINAL)
    artifacts = [side.artifact.name for side in sides]
    schedule.reserved_s = _as_found_s(workspace, artifacts[:2]) + report_s(workspace, trial.artifact)
    try:
        most_s = min(schedule.open_s(), schedule.final_most_s(FINAL, sitting_s(workspace, artifacts), len(sides)))
        if len(sides) > 2 and FINAL.within(most_s, SLACK * sitting_s(workspace, artifacts), len(sides)) is None:
            schedule.left_out(f"{sides.pop().name} fp32 is not in the long measurement")
        windows = measured(workspace, "measure", _key(sides, schedule.budget_s), sides, FINAL, most_s)
    finally:
        schedule.reserved_s = report_s(workspace, trial.artifact)
    rounds = len(windows.sides["candidate"])
    if rounds < FINAL.rounds and windows.wall_s > most_s / 2:  # calls that are slow make rounds fewer too
        schedule.left_out(f"the long measurement has {rounds} windows of each side for {FINAL.rounds}, in {windows.sittings} sittings")
    return sides, windows


def _key(sides: Sequence[Side], *budget_s: float | None) -> str:
    return digests.of_value([[[side.name, side.artifact.name] for side in sides], FINAL.rounds, FINAL.window_s, FINAL.sittings, *budget_s])


def found_windows(workspace: Workspace, trial: Trial) -> Windows:
    """The model as given at the user's defaults beside a candidate; taken once."""
    given = baseline_trial(workspace)
    defaults = Side(name="as_found", artifact=workspace.artifacts.folder(given.artifact), threads=workspace.units.host.cores)
    named = [given.artifact, trial.artifact, workspace.units.host.cores, "as found"]
    key, plan = planned(
        workspace, "measure", AS_FOUND, lambda plan: digests.of_value(named if plan == AS_FOUND else [*named, plan.rounds, plan.window_s])
    )
    return measured(
        workspace, "measure", key, [defaults, Side(name="candidate", artifact=workspace.artifacts.folder(trial.artifact))], plan
    )


def graph_time(workspace: Workspace, artifact: str) -> Reading | Missing:
    key = digests.of_value(["graph time", artifact])
    known = workspace.study.ledger.find("graph_time", key)
    if known is None:
        workspace.bench.open(Side(name="candidate", artifact=workspace.artifacts.folder(artifact)))
        with workspace.study.ledger.span("graph_time", key) as span:
            workspace.bench.take_cpu_s()
            value = workspace.bench.graph_time("candidate")
            cpu_s = workspace.bench.take_cpu_s()
            known = span.finish(value, cpu_s=cpu_s, energy_j=workspace.joules(cpu_s))
    if known.value is None:
        return Missing(quantity="graph_time", reason="the program has more than one graph")
    return Reading(quantity="graph_time", value=known.value, how=How.MEASURED, n=1)
