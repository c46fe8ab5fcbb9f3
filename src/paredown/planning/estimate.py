"""What a run would take, estimated: the model is opened in a folder that is thrown away, and timed on a few rows."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paredown.builder.build_spec import BuildSpec
from paredown.core.errors import LimitExceeded, MissingExtra, WorkerDied
from paredown.core.job import Job
from paredown.core.technique import DataNeed, Stage, Technique
from paredown.encoders.feed import feed_shapes
from paredown.executors.processes import Limits, Worker
from paredown.impact.energy import active_energy, cpu_curve
from paredown.kinds.decode import width_of
from paredown.protocol.plan import SCREENING, Plan
from paredown.rows.rowfile import write_rows
from paredown.running.encoding import decoding, encoding, fitted_on, within
from paredown.running.long_measurement import AS_FOUND, FINAL
from paredown.running.setup import usable
from paredown.running.trials import FLOOR
from paredown.search.finalists import MOST
from paredown.study.splits import Splits
from paredown.study.units import Units

_ROWS = 64
"""Rows that the rehearsal trains on and asks: a step's cost shows, an epoch is extrapolated."""

_PATIENCE_S = 120.0
_SEEN = (500 * 64, 900 * 64)
"""Rows that one training sees at least: about 500 to 900 steps of 64, as `recover` and `distill` take."""

_PASSES = (4, 8)
"""Passes over the training data that one training makes at least, as the same two take."""

_TRAINING = (1.0, 4.0)
"""Cost of one training row over one answer of the model as given: a student of a quarter, or the model itself beside its teacher."""

_BUILD_S = (2.0, 15.0)
"""Wall seconds to export, quantize and pack one candidate; seen on networks from 60 thousand to 30 million parameters."""

_START_S = 1.0
"""Starting a process under measurement."""

_COPIES = (2, 6)
"""Copies of the parameters in memory: model and graph, or with gradients, two moments and a teacher."""


def estimate(job: Job, units: Units, splits: Splits) -> dict[str, Any]:
    """Minutes, memory and joules of a run as ranges, with how they were found.

    Args:
        job: Checked.
        units: What it names.
        splits: Its rows; test is only counted.

    Returns:
        {"wall_s", "memory_b", "energy_j"}, each [low, high], "trials" [low, high], "rehearsed" and "text"; or {"missing": reason}.

    Raises:
        BadModel: The model cannot be opened, or does not fit feed or labels.
    """
    try:
        seen = _rehearsed(job, units, splits)
    except (LimitExceeded, MissingExtra, WorkerDied) as error:
        return {"missing": f"the model could not be opened to be timed: {str(error).splitlines()[0]}"}
    trainable = splits.train if splits.train is not None else splits.unlabeled
    usable_here = usable(job.search.exclude, trainable=trainable is not None)
    here, techniques = units.host, [unit for unit in usable_here if unit.form in ("", *(units.source.forms or ("torch",))[:1])]
    engines = sum(reason is None for reason in units.engines.values())
    rows = 0 if trainable is None else len(trainable)
    low, high = (_search_s(techniques, engines, rows, len(splits.validation), seen, end) for end in (0, 1))
    trials = [len(techniques), engines * sum(len(unit.ladder) for unit in techniques) + 2]
    prepare_s = seen["prepare_s"] * (max(1.0, rows / _ROWS) if units.trains else 1.0)
    fixed_s = prepare_s + engines * _measured_s(SCREENING, seen, 2) + _measured_s(FLOOR, seen, 2)
    final_s = _measured_s(FINAL, seen, 3) + _measured_s(AS_FOUND, seen, 2) + len(splits.test) * seen["row_s"]
    wall_s = [fixed_s + low + final_s, 1.5 * fixed_s + high + MOST * final_s]
    curve = cpu_curve(here)
    if job.search.budget_s is not None:
        wall_s = [min(end, job.search.budget_s) for end in wall_s]  # a budget is what the whole run takes
    energy_j = [active_energy(curve, wall_s[0]).value, active_energy(curve, wall_s[1] * here.cores).value]
    memory_b = [seen["resident_b"] + 4.0 * copies * seen["parameters"] for copies in _COPIES]
    budget = ", within the budget" if job.search.budget_s is not None else ""
    minutes, gigabytes = [max(1, end / 60) for end in wall_s], [end / 1e9 for end in memory_b]
    text = (
        f"estimated: {_range(minutes)} min{budget}, {_range(gigabytes)} GB of memory, "
        f"{_range([energy / 1e3 for energy in energy_j])} kJ, for {_range(trials)} trials; "
        f"from {1e3 * seen['call_s']:.3g} ms per answer of the model as given, timed here on {seen['rows']} rows."
    )
    return {"wall_s": wall_s, "memory_b": memory_b, "energy_j": energy_j, "trials": trials, "rehearsed": seen, "text": text}


def _search_s(techniques: list[type[Technique]], engines: int, rows: int, validation: int, seen: dict[str, Any], end: int) -> float:
    """Wall seconds of the search: each technique once as cheaply as can be, or with all its settings as dearly."""
    trial_s = _BUILD_S[end] + _measured_s(SCREENING, seen, 2) + validation * seen["row_s"]
    training_s = max(_SEEN[end], _PASSES[end] * rows) * _TRAINING[end] * seen["row_s"]
    total = 0.0
    for unit in techniques:
        count = engines * len(unit.ladder) if end else 1
        trains = unit.data is DataNeed.TRAINING or (rows and unit.stage in (Stage.DEPTH, Stage.WIDTH, Stage.RANK))
        total += count * (trial_s + (training_s if trains else 0.0))
    return total + (2 * trial_s if end else 0.0)


def _measured_s(plan: Plan, seen: dict[str, Any], sides: int) -> float:
    """Wall seconds of interleaved windows with their warm-up; those of a slow model grow to hold the calls that a percentile needs."""
    fitted, call_s = plan.fitted(seen["call_s"]), float(seen["call_s"])
    return sides * (fitted.rounds * fitted.window_s + plan.sittings * (10 * max(plan.warm_s, call_s) + _START_S))


def _range(ends: Sequence[float]) -> str:
    """Both ends with two digits, or one where they are equal."""
    low, high = (f"{float(f'{end:.1e}'):g}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _rehearsed(job: Job, units: Units, splits: Splits) -> dict[str, Any]:
    """The model opened (trained on few rows, where the job trains it) and asked, in a worker and a folder of its own."""
    here = units.host
    few = {split: rows.spread(_ROWS) for split in ("train", "calibration", "unlabeled") if (rows := getattr(splits, split)) is not None}
    with tempfile.TemporaryDirectory(prefix="paredown-") as scratch:
        root = Path(scratch)
        encode = encoding(job, units, fitted_on(job, units, splits), root)
        for split, rows in few.items():
            write_rows(rows, root / f"{split}.npz")
        write_rows(splits.validation.spread(_ROWS), root / "asked.npz")
        build_spec = BuildSpec(
            name=job.name,
            task=job.task,
            encode=encode,
            decode=decoding(units, splits, encode),
            labels=list(splits.names),
            store=str(root / "store"),
            artifacts=str(root / "artifacts"),
            data={split: str(root / f"{split}.npz") for split in few},
            seed=job.search.seed,
            threads=here.cores,
            isa=here.isa,
            probe="",
            files=str(root),
        )
        limits = Limits(wall_s=_PATIENCE_S, memory_b=job.search.trial_b or 0.9 * here.memory_b)
        with Worker((job.folder.resolve(),), root / "worker.log") as worker:
            build_spec, said = within(job, build_spec, lambda verb, **arguments: worker.order(verb, limits, **arguments).value)
            answer = worker.order(
                "paredown.builder.work:rehearse",
                limits,
                build_spec=build_spec.json(),
                spec=asdict(job.model),
                folder=str(job.folder.resolve()),
                inputs={name: list(shape) for name, shape in feed_shapes(encode).items()},
                classes=width_of(build_spec.decode),
                rows=str(root / "asked.npz"),
            )
    return dict(answer.value) | {"note": " ".join(filter(None, (said, answer.value["note"])))}
