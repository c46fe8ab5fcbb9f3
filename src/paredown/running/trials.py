"""Trying a recipe: build once, measure once, record; a failure costs only its own trial."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from paredown.builder.build import Built
from paredown.core.errors import BadModel, CannotWrite, Damaged, NotTrusted, ParedownError
from paredown.core.policy import Scale
from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import Recipe, engines_of
from paredown.core.trial import Trial, trial_from_json
from paredown.ground import digests
from paredown.kinds.numbers import Numbers
from paredown.kinds.vector import Vector
from paredown.policy.quality import chance, compare, value
from paredown.protocol.bench import Side, Windows
from paredown.protocol.plan import SCREENING, Plan
from paredown.protocol.readings import facts, of_windows, ratios
from paredown.running.timing import Steps, foretold, share_s
from paredown.running.workspace import Workspace
from paredown.stats.ratios import detectable, noise_floor

_OPEN = 1e9

FLOOR = Plan(rounds=80, window_s=0.05)
"""The A/A run: the baseline against its twin."""


def attempt(workspace: Workspace, recipe: Recipe, why: str, role: str = "candidate") -> Trial:
    """Build and measure a recipe once; what is recorded is not repeated.

    Args:
        workspace: The run's tools.
        recipe: What to try.
        why: One sentence.
        role: "baseline", "fastest_fp32" or "candidate"; a baseline that fails ends the run, a candidate only its trial.

    Raises:
        ParedownError: The baseline failed.
        Damaged: What the ledger recorded is gone.
        NotTrusted: A recipe of the ledger, or a model of the cache, names code that the user has not given the word for.
        CannotWrite: The disk is full; no fault of the recipe, which is tried again.
    """
    asked = f"{role}: {recipe}"
    # a failure is worth another try once the limits that it ran into are others; a success never is
    schedule = workspace.schedule
    within_s = share_s(workspace, recipe) if role == "candidate" else schedule.open_s()
    wall_s = min(workspace.builder.trial_s or 0.0, within_s)
    limits = f" within {wall_s:g} s and {workspace.builder.trial_b or 0:.3g} B"
    ledger, key = workspace.study.ledger, asked + limits
    known = next(
        (
            record
            for record in ledger.records("trial")
            if record.key == key or (record.key.startswith(f"{asked} within ") and record.value["state"] == "done")
        ),
        None,
    )
    if known is not None:
        trial = trial_from_json(known.value | {"id": known.id})
        workspace.listener.trial(trial, workspace.units.metric.unit)
        return trial
    before, began_s, steps_s = workspace.study.spent(), schedule.passed_s(), Steps(schedule, foretold(workspace, recipe))
    with ledger.span("trial", key) as span:
        try:
            built = replace(workspace.builder, took=steps_s.took).build(recipe, within_s)
            trial = examine(workspace, built, role)
        except (Damaged, CannotWrite, NotTrusted):
            raise
        except ParedownError as error:
            if role == "baseline":
                raise
            workspace.bench.close("candidate")
            trial = Trial(id=0, recipe=str(recipe), role=role, state="failed", reason=str(error).strip().splitlines()[0])
        else:
            steps_s.rest(list(engines_of(recipe)) if role != "baseline" else [], schedule.passed_s() - began_s)
        after = workspace.study.spent()
        trial = replace(trial, why=why, energy_j=max(0.0, after.energy_j - before.energy_j), wall_s=max(0.0, after.wall_s - before.wall_s))
        record = span.finish(trial.json())
    trial = replace(trial, id=record.id)
    workspace.listener.trial(trial, workspace.units.metric.unit)
    return trial


def examine(workspace: Workspace, built: Built, role: str) -> Trial:
    """Screen a packed recipe: its answers on validation and short interleaved windows against the baseline."""
    answers = workspace.outputs(built.artifact, "validation")
    before_answers = answers if role == "baseline" else workspace.outputs(baseline_trial(workspace).artifact, "validation")
    labels = workspace.right("validation", before_answers)
    blocks = workspace.paired("validation")["blocks"]
    quality = value(workspace.units.metric, labels, answers, blocks)
    trial = Trial(
        id=0,
        recipe=str(built.recipe),
        role=role,
        artifact=built.artifact,
        quality=quality,
        notes=[f"{step}: {note}" for step, note in built.steps if note],
    )
    if role == "baseline":
        _refuse_chance(workspace, quality, labels, answers, blocks)
        if (naive := workspace.units.task.naive(workspace.splits.validation)) is not None:
            metric = workspace.units.metric
            workspace.study.note(
                f"On validation the last known value has {metric.text()} {value(metric, labels, naive, blocks):.4g}, "
                f"the model as given {quality:.4g}."
            )
        windows = floor(workspace, built.artifact)
        workspace.listener.stage(
            f"noise floor of CPU time: {100 * floor_share(windows):.2g} %; windows as few as these show a saving of "
            f"{100 * detectable_share(windows):.2g} % or more"
        )
        return replace(trial, readings=_readings(workspace, built.artifact, windows, "baseline"))
    given = baseline_trial(workspace)
    limit = workspace.job.policy.margin
    scale = limit.scale if limit is not None else Scale.RELATIVE
    kind = workspace.units.kind
    found = compare(
        workspace.units.metric,
        labels,
        before_answers,
        answers,
        kind=kind.name,
        scale=scale,
        confidence=workspace.job.policy.confidence,
        seed=workspace.study.seed,
        blocks=blocks,
    )
    windows = screen(workspace, given.artifact, built.artifact)
    before, after = _readings(workspace, given.artifact, windows, "baseline"), _readings(workspace, built.artifact, windows, "candidate")
    return replace(
        trial,
        drop=finite({"drop": found.drop, "upper": found.upper, "flips": found.flips} | kind.moved(labels, before_answers, answers)),
        readings=after,
        ratios=ratios(windows, "baseline", "candidate", before, after),
    )


def finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers as JSON can hold them: a bound that few rows leave open, at infinity, becomes a very large one."""
    return {key: math.copysign(_OPEN, value) if isinstance(value, float) and math.isinf(value) else value for key, value in numbers.items()}


def baseline_trial(workspace: Workspace) -> Trial:
    """The trial of the model as given."""
    return next(trial for trial in workspace.trials() if trial.role == "baseline")


def fastest_trial(workspace: Workspace) -> Trial | None:
    """The second baseline: the engine on which the model as given takes the least CPU time; None when none can run it."""
    done = [trial for trial in workspace.trials() if trial.role == "fastest_fp32" and trial.state == "done"]
    times = [(reading.value, trial.id, trial) for trial in done if isinstance(reading := trial.readings.get("cpu_time"), Reading)]
    return min(times)[2] if times else None


def planned(workspace: Workspace, kind: str, plan: Plan, key: Callable[[Plan], str]) -> tuple[str, Plan]:
    """Under which name a short measurement is recorded, and its plan: whole where that is known already, else as the budget allows."""
    shorter = workspace.schedule.scaled(plan)
    if shorter == plan or workspace.study.ledger.find(kind, key(plan)) is not None:
        return key(plan), plan
    workspace.schedule.left_out("short measurements have fewer windows")
    return key(shorter), shorter


def measured(workspace: Workspace, kind: str, key: str, sides: list[Side], plan: Plan, within_s: float = math.inf) -> Windows:
    """Interleaved windows, recorded under a name and taken only once.

    Args:
        within_s: Wall seconds that they may take; what the budget leaves bounds them too.

    Raises:
        LimitExceeded: Even the shortest measurement takes longer.
    """
    known = workspace.study.ledger.find(kind, key)
    if known is None:
        with workspace.study.ledger.span(kind, key) as span:
            workspace.bench.take_cpu_s()
            workspace.listener.step("starting what is measured", 0, 0)

            def tick(done: int, total: int) -> None:
                workspace.listener.step("measuring", done, total)
                span.beat(cpu_s=workspace.bench.spent_s, energy_j=workspace.joules(workspace.bench.spent_s))

            most_s = min(within_s, workspace.schedule.open_s())
            windows = workspace.bench.measure(sides, plan, tick, None if math.isinf(most_s) else most_s)
            cpu_s = workspace.bench.take_cpu_s()
            known = span.finish(windows.json(), cpu_s=cpu_s, energy_j=workspace.joules(cpu_s))
    return Windows(**known.value)


def floor(workspace: Workspace, artifact: str) -> Windows:
    """The A/A run of the baseline; its windows are the baseline's own readings too."""
    folder = workspace.artifacts.folder(artifact)
    sides = [Side(name="baseline", artifact=folder), Side(name="twin", artifact=folder)]
    key, plan = planned(workspace, "floor", FLOOR, lambda plan: digests.of_value([artifact, plan.rounds, plan.window_s]))
    windows = measured(workspace, "floor", key, sides, plan)
    workspace.bench.close("twin")
    return windows


def floor_share(windows: Windows) -> float:
    """The noise floor of CPU time as a share."""
    return noise_floor(windows.series("baseline", "cpu_time"), windows.series("twin", "cpu_time"))


def detectable_share(windows: Windows) -> float:
    """The smallest saving of CPU time that windows like these show nine times out of ten, as a share."""
    return detectable(windows.series("baseline", "cpu_time"), windows.series("twin", "cpu_time"))


def screen(workspace: Workspace, baseline: str, candidate: str) -> Windows:
    """Short interleaved windows of baseline and candidate."""
    sides = [
        Side(name="baseline", artifact=workspace.artifacts.folder(baseline)),
        Side(name="candidate", artifact=workspace.artifacts.folder(candidate)),
    ]
    key, plan = planned(workspace, "measure", SCREENING, lambda plan: digests.of_value([baseline, candidate, plan.rounds, plan.window_s]))
    windows = measured(workspace, "measure", key, sides, plan)
    workspace.bench.close("candidate")
    return windows


def _readings(workspace: Workspace, artifact: str, windows: Windows, side: str) -> dict[str, Reading | Missing]:
    found = of_windows(windows, side) | facts(workspace.artifacts.folder(artifact))
    return _with_asked(workspace, artifact, found)


def _with_asked(workspace: Workspace, artifact: str, found: Mapping[str, Reading | Missing]) -> dict[str, Reading | Missing]:
    """Multiply-adds of a composition: each graph's, by the share of rows that it answered on validation."""
    from paredown.artifact.load import read_manifest

    out = dict(found)
    graphs = read_manifest(workspace.artifacts.folder(artifact))["graphs"]
    if len(graphs) < 2:
        return out
    key = digests.of_value([artifact, workspace.splits.digests["validation"]])
    record = workspace.study.ledger.find("predict", key)
    rows = len(workspace.splits.validation)
    if record is not None and all(graph.get("multiply_adds") for graph in graphs):
        value = sum(graph["multiply_adds"] * record.value["asked"][graph["name"]] / rows for graph in graphs)
        out["multiply_adds"] = Reading(
            quantity="multiply_adds", value=value, how=How.MODELLED, n=rows, source="shares of rows answered on validation"
        )
    return out


def _refuse_chance(workspace: Workspace, quality: float, labels: Any, answers: Any, blocks: Any) -> None:
    """End the run when the baseline is no better than guessing: names and labels do not match, most likely."""
    names, metric, kind = workspace.splits.names, workspace.units.metric, workspace.units.kind
    if metric.by_baseline:
        return
    guessed = chance(metric, labels, len(names), blocks)
    near = quality >= guessed * 0.98 if metric.better == "lower" else quality <= guessed + 0.05 * (1 - guessed)
    if not near:
        return
    rows = "\n".join(f"  row {number}: {said}" for number, said in enumerate(kind.said(labels[:5], answers[:5], names)))
    order = "" if kind.name in (Numbers.name, Vector.name) else "`labels:` stands in the model's order and that "
    do = f"Check that {order}`preprocess:` is what the model was trained with."
    if workspace.units.trains:
        do = "The job trains it: give it more epochs, another `lr` or a larger network, or check the columns of the data."
    raise BadModel(
        f"the model as given has {metric.text()} {quality:.4g} on validation; {kind.blind(labels)} has {guessed:.4g}.\n{rows}\n  {do}"
    )
