"""Why the chosen model costs less: the factor of each step of its recipe, and where the time goes by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from paredown.core.errors import Damaged, ParedownError
from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import Chain, Composed, Engine, Recipe, Step, parse
from paredown.core.technique import Stage
from paredown.core.trial import Trial
from paredown.ground import digests, registry
from paredown.protocol.readings import of_windows, ratios
from paredown.running.confirm import Confirmed, Final
from paredown.running.long_measurement import long_windows
from paredown.running.timing import time_lacking
from paredown.running.trials import baseline_trial, fastest_trial, screen
from paredown.running.workspace import Workspace
from paredown.search.search_state import trial_of

LEAST_PROFILE_S = 4.0
"""Wall seconds of starting an engine with its profiler, and of asking it."""

PROFILE_S = 0.5
"""Wall seconds for which an engine answers with its profiler on."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """One place on the way from the model as given to the chosen one.

    Args:
        kind: What the step before it was: "engine", "structure", "quantize" or "compose".
        text: That step as in the recipe.
        recipe: What stands here; None for the chosen one itself.
    """

    kind: str
    text: str
    recipe: Chain | None


def stops(recipe: Recipe, given_on: str) -> Iterator[Stop]:
    """The way to a recipe: first its engine, then step by step, last what composes it with a cheaper one.

    A step that only trains what stands (recover) costs nothing at inference and goes with the step that it follows.

    Args:
        recipe: The chosen one.
        given_on: The engine of the model as given.
    """
    base, composed = _base(recipe), isinstance(recipe, Composed)
    groups = list(_groups(base.steps))
    # without its thread count, so that the builder finds the best one for each place on the way
    engine = Engine.of(base.engine.name, **{key: value for key, value in base.engine.items if key != "threads"})
    if engine.name != given_on:
        yield Stop(kind="engine", text=engine.name, recipe=Chain((), engine) if groups or composed else None)
    for number, group in enumerate(groups, 1):
        here = Chain(tuple(step for one in groups[:number] for step in one), engine)
        last = number == len(groups) and not composed
        yield Stop(kind=_kind(group), text=" > ".join(map(str, group)), recipe=None if last else here)
    if isinstance(recipe, Composed):
        yield Stop(kind="compose", text=f"{recipe.name}({', '.join(map(str, recipe.parts[:-1]))}, ...)", recipe=None)


def _groups(steps: Sequence[Step]) -> Iterator[list[Step]]:
    group: list[Step] = []
    for step in steps:
        if group and _stage(step) != Stage.RECOVER:
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _stage(step: Step) -> Stage:
    stage: Stage = registry.get("techniques", step.name).stage
    return stage


def _kind(group: Sequence[Step]) -> str:
    return "quantize" if _stage(group[0]) in (Stage.TABLES, Stage.QUANTIZE) else "structure"


def factors(kinds: Sequence[tuple[str, str]], reached: Sequence[Reading | Missing]) -> list[dict[str, Any]]:
    """What each step divided the CPU time by; the product of all is the last of `reached`, exactly.

    Where a place on the way could not be measured, its step is told together with the next one.

    Args:
        kinds: (kind, text) of each step.
        reached: Baseline over what stands after each step; the last is never Missing.

    Returns:
        {"kind", "text", "factor": number, "joined": why it is not told apart, else ""} for each. An interval joins those of the two
        measurements that a factor stands on, as independent ones.
    """
    found: list[dict[str, Any]] = []
    before: Reading | None = None
    held, reason = [], ""
    for (kind, text), now in zip(kinds, reached):
        held.append((kind, text))
        if isinstance(now, Missing):
            reason = now.reason
            continue
        named = held[0][0] if len({one for one, _ in held}) == 1 else "joined"
        found.append({"kind": named, "text": " > ".join(one for _, one in held), "factor": divided(now, before).json(), "joined": reason})
        before, held, reason = now, [], ""
    return found


def divided(now: Reading, before: Reading | None) -> Reading:
    """One ratio over another, each of its own measurement; over nothing it is itself."""
    if before is None:
        return now
    value, halves = now.value / before.value, [_half(now), _half(before)]
    half = None if None in halves else math.hypot(*(one for one in halves if one is not None))
    low, high = (None, None) if half is None else (value * math.exp(-half), value * math.exp(half))
    return Reading(quantity="cpu_time", value=value, low=low, high=high, unit="x", how=How.MEASURED, n=min(now.n or 1, before.n or 1))


def _half(ratio: Reading) -> float | None:
    """Half of the interval of its logarithm."""
    return math.log(ratio.high / ratio.low) / 2 if ratio.low and ratio.high and ratio.low > 0 else None


def explain(workspace: Workspace, confirmed: Confirmed) -> dict[str, Any] | None:
    """What result.json says under `why`; None where nothing was released.

    Returns:
        {"steps": as `factors`, "threads": None or {"from", "to", "factor", "whole"}, "layers": {"fastest_fp32", "chosen"} as `layers`}.
    """
    final = confirmed.chosen
    if final is None:
        return None
    workspace.listener.stage("why it costs less")
    given = baseline_trial(workspace)
    way = list(stops(parse(final.trial.recipe), _base(parse(given.recipe)).engine.name))
    reached = [_reached(workspace, final, stop) for stop in way]
    fastest = fastest_trial(workspace)
    whole = final.ratios["cpu_time"]
    return {
        "steps": factors([(stop.kind, stop.text) for stop in way], reached) if isinstance(whole, Reading) else [],
        "threads": _threads(workspace, final, given),
        "layers": {
            "fastest_fp32": {"missing": "no engine runs it"} if fastest is None else layers(workspace, fastest),
            "chosen": layers(workspace, final.trial),
        },
    }


def _reached(workspace: Workspace, final: Final, stop: Stop) -> Reading | Missing:
    """Baseline over what stands at a stop, in CPU time: of the long measurement, of the trial's screening, or of one made now."""
    if stop.recipe is None:
        return final.ratios["cpu_time"]
    fastest = fastest_trial(workspace)
    sides, windows = long_windows(workspace, final.trial)
    known = trial_of(workspace.trials(), stop.recipe)
    if fastest is not None and len(sides) > 2 and known == fastest:
        return ratios(windows, "baseline", "fastest", of_windows(windows, "baseline"), of_windows(windows, "fastest"))["cpu_time"]
    if known is not None:
        return known.ratios["cpu_time"]
    if (lacking := time_lacking(workspace, stop.recipe)) is not None:
        workspace.schedule.left_out("not all steps of the recipe are told apart")
        return Missing(quantity="cpu_time", reason=lacking)
    try:
        built = workspace.builder.build(stop.recipe, workspace.schedule.open_s())
        shown = screen(workspace, baseline_trial(workspace).artifact, built.artifact)
    except Damaged:
        raise
    except ParedownError as error:
        return Missing(quantity="cpu_time", reason=str(error).strip().splitlines()[0])
    return ratios(shown, "baseline", "candidate", of_windows(shown, "baseline"), of_windows(shown, "candidate"))["cpu_time"]


def _base(recipe: Recipe) -> Chain:
    """The chain that answers what is passed on; a chain itself."""
    while isinstance(recipe, Composed):
        recipe = recipe.parts[-1]
    return recipe


def _threads(workspace: Workspace, final: Final, given: Trial) -> dict[str, Any] | None:
    """What the model as given wastes with one thread per core, as it was found; None where that is its best count."""
    engine = _base(parse(given.recipe)).engine
    best, found, whole = int(engine.placement.get("threads", 1)), final.ratios_as_found.get("cpu_time"), final.ratios["cpu_time"]
    if best == workspace.units.host.cores or not isinstance(found, Reading) or not isinstance(whole, Reading):
        return None
    return {"from": workspace.units.host.cores, "to": best, "factor": divided(found, whole).json(), "whole": found.json()}


def layers(workspace: Workspace, trial: Trial) -> dict[str, Any]:
    """Where the wall time of one inference goes inside the engine: {"layers": [{"name", "op", "wall_s"}], "n"}, or {"missing"}.

    A composition asks its later graphs for some rows only; their times count by the share that they answered on validation.
    """
    if workspace.schedule.open_s() < LEAST_PROFILE_S and workspace.schedule.limited:
        workspace.schedule.left_out("no profile by layer was taken")
        return {"missing": f"the budget of {workspace.schedule.budget_s:g} s has no time for it"}
    key = digests.of_value(["profile", trial.artifact, workspace.job.deploy.batch, PROFILE_S])
    verb, folder = "paredown.protocol.subject:profile", str(workspace.artifacts.folder(trial.artifact))
    try:
        found = workspace.light.order(
            "profile", key, verb, artifact=folder, rows=str(workspace.bench.rows), batch=workspace.job.deploy.batch, seconds=PROFILE_S
        )
    except Damaged:
        raise
    except ParedownError as error:
        return {"missing": str(error).strip().splitlines()[0]}
    lacking = [graph["missing"] for graph in found if "missing" in graph]
    if lacking:
        return {"missing": lacking[0]}
    asked = workspace.study.ledger.find("predict", digests.of_value([trial.artifact, workspace.splits.digests["validation"]]))
    shares = {graph["name"]: _share(asked, graph["name"], len(workspace.splits.validation)) for graph in found}
    told = [
        {"name": f"{graph['name']}: {name}" if len(found) > 1 else name, "op": op, "wall_s": wall_s * shares[graph["name"]]}
        for graph in found
        for name, op, wall_s in grouped(graph["nodes"])
    ]
    return {"layers": told, "how": str(How.MEASURED)}


def _share(asked: Any, name: str, rows: int) -> float:
    return 1.0 if asked is None else float(asked.value["asked"].get(name, rows) / rows)


def grouped(nodes: Sequence[dict[str, Any]]) -> list[tuple[str, str, float]]:
    """(layer, the op that takes most of its time, wall seconds) in the order of the graph.

    A layer is named as far as one part after its number, else by its first part: `encoder.layer.3.attention`, `embeddings`. Nodes before
    the first known layer are the input. An engine that knows no layers is told by kind of work.
    """
    if not any(node["layer"] for node in nodes):
        nodes = [node | {"layer": node["op"]} for node in nodes]
    names = _without_roots({node["layer"] for node in nodes})
    times: dict[str, dict[str, float]] = {}
    for node in nodes:
        ops = times.setdefault(_short(names[node["layer"]]) or "input", {})
        ops[node["op"]] = ops.get(node["op"], 0.0) + node["wall_s"]
    return [(name, max(ops, key=lambda op: ops[op]), sum(ops.values())) for name, ops in times.items()]


def _without_roots(layers: set[str]) -> dict[str, str]:
    """Layer -> its name without the parts that hold all layers (`module.bert.`); a number never loses the part before it."""
    names = {layer: layer for layer in layers}
    while True:
        inner = {layer: name.partition(".") for layer, name in names.items() if "." in name}
        if len(inner) < 2 or len({first for first, _, _ in inner.values()}) > 1 or any(rest[:1].isdigit() for _, _, rest in inner.values()):
            return names
        names |= {layer: rest for layer, (_, _, rest) in inner.items()}


def _short(name: str) -> str:
    parts = name.split(".")
    number = next((at for at, part in enumerate(parts) if part.isdigit()), None)
    return ".".join(parts[: 1 if number is None else number + 2])
