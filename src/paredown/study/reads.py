"""How often a test split was read on this machine, over all studies: the more looks, the less a pass proves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from paredown.core.reading import Missing
from paredown.ground.files import state_folder


def default_path() -> Path:
    """`test_reads.sqlite` in the machine's state folder."""
    return state_folder() / "test_reads.sqlite"


def count(digest: str, path: Path | None = None) -> int | Missing:
    """How often the rows of this digest were read as a test split.

    Args:
        digest: Of the test split's rows.
        path: The count's file; None for the machine's own.

    Returns:
        The count, 0 when nothing was ever recorded; Missing with the reason when the file cannot be read, or reads cannot be kept in it.
        Never raises.
    """
    return _ask(path, digest, None)


def add(digest: str, study: Path, key: str, path: Path | None = None) -> int | Missing:
    """Record one read of test; the same digest, study folder and key count once.

    Args:
        digest: Of the test split's rows.
        study: The study's folder.
        key: What was tested there: an artifact's digest.
        path: The count's file; None for the machine's own.

    Returns:
        The count with this read in it; Missing with the reason when it cannot be kept. Never raises.
    """
    return _ask(path, digest, (str(study.resolve()), key))


def _ask(path: Path | None, digest: str, read: tuple[str, str] | None) -> int | Missing:
    try:
        path = path or default_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=10)) as file, file:
            file.execute(
                "CREATE TABLE IF NOT EXISTS test_reads"
                " (digest TEXT, study TEXT, key TEXT, created TEXT, PRIMARY KEY (digest, study, key)) WITHOUT ROWID"
            )
            if read is not None:
                now = datetime.now(UTC).isoformat(timespec="seconds")
                file.execute("INSERT OR IGNORE INTO test_reads VALUES (?, ?, ?, ?)", (digest, *read, now))
            return int(file.execute("SELECT count(*) FROM test_reads WHERE digest = ?", (digest,)).fetchone()[0])
    except (OSError, RuntimeError, sqlite3.Error) as error:
        where = path or "the user's state folder"
        return Missing(quantity="test_reads", reason=f"reads of test cannot be counted on this machine: {where}: {error}")
