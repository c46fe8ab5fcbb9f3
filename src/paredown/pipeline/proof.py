"""Proving that an artifact is what was written. Light: neither the study's database nor a training framework is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from paredown.core.errors import Damaged
from paredown.pipeline.targets import artifact_of, is_study, other_class

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify` found whole.

    Args:
        artifact: The artifact's folder.
        recipe: As packed in it.
        files, size_b, digest: As `evidence.verify.Verification`.
        evidence: Files of the study's evidence that were checked; None for an artifact alone.
        probe_rows: Rows whose answers were asked again.
        difference: The largest difference of a probability from the packed answer.
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
    difference: float
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
    rows, difference = _asked_again(artifact, found.artifact)
    tolerance = float(found.artifact["probe"]["tolerance"])
    warnings = list(other_class([found.artifact]))
    if difference > tolerance:
        text = f"the engine's answers to the probe differ by {difference:.2g}; {tolerance:g} is allowed"
        if not warnings:
            raise Damaged(f"{artifact}: {text}.\n  Its files are whole: compare the engine's version with `requires` in artifact.json.")
        warnings.append(f"{text} on the class it was made on. Measure it here before it is used: `paredown measure`.")
    return Verified(
        artifact=artifact,
        recipe=str(found.artifact["recipe"]),
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

    lines = (evidence / "candidates.jsonl").read_text("utf-8").splitlines()
    digest = of_folder(artifact)
    if digest not in {json.loads(line)["artifact"] for line in lines if line}:
        raise Damaged(
            f"{artifact} is not an artifact of this run: its digest {digest[:12]}... stands in no line of {evidence / 'candidates.jsonl'}."
        )


def _asked_again(folder: Path, manifest: Mapping[str, Any]) -> tuple[int, float]:
    """Rows of the probe, and the largest difference between its packed answers and those of the engine now."""
    import numpy as np

    from paredown.artifact.load import load, read_probe

    probe = read_probe(folder, manifest)
    packed = np.asarray(probe["outputs"])
    with load(folder) as model:
        answers = model.predict_proba(probe["inputs"])
    if answers.shape != packed.shape:
        raise Damaged(f"{folder}: the engine answers the probe with shape {answers.shape}; {packed.shape} was packed.")
    return len(packed), float(np.abs(answers - packed).max())
