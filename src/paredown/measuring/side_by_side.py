"""Measuring an artifact without a run: alone, or interleaved with another model, whose answers are compared too."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paredown.core.errors import BadData, UsageError
from paredown.core.job import ModelSpec
from paredown.measuring.answers import compare_answers, refuse_strangers, within_limits
from paredown.measuring.as_given import model_spec, packed, probe_rows
from paredown.measuring.measured import Measured, Readings
from paredown.measuring.targets import artifact_of, given_beside, other_class, other_of
from paredown.tracking.instruments import failed

if TYPE_CHECKING:
    from paredown.core.rows import Rows
    from paredown.core.task import Metric
    from paredown.protocol.bench import Windows
    from paredown.protocol.plan import Plan
    from paredown.protocol.serving import Load

Tick = Callable[[str, int, int], None]

LONG_S = 60.0
"""A measurement below this is quick: enough to look, never enough for a must-rule."""

_WINDOW_S, _SERVED_S = 0.1, 2.0
_LEAST_ROUNDS, _LEAST_REQUESTS = 10, 20
_MOST_RATE = 1e6  # no process answers more, and all arrivals are kept in memory
_IDLE_S = 10.0
_SITTING_S, _FEWEST_SITTINGS, _MOST_SITTINGS = 5.0, 5, 12
"""Wall seconds of windows that one start of the processes is worth; below the fewest starts there is one alone."""


def measure(
    target: str | Path,
    against: str | Path | None = None,
    *,
    data: str | Path | None = None,
    label: str | None = None,
    metric: str = "",
    seconds: float = LONG_S,
    batch: int = 1,
    rates: Sequence[float] = (),
    tick: Tick = lambda what, done, total: None,
) -> Measured:
    """Measure an artifact in a fresh light process, alone or interleaved with another model.

    One inference is raw input to decoded answer; each side runs at the thread count that it is packed with.

    Args:
        target: Folder of an artifact, or of a study: what it released.
        against: Folder of an artifact, of a study (its model as given), "baseline" for that of the study `target` belongs to, or a model as
            a job names one: an .onnx file, a Hugging Face folder, "kind:value". Such a model is packed as it is, at its best thread count.
        data: File of rows to ask; without it the artifact's own probe rows are asked. The answers of two sides are compared, row by row.
        label: The column of `data` with the right answers; then both sides' quality is compared too.
        metric: Of quality.
        seconds: Wall seconds of all windows together, the twin's that give the noise floor too, without warm-up; 60 or more for a claim.
        batch: Rows per call.
        rates: Requests per second that arrive at random, in the scenario `server`; several share the seconds. Empty asks one call after
            the other.
        tick: Called with (what, done, total).

    Raises:
        UsageError: A folder is not what it should be; `seconds`, `batch` or a rate is too small; the two sides do not answer the same
            question.
        BadData: The file cannot be read or lacks a column, or an artifact does not take its rows.
        BadModel: A model cannot be opened, or does not fit the artifact's inputs and labels.
        Damaged: An artifact cannot be opened.
        MissingExtra: An engine is not installed.
    """
    artifact = artifact_of(Path(target))
    other: Path | ModelSpec | None = None
    if against is not None:
        other = model_spec(against) or other_of(against, Path(target))
    return _measured(artifact, other, data, label, metric, seconds, batch, rates, tick)


def compare(
    first: str | Path,
    second: str | Path,
    *,
    data: str | Path | None = None,
    label: str | None = None,
    metric: str = "",
    seconds: float = LONG_S,
    batch: int = 1,
    tick: Tick = lambda what, done, total: None,
) -> Measured:
    """Measure two models interleaved; a study is what it released, on either side.

    Args:
        first: Folder of an artifact or of a study, or a model as in `measure`.
        second: The same; one of both has to be an artifact or a study, which says how raw input becomes the model's.
        data, label, metric, seconds, batch, tick: As in `measure`.

    Returns:
        `first` as the target and `second` as the other side.

    Raises:
        UsageError: Neither is an artifact; and as in `measure`, like all other errors.
    """
    sides = [model_spec(given) or artifact_of(Path(given)) for given in (first, second)]
    if isinstance(sides[0], ModelSpec) and isinstance(sides[1], ModelSpec):
        raise UsageError(
            f"neither {first} nor {second} is an artifact or a study, so that it is not known how raw input becomes theirs.\n"
            "  Give one that is: `paredown run` or `paredown apply` writes it."
        )
    return _measured(sides[0], sides[1], data, label, metric, seconds, batch, (), tick)


def _measured(
    target: Path | ModelSpec,
    against: Path | ModelSpec | None,
    data: str | Path | None,
    label: str | None,
    metric: str,
    seconds: float,
    batch: int,
    rates: Sequence[float],
    tick: Tick,
) -> Measured:
    from paredown.artifact.load import read_manifest
    from paredown.ground.digests import of_folder
    from paredown.ground.host import host
    from paredown.protocol.bench import Bench, Side
    from paredown.protocol.readings import facts, of_windows, ratios
    from paredown.protocol.reference import reference, reference_s
    from paredown.protocol.serving import load_of
    from paredown.rows.rowfile import write_rows
    from paredown.stats.ratios import detectable, noise_floor

    if not 1 <= seconds < math.inf or batch < 1:
        raise UsageError(f"seconds is {seconds:g} and batch is {batch}; each needs to be 1 or more.")
    if not all(0 < rate <= _MOST_RATE for rate in rates) or (rates and batch != 1):
        raise UsageError(
            f"the rates are {', '.join(f'{rate:g} /s' for rate in rates)} and batch is {batch}; requests arrive one by one, "
            f"above 0 and up to {_MOST_RATE:g} /s.\n  Write `--rate '50 /s'`, without `--batch`."
        )
    slowest_s = max((_LEAST_REQUESTS / rate for rate in rates), default=0.0)
    if slowest_s > max(seconds, LONG_S):
        raise UsageError(
            f"at {_LEAST_REQUESTS / slowest_s:g} /s the {_LEAST_REQUESTS} requests of one window take {slowest_s:.3g} s.\n"
            f"  Give a higher `--rate`, or `--seconds {math.ceil(slowest_s)}`."
        )
    if label is not None and (data is None or against is None):
        raise UsageError("a label column needs rows to ask and a second model.\n  Give `--data FILE`, and `--against OTHER` where none is.")
    like = next(side for side in (target, against) if isinstance(side, Path))
    manifest = read_manifest(like)
    judge = None if label is None else _judge(metric, manifest)
    rows, asked = _rows(like, manifest, data, label, batch)
    count = 1 if against is None else 3  # with the other side's twin
    plans = [plan_of(seconds / len(rates or (None,)), count, rate) for rate in rates or (None,)]
    with tempfile.TemporaryDirectory(prefix="paredown-") as scratch:
        file = Path(scratch) / "rows.npz"
        write_rows(rows, file)
        beside = given_beside(side for side in (target, against) if isinstance(side, Path))
        with Bench(file, batch, Path(scratch) / "worker.log", environment=beside) as bench:

            def opened(side: Path | ModelSpec) -> Path:
                return side if isinstance(side, Path) else packed(side, like, rows, bench, Path(scratch))

            artifact, other = opened(target), None if against is None else opened(against)
            manifests = [read_manifest(folder) for folder in (artifact, other) if folder is not None]
            if other is not None:
                refuse_strangers(artifact, other, manifests)
            sides, answers = [Side(name="target", artifact=artifact)], None
            if other is not None:
                sides.insert(0, Side(name="against", artifact=other))
            for side in sides:
                try:
                    with within_limits():
                        bench.open(side)
                except BadData as error:
                    raise BadData(f"{side.artifact} cannot answer {asked}: {error}") from error
            if other is not None and data is not None:
                answers = compare_answers(artifact, other, manifests, rows, file, batch, beside, judge, tick)
            if other is not None:
                sides.append(Side(name="twin", artifact=other))
            samples_s: list[float] = []

            def told(done: int, total: int) -> None:
                samples_s.append(reference_s())
                tick("windows", done, total)

            with within_limits():
                taken = [bench.measure(sides, plan, told) for plan in plans]
            digest = of_folder(artifact)
        windows = taken[0]
        loads = [
            {name: load_of(each, name, rate) for name in ("target", "against") if name in each.sides} for each, rate in zip(taken, rates)
        ]
        found = of_windows(windows, "target") | facts(artifact)
        before: Readings = {} if other is None else of_windows(windows, "against") | facts(other)
    twins = [] if other is None else [windows.series(name, "cpu_time") for name in ("against", "twin")]
    here, planned_s = host(), round(sum(plan.rounds * plan.window_s * count for plan in plans), 1)
    return Measured(
        artifact=_given(target),
        recipe=manifests[0]["recipe"],
        readings=found,
        other=None if against is None else _given(against),
        other_recipe=manifests[1]["recipe"] if other is not None else "",
        other_readings=before,
        ratios={} if other is None else ratios(windows, "against", "target", before, found),
        noise_floor=noise_floor(twins[0], twins[1], sittings=windows.sittings) if twins else None,
        detectable=detectable(twins[0], twins[1], sittings=windows.sittings) if twins else None,
        windows=len(windows.sides["target"]),
        window_s=sum(window["wall_s"] for window in windows.raw) / len(windows.raw),
        sittings=windows.sittings,
        steady={name: found for name, found in windows.steady.items() if name != "twin"},
        batch=batch,
        asked=asked,
        seconds=planned_s,
        quick=planned_s < LONG_S,
        warnings=[*other_class(manifests), *_disturbed(windows.raw), *_uncounted(windows), *_unsteady(windows), *_overloaded(loads)],
        answers=answers,
        loads=loads,
        reference=reference(samples_s),
        host={"isa": here.isa, "cores": here.cores, "cpu": dict(here.cpu)},
        digest=digest,
    )


def plan_of(seconds: float, sides: int, rate: float | None = None) -> Plan:
    """How to spend some seconds of windows on so many sides.

    Args:
        seconds: Wall seconds of all windows together.
        sides: How many share them, a twin among them.
        rate: Requests per second; None asks one call after the other.
    """
    from paredown.protocol.plan import Plan

    side_s, sittings = seconds / sides, min(_MOST_SITTINGS, int(seconds / _SITTING_S))
    window_s = min(_WINDOW_S, side_s / _LEAST_ROUNDS) if rate is None else max(min(_SERVED_S, side_s / 2), _LEAST_REQUESTS / rate)
    return Plan(
        rounds=max(2, round(side_s / window_s)),
        window_s=window_s,
        warm_s=min(0.05, window_s),
        sittings=sittings if sittings >= _FEWEST_SITTINGS else 1,
        rate=rate,
        idle_s=min(_IDLE_S, seconds / 6),
    )


def _judge(metric: str, manifest: Mapping[str, Any]) -> Metric:
    from paredown.kinds.known import kind_of
    from paredown.study.units import metric_named

    kind = kind_of(manifest["decode"])
    found = metric_named(metric or kind.metrics[0], Path(), kind).named(manifest["labels"])
    if found.pairs == "group":
        fit = ", ".join(kind.metrics)
        raise UsageError(
            f"metric {found.text()} is the mean over groups of rows, which only a job names.\n"
            f"  Give {fit}, or run the job with `data: {{paired_by: ...}}`."
        )
    return found


def _given(side: Path | ModelSpec) -> Path:
    return side if isinstance(side, Path) else Path(side.value)


def _rows(folder: Path, manifest: Mapping[str, Any], data: str | Path | None, label: str | None, batch: int) -> tuple[Rows, str]:
    """The rows to ask, and what they are in words."""
    import numpy as np

    if data is None:
        rows = probe_rows(folder, manifest)
        many = np.arange(max(len(rows), batch)) % len(rows)
        return rows.take(many), f"the artifact's own {len(rows)} probe rows in turn"
    from paredown.encoders.feed import make_encoder
    from paredown.ingest.any_source import read_rows
    from paredown.ingest.number_labels import are_numbers
    from paredown.ingest.series import Plan, windowed
    from paredown.kinds.known import kind_of
    from paredown.kinds.numbers import Numbers
    from paredown.kinds.one_class import OneClass
    from paredown.rows.columns import judged
    from paredown.study.classes import with_targets

    encode = manifest["encode"]
    columns: dict[str, Any] = {"label": label, "preprocess": encode}
    if encode["kind"] == "text":
        columns["text"] = list(encode["columns"])
    if encode["kind"] == "arrays":
        columns["arrays"] = {entry["name"]: len(entry["shape"]) + 1 for entry in encode["inputs"]}
    if encode["kind"] == "table":
        described = encode["columns"]
        fed = [name for entry in encode.get("words", ()) for name in entry["columns"]]
        columns["features"] = [*(column["name"] for column in described), *fed]
        columns["numeric"] = [column["name"] for column in described if column["kind"] == "numeric"]
        columns["categorical"] = [*(column["name"] for column in described if column["kind"] != "numeric"), *fed]
    kind, names, plan = kind_of(manifest["decode"]), tuple(manifest["labels"]), None
    if encode["kind"] == "series":
        plan = Plan.of_artifact(encode, names, labeled=label is not None)
        numeric = [column["name"] for column in encode["columns"] if column["kind"] == "numeric"]
        columns = plan.reading(columns | {"missing": encode["missing"], "numeric": numeric})
    elif label is not None and kind.name == Numbers.name:
        columns["label"] = [label] if len(names) == 1 else [*names]
    rows = judged(read_rows(str(data), Path(), columns, names if label is not None and kind.name == OneClass.name else ()))
    if plan is not None:
        rows, _ = windowed(rows, plan, str(data), labeled=label is not None)
    if label is not None and rows.labels is not None and kind.name != OneClass.name and not are_numbers(rows):
        rows = with_targets(rows, *kind.targets(rows.names, label, names))
    if label is not None and rows.labels is None:
        raise BadData(f"{data} has no labels under {label!r}.\n  Name the column that holds the right answers, or leave `--label` out.")
    try:
        make_encoder(encode, folder)(rows.take(slice(0, 1)).inputs)
    except ValueError as error:
        raise BadData(f"{folder} cannot answer the rows of {data}: {error}") from None
    if len(rows) < batch:
        raise BadData(f"{data} has {len(rows)} rows; a batch needs {batch}.\n  Give more rows or a smaller `--batch`.")
    return rows, f"the first {min(len(rows), max(256, batch))} rows of {data} in turn"


def _uncounted(windows: Windows) -> Iterator[str]:
    missed = windows.uncounted and f"energy is estimated although this machine counts it: {windows.uncounted}"
    yield from filter(None, [*failed(), missed])


def _disturbed(raw: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    found = [window["reasons"][0] for window in raw if window["reasons"]]
    if found:
        yield f"{len(found)} of {len(raw)} windows were disturbed and taken again while there were spare ones; the last one: {found[-1]}"


def _unsteady(windows: Windows) -> Iterator[str]:
    for name, found in windows.steady.items():
        if found["state"] == "moving" and name != "twin":
            side = "the artifact" if name == "target" else "the other side"
            yield f"warm-up of {side} ended before it was steady: its last windows vary by {100 * found['spread']:.2g} % of their median"


def _overloaded(loads: Sequence[Mapping[str, Load]]) -> Iterator[str]:
    for found in loads:
        for name, load in found.items():
            if load.overloaded:
                side = "the model" if name == "target" else "the other side"
                yield f"overloaded at {load.rate:g} /s: {side} serves at most {load.most:.2g} /s in one process"
