"""What one run works with: the study, the rows, the workers, the instruments."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from paredown.artifact.pack import holds
from paredown.builder.build import Builder
from paredown.builder.build_spec import BuildSpec
from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, Damaged
from paredown.core.job import Job
from paredown.core.reading import Missing, Reading
from paredown.core.recipe import Chain, Engine
from paredown.core.rows import Rows
from paredown.core.trial import Readings, Trial
from paredown.executors.booked import Booked
from paredown.executors.processes import Worker
from paredown.ground import digests, registry, seeds
from paredown.ground.store import FolderStore
from paredown.impact.derived import accounted, accounted_ratios, with_idle
from paredown.impact.energy import Curve, active_energy, cpu_curve
from paredown.kinds.known import kind_of
from paredown.policy.quality import judged
from paredown.protocol.bench import Bench, fewest, thread_counts
from paredown.rows.by_group import blocks_of
from paredown.rows.rowfile import write_rows
from paredown.running.encoding import decoding, encoding, fitted_on, refuse_large, within
from paredown.search.schedule import Schedule
from paredown.study.splits import Splits
from paredown.study.study import Study, outputs_file, rows_file
from paredown.study.units import Units

_ASKED = 32
"""Rows by which is found what a model answers with."""


class Listener(Protocol):
    """Told what happens; the command line shows it."""

    def stage(self, text: str) -> None:
        """A new part of the story begins."""

    def step(self, what: str, done: int, total: int) -> None:
        """Work goes on: training, measuring."""

    def trial(self, trial: Trial, unit: str = "") -> None:
        """A recipe was tried or taken from the ledger; `unit` is that of its quality."""


class Silent:
    """Says nothing."""

    def stage(self, text: str) -> None:
        """Nothing."""

    def step(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def trial(self, trial: Trial, unit: str = "") -> None:
        """Nothing."""


@dataclass(kw_only=True)
class Workspace:
    """One run's tools.

    Args:
        study: The open study.
        job: The job.
        splits: All rows; test among them, written to no file before confirmation.
        units: What the job names.
        curve: The machine's energy model.
        booked: Records facts and books costs of the heavy worker.
        light: The same for the worker that answers with packed artifacts.
        builder: Builds recipes; has the baseline once `with_baseline` was called.
        bench: Processes under measurement.
        listener: Told what happens.
        baseline: The model as given, once it exists.
        ended: Why the search ended early; empty when it did not.
        uncounted: Why a read of test could not be counted on this machine; None when all were.
        schedule: What time the budget leaves; open where there is none.
    """

    study: Study
    job: Job
    splits: Splits
    units: Units
    curve: Curve
    booked: Booked
    light: Booked
    builder: Builder
    bench: Bench
    listener: Listener
    baseline: Candidate | None = None
    ended: str = ""
    uncounted: Missing | None = None
    schedule: Schedule = field(default_factory=Schedule)
    _derived: dict[int, Trial] = field(default_factory=dict, init=False, repr=False)

    @property
    def artifacts(self) -> FolderStore:
        """Packed artifacts by digest."""
        return FolderStore(self.study.artifacts_folder)

    def joules(self, cpu_s: float) -> float:
        """CPU seconds as joules, by the host's energy model."""
        return active_energy(self.curve, cpu_s).value

    def accounted(self, readings: Readings) -> dict[str, Reading | Missing]:
        """Readings of this machine with what follows from them at the job's site."""
        return accounted(with_idle(readings, self.curve, self.units.host.cores), self.units.site)

    def trials(self) -> list[Trial]:
        """All recorded trials, oldest first, with what follows from their readings at the job's site."""
        given: Readings = {}
        for trial in self.study.trials():
            if trial.id not in self._derived:
                readings = self.accounted(trial.readings) if trial.state == "done" else trial.readings
                ratios = accounted_ratios(trial.ratios, given, readings, self.units.site) if trial.ratios else trial.ratios
                self._derived[trial.id] = replace(trial, readings=readings, ratios=ratios)
            given = self._derived[trial.id].readings if trial.role == "baseline" else given
        return list(self._derived.values())

    def with_baseline(self, candidate: Candidate) -> None:
        """Let the builder start from this model."""
        self.baseline = candidate
        self.builder = replace(
            self.builder, build_spec=replace(self.builder.build_spec, teacher=asdict(replace(candidate, note=""))), tune=self.tune
        )

    def right(self, split: str, said: Any) -> Any:
        """What is right of each row of a split: its label, or what the model as given says where the metric judges by that.

        Args:
            said: Answers of the model as given.
        """
        return self.units.kind.as_targets(said) if self.units.metric.by_baseline else getattr(self.splits, split).labels

    def paired(self, split: str) -> dict[str, Any]:
        """The blocks of rows of a split by which drops are paired, None where rows stand for themselves, and what is counted, in words."""
        blocks, counted = blocks_of(getattr(self.splits, split), self.job.data.paired_by)
        return {"blocks": blocks, "counted": counted}

    def judged(self, split: str) -> int:
        """How many rows of a split are judged, or groups of rows where they are paired by those."""
        rows = getattr(self.splits, split)
        return judged(self.units.metric, rows if rows.labels is None else rows.labels, self.paired(split)["blocks"])

    def as_given(self) -> Chain:
        """The recipe of the model as given: its form's own engine."""
        assert self.baseline is not None
        return Chain((), Engine.of(registry.engines(self.baseline.form)[0].name()))

    def engines(self) -> list[str]:
        """Runtimes that may be deployed here: allowed by the job, ready on this machine, not the training framework itself."""
        return [name for name, reason in self.units.engines.items() if reason is None]

    def thread_counts(self) -> list[int]:
        """1, 2, 4, ... and all cores."""
        return thread_counts(self.units.host.cores)

    def tune(self, artifact: str, engine: str) -> int:
        """The thread count at which an artifact takes the least CPU time, the smaller of equals; recorded."""
        key = digests.of_value(["tune", artifact, self.thread_counts(), self.job.deploy.batch])
        known = self.study.ledger.find("tune", key)
        if known is None:
            self.listener.step("finding the best thread count", 0, 0)
            with self.study.ledger.span("tune", key) as span:
                found = self._sweep(artifact)
                cpu_s = self.bench.take_cpu_s()
                known = span.finish({str(count): value for count, value in found.items()}, cpu_s=cpu_s, energy_j=self.joules(cpu_s))
        return fewest({int(count): value for count, value in known.value.items()})

    def _sweep(self, artifact: str) -> dict[int, float]:
        try:
            return self.bench.sweep(self.artifacts.folder(artifact), self.thread_counts())
        except BadData:
            self.outputs(artifact, "validation")  # says which rows the model cannot answer
            raise

    def rows_file(self, split: str) -> Path:
        """The file of a split's rows, written when it is first asked for."""
        rows: Rows | None = getattr(self.splits, split)
        assert rows is not None
        return _written(rows, rows_file(self.study.data_folder, split, self.splits.digests.get(split) or rows.digest()))

    def outputs_file(self, artifact: str, split: str) -> Path:
        """Where the answers of a packed artifact on a split are kept."""
        return outputs_file(self.study.data_folder, artifact, split)

    def outputs(self, artifact: str, split: str, kind: str = "predict") -> Any:
        """Probabilities (N, classes) of a packed artifact on a split; answered once and kept.

        Args:
            artifact: Digest.
            split: "validation", or "test" with kind "test_read".
            kind: The ledger's kind.
        """
        import numpy as np

        rows = self.rows_file(split)
        out = self.outputs_file(artifact, split)
        key = digests.of_value([artifact, self.splits.digests[split]])
        arguments: dict[str, Any] = {
            "artifact": str(self.artifacts.folder(artifact)),
            "rows": str(rows),
            "out": str(out),
            "batch": self.job.deploy.batch,
        }
        value = self.light.order(kind, key, "paredown.protocol.subject:predict", **arguments)
        path = self.study.data_folder / value["file"]
        if not path.is_file() or digests.of_file(path) != value["sha256"]:
            raise Damaged(f"{path} is gone or is not what was written.\n  Restore it, or run the job again with `--fresh`.")
        return np.load(path, allow_pickle=False)


def _written(rows: Rows, path: Path) -> Path:
    if not path.exists():
        part = path.with_name(f".{path.stem}.part.npz")
        write_rows(rows, part)
        os.replace(part, path)
    return path


@contextmanager
def open_workspace(study: Study, job: Job, units: Units, splits: Splits, listener: Listener, schedule: Schedule) -> Iterator[Workspace]:
    """Set up a run's tools; all processes end with the block.

    Raises:
        BadData: The task cannot encode the rows.
    """
    task, here = units.task, units.host
    curve = cpu_curve(here)
    train = fitted_on(job, units, splits)
    encode = encoding(job, units, train, study.data_folder)
    decode = decoding(units, splits, encode)
    for note in task.left_out(encode, train):
        study.note(note)
    probe = task.probe(encode, seeds.stream(job.search.seed, "probe") % 2**32)
    probe_file = study.data_folder / f"probe-{digests.of_value(encode)[:16]}.npz"
    _written(_probe_rows(probe, splits.names), probe_file)
    log = study.cache / "worker.log"
    path = (job.folder.resolve(),)

    def joules(cpu_s: float) -> float:
        return active_energy(curve, cpu_s).value

    with ExitStack() as stack:
        # threads that wait for each other give way soon: with another process on the same cores, spinning costs ten times the work
        heavy = stack.enter_context(Worker(path, log, {"GOMP_SPINCOUNT": "2000"}, apart=study.folder.resolve()))
        light = stack.enter_context(Worker(path, log, apart=study.folder.resolve()))
        bench = stack.enter_context(Bench(study.data_folder / "bench.npz", job.deploy.batch, log, path))
        bench.left_s = schedule.open_s
        booked = Booked(
            recorder=study.ledger, worker=heavy, joules=joules, progress=listener.step, read=study.note_read, left_s=schedule.open_s
        )
        build_spec = BuildSpec(
            name=job.name,
            task=job.task,
            encode=encode,
            decode=decode,
            labels=list(splits.names),
            store=str(study.store_folder.resolve()),
            artifacts=str(study.artifacts_folder.resolve()),
            data={},
            seed=job.search.seed,
            threads=here.cores,
            isa=here.isa,
            probe=str(probe_file.resolve()),
            files=str(study.data_folder.resolve()),
        )
        key = digests.of_value(["limit", study.digests["model"], encode])
        if task.raw == "arrays":  # the model is asked what it answers with
            asked = splits.calibration.spread(_ASKED)
            asked_file = _written(asked, study.data_folder / f"asked-{asked.digest()[:16]}.npz")
            build_spec = replace(build_spec, data={"calibration": str(asked_file.resolve())})
        build_spec, said = within(job, build_spec, lambda verb, **arguments: booked.order("encode", key, verb, **arguments))
        if said:
            study.note(said)
            listener.stage(said)
        study.note(_shipped(job.task, build_spec.encode, build_spec.decode, build_spec.labels))
        refuse_large(splits, build_spec.decode)
        workspace = Workspace(
            study=study,
            job=job,
            splits=splits,
            units=replace(units, kind=kind_of(build_spec.decode), metric=units.metric.decoded(build_spec.decode)),
            curve=curve,
            booked=booked,
            light=replace(booked, worker=light),
            builder=Builder(
                build_spec=build_spec, booked=booked, trial_s=job.search.trial_s, trial_b=job.search.trial_b or 0.9 * here.memory_b
            ),
            bench=bench,
            listener=listener,
            schedule=schedule,
        )
        present = [split for split in ("train", "calibration", "unlabeled") if getattr(splits, split) is not None]
        files = {split: str(workspace.rows_file(split).resolve()) for split in present}
        workspace.builder = replace(workspace.builder, build_spec=replace(workspace.builder.build_spec, data=files))
        bench.rows = workspace.rows_file("validation")
        FolderStore(study.store_folder).sweep()
        workspace.artifacts.sweep()
        yield workspace


def _shipped(task: str, encode: Mapping[str, Any], decode: Mapping[str, Any], labels: Sequence[str]) -> str:
    """What leaves with an artifact, and what stays."""
    held = holds(task, encode, decode, labels)
    return f"What ships: {held} Evidence and report hold none either; `cache/` and `given/` hold them all, and are not to be handed on."


def _probe_rows(probe: Any, names: tuple[str, ...]) -> Rows:
    import numpy as np

    if isinstance(probe, list):
        probe = {key: np.asarray([row[key] for row in probe]) for key in probe[0]}
    return Rows(inputs=probe, labels=None, names=names)
