"""A job: model, data, task, metric, deployment, search and policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paredown.core.policy import Policy

_NO_CODE = (".json", ".ubj", ".txt")
"""Files of XGBoost and LightGBM, which hold numbers; other files of estimators are pickles."""


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Where the model comes from.

    Args:
        kind: Name of a unit in `models`: builtin, python, onnx.
        value: What follows it: a name, `pkg.mod:function`, a path.
        options: Further entries of the mapping (weights, train, ...).
        training_j: Energy of the training before this job in joules, as declared; None when it was not.
        training_source: Who says so.
    """

    kind: str
    value: str
    options: Mapping[str, Any] = field(default_factory=dict)
    training_j: float | None = None
    training_source: str = ""


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Where the rows come from.

    Args:
        sources: Split name -> a path, a `builtin` name or `pkg.mod:function`; "all" is one source to be cut into splits.
        columns: Entries that name columns: label, text, groups (a list), features (a list), drop (a list), names, missing, skip, comment.
        labels: Class names in the model's order, or empty.
        preprocess: Options of the task's encoder.
        shares: Split name -> share of the rows where one source is cut; empty for the defaults.
        paired_by: The column that says which user, query or document a row belongs to, by which a drop is paired; empty for rows.
        time: The column that says when a row came, by which splits are cut; empty where that means nothing.
    """

    sources: Mapping[str, str]
    columns: Mapping[str, Any] = field(default_factory=dict)
    labels: Sequence[str] = ()
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    paired_by: str = ""
    time: str = ""


@dataclass(frozen=True, kw_only=True)
class GridSpec:
    """The electricity of a deployment, as declared; what was not declared is empty or None.

    Args:
        zone: A zone of the tables ("NO", "US-CA", "gcp:europe-west1"), or any label beside `factor` or `series`.
        factor: g CO2e per kWh.
        series: Path of an hourly series; `column` is its column of g CO2e per kWh where it has more than one.
        signal: "average" or "marginal"; where it is not declared, a series' own, and average of a factor.
        pue: Energy of the building over energy of its machines.
        water_onsite: L per kWh of the machines.
        water_offsite: L per kWh at the plug, used up by power stations.
        renewable: Share of the electricity under contract, 0 to 1.
    """

    zone: str = ""
    factor: float | None = None
    series: str = ""
    column: str = ""
    signal: str = ""
    pue: float | None = None
    water_onsite: float | None = None
    water_offsite: float | None = None
    renewable: float | None = None


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """The machine of a deployment, as declared; what was not declared is None.

    Args:
        cpu: "this" for the machine it is measured on.
        vcpus: CPUs reserved for the model; all of the machine's when None.
        price: Rent per hour; the electricity is in it.
        purchase: Price of an own machine, written off over `depreciation_s`.
        embodied_g: g CO2e of making it.
        life_s: How long it is expected to live.
        share: Share of the machine that is reserved, 0 to 1.
        utilization: Share of the reserved time in which it may be kept busy, 0 to 1.
    """

    cpu: str = "this"
    vcpus: float | None = None
    price: float | None = None
    purchase: float | None = None
    depreciation_s: float | None = None
    embodied_g: float | None = None
    life_s: float | None = None
    share: float | None = None
    utilization: float | None = None


@dataclass(frozen=True, kw_only=True)
class PriceSpec:
    """Prices and instruments beside the machine's, as declared.

    Args:
        electricity: Per kWh.
        tax: Per kWh on top of it.
        carbon: Price or tax per tonne of CO2e.
        subsidy: Share of the cost that somebody else pays, 0 to 1.
    """

    electricity: float | None = None
    tax: float | None = None
    carbon: float | None = None
    subsidy: float | None = None


@dataclass(frozen=True, kw_only=True)
class DataPathSpec:
    """What moving and keeping data takes, as declared.

    Args:
        transfer_j_per_b: Joules per byte moved.
        devices: Machines that download the model once.
        payload_b: Bytes of a request and its answer.
        storage_w_per_b: Watts per byte kept.
        copies: How often the model is kept.
    """

    transfer_j_per_b: float | None = None
    devices: float = 0.0
    payload_b: float = 0.0
    storage_w_per_b: float | None = None
    copies: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Deploy:
    """How the model will be used.

    Args:
        scenario: single-stream or offline.
        batch: Items per call; 1 for single-stream.
        runtimes: Engines that may be used; empty is all that are ready here.
        volume: Inferences over the model's remaining life; None when undeclared.
        period_s: Seconds over which `volume` is asked; None where only a total was declared.
        grid, machine, prices, data_path: As declared; carbon, water and money follow from them, what is measured does not.
        currency: ISO 4217 code of all prices; empty when there is none.
    """

    scenario: str = "single-stream"
    batch: int = 1
    runtimes: Sequence[str] = ()
    volume: float | None = None
    period_s: float | None = None
    grid: GridSpec = field(default_factory=GridSpec)
    machine: MachineSpec = field(default_factory=MachineSpec)
    prices: PriceSpec = field(default_factory=PriceSpec)
    data_path: DataPathSpec = field(default_factory=DataPathSpec)
    currency: str = ""


@dataclass(frozen=True, kw_only=True)
class SearchSpec:
    """How the search may spend.

    Args:
        strategy: Name of a strategy; "ladder".
        budget_s: Wall time in seconds of the whole run, confirmation and report included; None is open.
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

    @property
    def code(self) -> tuple[str, ...]:
        """What of the job is code that a run imports and calls, in words: the model, data and metric of the user's own."""
        own = self.model.kind == "python" or (self.model.kind == "estimator" and not self.model.value.lower().endswith(_NO_CODE))
        model = [f"model {self.model.value}"] if own else []
        sources = dict.fromkeys(source for source in self.data.sources.values() if source.startswith("python:"))
        data = [f"data {source.removeprefix('python:')}" for source in sources]
        return (*model, *data, *([f"metric {self.metric}"] if ":" in self.metric else []))
