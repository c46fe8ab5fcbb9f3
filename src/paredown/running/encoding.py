"""How a job's raw input becomes feed: the task's declaration, the rows its statistics come from, and what the model bears of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from paredown.builder.build_spec import BuildSpec
from paredown.core.errors import BadData, BadModel
from paredown.core.job import Job
from paredown.core.rows import Rows
from paredown.ingest.tables import listed
from paredown.rows.columns import joined
from paredown.study.splits import Splits
from paredown.study.units import Units

MOST_B = 1 << 29
"""Bytes of one model's answers to a split."""
_LISTED = 8


def fitted_on(job: Job, units: Units, splits: Splits) -> Rows:
    """The rows that statistics of an encoder come from.

    A model that arrives trained was trained on all of train: the words of a table are those of the part that was cut from it as well.
    """
    if splits.train is None:
        return splits.calibration
    whole = units.task.raw != "table" or units.trains or "calibration" in job.data.sources
    return splits.train if whole else joined(splits.train, splits.calibration)


def encoding(job: Job, units: Units, train: Rows, files: Path) -> dict[str, Any]:
    """The task's declaration of raw input -> feed, with what the model says about its own preprocessing below what the job says.

    Args:
        job: Its model and data entries are used.
        units: Its task and where its model comes from.
        train: Rows that statistics come from.
        files: Takes the files that the declaration names, as a tokenizer's.

    Raises:
        BadData: The task cannot encode the rows.
    """
    if units.task.raw == "arrays":
        return units.task.encoder(train, {"takes": units.source.takes(job.model, job.folder)} | dict(job.data.preprocess))
    options = units.source.preprocess(job.model, job.folder, files)
    if units.task.raw == "text":
        options |= {"columns": job.data.columns.get("text")}
    if units.task.raw == "series":
        options |= {"missing": listed(job.data.columns, "missing")}
    if units.task.raw in ("table", "series") and not units.trains:
        options |= {"rare": "keep"}  # it is fed as it was trained; whether that may ship is asked in `setup.refuse_rare`
    return units.task.encoder(train, options | dict(job.data.preprocess))


def decoding(units: Units, splits: Splits, encode: Mapping[str, Any]) -> dict[str, Any]:
    """The task's declaration of outputs -> answers; a model that the job trains learns numbers in units of the spread of train."""
    found = units.task.decoder(splits.names, encode)
    if found["kind"] != "values" or not units.trains or splits.train is None:
        return found
    sums, squares = np.zeros(len(splits.names)), np.zeros(len(splits.names))
    for part in splits.train.parts():
        sums += part.labels.sum(axis=0)
    mean = sums / len(splits.train)
    for part in splits.train.parts():
        squares += ((part.labels - mean) ** 2).sum(axis=0)
    spread = np.sqrt(squares / len(splits.train))
    return found | {"mean": mean.tolist(), "std": np.where(spread > 0, spread, 1.0).tolist()}


def within(job: Job, build_spec: BuildSpec, order: Callable[..., Any]) -> tuple[BuildSpec, str]:
    """The build with an encoder that feeds no more than the model takes, and one sentence where that is less than it said; for tensors,
    with the outputs that the model has, found by asking it some rows.

    Args:
        job: Its model is asked.
        build_spec: With the encoder as the task declares it.
        order: (verb, its arguments) -> what it gives; carried out where a trial's limits hold.

    Raises:
        BadModel: The model cannot be opened.
    """
    if build_spec.encode["kind"] not in ("text", "arrays"):
        return build_spec, ""
    found = order("paredown.builder.work:limit", build_spec=build_spec.json(), spec=asdict(job.model), folder=str(job.folder.resolve()))
    if not found and build_spec.encode["kind"] == "arrays":
        raise BadModel(
            f"what a model of the kind {job.model.kind!r} answers with is not looked at for `task: tensors`.\n"
            "  Give it as an .onnx file, or as a torch module by `python:`."
        )
    if not found:
        return build_spec, ""
    if decode := found.pop("decode", None):
        names = [part["name"] for part in decode["parts"]]
        return replace(build_spec, encode={**build_spec.encode, **found}, decode=decode, labels=names), _told(decode)
    exactly = "exactly" if "length" in found else "at most"
    longest = f"{exactly} {found['max_length']} tokens"
    said = f"The model takes {longest}, found by trying: longer texts are cut there; `preprocess: {{max_length: ...}}` sets less."
    return replace(build_spec, encode={**build_spec.encode, **found}), said


def _told(decode: Mapping[str, Any]) -> str:
    """The outputs that are compared, in one sentence."""
    listed = [f"{part['name']} {tuple(part['shape'])}" for part in decode["parts"]]
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return f"The model answers a row with {', '.join(listed[:_LISTED])}{more}: {decode['width']} numbers."


def refuse_large(splits: Splits, decode: Mapping[str, Any]) -> None:
    """Refuse answers that take more room on disk than is spent on those of one model.

    Raises:
        BadData: Says how much, of how many rows, and the way out.
    """
    for split in ("test", "validation") if "parts" in decode else ():
        rows, row_b = len(getattr(splits, split)), 4 * int(decode["width"])
        if rows * row_b > MOST_B:
            raise BadData(
                f"the model answers a row with {decode['width']} numbers; those to the {rows} rows of {split} take "
                f"{rows * row_b / 1e9:.2g} GB, and {MOST_B / 1e9:.2g} GB is the most.\n"
                f"  Name the output that counts, `model: {{onnx: ..., output: NAME}}`, or give at most {max(1, MOST_B // row_b)} rows."
            )
