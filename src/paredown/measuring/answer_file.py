"""An artifact's answers to the rows of a file, worked out in a process with limits: a stranger's graph may never end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.core.errors import BadData, Damaged, LimitExceeded, WorkerDied
from paredown.executors.processes import READ_B_PER_S, Limits, Worker, room_for
from paredown.ground.files import size_b
from paredown.measuring.targets import given_beside

_OPEN_S, _ROW_S = 60.0, 1.0
"""Seconds that opening may take, beside reading the files, and one row."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a model says to a file.

    Args:
        labels: Class names in the model's order.
        answers: What it says of each row, as `Model.predict`, or the probabilities of all classes.
    """

    labels: Sequence[str]
    answers: Sequence[Any]


def answer_file(artifact: Path, file: Path, proba: bool = False) -> Answered:
    """Answer all rows of a file as the artifact's own predict.py does.

    Args:
        artifact: The artifact's folder.
        file: Rows, as `predict_main.read_inputs` reads them.
        proba: True asks for probabilities instead of labels.

    Raises:
        BadData: The file cannot be read, or its rows are not what the model takes.
        Damaged: The artifact cannot be opened, or does not answer within the limits.
        NotTrusted: Its model is built by code that the user has not given the word for.
    """
    if not file.is_file():
        raise BadData(f"{file} does not exist.\n  Give a file of rows; `paredown predict --help` lists the kinds.")
    artifact_b, file_b = size_b(artifact), file.stat().st_size
    wall_s, room_b = _OPEN_S + (artifact_b + file_b) / READ_B_PER_S, room_for(artifact_b, file_b)
    with Worker(environment=given_beside([artifact])) as worker:
        try:
            found = worker.order(
                f"{__name__}:open_both", Limits(wall_s=wall_s), artifact=str(artifact), file=str(file), room_b=room_b
            ).value
            wall_s += _ROW_S * found["rows"]
            answers = worker.order(f"{__name__}:answer_all", Limits(wall_s=wall_s), file=str(file), proba=proba).value
        except LimitExceeded:
            raise Damaged(
                f"{artifact} does not answer {file} within {wall_s:.0f} s and {room_b / 1e9:.1f} GB of memory.\n"
                "  `paredown verify` asks it its own few rows; give fewer rows where it answers those."
            ) from None
        except WorkerDied as error:
            raise Damaged(
                f"{artifact}: its engine ended while it was asked: {str(error).splitlines()[0]}\n  `paredown verify` looks closer."
            ) from None
    return Answered(labels=found["labels"], answers=answers)


def open_both(state: dict[str, Any], *, artifact: str, file: str, room_b: int) -> dict[str, Any]:
    """Open an artifact and read a file within so many bytes, to be asked with `answer_all`; returns {"labels", "rows"}."""
    from paredown.artifact.load import load
    from paredown.artifact.predict_main import BAD_FILE, count_of, read_inputs, takes_several
    from paredown.protocol.subject import hold_to

    hold_to(room_b)
    state["model"] = load(artifact)
    try:
        state["inputs"] = read_inputs(Path(file), takes_several(state["model"].manifest))
    except BAD_FILE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise BadData(f"{file} cannot be read: {said[:200]}\n  `paredown predict --help` says what can be.") from None
    return {"labels": state["model"].labels, "rows": count_of(state["inputs"])}


def answer_all(state: dict[str, Any], *, file: str, proba: bool) -> list[Any]:
    """What is said of all rows, or probabilities."""
    from paredown.artifact.predict_main import answered, plain
    from paredown.artifact.programs import refuse_no_probabilities
    from paredown.encoders.feed import shared_rows

    program, inputs = state["model"].program, state["inputs"]
    try:
        if proba:
            refuse_no_probabilities(state["model"].manifest)
        shared = shared_rows(state["model"].manifest["encode"], inputs)
        found = answered(program.answers if proba else program.predict, inputs, shared)
    except ValueError as error:
        raise BadData(f"{file}: {error}") from error
    if proba:
        return [row.reshape(-1).tolist() for row in found]
    return [plain(said) for said in found]
