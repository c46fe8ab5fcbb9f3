"""The evidence folder: what a reader needs to check the claim, and no row of anyone's data."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from paredown.core.errors import Damaged, ParedownError
from paredown.evidence.bound import BOUND, Bound, bind, differs, read_bound
from paredown.evidence.verify import compare, damage
from paredown.ground import digests
from paredown.ground.files import PART, move_folder_into_place, remove

FOLDER = "evidence"
MANIFEST = "MANIFEST.sha256"
PUT_BACK = "Put back a copy. `paredown run JOB` writes result, report and evidence again from the ledger, and `--fresh` starts again."

CANDIDATES = "candidates.jsonl"
# what the study hands over; each line of the list is one file under one of its names
_NEEDED = (("policy.lock.yaml", "policy.lock.json"), ("data.json",), (CANDIDATES,), ("windows.jsonl",))
_OURS = ("environment.json", "findings.json", BOUND, MANIFEST)


def write_bundle(study_folder: Path, result: Mapping[str, Any], extra: Mapping[str, bytes], answers: Sequence[str] = ()) -> Path:
    """Write a study's evidence folder, the last file of a run: it binds all others. One that is there is replaced whole.

    Args:
        study_folder: The study's folder.
        result: The content of result.json; its `host` and `findings` are written, nothing else of it.
        extra: File name -> content: `policy.lock.yaml` (or `.json`), `data.json` (digests and counts, never rows), `candidates.jsonl`
            (every trial), `windows.jsonl` (every raw window), and whatever else a check needs.
        answers: Files of the study's cache, as paths below the study, that quality is judged by again.

    Returns:
        The folder: those files, `environment.json`, `findings.json`, `released.json`, which names the artifact and binds the study's files,
        and `MANIFEST.sha256`, which `sha256sum -c` reads.

    Raises:
        ParedownError: A file that belongs in is missing, or a name is not a plain file name or one of ours.
    """
    missing = [" or ".join(names) for names in _NEEDED if not any(name in extra for name in names)]
    if missing:
        raise ParedownError(f"the evidence lacks {', '.join(missing)}.\n  Evidence without them proves nothing; hand them to write_bundle.")
    bad = [name for name in extra if name in _OURS or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name)]
    if bad:
        raise ParedownError(
            f"the evidence cannot hold {', '.join(map(repr, bad))}.\n  Give plain file names other than {', '.join(_OURS)}."
        )
    files = {
        **extra,
        "environment.json": _json(_environment(result.get("host"))),
        "findings.json": _json(result.get("findings", [])),
        BOUND: _json(bind(study_folder, result, answers)),
    }
    part = study_folder / f".{FOLDER}{PART}"
    remove(part)
    part.mkdir(parents=True)
    for name, content in files.items():
        (part / name).write_bytes(content)
    lines = (f"{digest}  {name}\n" for name, digest in digests.of_files(part).items())
    (part / MANIFEST).write_text("".join(lines), "utf-8")
    target = study_folder / FOLDER
    move_folder_into_place(part, target)
    return target


def verify_bundle(folder: Path) -> int:
    """Check an evidence folder against its manifest.

    Args:
        folder: The evidence folder.

    Returns:
        How many files were checked.

    Raises:
        Damaged: The manifest is missing or unreadable; a file is missing, changed, not listed or a link. All problems are in the message.
    """
    manifest = folder / MANIFEST
    if manifest.is_symlink() or not manifest.is_file():
        raise Damaged(f"{folder} has no {MANIFEST}.\n  Give the folder `{FOLDER}` of a study.")
    listed, problems = {}, []
    for number, line in enumerate(manifest.read_text("utf-8", errors="replace").splitlines(), start=1):
        entry = re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)
        if entry and entry[2] not in listed:
            listed[entry[2]] = entry[1]
        else:
            problems.append(f"{MANIFEST}:{number}: {line[:80]!r} is not `<sha256>  <name>` with a name of its own.")
    problems += compare(folder, listed, apart=MANIFEST)
    if problems:
        raise Damaged(damage(folder, [*problems, f"Either these files were changed, or {MANIFEST}, which lists them."]))
    return len(listed)


def bound_by(study: Path) -> Bound | None:
    """What a study's evidence binds, after a look at the evidence itself; None where it has none, or an earlier paredown wrote it.

    Raises:
        Damaged: The evidence is not what was written.
    """
    folder = study / FOLDER
    if not folder.exists():
        return None
    verify_bundle(folder)
    return read_bound(folder / BOUND) if (folder / BOUND).is_file() else None


def refuse_changed(study: Path, *names: str) -> Bound | None:
    """Refuse files of a study that are not what its evidence binds; where it binds nothing, `uncovered` says so.

    Args:
        study: Its folder.
        names: Paths below it.

    Raises:
        Damaged: One of them, or the evidence itself, is not what was written.
    """
    found = bound_by(study)
    if found is not None and (problems := differs(study, found, names)):
        raise Damaged(damage(study, problems, PUT_BACK))
    return found


def uncovered(study: Path) -> str:
    """Why nothing of a study is covered by evidence, in a sentence; empty where it is."""
    if not (study / FOLDER).exists():
        return (
            f"not covered by evidence: {study} has no folder `{FOLDER}`, because its run has not ended, or because somebody took it away. "
            "`paredown run JOB` writes it."
        )
    if not (study / FOLDER / BOUND).is_file():
        return (
            f"not covered by evidence: that of {study} was written by an earlier paredown, which bound no file beside it. "
            "`paredown run JOB` writes it again."
        )
    return ""


def _environment(host: Any) -> dict[str, Any]:
    """Python, the host and the versions of what paredown asks for; null for what is not installed."""
    packages: dict[str, str | None] = {}
    for name in sorted({re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in _requirements()}):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    system = f"{platform.system()} {platform.release()}"
    return {"python": platform.python_version(), "system": system, "packages": packages, "host": host}


def _requirements() -> list[str]:
    try:
        return ["paredown", *(metadata.requires("paredown") or ())]
    except metadata.PackageNotFoundError:
        return ["paredown"]


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
