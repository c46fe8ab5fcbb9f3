"""Digests of values, files and folders: sha256 in hex."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def is_digest(text: Any) -> bool:
    """Whether this is written as a digest is: 64 hexadecimal digits in lower case."""
    return isinstance(text, str) and re.fullmatch(r"[0-9a-f]{64}", text) is not None


def of_value(value: Any) -> str:
    """Of plain data: the same for equal data, whatever the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def of_file(path: Path) -> str:
    """Of a file's bytes."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
    return whole.hexdigest()


def of_files(folder: Path) -> dict[str, str]:
    """Of every file below a folder, by relative posix path, in sorted order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): of_file(path) for path in files}


def of_folder(folder: Path) -> str:
    """Of all names and contents below a folder."""
    return of_value(of_files(folder))
