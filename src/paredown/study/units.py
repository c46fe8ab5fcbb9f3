"""Which units a job names: its metric, and the engines that it may be deployed on here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from paredown.core.errors import UsageError
from paredown.core.job import Job
from paredown.core.runtime import Host
from paredown.core.task import Metric
from paredown.ground import registry
from paredown.ground.lazy import need


def engine_reasons(job: Job, here: Host) -> dict[str, str | None]:
    """Each working runtime with None where candidates may run on it, else the reason why not.

    Raises:
        UsageError: The job names a runtime that cannot run here.
    """
    out: dict[str, str | None] = {}
    for unit in (unit() for unit in registry.working("runtimes")):
        name, wanted = unit.name(), job.deploy.runtimes
        if wanted and name not in wanted:
            out[name] = "`deploy: {runtimes: ...}` does not name it."
        elif not wanted and unit.form == "torch":
            out[name] = "it runs the baseline; `deploy: {runtimes: ...}` can name it."
        else:
            out[name] = unit.ready(here)
            if wanted and out[name] is not None:
                raise UsageError(f"`deploy: {{runtimes: ...}}` names {name}, which cannot run here: {out[name]}")
    return out


def metric_of(job: Job) -> Metric:
    """The job's metric: a unit by name, or a Python function."""
    return metric_named(job.metric, job.folder)


def metric_named(name: str, folder: Path) -> Metric:
    """A metric by a unit's name, or by the dotted name of a function that is looked up in `folder` first."""
    if ":" in name:
        python: Callable[..., Metric] = need("paredown.metrics.python", "a metric of your own").Python
        return python(target=name, folder=folder)
    metric: Metric = registry.get("metrics", name)()
    return metric
