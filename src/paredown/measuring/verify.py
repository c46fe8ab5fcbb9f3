"""Proving that an artifact is what was written. Light: neither the study's database nor a training framework is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from paredown.artifact.load import read_manifest
from paredown.artifact.manifest import MANIFEST
from paredown.core.errors import Damaged, LimitExceeded, NotTrusted, ParedownError, UsageError
from paredown.evidence.bound import BOUND, FOLDERS, JOB_LOCK, LEDGER, RELEASED, REPORT, RESULT, Bound, differs, newer_rows, read_bound
from paredown.evidence.bundle import CANDIDATES, FOLDER, PUT_BACK, uncovered, verify_bundle
from paredown.evidence.verify import Verification, damage
from paredown.evidence.verify import verify as verify_files
from paredown.executors.processes import READ_B_PER_S, Limits, Worker
from paredown.ground.digests import of_folder
from paredown.ground.untrusted import read_json
from paredown.measuring.targets import artifact_of, given_beside, is_study, later_lock, other_class

T = TypeVar("T")
_SUBJECT = "paredown.protocol.subject"
_ASKED_S = 10.0
"""Seconds to open an artifact and ask its probe, beside reading its files."""
_ROOM_B = 160_000_000
"""Memory that it may take for that, beside four times its files."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What `verify` found whole.

    Args:
        artifact: The artifact's folder; None for a study in which nothing could be built.
        recipe: As packed in it.
        files, size_b, digest: As `evidence.verify.Verification`.
        released: Whether the evidence names it as released; False for a nearest miss, None for an artifact alone.
        evidence: Files of the study's evidence that were checked; None for an artifact alone.
        evidence_digest: Over the evidence folder: what two people compare.
        covered: What else of the study is what the evidence binds.
        not_covered: What of the study it does not bind.
        probe_rows: Rows whose answers were asked again.
        difference: The largest difference of a probability from the packed answer; None where they were not asked again.
        tolerance: What may differ.
        warnings: What weakens this, one sentence each.
    """

    artifact: Path | None
    recipe: str = ""
    files: int = 0
    size_b: int = 0
    digest: str = ""
    released: bool | None = None
    evidence: int | None = None
    evidence_digest: str = ""
    covered: Sequence[str] = ()
    not_covered: Sequence[str] = ()
    probe_rows: int = 0
    difference: float | None = None
    tolerance: float = 0.0
    warnings: Sequence[str] = ()


def verify(target: str | Path) -> Verified:
    """Prove that an artifact's files are what was written and that its engine still gives the packed answers.

    Args:
        target: Folder of an artifact; or of a study: also its evidence, and that the artifact is the one that it names and that result,
            report, ledger, job and the answers in the cache are those that it binds.

    Raises:
        UsageError: The folder is neither, or a study of which no evidence binds anything.
        Damaged: Something is not what was written; all problems are in the message.
        MissingExtra: The artifact's engine is not installed.
    """
    given = Path(target)
    if not is_study(given):
        folder = artifact_of(given)
        return _asked(folder, verify_files(folder))
    if not (given / FOLDER).exists():
        raise _nothing_binds(given)
    problems: list[str] = []

    def part(work: Callable[[], T]) -> T | None:
        try:
            return work()
        except Damaged as error:
            problems.append(str(error))
            return None

    artifact = next((given / name for name in FOLDERS if (given / name / MANIFEST).is_file()), None)
    whole = None if artifact is None else part(partial(verify_files, artifact))
    evidence = part(lambda: verify_bundle(given / FOLDER))
    if evidence is not None and not (given / FOLDER / BOUND).is_file():
        raise _nothing_binds(given)
    bound = None if evidence is None else part(lambda: read_bound(given / FOLDER / BOUND))
    digest = None if whole is None else whole.digest
    if bound is not None and (found := [*_other_artifact(given, artifact, digest, bound), *_differs(given, bound)]):
        problems.append(damage(given, found, PUT_BACK))
    if problems or bound is None:
        raise Damaged("\n".join(problems))
    alone = Verified(artifact=None) if artifact is None or whole is None else _asked(artifact, whole)
    return replace(
        alone,
        released=bound.folder == RELEASED,
        evidence=evidence,
        evidence_digest=of_folder(given / FOLDER),
        covered=[name for name in (*bound.files, LEDGER) if (given / name).exists()],
        not_covered=[*_not_covered(given, bound)],
    )


def _nothing_binds(study: Path) -> UsageError:
    return UsageError(f"{study} cannot be verified: {uncovered(study)}\n  `paredown verify {study / RELEASED}` looks at an artifact alone.")


def _asked(artifact: Path, whole: Verification) -> Verified:
    """An artifact whose files are whole, after its engine was asked again."""
    manifest = read_manifest(artifact)
    tolerance = float(manifest["probe"]["tolerance"])
    warnings = list(other_class([manifest]))
    try:
        rows, difference = _asked_again(artifact, whole.size_b)
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
        files=whole.files,
        size_b=whole.size_b,
        digest=whole.digest,
        probe_rows=rows,
        difference=difference,
        tolerance=tolerance,
        warnings=warnings,
    )


def _other_artifact(study: Path, artifact: Path | None, digest: str | None, bound: Bound) -> Iterator[str]:
    """What is said of an artifact that is not the one that the evidence names.

    Args:
        digest: Of the artifact; None where its files are damaged, which is said elsewhere.
    """
    lines = study / FOLDER / CANDIDATES
    known = lines.is_file() and f'"artifact": "{digest}"' in lines.read_text("utf-8", errors="replace")
    other = f"its digest {str(digest)[:12]}... stands in no line of {FOLDER}/{CANDIDATES}"
    named = "the evidence names nothing that was kept"
    if bound.folder is not None:
        kind = "as released" if bound.folder == RELEASED else "as the nearest miss, because nothing was released"
        named = f"the evidence names {bound.recipe} with the digest {str(bound.digest)[:12]}... in {bound.folder}, {kind}"
    if bound.folder is not None and not (study / bound.folder / MANIFEST).is_file():
        yield f"{bound.folder} is gone; {named}."
    elif artifact is not None and artifact.name == bound.folder and digest not in (None, bound.digest):
        what = f"another candidate of this run, with the digest {str(digest)[:12]}..." if known else f"not an artifact of this run: {other}"
        yield f"{bound.folder} is {what}; {named}."
    yield from (f"{name} stands there; {named}." for name in FOLDERS if name != bound.folder and (study / name).exists())


def _differs(study: Path, bound: Bound) -> Iterator[str]:
    """Of all that is bound what differs, and is neither the same report rendered again nor the lock of a later run."""
    for name in (*bound.files, LEDGER):
        for problem in differs(study, bound, [name]):
            if not (name == REPORT and _rendered(study, bound)) and not (name == JOB_LOCK and later_lock(study)):
                yield problem


def _rendered(study: Path, bound: Bound) -> bool:
    """Whether report.html is what this paredown makes of the result that is bound."""
    from paredown.report.html import render

    if not (study / REPORT).is_file() or differs(study, bound, [RESULT]):
        return False
    page = render(read_json(study / RESULT))
    return (study / REPORT).read_bytes() == page.encode()


def _not_covered(study: Path, bound: Bound) -> Iterator[str]:
    """What of a study its evidence says nothing about, in words."""
    if newer := newer_rows(study / LEDGER, bound):
        yield f"{newer} rows of ledger.sqlite that were written after the evidence"
    if differs(study, bound, [JOB_LOCK]):
        yield "job.lock.yaml: a later run or `paredown apply` opened the study with another job"
    yield from (name for name in bound.files if not (study / name).exists())
    for path in sorted(study.iterdir()):
        if path.name == "cache":
            yield "cache, but for what is named above"
        elif path.name not in (*bound.files, *FOLDERS, FOLDER, ".lock") and not path.name.startswith(LEDGER):
            yield path.name


def _asked_again(folder: Path, size_b: int) -> tuple[int, float]:
    """Rows of the probe, and the largest difference between its packed answers and those of the engine now, in a process with limits."""
    wall_s, room_b = _ASKED_S + size_b / READ_B_PER_S, _ROOM_B + 4 * size_b
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
