"""What a study's evidence binds: the one artifact that was released, and the files beside it as they were then.

Standard library only, for the ledger too. Of the ledger the rows are bound, not the file: opening it may change its bytes, and later work
adds rows. Whoever can write the whole folder can write its evidence too: what is published is the evidence's own digest.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.core.errors import Damaged
from paredown.evidence.verify import changed
from paredown.ground import digests
from paredown.ground.files import sqlite_uri
from paredown.ground.untrusted import inside, read_json

BOUND = "released.json"
FOLDERS = RELEASED, NEAREST = "artifact", "nearest-miss"
"""Where a run puts the artifact that passed, or where nothing did the nearest miss."""
RESULT, REPORT, JOB_LOCK, LEDGER = "result.json", "report.html", "job.lock.yaml", "ledger.sqlite"
_COLUMNS = {
    "records": ("id", "kind", "key", "value", "span_id", "created"),
    "spans": (*("id", "kind", "key", "started", "ended", "state", "pid", "host", "boot_id"), *("wall_s", "cpu_s", "energy_j", "reason")),
}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a table of the ledger, up to one of them.

    Args:
        last: The highest id among them; 0 when there are none.
        count: How many there are.
        sha256: Over all their columns, in the order of their ids.
    """

    last: int
    count: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The content of released.json.

    Args:
        verdict: Of the run.
        folder: RELEASED, or NEAREST where nothing was released; None where there was nothing to keep.
        digest: Over all files of that folder.
        recipe: Of what lies in it.
        files: Path below the study -> sha256.
        ledger: Table -> its rows.
    """

    verdict: str
    folder: str | None
    digest: str | None
    recipe: str
    files: Mapping[str, str]
    ledger: Mapping[str, Rows]


def bind(study: Path, result: Mapping[str, Any], answers: Iterable[str]) -> dict[str, Any]:
    """The content of released.json for a study as it stands.

    Args:
        study: Its folder, with all that is bound in it.
        result: The content of result.json.
        answers: Files of the cache, as paths below the study, that quality is judged by again.
    """
    final = result.get("chosen") or result.get("nearest") or {}
    named = [name for name in (RESULT, REPORT, JOB_LOCK, *answers) if (study / name).is_file()]
    return {
        "format": 1,
        "verdict": result.get("verdict"),
        "folder": final.get("artifact"),
        "digest": final.get("digest"),
        "recipe": final.get("recipe", ""),
        "files": {name: digests.of_file(study / name) for name in named},
        "ledger": {table: vars(rows) for table, rows in rows_of(study / LEDGER).items()} if (study / LEDGER).is_file() else {},
    }


def read_bound(path: Path) -> Bound:
    """What a released.json says.

    Raises:
        Damaged: It is not JSON, or not what this paredown writes.
    """
    try:
        said = read_json(path)
        if said["format"] != 1:
            raise ValueError(f"format is {said['format']!r}; this paredown reads 1")
        found = Bound(
            verdict=str(said["verdict"]),
            folder=said["folder"],
            digest=said["digest"],
            recipe=str(said["recipe"]),
            files=dict(said["files"]),
            ledger={table: Rows(**rows) for table, rows in said["ledger"].items()},
        )
        _refuse_odd(found)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(
            f"{path} is not what paredown writes: {type(error).__name__}: {error}.\n  `paredown run JOB` writes it again."
        ) from None
    return found


def _refuse_odd(found: Bound) -> None:
    """ValueError for what would be looked up outside of the study, is no digest, or is not bound: nobody would be told."""
    if found.folder not in (*FOLDERS, None):
        raise ValueError(f"folder is {found.folder!r}")
    outside = [name for name in found.files if not inside(name)]
    if outside:
        raise ValueError(f"{outside[0]!r} is no path below the study")
    unbound = [name for name in (RESULT, REPORT, JOB_LOCK) if name not in found.files]
    if unbound:
        raise ValueError(f"{unbound[0]} is not bound")
    if set(found.ledger) != set(_COLUMNS) or not all(isinstance(one.last, int) for one in found.ledger.values()):
        raise ValueError(f"the rows of {', '.join(found.ledger) or 'nothing'} are bound, not of {', '.join(_COLUMNS)}")
    sha256 = [*found.files.values(), *([found.digest] if found.folder else [])]
    if not all(map(digests.is_digest, sha256)):
        raise ValueError("a sha256 digest is none")


def differs(study: Path, bound: Bound, names: Iterable[str]) -> list[str]:
    """What of these files is not as it was bound, one sentence each.

    Args:
        names: Paths below the study, or LEDGER. A file that was not bound is passed by, and so is one of the cache that is gone: it can be
            made again.
    """
    problems = []
    for name in names:
        path = study / name
        if name == LEDGER:
            problems += _rows_differ(path, bound.ledger)
        elif name in bound.files and not path.is_file():
            problems += [] if name.startswith("cache/") else [f"{name} is missing."]
        elif name in bound.files:
            problems += changed(name, path, bound.files[name])
    return problems


def rows_of(path: Path, until: Mapping[str, Rows] | None = None) -> dict[str, Rows]:
    """The rows of a ledger by table.

    Args:
        path: The SQLite file; it is only read.
        until: Table -> rows; only rows up to their last ids are taken. None takes all.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    out = {}
    with closing(_read_only(path)) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables >= {*_COLUMNS}:
            raise sqlite3.DatabaseError(f"it has no table {', '.join(sorted({*_COLUMNS} - tables))}")
        for table, columns in _COLUMNS.items():
            whole, last, count = hashlib.sha256(), 0, 0
            end = "" if until is None else f" WHERE id <= {int(until[table].last)}"
            for row in file.execute(f"SELECT {', '.join(columns)} FROM {table}{end} ORDER BY id"):
                whole.update(json.dumps(row, default=repr).encode() + b"\n")
                last, count = row[0], count + 1
            out[table] = Rows(last=last, count=count, sha256=whole.hexdigest())
    return out


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(sqlite_uri(path, read_only=True), uri=True)


def _rows_differ(path: Path, ledger: Mapping[str, Rows]) -> list[str]:
    if not path.is_file():
        return [f"{path.name} is missing."]
    try:
        found = rows_of(path, ledger)
    except (sqlite3.Error, KeyError, ValueError) as error:
        return [f"{path.name} cannot be read: {error}."]
    return [
        f"{path.name} was changed: its table {table} has {found[table].count} rows up to number {rows.last}, with the digest "
        f"{found[table].sha256[:12]}...; {rows.count} with {rows.sha256[:12]}... were written."
        for table, rows in ledger.items()
        if found[table] != rows
    ]


def newer_rows(path: Path, bound: Bound) -> int:
    """How many rows the ledger has that were written after the evidence."""
    return sum(rows.count - bound.ledger[table].count for table, rows in rows_of(path).items())


def knows_lock(path: Path, sha256: str) -> bool:
    """Whether a run recorded in the ledger that it opened the study under a job.lock.yaml of this digest."""
    try:
        with closing(_read_only(path)) as file:
            return file.execute("SELECT id FROM records WHERE kind = 'job' AND key = ?", (sha256,)).fetchone() is not None
    except sqlite3.Error:
        return False
