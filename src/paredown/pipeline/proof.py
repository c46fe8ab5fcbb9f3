"""Proving that an artifact is what was written. Light: neither the study's database nor a training framework is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from paredown.artifact.load import read_manifest
from paredown.core.errors import Damaged, LimitExceeded, NotTrusted, ParedownError
from paredown.executors.processes import Limits, Worker
from paredown.ground.untrusted import parse_json
from paredown.pipeline.targets import artifact_of, given_beside, is_study, other_class

T = TypeVar("T")
_SUBJECT = "paredown.protocol.subject"
_ASKED_S, _READ_B_PER_S = 10.0, 20e6
"""Seconds to open an artifact and ask its probe, beside so many bytes of its files per second."""
_ROOM_B = 160_000_000
"""Memory that it may take for that, beside four times its files."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify` found whole.

    Args:
        artifact: The artifact's folder.
        recipe: As packed in it.
        files, size_b, digest: As `evidence.verify.Verification`.
        evidence: Files of the study's evidence that were checked; None for an artifact alone.
        probe_rows: Rows whose answers were asked again.
        difference: The largest difference of a probability from the packed answer; None where they were not asked again.
        tolerance: What may differ.
        warnings: What weakens this, one sentence each.
    """

    artifact: Path
    recipe: str
    files: int
    size_b: int
    digest: str
    evidence: int | None
    probe_rows: int
    difference: float | None
    tolerance: float
    warnings: Sequence[str]


def verify(target: str | Path) -> Verified:
    """Prove that an artifact's files are what was written and that its engine still gives the packed answers.

    Args:
        target: Folder of an artifact; or of a study: its artifact and its evidence, and that the one is named in the other.

    Raises:
        UsageError: The folder is neither.
        Damaged: Something is not what was written; all problems are in the message.
        MissingExtra: The artifact's engine is not installed.
    """
    from paredown.evidence.bundle import FOLDER, verify_bundle
    from paredown.evidence.verify import verify as verify_files

    given = Path(target)
    study = given if is_study(given) else None
    artifact = artifact_of(given, nearest=True)
    problems: list[str] = []

    def part(work: Callable[[], T]) -> T | None:
        try:
            return work()
        except Damaged as error:
            problems.append(str(error))
            return None

    found, evidence = part(lambda: verify_files(artifact)), None
    if study is not None:
        evidence = part(lambda: verify_bundle(study / FOLDER))
        if found is not None and evidence is not None:
            part(lambda: _refuse_stranger(study / FOLDER, artifact))
    if problems or found is None:
        raise Damaged("\n".join(problems))
    manifest = read_manifest(artifact)
    tolerance = float(manifest["probe"]["tolerance"])
    warnings = list(other_class([manifest]))
    try:
        rows, difference = _asked_again(artifact, found.size_b)
    except NotTrusted as error:
        rows, difference = 0, None
        warnings.append(f"its answers were not asked again: {str(error).splitlines()[0]} Verify runs no code of an artifact.")
    if difference is not None and difference > tolerance:
        text = f"the engine's answers to the probe differ by {difference:.2g}; {tolerance:g} is allowed"
        if not warnings:
            raise Damaged(f"{artifact}: {text}.\n  Its files are whole: compare the engine's version with `requires` in artifact.json.")
        warnings.append(f"{text} on the class it was made on. Measure it here before it is used: `paredown measure`.")
    return Verified(
        artifact=artifact,
        recipe=manifest["recipe"],
        files=found.files,
        size_b=found.size_b,
        digest=found.digest,
        evidence=evidence,
        probe_rows=rows,
        difference=difference,
        tolerance=tolerance,
        warnings=warnings,
    )


def _refuse_stranger(evidence: Path, artifact: Path) -> None:
    """Refuse an artifact that the evidence does not name: whole in itself, but not the one that was measured."""
    from paredown.ground.digests import of_folder

    digest = of_folder(artifact)
    try:
        lines = (evidence / "candidates.jsonl").read_text("utf-8").splitlines()
        named = [parse_json(line)["artifact"] for line in lines if line]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Damaged(f"{evidence / 'candidates.jsonl'} cannot be read: {error}.") from None
    if digest not in named:
        raise Damaged(
            f"{artifact} is not an artifact of this run: its digest {digest[:12]}... stands in no line of {evidence / 'candidates.jsonl'}."
        )


def _asked_again(folder: Path, size_b: int) -> tuple[int, float]:
    """Rows of the probe, and the largest difference between its packed answers and those of the engine now, in a process with limits."""
    wall_s, room_b = _ASKED_S + size_b / _READ_B_PER_S, _ROOM_B + 4 * size_b
    with Worker(environment=given_beside([folder])) as worker:
        worker.order(f"{_SUBJECT}:import_engines", artifact=str(folder))
        try:
            found = worker.order(f"{_SUBJECT}:ask_probe", Limits(wall_s=wall_s), artifact=str(folder), room_b=room_b).value
        except NotTrusted:
            raise
        except LimitExceeded:
            raise Damaged(
                f"{folder} does not answer its own probe within {wall_s:.0f} s and {room_b / 1e6:.0f} MB.\n"
                "  Do not use it: its graph may have no end. Take it again from where it was released."
            ) from None
        except Damaged:
            raise
        except ParedownError as error:
            raise Damaged(
                f"{folder} cannot answer its own probe: {str(error).splitlines()[0]}\n  Take it again from where it was released."
            ) from None
    return int(found["rows"]), float(found["difference"])
