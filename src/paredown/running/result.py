"""What a run came to, as plain data: the content of result.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from paredown.core.finding import Outcome
from paredown.core.job import ModelSpec
from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import Composed, Recipe, parse
from paredown.core.runtime import Host
from paredown.core.trial import Trial
from paredown.evidence.bound import NEAREST, RELEASED
from paredown.ground import amounts
from paredown.impact.before_after import impact_of, spent_json, upstream_of
from paredown.impact.energy import active_energies, curve_json
from paredown.policy.relax import smallest_relaxation
from paredown.policy.rules import verdict
from paredown.protocol.gates import Code, blind
from paredown.running.confirm import Confirmed, Final
from paredown.running.engines import by_engine
from paredown.running.provable import provable_by
from paredown.running.trials import baseline_trial, detectable_share, fastest_trial, finite, floor
from paredown.running.workspace import Workspace
from paredown.search.finalists import front
from paredown.search.search_state import SearchState
from paredown.stats.intervals import wilson
from paredown.study import reads
from paredown.study.hours import began, hourly_j

FORMAT = 1


def _number(reading: Reading | Missing) -> dict[str, Any]:
    return reading.json()


def _numbers(readings: Mapping[str, Reading | Missing]) -> dict[str, Any]:
    return {name: _number(reading) for name, reading in readings.items()}


def _engine(recipe: Recipe) -> tuple[str, int]:
    while isinstance(recipe, Composed):
        recipe = recipe.parts[0]
    return recipe.engine.name, int(recipe.engine.placement.get("threads", 1))


def _quality(workspace: Workspace, value: float, rows: int) -> dict[str, Any]:
    metric = workspace.units.metric
    out: dict[str, Any] = {"value": value, "low": None, "high": None, "unit": metric.unit, "how": str(How.MEASURED), "n": rows}
    if metric.name() == "accuracy":
        out["low"], out["high"] = wilson(round(value * rows), rows, 0.95)
    return out


def _side(
    workspace: Workspace, trial: Trial, readings: Mapping[str, Reading | Missing], quality: float | None, rows: int
) -> dict[str, Any]:
    runtime, threads = _engine(parse(trial.recipe))
    return {
        "recipe": trial.recipe,
        "runtime": runtime,
        "threads": threads,
        "batch": workspace.job.deploy.batch,
        "quality": _quality(workspace, quality, rows)
        if quality is not None
        else {"missing": "not asked on the test rows; it gives the answers of the model as given"},
        "readings": _numbers(readings),
        "estimators": _estimators(workspace, readings),
        "efficiency": _efficiency(workspace, quality, readings.get("energy")),
        "artifact": trial.artifact,
    }


def _estimators(workspace: Workspace, readings: Mapping[str, Reading | Missing]) -> dict[str, Any]:
    """The energy of one inference by each estimator; nothing where a counter was read."""
    energy, cpu = readings.get("energy"), readings.get("cpu_time")
    if not isinstance(energy, Reading) or not isinstance(cpu, Reading) or energy.how is not How.ESTIMATED:
        return {}
    return _numbers(active_energies(workspace.curve, cpu.value))


def _efficiency(workspace: Workspace, quality: float | None, energy: Reading | Missing | None) -> dict[str, Any]:
    """Quality per joule of one inference, with the interval of the energy."""
    if workspace.units.metric.better == "lower":
        return {"missing": f"{workspace.units.metric.text()} is better when lower, so that it is no quality per joule"}
    if quality is None or not isinstance(energy, Reading) or energy.value <= 0:
        return {"missing": "quality or energy per inference is not known"}
    low = quality / energy.high if energy.high else None
    high = quality / energy.low if energy.low else None
    return {"value": quality / energy.value, "low": low, "high": high, "unit": "1/J", "how": str(energy.how)}


def _efficiency_ratio(workspace: Workspace, final: Final) -> dict[str, Any]:
    """Chosen over baseline, so that 12.0 means twelve times the quality per joule."""
    energy = final.ratios.get("energy")
    if workspace.units.metric.better == "lower" or not final.baseline_quality or not isinstance(energy, Reading):
        return {"missing": "quality per joule is not known on both sides"}
    share = final.quality / final.baseline_quality
    ends = {name: None if end is None else end * share for name, end in (("low", energy.low), ("high", energy.high))}
    return {"value": energy.value * share, **ends, "unit": "x", "how": str(energy.how)}


def steps_with_notes(recipe: Recipe, notes: Sequence[str]) -> list[dict[str, str]]:
    """The steps of a recipe, inner ones first, each with what it said it did.

    Args:
        recipe: Of the trial.
        notes: The trial's, as "step text: note"; a step whose text differs by a default knob is known by its name.
    """
    if isinstance(recipe, Composed):
        return [step for part in recipe.parts for step in steps_with_notes(part, notes)]
    said = [(text, note) for text, _, note in (one.partition(": ") for one in notes)]
    by_text, by_name = dict(said), {text.partition("(")[0]: note for text, note in said}
    return [{"text": str(step), "note": by_text.get(str(step)) or by_name.get(step.name, "")} for step in recipe.steps]


def _candidate(workspace: Workspace, final: Final, folder: str) -> dict[str, Any]:
    trial = final.trial
    rows = workspace.judged(final.split)
    limit = workspace.job.policy.margin
    out = _side(workspace, trial, final.readings, final.quality, rows)
    size = final.ratios.get("size")
    no_flips = {} if workspace.units.metric.name() == "accuracy" else {"flips": None}  # of other metrics no row is just right or wrong
    return out | {
        "why": _why(workspace, final, folder == RELEASED),
        "steps": steps_with_notes(parse(trial.recipe), trial.notes),
        "split": final.split,
        "quality_drop": finite(asdict(final.drop)) | {"scale": str(limit.scale) if limit is not None else "relative"} | no_flips,
        "ratios": _numbers(final.ratios),
        "ratios_vs_fastest_fp32": _numbers(final.ratios_fastest),
        "ratios_as_found": _numbers(final.ratios_as_found),
        "compression_rate": _number(size) if size is not None else {"missing": "not measured"},
        "efficiency_ratio": _efficiency_ratio(workspace, final),
        "measured": "at length" if final.long else "screening",
        "artifact": folder,
        "digest": trial.artifact,
        "trial": trial.id,
    }


def _why(workspace: Workspace, final: Final, chosen: bool) -> str:
    quantity = workspace.job.policy.minimize
    named = quantity.replace("cpu", "CPU").replace("_", " ")
    ratio = final.ratios.get(quantity)
    if chosen:
        text = f"Of all that passed it takes the least {named}"
    elif not final.blocked and not isinstance(ratio, Reading):
        return f"Whether it takes less {named} than the model as given was not measured to the end. {final.trial.why}"
    elif final.blocked:
        text = "Of all tried it comes nearest to the policy"
    else:
        return f"It breaks no rule, but nothing that was tried takes less {named} than the model as given. {final.trial.why}"
    if isinstance(ratio, Reading):
        text += f": {ratio.value:.1f} times less than the model as given"
    return f"{text}. {final.trial.why[:1].upper()}{final.trial.why[1:]}"


def assemble(workspace: Workspace, state: SearchState, confirmed: Confirmed, why: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of result.json.

    Args:
        why: From `explain`.
    """
    study, policy = workspace.study, workspace.job.policy
    final = confirmed.chosen or confirmed.nearest
    trials = workspace.trials()
    given = baseline_trial(workspace)
    fastest = fastest_trial(workspace)
    done = [trial for trial in state.done() if trial.quality is not None]
    searched = study.ledger.spans(since_baseline=True)
    before = final.before if final is not None and final.long else given.readings
    looked = final is not None and final.split == "test"
    rows = workspace.judged("test" if looked else "validation")
    good = -1.0 if workspace.units.metric.better == "lower" else 1.0
    nearest = None
    if confirmed.nearest is not None:
        relaxations = smallest_relaxation(policy, confirmed.nearest.findings)
        nearest = _candidate(workspace, confirmed.nearest, NEAREST) | {
            "binds": relaxations[0].rule if relaxations else "",
            "relaxation": relaxations[0].text if relaxations else "",
            "relaxations": [asdict(item) for item in relaxations],
        }
    windows = _window_counts(workspace)
    least = detectable_share(floor(workspace, given.artifact))
    machine_reads = reads.count(workspace.splits.digests["test"]) if workspace.uncounted is None else workspace.uncounted
    result = {
        "format": FORMAT,
        "name": workspace.job.name,
        "verdict": _verdict(confirmed),
        "undecided": confirmed.undecided,
        "unit": workspace.units.task.unit,
        "started": began(study.ledger.spans()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "paredown": metadata.version("paredown"),
        "task": workspace.job.task,
        "metric": workspace.units.metric.text(),
        "policy": {
            "name": policy.name,
            "minimize": policy.minimize,
            "confidence": policy.confidence,
            "post_hoc": study.post_hoc,
            "digest": study.policy.key,
        },
        "baseline": _side(workspace, given, before, final.baseline_quality if final is not None else given.quality, rows)
        | {"cost": _baseline_cost(workspace)},
        "baseline_as_found": {"threads": workspace.units.host.cores, "readings": _numbers(final.as_found) if final is not None else {}},
        "fastest_fp32": None if fastest is None else _fastest(workspace, fastest, final),
        "chosen": None if confirmed.chosen is None else _candidate(workspace, confirmed.chosen, RELEASED),
        "nearest": nearest,
        "why": why,
        "runtimes": by_engine(workspace, state),
        "front": front(done, [state.gain(trial) for trial in done], [good * float(trial.quality or 0.0) for trial in done]),
        "trials": [trial.json() for trial in trials],
        "findings": [finding.json() for finding in final.findings] if final is not None else [],
        "tested": list(confirmed.tested),
        "rows": _rows(workspace, machine_reads),
        "notes": [
            *study.notes(),
            *_said_of(workspace.job.model),
            *([f"The search ended early: {workspace.ended}"] if workspace.ended else []),
            *([f"Nothing is decided: {confirmed.undecided}"] if confirmed.undecided else []),
            *_disturbed(windows),
        ],
        "search": {
            "started": began(searched),
            "trials": len(trials) - 1,
            "failed": sum(trial.state == "failed" for trial in trials),
            **spent_json(study.spent(), workspace.curve, workspace.units.host.cores),
            "hourly_j": hourly_j(searched, workspace.curve.idle_w.value * workspace.units.host.cores),
            "lost_wall_s": sum(entry.wall_s or 0.0 for entry in study.ledger.spans("lost")),
            "payback_inferences": _payback(confirmed),
            "ended": workspace.ended,
            "windows": windows,
        },
        "noise_floor": {"cpu_time": {"value": confirmed.floor, "low": None, "high": None, "unit": "", "how": str(How.MEASURED)}},
        "detectable": {"cpu_time": {"value": least, "low": None, "high": None, "unit": "", "how": str(How.MEASURED)}},
        "provable": provable_by(workspace.job, workspace.units, workspace.splits.test),
        "host": asdict(workspace.units.host) | {"cpu": _cpu(workspace.units.host)},
        "energy_model": curve_json(workspace.curve, workspace.units.host),
    }
    return result | {"impact": impact_of(result, workspace.units.site, upstream_of(workspace.job.model))}


def _baseline_cost(workspace: Workspace) -> dict[str, Any]:
    """What it cost to make or open the model as given: not the search's, but shown."""
    spans = [span for span in workspace.study.ledger.spans() if span.kind == "baseline"]
    spent = {"wall_s": sum(span.wall_s or 0.0 for span in spans), "energy_j": sum(span.energy_j or 0.0 for span in spans)}
    return spent | {"training": training_energy(workspace.job.model)}


def training_energy(model: ModelSpec) -> dict[str, Any] | None:
    """What the model's training before this job took, as declared; None where it was not."""
    if model.training_j is None:
        return None
    return Reading(quantity="energy", value=model.training_j, how=How.MODELLED, source=f"{model.training_source} (declared)").json()


def _said_of(model: ModelSpec) -> list[str]:
    """The sentence about a declared training."""
    if model.training_j is None:
        return []
    took = amounts.show(model.training_j, "1 kWh")
    return [f"Training the model before this job took {took}, says {model.training_source}; it is in no figure of the search."]


def _verdict(confirmed: Confirmed) -> str:
    if confirmed.chosen is not None:
        return "pass"
    if confirmed.undecided:
        return "inconclusive"
    if confirmed.nearest is not None and verdict(confirmed.nearest.findings) == Outcome.INCONCLUSIVE:
        return "inconclusive"
    return "infeasible"


def _fastest(workspace: Workspace, trial: Trial, final: Final | None) -> dict[str, Any]:
    if final is None or not final.long:
        quality = trial.quality if final is None or final.split == "validation" else None
        return _side(workspace, trial, trial.readings, quality, workspace.judged("validation"))
    same = final.trial.artifact == trial.artifact
    readings = final.fastest or (final.readings if same else trial.readings)
    return _side(workspace, trial, readings, final.quality if same else None, workspace.judged("test"))


def _rows(workspace: Workspace, machine_reads: int | Missing) -> dict[str, Any]:
    counts = {name: workspace.splits.counts.get(name, 0) for name in ("train", "calibration", "validation", "test", "unlabeled")}
    here = len(workspace.study.ledger.records("test_read"))
    read = machine_reads.json() if isinstance(machine_reads, Missing) else machine_reads
    return counts | {
        "test_reads": read,
        "test_reads_here": here,
        "dropped_duplicates": workspace.splits.dropped_duplicates,
        "equal_rows": workspace.splits.equal,
    }


def _payback(confirmed: Confirmed) -> dict[str, Any]:
    """The figure that the rule was judged by."""
    if confirmed.chosen is None:
        return {"missing": "nothing was released, so nothing pays back"}
    return _number(confirmed.chosen.readings["payback_inferences"])


_BY = {
    Code.STEAL: "other machines on the same hardware",
    Code.WAITING: "other processes on this machine",
    Code.HEAT: "heat",
    Code.FREQUENCY: "a falling clock",
}


def _window_counts(workspace: Workspace) -> dict[str, Any]:
    """How many windows, how many disturbed, by which gate; how warm-up ended; why energy is estimated where it could have been counted."""
    records = [record.value for kind in ("floor", "measure") for record in workspace.study.ledger.records(kind)]
    raw = [window for record in records for window in record["raw"]]
    reasons = [reason for window in raw for reason in window["reasons"]]
    return {
        "all": len(raw),
        "disturbed": sum(bool(window["reasons"]) for window in raw),
        "reasons": {str(code): n for code in Code if (n := sum(reason.startswith(f"{code}:") for reason in reasons))},
        "unseen": {str(code): reason for code, reason in blind().items()},
        "uncounted": sorted({record["uncounted"] for record in records if record.get("uncounted")}),
        "warm_up": dict(Counter(found["state"] for record in records for found in record.get("steady", {}).values())),
    }


def _disturbed(counts: Mapping[str, Any]) -> Iterator[str]:
    if counts["disturbed"]:
        by = " and ".join(f"{said} ({code})" for code, said in _BY.items() if code in counts["reasons"])
        yield (
            f"{counts['disturbed']} of {counts['all']} measuring windows were disturbed{f' by {by}' if by else ''}; "
            "each was taken again once while there were windows to spare, and what was still disturbed then stands in the intervals."
        )
    for code, reason in counts["unseen"].items():
        yield f"Disturbance by {_BY[Code(code)]} ({code}) would not be seen: {reason}."
    for reason in counts["uncounted"]:
        yield f"Energy is estimated although this machine counts it: {reason}"


def _cpu(host: Host) -> str:
    cpu = host.cpu
    return f"{cpu.get('brand') or cpu.get('vendor') or 'unknown'} (family {cpu.get('family')}, model {cpu.get('model')})"
