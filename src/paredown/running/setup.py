"""Opening a job's study with all its tools, and the parts of the story that stand before the search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from paredown.artifact.load import read_manifest
from paredown.core.errors import BadData, BadDocument, Damaged, Problem, UnknownName, UsageError
from paredown.core.job import Job
from paredown.core.recipe import Chain, Engine
from paredown.core.technique import DataNeed, Technique
from paredown.core.trial import Trial
from paredown.encoders.feed import feed_shapes
from paredown.evidence.bound import LEDGER, differs
from paredown.evidence.bundle import bound_by
from paredown.evidence.verify import damage
from paredown.ground import digests, registry, trust, user_code
from paredown.ground.files import roomy
from paredown.impact.derived import DERIVED, undeclared
from paredown.kinds.decode import PROBABILITIES, width_of
from paredown.kinds.vector import Vector
from paredown.policy.quality import refuse_unfit, refuse_unpaired
from paredown.protocol.readings import RATIOS
from paredown.rows.blocks import spooling
from paredown.running.encoding import encoding, fitted_on
from paredown.running.provable import provable_by
from paredown.running.timing import fitted, holding
from paredown.running.trials import attempt, baseline_trial
from paredown.running.workspace import Listener, Workspace, open_workspace
from paredown.search.ladder import STRATEGIES
from paredown.search.schedule import LEAST_REST_S, Schedule
from paredown.search.search_state import SearchState
from paredown.study.classes import refuse_one_answer
from paredown.study.splits import Splits, load_splits
from paredown.study.study import Study
from paredown.study.units import Units, units_of
from paredown.tracking.instruments import failed


def checked(job: Job) -> Units:
    """What a job names; it is refused before anything is read where a name stands for nothing, or cannot be had here.

    Raises:
        UnknownName: The nearest name is suggested.
        UsageError: It names a runtime that cannot run here, or minimizes what would be missing; the model says of itself that it answers
            with something else.
    """
    units = units_of(job)
    if job.policy.minimize not in (*RATIOS, *DERIVED):
        raise UnknownName("quantity to minimize", job.policy.minimize, (*RATIOS, *DERIVED))
    unknown = undeclared(units.site).get(job.policy.minimize)
    if unknown is not None:
        raise UsageError(
            f"the policy minimizes {job.policy.minimize}, which would be missing: {unknown}.\n  Declare it, or minimize energy."
        )
    refuse_unfit(job.policy, units.metric)
    refuse_unpaired(units.metric, job.data.paired_by)
    units.source.refuse_other_kind(job.model, job.folder, units.kind.name)
    if job.search.strategy not in STRATEGIES:
        raise UnknownName("strategy", job.search.strategy, STRATEGIES)
    return units


@contextmanager
def opened(
    job: Job, folder: str | Path | None, *, fresh: bool, wait_s: float, listener: Listener, schedule: Schedule | None = None
) -> Iterator[Workspace]:
    """The job's study and tools; test stays sealed.

    What its ledger and its cache name to build a model is called where the job names it too; else the user has to give the word.

    Raises:
        UsageError: Job, data or model cannot be used, or the study is another job's or busy.
        Damaged: The study's ledger is not what its evidence binds.
    """
    units = checked(job)
    listener.stage("reading the data")
    model = units.source.digest(job.model, job.folder)
    target = Path(folder) if folder is not None else Path("runs") / job.name
    with roomy(target), spooling(target):
        splits = read_splits(job, units)
    units = replace(units, metric=units.metric.named(splits.names))
    named = {"model": model, "preprocess": digests.of_value(dict(job.data.preprocess)), "labels": digests.of_value(list(splits.names))}
    named |= {f"data.{split}": digest for split, digest in splits.digests.items()}
    if (table := encoded_table(job, units, splits)) is not None:
        named["encode"] = digests.of_value(table)
    here = units.host
    named["machine"] = digests.of_value([here.isa, dict(here.cpu), here.cores])
    named["data.form"] = digests.of_value({split: rows.form() for split in splits.counts if (rows := getattr(splits, split)) is not None})
    if job.data.paired_by:
        named["paired_by"] = digests.of_value(job.data.paired_by)
    if ":" in job.metric and (parts := user_code.sources(job.metric.partition(":")[0], job.folder)):
        named["metric.file"] = digests.of_value([digests.of_file(part) for part in parts])
    _refuse_unknown_groups(job, splits)
    named_by_job = [job.model.value] if job.model.kind == "python" else []
    with trust.trusting(named_by_job), roomy(target), Study.open(target, job, named, fresh=fresh, wait_s=wait_s) as study:
        _refuse_changed_ledger(target)
        for note in (*splits.notes, *failed()):
            study.note(note)
        for span in study.lost:
            if span.kind != "trial":
                study.note(f"An earlier run ended in the middle of {span.kind}; its {span.wall_s or 0:.1f} s are booked as lost.")
        listener.stage(provable_by(job, units, splits.test)["text"])
        schedule = schedule or Schedule()
        schedule.before_s = study.ledger.spent(since_baseline=False).wall_s
        with open_workspace(study, job, units, splits, listener, schedule) as workspace:
            if ":" in job.metric:  # asked in a worker once, where what it is made of is seen
                workspace.light.order("metric", digests.of_value(job.metric), "paredown.builder.work:metric", target=job.metric)
            unknown = undeclared(units.site)
            for rule in job.policy.rules:
                if rule.quantity in unknown:
                    listener.stage(f"{rule.id} will stay inconclusive: {unknown[rule.quantity]}")
            yield workspace


def _refuse_changed_ledger(study: Path) -> None:
    """A run goes on from what is recorded, and writes result, report and evidence again: only the ledger has to be what they were made of.

    Raises:
        Damaged: It is not what the evidence binds.
    """
    try:
        found = bound_by(study)
    except Damaged:
        return
    if found is not None and (problems := differs(study, found, [LEDGER])):
        raise Damaged(damage(study, problems, f"Put back a copy of {LEDGER}, or start again with `--fresh`; that gives up what it held."))


def read_splits(job: Job, units: Units) -> Splits:
    """The job's rows; a reader of image files is told what becomes of them, which the model may say itself.

    Raises:
        UsageError: Data or model cannot be used; test or validation has one class only.
    """
    options = dict(job.data.preprocess)
    if units.task.raw == "image":
        with TemporaryDirectory() as work:
            options = units.source.preprocess(job.model, job.folder, Path(work)) | options
    told = replace(job, data=replace(job.data, preprocess=options))
    named = () if units.task.raw == "arrays" else units.source.labels(job.model, job.folder)
    if units.task.raw == "arrays":
        asked = {str(take["input"]): len(take["shape"]) for take in units.source.takes(job.model, job.folder)}
        told = replace(told, data=replace(told.data, columns={**told.data.columns, "arrays": asked}))
    if units.metric.by_baseline:
        if units.trains:
            raise UsageError(
                f"{units.metric.text()} is judged by what the model as given says, and the job trains that model.\n"
                "  Give a trained model, or a metric that is judged by labels."
            )
        outputs = 1 if units.task.raw == "arrays" else units.source.outputs(job.model, job.folder)
        named = named or tuple(map(str, range(outputs)))
    if units.kind.name == Vector.name:
        named = _dimensions(job, units)
    splits = load_splits(told, job.search.seed, units.trains, named, labeled=not units.metric.by_baseline)
    for split in () if units.metric.by_baseline else ("test", "validation"):
        refuse_one_answer(getattr(splits, split), split)
    return splits


def _dimensions(job: Job, units: Units) -> tuple[str, ...]:
    """The numbers of a vector, as its outputs are named.

    Raises:
        UsageError: The job trains the model, or nothing says how many there are.
    """
    if units.trains:
        raise UsageError(
            "the job trains the model, and vectors are not trained here.\n"
            "  Give an encoder that is trained, and leave `finetune:` and `train:` out."
        )
    width = units.source.width(job.model, job.folder)
    if not width:
        raise UsageError(
            f"nothing says how many numbers {job.model.value} answers a row with.\n"
            "  Say it beside the model, as `model: {python: my_encoder:build, outputs: 384}`; a graph needs an output of fixed width."
        )
    return tuple(map(str, range(width)))


def encoded_table(job: Job, units: Units, splits: Splits) -> dict[str, Any] | None:
    """The declaration by which a job's table or series is encoded, which depends on its rows; None for other tasks.

    Raises:
        BadData: The table cannot be encoded.
    """
    if units.task.raw not in ("table", "series"):
        return None
    return encoding(job, units, fitted_on(job, units, splits), Path())


def refuse_rare(job: Job, units: Units, encode: Mapping[str, Any]) -> None:
    """A model that arrives trained is fed as it was trained; that this shows what few rows share has to be the user's word.

    Raises:
        BadData: It does, and the job does not say what is to become of it.
    """
    if not units.trains and "rare" not in job.data.preprocess and (said := units.task.rare(encode)):
        raise BadData(said)


def _refuse_unknown_groups(job: Job, splits: Splits) -> None:
    known = list(splits.test.groups)
    has = f"the groups {', '.join(known)}" if known else "no groups"
    problems = [
        Problem(rule.where, f"{rule.id} is judged by {column!r}; the data have {has}.", "Name the column under `data: {groups: [...]}`.")
        for rule in job.policy.rules
        for column in rule.by
        if column not in known
    ]
    if problems:
        raise BadDocument(problems)


def prepare(workspace: Workspace) -> Trial:
    """The baseline: the model as given, trained where the job says so, packed and measured."""
    workspace.listener.stage("the model as given")
    inputs = feed_shapes(workspace.builder.build_spec.encode)
    model = workspace.study.digests["model"]
    with holding(workspace.schedule, "making the model as given"):
        job, width = workspace.job, width_of(workspace.builder.build_spec.decode)
        candidate = workspace.builder.baseline(job.model, job.folder, inputs, width, model)
    refuse_rare(workspace.job, workspace.units, workspace.builder.build_spec.encode)
    if candidate.note:
        workspace.study.note(candidate.note)
        workspace.listener.stage(candidate.note)
    workspace.with_baseline(candidate)
    with holding(workspace.schedule, "measuring the model as given", LEAST_REST_S / 2):
        trial = attempt(workspace, workspace.as_given(), "the model as given.", role="baseline")
    if trial.artifact and read_manifest(workspace.artifacts.folder(trial.artifact))["decode"]["kind"].endswith(PROBABILITIES):
        workspace.study.note("The model as given answers with probabilities, which are taken as they are.")
    return trial


def fastest_fp32(workspace: Workspace) -> list[Trial]:
    """The model as given on every engine that may be deployed; the one with the least CPU time is the second baseline."""
    workspace.listener.stage("the fastest fp32 engine")
    return [
        attempt(workspace, Chain((), Engine.of(name)), "the model as given, exported.", role="fastest_fp32") for name in workspace.engines()
    ]


def state_of(workspace: Workspace) -> SearchState:
    """What the search may use here."""
    job, splits, given = workspace.job, workspace.splits, baseline_trial(workspace).artifact
    trainable = splits.train is not None or splits.unlabeled is not None
    form = "torch" if workspace.baseline is None else workspace.baseline.form
    return SearchState(
        trials=workspace.trials,
        techniques=[unit for unit in usable(job.search.exclude, trainable=trainable) if unit.form in ("", form)],
        engines=workspace.engines(),
        trainable=trainable,
        minimize=job.policy.minimize,
        margin=job.policy.margin.value if job.policy.margin is not None else None,
        outputs=lambda artifact: workspace.outputs(artifact, "validation"),
        targets=workspace.right("validation", workspace.outputs(given, "validation")),
        kind=workspace.units.kind,
        fitted=lambda chain: fitted(workspace, chain),
    )


def usable(exclude: Sequence[str], *, trainable: bool) -> list[type[Technique]]:
    """The techniques that are installed, work, are not excluded, and whose data the job has."""
    units: list[type[Technique]] = registry.working("techniques")
    return [unit for unit in units if unit.name() not in exclude and (trainable or unit.data != DataNeed.TRAINING)]
