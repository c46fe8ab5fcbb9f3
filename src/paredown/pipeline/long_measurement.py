"""The last measurement of a run: baseline, chosen model and fastest fp32 at length, the model as found, and the time that these take."""

from __future__ import annotations

from collections.abc import Sequence

from paredown.core.reading import How, Missing, Reading
from paredown.core.trial import Trial
from paredown.ground import digests
from paredown.ground.files import size_b
from paredown.pipeline.shop import Shop
from paredown.pipeline.timing import sitting_s, test_s
from paredown.pipeline.trials import baseline_trial, fastest_trial, measured, planned
from paredown.protocol.bench import Side, Windows
from paredown.protocol.plan import Plan
from paredown.search.finalists import MOST

FINAL = Plan(rounds=200, window_s=0.1, sittings=8, idle_s=10.0)
"""Short windows of baseline, chosen model and fastest fp32 in turn, 60 s in all, while their processes are started eight times."""

AS_FOUND = Plan(rounds=18, window_s=0.1, idle_s=2.0)
"""The model as given at the user's defaults against the chosen one."""


SLACK = 1.2
"""Times what was seen that a measurement is expected to take."""


def time_to_confirm(shop: Shop, *, least: bool = False) -> float:
    """Wall seconds that opening test, the long measurement and the report take at the end of this run; 0 without a budget.

    Args:
        shop: The run's tools, with the model as given measured.
        least: True for the shortest measurement that says anything.
    """
    schedule, given, fastest = shop.schedule, baseline_trial(shop), fastest_trial(shop)
    if not schedule.limited:
        return 0.0
    other = given if fastest is None else fastest
    sides = [given.artifact, other.artifact] if least else [given.artifact, other.artifact, other.artifact]
    once_s = sitting_s(shop, sides)
    long_s = FINAL.least_s(once_s, len(sides)) if least else schedule.final_s(FINAL, once_s, len(sides))
    asked = sides[:2] if least else [given.artifact, *(f"{other.artifact} {number}" for number in range(MOST))]
    return test_s(shop, asked) + long_s + _as_found_s(shop, sides[:2]) + report_s(shop, other.artifact)


def _as_found_s(shop: Shop, artifacts: Sequence[str]) -> float:
    """Wall seconds of the measurement as found, with the engine's own time."""
    return SLACK * shop.schedule.scaled(AS_FOUND).takes_s(sitting_s(shop, artifacts), 2) + 1.0


def report_s(shop: Shop, artifact: str) -> float:
    """Wall seconds of result, report and evidence."""
    return shop.schedule.report_s(size_b(shop.artifacts.folder(artifact)))


def _sides(shop: Shop, trial: Trial) -> list[Side]:
    given = baseline_trial(shop)
    fastest = fastest_trial(shop)
    sides = [
        Side(name="baseline", artifact=shop.artifacts.folder(given.artifact)),
        Side(name="candidate", artifact=shop.artifacts.folder(trial.artifact)),
    ]
    if fastest is not None and fastest.artifact != trial.artifact:
        sides.append(Side(name="fastest", artifact=shop.artifacts.folder(fastest.artifact)))
    return sides


def long_windows(shop: Shop, trial: Trial) -> tuple[list[Side], Windows]:
    """The long measurement of a candidate between the model as given and the fastest fp32; taken once."""
    sides, schedule = _sides(shop, trial), shop.schedule
    if not schedule.limited or shop.study.ledger.find("measure", _key(sides)) is not None:
        return sides, measured(shop, "measure", _key(sides), sides, FINAL)
    for some in (sides, sides[:2]):
        if shop.study.ledger.find("measure", _key(some, schedule.budget_s)) is not None:
            return some, measured(shop, "measure", _key(some, schedule.budget_s), some, FINAL)
    artifacts = [side.artifact.name for side in sides]
    schedule.reserved_s = _as_found_s(shop, artifacts[:2]) + report_s(shop, trial.artifact)
    try:
        most_s = min(schedule.open_s(), schedule.final_most_s(FINAL, sitting_s(shop, artifacts), len(sides)))
        if len(sides) > 2 and FINAL.within(most_s, SLACK * sitting_s(shop, artifacts), len(sides)) is None:
            schedule.left_out(f"{sides.pop().name} fp32 is not in the long measurement")
        windows = measured(shop, "measure", _key(sides, schedule.budget_s), sides, FINAL, most_s)
    finally:
        schedule.reserved_s = report_s(shop, trial.artifact)
    rounds = len(windows.sides["candidate"])
    if rounds < FINAL.rounds and windows.wall_s > most_s / 2:  # calls that are slow make rounds fewer too
        schedule.left_out(f"the long measurement has {rounds} windows of each side for {FINAL.rounds}, in {windows.sittings} sittings")
    return sides, windows


def _key(sides: Sequence[Side], *budget_s: float | None) -> str:
    return digests.of_value([[[side.name, side.artifact.name] for side in sides], FINAL.rounds, FINAL.window_s, FINAL.sittings, *budget_s])


def found_windows(shop: Shop, trial: Trial) -> Windows:
    """The model as given at the user's defaults beside a candidate; taken once."""
    given = baseline_trial(shop)
    defaults = Side(name="as_found", artifact=shop.artifacts.folder(given.artifact), threads=shop.host.cores)
    named = [given.artifact, trial.artifact, shop.host.cores, "as found"]
    key, plan = planned(
        shop, "measure", AS_FOUND, lambda plan: digests.of_value(named if plan == AS_FOUND else [*named, plan.rounds, plan.window_s])
    )
    return measured(shop, "measure", key, [defaults, Side(name="candidate", artifact=shop.artifacts.folder(trial.artifact))], plan)


def graph_time(shop: Shop, artifact: str) -> Reading | Missing:
    key = digests.of_value(["graph time", artifact])
    known = shop.study.ledger.find("graph_time", key)
    if known is None:
        shop.bench.open(Side(name="candidate", artifact=shop.artifacts.folder(artifact)))
        with shop.study.ledger.span("graph_time", key) as span:
            shop.bench.take_cpu_s()
            value = shop.bench.graph_time("candidate")
            cpu_s = shop.bench.take_cpu_s()
            known = span.finish(value, cpu_s=cpu_s, energy_j=shop.joules(cpu_s))
    if known.value is None:
        return Missing(quantity="graph_time", reason="the program has more than one graph")
    return Reading(quantity="graph_time", value=known.value, how=How.MEASURED, n=1)
