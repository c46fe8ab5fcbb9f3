"""From a trained model, its data and a policy to the cheapest deployable model that still passes, with the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paredown.artifact.load import load as load
    from paredown.core.candidate import Candidate as Candidate
    from paredown.core.errors import ParedownError as ParedownError
    from paredown.core.finding import Finding as Finding
    from paredown.core.job import Job as Job
    from paredown.core.policy import Policy as Policy
    from paredown.core.reading import Missing as Missing
    from paredown.core.reading import Reading as Reading
    from paredown.core.recipe import Recipe as Recipe
    from paredown.core.rows import Rows as Rows
    from paredown.core.runtime import Runtime as Runtime
    from paredown.core.task import Metric as Metric
    from paredown.core.task import Task as Task
    from paredown.core.technique import Context as Context
    from paredown.core.technique import DataNeed as DataNeed
    from paredown.core.technique import Stage as Stage
    from paredown.core.technique import Technique as Technique
    from paredown.core.trial import Trial as Trial
    from paredown.inmemory.shrink import shrink as shrink
    from paredown.measuring.check import check as check
    from paredown.measuring.side_by_side import measure as measure
    from paredown.running.story import Result as Result
    from paredown.running.story import run as run
    from paredown.study.study import Study as Study
    from paredown.tracking.tracker import track as track
    from paredown.tracking.trainer_callback import TrackCallback as TrackCallback

_HOMES = {
    "Candidate": "paredown.core.candidate",
    "Context": "paredown.core.technique",
    "DataNeed": "paredown.core.technique",
    "Finding": "paredown.core.finding",
    "Job": "paredown.core.job",
    "Metric": "paredown.core.task",
    "Missing": "paredown.core.reading",
    "ParedownError": "paredown.core.errors",
    "Policy": "paredown.core.policy",
    "Reading": "paredown.core.reading",
    "Recipe": "paredown.core.recipe",
    "Result": "paredown.running.story",
    "Rows": "paredown.core.rows",
    "Runtime": "paredown.core.runtime",
    "Stage": "paredown.core.technique",
    "Study": "paredown.study.study",
    "Task": "paredown.core.task",
    "TrackCallback": "paredown.tracking.trainer_callback",
    "Technique": "paredown.core.technique",
    "Trial": "paredown.core.trial",
    "check": "paredown.measuring.check",
    "load": "paredown.artifact.load",
    "measure": "paredown.measuring.side_by_side",
    "run": "paredown.running.story",
    "shrink": "paredown.inmemory.shrink",
    "track": "paredown.tracking.tracker",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'paredown' has no attribute {name!r}; it has {', '.join(_HOMES)}")
    from importlib import import_module

    globals()[name] = value = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*__all__]
