"""One recipe built inside a job's study, without a search and without a look at test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.artifact.manifest import MANIFEST
from paredown.builder.order import check
from paredown.core.errors import ParedownError, UsageError
from paredown.core.job import Job
from paredown.core.recipe import Recipe, functions_of, parse
from paredown.core.trial import Trial
from paredown.ground import trust
from paredown.ground.files import copy_folder, move_folder_into_place, part_beside, writable
from paredown.running.setup import opened, prepare
from paredown.running.trials import attempt
from paredown.running.workspace import Listener, Silent
from paredown.study.jobfile import read_job

NOT_CONFIRMED = "not confirmed on test: these figures are from validation and screening; `paredown run` confirms"


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A recipe that was built.

    Args:
        study: The study's folder.
        folder: Where the artifact was copied to.
        trial: What screening found.
        baseline: The model as given.
        metric, unit: The metric's name and unit.
        kind: What the answers are.
        rows: Rows of validation.
        confidence: Of the drop's upper bound.
    """

    study: Path
    folder: Path
    trial: Trial
    baseline: Trial
    metric: str
    kind: str
    unit: str
    rows: int
    confidence: float

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "recipe": self.trial.recipe,
            "artifact": str(self.folder),
            "digest": self.trial.artifact,
            "study": str(self.study),
            "confirmed": False,
            "note": NOT_CONFIRMED,
            "metric": self.metric,
            "rows": {"validation": self.rows},
            "confidence": self.confidence,
            "baseline": self.baseline.json(),
            "trial": self.trial.json(),
        }


def apply(
    recipe: Recipe | str,
    job: Job | str | Path | Mapping[str, Any],
    folder: str | Path | None = None,
    out: str | Path | None = None,
    *,
    listener: Listener | None = None,
) -> Applied:
    """Build exactly this recipe in the job's study; the model as given is built first where it is not yet there.

    The trial is recorded: a later run of the job takes it into account like one that its search proposed.

    Args:
        recipe: The recipe or its text.
        job: A job, a job file, or its content.
        folder: The study folder; runs/<name> when not given.
        out: Where the artifact goes; <study>/applied when not given. An artifact that is there is replaced.
        listener: Told what happens.

    Raises:
        BadRecipe, UnknownName, BadKnob: The recipe makes no sense; nothing was spent.
        UsageError: The job or a folder cannot be used.
        ParedownError: The recipe could not be built; says why.
    """
    recipe = parse(recipe) if isinstance(recipe, str) else recipe
    check(recipe)
    job = job if isinstance(job, Job) else read_job(job)
    study = Path(folder) if folder is not None else Path("runs") / job.name
    target = Path(out) if out is not None else study / "applied"
    _refuse_foreign(target)
    listener = listener or Silent()
    with trust.trusting(functions_of(recipe)), opened(job, study, fresh=False, wait_s=0.0, listener=listener) as workspace:
        baseline = prepare(workspace)
        workspace.listener.stage(f"building {recipe}")
        trial = attempt(workspace, recipe, "asked for with `paredown apply`.")
        if trial.state != "done":
            raise ParedownError(f"{recipe} could not be built: {trial.reason}")
        workspace.study.refuse_changed()
        _copy(workspace.artifacts.folder(trial.artifact), target)
        return Applied(
            study=study,
            folder=target,
            trial=trial,
            baseline=baseline,
            metric=workspace.units.metric.text(),
            kind=workspace.units.kind.name,
            unit=workspace.units.metric.unit,
            rows=len(workspace.splits.validation),
            confidence=job.policy.confidence,
        )


def _refuse_foreign(target: Path) -> None:
    """Nothing but an artifact is ever replaced."""
    if target.exists() and not target.is_dir():
        raise UsageError(f"{target} is a file; an artifact is a folder.\n  Choose another with `--out DIR`.")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise UsageError(f"{target} is not empty and holds no artifact; it is kept as it is.\n  Choose another with `--out DIR`.")


def _copy(source: Path, target: Path) -> None:
    with writable(target):
        part = part_beside(target)
        copy_folder(source, part)
    move_folder_into_place(part, target)
