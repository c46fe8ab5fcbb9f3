"""The units a job names, looked up once, where the job comes in: its task, its metric, where its model comes from, its engines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.core.errors import UsageError
from paredown.core.job import Job
from paredown.core.model import ModelSource
from paredown.core.runtime import Host
from paredown.core.task import Metric, Task
from paredown.ground import registry
from paredown.ground.host import host
from paredown.ground.lazy import need
from paredown.impact.declared import site_of
from paredown.impact.site import Site
from paredown.kinds.kind import Kind
from paredown.kinds.known import kind_named

_JUDGED = {
    "class": "one class per row",
    "labels": "any number of labels per row",
    "numbers": "numbers",
    "tokens": "one class per word",
    "spans": "a part of a text",
    "map": "one class per pixel",
    "tensors": "tensors",
    "vector": "vectors",
}


@dataclass(frozen=True, kw_only=True)
class Units:
    """What a job's names stand for, on this machine.

    Args:
        task, metric, source: Units of the job.
        kind: What the task's answers are.
        trains: True where the job trains the model as given itself.
        host: This machine.
        engines: Runtime -> None where candidates may run on it, else the reason why not.
        site: Where and how the model will run, as the job declares it.
    """

    task: Task
    metric: Metric
    source: ModelSource
    kind: Kind
    trains: bool
    host: Host
    engines: Mapping[str, str | None]
    site: Site


def units_of(job: Job) -> Units:
    """Look up what a job names.

    Raises:
        UnknownName: There is no such unit; the nearest name is suggested.
        UsageError: The job names a runtime that cannot run here.
    """
    for units, names in (("runtimes", job.deploy.runtimes), ("techniques", job.search.exclude)):
        for name in names:
            registry.get(units, name)
    source: ModelSource = registry.get("models", job.model.kind)()
    here, task = host(), registry.get("tasks", job.task)()
    kind = kind_named(task.kind)
    return Units(
        task=task,
        metric=metric_named(job.metric, job.folder, kind),
        kind=kind,
        source=source,
        trains=source.trains(job.model),
        host=here,
        engines=_engines(job, here, source.forms),
        site=site_of(job.deploy, job.folder, here),
    )


def metric_named(name: str, folder: Path, kind: Kind) -> Metric:
    """A metric by a unit's name, which `@k` may follow, or by the dotted name of a function that is looked up in `folder` first.

    Raises:
        UnknownName: There is no such metric.
        UsageError: It judges other kinds of answers; says which judge this one. What follows @ is no whole number, or means nothing to it.
    """
    if ":" in name:
        python: Callable[..., Metric] = need("paredown.metrics.python", "a metric of your own").Python
        return python(target=name, folder=folder, kind=kind.name)
    base, _, first = name.partition("@")
    unit: type[Metric] = registry.get("metrics", base)
    settings: dict[str, Any] = {"kind": kind.name} if hasattr(unit, "kind") and kind.name in unit.kinds else {}
    if base != name:
        settings["k"] = _first_of(name, unit, first)
    metric = unit(**settings)
    if kind.name not in metric.kinds:
        fit = [unit.name() for unit in registry.working("metrics") if kind.name in unit.kinds]
        raise UsageError(
            f"metric {name} judges {' and '.join(_JUDGED[item] for item in metric.kinds)}; the task's answers are {_JUDGED[kind.name]}.\n"
            f"  Write `metric:` as one of {', '.join(fit)}, or as `my_metrics:function`."
        )
    return metric


def _first_of(name: str, unit: type[Metric], first: str) -> int:
    """The k of `ndcg@k`."""
    if not unit.cuts or not re.fullmatch(r"[1-9]\d{0,8}", first):
        what = f"looks at the first so many rows, and {first!r} is no whole number from 1" if unit.cuts else "has no first rows to look at"
        raise UsageError(f"metric {name}: {unit.name()} {what}.\n  Write {unit.name()}{'@10' if unit.cuts else ''}.")
    return int(first)


def _engines(job: Job, here: Host, forms: Sequence[str]) -> dict[str, str | None]:
    """Each working runtime with None where candidates may run on it, else the reason why not."""
    out: dict[str, str | None] = {}
    for unit in (unit() for unit in registry.working("runtimes")):
        name, wanted = unit.name(), job.deploy.runtimes
        if wanted and name not in wanted:
            out[name] = "`deploy: {runtimes: ...}` does not name it."
        elif not wanted and unit.form == "torch":
            out[name] = "it runs the baseline; `deploy: {runtimes: ...}` can name it."
        else:
            apart = bool(forms) and unit.form not in forms
            out[name] = f"it runs {unit.form} graphs, and nothing here turns such a model into one." if apart else unit.ready(here)
            if wanted and out[name] is not None:
                raise UsageError(f"`deploy: {{runtimes: ...}}` names {name}, which cannot run here: {out[name]}")
    return out
