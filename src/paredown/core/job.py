"""A job: model, data, task, metric, deployment, search and policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paredown.core.policy import Policy


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Where the model comes from.

    Args:
        kind: Name of a unit in `models`: builtin, python, onnx.
        value: What follows it: a name, `pkg.mod:function`, a path.
        options: Further entries of the mapping (weights, train, ...).
    """

    kind: str
    value: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Where the rows come from.

    Args:
        sources: Split name -> a path, a `builtin` name or `pkg.mod:function`; "all" is one source to be cut into splits.
        columns: Entries that name columns: label, text, groups (a list), features (a list), drop (a list), names, missing, skip, comment.
        labels: Class names in the model's order, or empty.
        preprocess: Options of the task's encoder.
        shares: Split name -> share of the rows where one source is cut; empty for the defaults.
    """

    sources: Mapping[str, str]
    columns: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[str] = ()
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Deploy:
    """How the model will be used.

    Args:
        scenario: single-stream or offline.
        batch: Items per call; 1 for single-stream.
        runtimes: Engines that may be used; empty is all that are ready here.
        volume: Inferences over the model's remaining life; None when undeclared.
        grid, machine: As declared; kept for the carbon and cost figures.
    """

    scenario: str = "single-stream"
    batch: int = 1
    runtimes: Sequence[str] = ()
    volume: float | None = None
    grid: Mapping[str, Any] = field(default_factory=dict)
    machine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchSpec:
    """How the search may spend.

    Args:
        strategy: Name of a strategy; "ladder".
        budget_s: Wall time in seconds for the search; None is open.
        budget_j: Energy in joules for the search; None is open.
        exclude: Techniques that may not be used.
        seed: Root of all random streams.
        trial_s: Wall time in seconds that one trial may take.
        trial_b: Resident memory in bytes that one trial may take; None is what the machine has free.
    """

    strategy: str = "ladder"
    budget_s: float | None = None
    budget_j: float | None = None
    exclude: Sequence[str] = ()
    seed: int = 0
    trial_s: float = 1800.0
    trial_b: float | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One YAML file, read and checked.

    Args:
        folder: Where relative paths start: the folder of the job file.
        document: The file's content as plain data, for job.lock.yaml.
    """

    name: str
    model: ModelSpec
    task: str
    data: DataSpec
    metric: str
    policy: Policy
    deploy: Deploy = field(default_factory=Deploy)
    search: SearchSpec = field(default_factory=SearchSpec)
    folder: Path = Path()
    document: Mapping[str, Any] = field(default_factory=dict)
