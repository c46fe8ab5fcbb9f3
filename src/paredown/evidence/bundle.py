"""The evidence folder: what a reader needs to check the claim, and no row of anyone's data."""

from __future__ import annotations

import json
import platform
import re
import shutil
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from paredown.core.errors import Damaged, ParedownError
from paredown.evidence.verify import compare, damage
from paredown.ground import digests

FOLDER = "evidence"
MANIFEST = "MANIFEST.sha256"

# what the study hands over; each line of the list is one file under one of its names
_NEEDED = (("policy.lock.yaml", "policy.lock.json"), ("data.json",), ("candidates.jsonl",), ("windows.jsonl",))
_OURS = ("environment.json", "findings.json", MANIFEST)


def write_bundle(study_folder: Path, result: Mapping[str, Any], extra: Mapping[str, bytes]) -> Path:
    """Write a study's evidence folder; one that is there is replaced whole.

    Args:
        study_folder: The study's folder.
        result: The content of result.json; its `host` and `findings` are written, nothing else of it.
        extra: File name -> content: `policy.lock.yaml` (or `.json`), `data.json` (digests and counts, never rows), `candidates.jsonl`
            (every trial), `windows.jsonl` (every raw window), and whatever else a check needs.

    Returns:
        The folder: those files, `environment.json`, `findings.json` and `MANIFEST.sha256`, which `sha256sum -c` reads.

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
    files = {**extra, "environment.json": _json(_environment(result.get("host"))), "findings.json": _json(result.get("findings", []))}
    part = study_folder / f".{FOLDER}-part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, content in files.items():
        (part / name).write_bytes(content)
    lines = (f"{digest}  {name}\n" for name, digest in digests.of_files(part).items())
    (part / MANIFEST).write_text("".join(lines), "utf-8")
    target = study_folder / FOLDER
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)
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
        raise Damaged(damage(folder, problems))
    return len(listed)


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
