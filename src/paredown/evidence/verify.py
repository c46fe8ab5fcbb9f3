"""Is an artifact what was packed? Answered from its files alone, with the standard library only.

It shows that the folder agrees with its own artifact.json. Whoever can write the one can write the other: to know that it is the artifact
of a certain run, compare `Verification.digest` with the run's evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.artifact.manifest import FORMAT, MANIFEST, RESTORE
from paredown.core.errors import Damaged
from paredown.ground import digests
from paredown.ground.untrusted import inside, read_json


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was checked and found whole.

    Args:
        artifact: The content of artifact.json.
        files: Files whose digest was checked.
        size_b: Their bytes.
        digest: Over all names and contents of the folder; the same as `ground.digests.of_folder`.
    """

    artifact: Mapping[str, Any]
    files: int
    size_b: int
    digest: str


def verify(folder: Path) -> Verification:
    """Check an artifact's files against its artifact.json.

    Args:
        folder: The artifact's folder.

    Returns:
        What was checked.

    Raises:
        Damaged: artifact.json is missing, unreadable or of an unknown format; a file is missing, changed, not listed, outside the folder or
            a link. All problems are in the message.
    """
    card = folder / MANIFEST
    if card.is_symlink() or not card.is_file():
        raise Damaged(f"{folder} has no {MANIFEST}.\n  Give the folder that `paredown run` released, usually `artifact`.")
    try:
        artifact = read_json(card)
    except OSError as error:
        raise Damaged(f"{card} cannot be read: {error.strerror}.\n  {RESTORE}") from None
    except ValueError as error:
        raise Damaged(f"{card} {error}.\n  {RESTORE}") from None
    listed = artifact.get("files") if isinstance(artifact, dict) else None
    if not isinstance(listed, dict):
        raise Damaged(f"{card} has no mapping `files`.\n  {RESTORE}")
    problems = []
    if artifact.get("format") != FORMAT:
        problems.append(
            f"{MANIFEST}: format is {artifact.get('format')!r:.60}; this paredown reads {FORMAT}. A newer paredown may read it."
        )
    problems += compare(folder, listed, apart=MANIFEST)
    if problems:
        raise Damaged(damage(folder, problems))
    size_b = sum((folder / name).stat().st_size for name in listed)
    return Verification(artifact=artifact, files=len(listed), size_b=size_b, digest=digests.of_folder(folder))


def compare(folder: Path, listed: Mapping[str, Any], apart: str) -> list[str]:
    """What differs between a folder and the digests it should have, one sentence each; nothing outside the folder is opened.

    Args:
        folder: The folder.
        listed: Relative posix path -> sha256 in hex.
        apart: The file that holds the list and cannot list itself.
    """
    problems = []
    found = dict(_walk(folder))
    for name, digest in listed.items():
        if not inside(name) or name == apart:
            problems.append(f"{name!r} is listed; only paths inside the folder, other than {apart}, may be.")
        elif name not in found:
            problems.append(f"{name} is missing.")
        elif not digests.is_digest(digest):
            problems.append(f"{name}: {digest!r:.60} is no sha256 digest.")
        elif found[name]:
            problems += changed(name, folder / name, digest)
    for name, plain in found.items():
        if not plain:
            problems.append(f"{name} is a link or a special file; only plain files are allowed.")
        elif name not in listed and name != apart:
            problems.append(f"{name} is not listed.")
    return problems


def changed(name: str, path: Path, digest: str) -> list[str]:
    """One sentence when a file is not what was written, else nothing."""
    try:
        actual = digests.of_file(path)
    except OSError as error:
        return [f"{name} cannot be read: {error.strerror}."]
    return [] if actual == digest else [f"{name} was changed: sha256 is {actual[:12]}..., {digest[:12]}... was written."]


def damage(folder: Path, problems: list[str], do: str = "") -> str:
    """One message for all problems of a folder."""
    lines = "".join(f"\n  {problem}" for problem in problems)
    return f"{folder} is not what was written:{lines}\n  {do or RESTORE}"


_DEEPEST = 8
"""Folders inside each other that an artifact or its evidence may have; what lies deeper is no plain file of theirs."""


def _walk(folder: Path, depth: int = 0) -> Iterator[tuple[str, bool]]:
    """Relative path and "is a plain file" of all that is below a folder, in sorted order; links are not followed, nor what is too deep."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and depth < _DEEPEST:
            for name, plain in _walk(path, depth + 1):
                yield f"{path.name}/{name}", plain
        else:
            yield path.name, path.is_file() and not path.is_symlink()
