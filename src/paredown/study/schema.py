"""The ledger's file: its tables, its schema version, and what SQLite's errors mean."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from paredown.core.errors import CannotWrite, Damaged, StudyBusy, UsageError
from paredown.ground.files import PART, remove, replace, sqlite_uri

BUSY_S = 30.0
STEPS: tuple[Callable[[sa.Connection], None], ...] = ()
"""STEPS[i] takes a ledger from schema i + 1 to i + 2; a step that was released never changes."""

_tables = sa.MetaData()
schema = sa.Table("schema", _tables, sa.Column("version", sa.Integer, nullable=False))
records = sa.Table(
    "records",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("span_id", sa.Integer, sa.ForeignKey("spans.id")),
    sa.Column("created", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "key"),
    sqlite_autoincrement=True,
)
spans = sa.Table(
    "spans",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("ended", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("boot_id", sa.Text, nullable=False),
    sa.Column("wall_s", sa.Float, nullable=False),
    sa.Column("cpu_s", sa.Float),
    sa.Column("energy_j", sa.Float),
    sa.Column("reason", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)


def make_engine(path: Path, read_only: bool = False) -> sa.Engine:
    """An engine on an existing SQLite file; a transaction that begins with the option `write` takes the write lock at once."""

    def connect() -> sqlite3.Connection:
        file = sqlite3.connect(sqlite_uri(path, read_only), uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        file.execute("PRAGMA foreign_keys = ON")
        file.execute("PRAGMA synchronous = FULL")
        return file

    # an interrupt while a connection is given back would be shown with its trace
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool)

    @sa.event.listens_for(engine, "begin")
    def begin(file: sa.Connection) -> None:
        """The driver's own transactions leave out changes of the schema."""
        file.exec_driver_sql("BEGIN IMMEDIATE" if file.get_execution_options().get("write") else "BEGIN")

    return engine


def create(path: Path) -> None:
    """Make a new ledger aside and rename it into place: an empty file is never a ledger.

    Raises:
        UsageError: The file cannot be written.
    """
    part = path.with_name(f".{path.name}{PART}")
    for old in (part, *(Path(f"{file}{end}") for file in (part, path) for end in ("-wal", "-shm", "-journal"))):
        remove(old)
    with explained(path):
        with closing(sqlite3.connect(part)) as file:
            file.execute("PRAGMA journal_mode = WAL")
        engine = make_engine(part)
        with engine.execution_options(write=True).begin() as tables:
            _tables.create_all(tables)
            tables.execute(sa.insert(schema).values(version=len(STEPS) + 1))
        engine.dispose()
    replace(part, path)


def check(path: Path, engine: sa.Engine, read_only: bool) -> None:
    """Make sure that a file is a whole ledger of this schema; an older one is migrated, each step and its number in one transaction.

    Raises:
        Damaged: The file is not a whole ledger.
        UsageError: The schema is newer than this version reads, or older and `read_only`.
    """
    with explained(path, reading=True), engine.connect() as file:
        state = file.execute(sa.text("PRAGMA quick_check(1)")).scalar()
        if state != "ok":
            raise damaged(path, str(state).splitlines()[-1])
        strange = file.execute(sa.text("SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')")).scalar()
        if strange is not None:
            raise damaged(path, f"it holds {strange!r:.60}, a view or a trigger, which no ledger has")
        found = file.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars()
        if not {*found} >= {*_tables.tables}:
            raise damaged(path, "it holds no paredown ledger")
        version = file.execute(sa.select(schema.c.version)).scalar()
    newest = len(STEPS) + 1
    if type(version) is not int or version < 1:
        raise damaged(path, f"its schema version is {version!r:.60}")
    if version == newest:
        return
    if version > newest:
        raise UsageError(
            f"{path} has schema {version}; this paredown reads up to {newest}.\n"
            "  A newer paredown wrote it: update this one, or use another folder with `--study DIR`."
        )
    if read_only:
        raise UsageError(f"{path} has schema {version}; this paredown reads {newest}.\n  `paredown run JOB` migrates it.")
    for number in range(version, newest):
        with explained(path), engine.execution_options(write=True).begin() as file:
            STEPS[number - 1](file)
            file.execute(sa.update(schema).values(version=number + 1))


@contextmanager
def explained(path: Path, *, reading: bool = False) -> Iterator[None]:
    """Turn what SQLite says into an error that names the file and the way out; what reading meets is a fault of the file.

    Raises:
        Damaged: The file is not what was written.
        CannotWrite: The file cannot be read or written.
        StudyBusy: Another program keeps it locked.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or (reading and code in (0, sqlite3.SQLITE_ERROR)):  # 0: no UTF-8
            raise damaged(path, str(cause)) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
            raise CannotWrite(
                f"cannot use {path}: {cause}.\n  Make the folder writable and free some space, or use another with `--study DIR`."
            ) from error
        if code == sqlite3.SQLITE_BUSY:
            raise StudyBusy(f"{path} was locked by another program for {BUSY_S:g} s.\n  End what has it open and run again.") from error
        raise


def damaged(path: Path, what: str) -> Damaged:
    """The error for a file that is not a whole ledger."""
    return Damaged(
        f"the ledger {path} is damaged: {what}.\n  Put back a copy of it, or start again with `--fresh`; that gives up what it held."
    )
