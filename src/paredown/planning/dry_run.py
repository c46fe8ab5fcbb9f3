"""What a run would do, said before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paredown.core.candidate import Candidate
from paredown.core.job import Job
from paredown.core.technique import Stage
from paredown.ground import registry
from paredown.kinds.kind import Kind
from paredown.planning.estimate import estimate
from paredown.running.encoding import fitted_on
from paredown.running.provable import provable_by
from paredown.running.setup import checked, encoded_table, read_splits, refuse_rare, usable
from paredown.study.jobfile import read_job


def plan(job: Job | str | Path | Mapping[str, Any], *, timed: bool = False) -> dict[str, Any]:
    """Read a job and its data, and say what its test rows can show and what would be tried; no study is opened, nothing is written.

    Args:
        job: A job, a job file, or its content.
        timed: True also opens the model and times it on a few rows, in a folder that is thrown away.

    Returns:
        {"name", "task", "metric", "policy", "minimize", "provable", "rows", "notes", "techniques", "runtimes"}; the last two are lists of
        {"name", "tried", "reason"}, where `reason` says why one is not tried. With `timed` also "estimate", see `estimate.estimate`.

    Raises:
        UsageError: Job, data or model cannot be used.
    """
    job = job if isinstance(job, Job) else read_job(job)
    units = checked(job)
    units.source.digest(job.model, job.folder)
    splits = read_splits(job, units)
    table = encoded_table(job, units, splits)
    left_out = [] if table is None else units.task.left_out(table, fitted_on(job, units, splits))
    found = {
        "name": job.name,
        "task": job.task,
        "metric": job.metric,
        "policy": job.policy.name,
        "minimize": job.policy.minimize,
        "provable": provable_by(job, units, splits.test),
        "rows": splits.counts,
        "notes": [*splits.notes, *left_out],
        "techniques": _techniques(job, units.kind, trainable=splits.train is not None or splits.unlabeled is not None),
        "runtimes": [{"name": name, "tried": why is None, "reason": why or ""} for name, why in units.engines.items()],
    }
    if timed:
        found |= {"estimate": (timing := estimate(job, units, splits))}
        found["notes"] = [*splits.notes, *left_out, *([note] if (note := timing.get("rehearsed", {}).get("note")) else [])]
    if table is not None:
        refuse_rare(job, units, table)
    return found


def _techniques(job: Job, kind: Kind, *, trainable: bool) -> list[dict[str, Any]]:
    names = {unit.name() for unit in usable(job.search.exclude, trainable=trainable)}
    given = Candidate(digest="", form=(registry.get("models", job.model.kind).forms or ("torch",))[0])
    out = []
    for unit in registry.every("techniques"):
        if isinstance(unit, registry.Broken):
            out.append({"name": unit.name, "tried": False, "reason": f"it cannot be imported: {unit.error}"})
            continue
        reason = ""
        if unit.name() in job.search.exclude:
            reason = "`search: {exclude: ...}` names it."
        elif unit.name() not in names:
            reason = "it trains, and the job has neither train nor unlabeled data."
        elif unit.stage is Stage.COMPOSE and kind.unsure:
            reason = kind.unsure
        elif not unit.stage.on_graph:
            reason = unit().fits(given) or ""
        out.append({"name": unit.name(), "tried": not reason, "reason": reason})
    return sorted(out, key=lambda entry: (not entry["tried"], entry["name"]))
