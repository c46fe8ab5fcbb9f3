import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from paredown.core.errors import Damaged, StudyBusy, UsageError
from paredown.study import schema
from paredown.study.ledger import Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    with Ledger.open(path) as ledger:
        yield ledger


def raw(path: Path, *statements: str) -> list[tuple]:
    """Run SQL by hand."""
    with closing(sqlite3.connect(path)) as file, file:
        return [row for statement in statements for row in file.execute(statement).fetchall()]


def test_the_file_survives_a_power_cut(ledger):
    with ledger._read() as file:
        assert file.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert file.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def add_column(file: sa.Connection) -> None:
    """A step as a later version might have it."""
    file.exec_driver_sql("ALTER TABLE records ADD COLUMN lane TEXT NOT NULL DEFAULT 'main'")


def version_1(path: Path) -> None:
    """A file of schema 1, written by hand."""
    raw(
        path,
        "CREATE TABLE schema (version INTEGER NOT NULL)",
        "INSERT INTO schema VALUES (1)",
        """CREATE TABLE spans (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, started TEXT NOT NULL,
           ended TEXT, state TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, boot_id TEXT NOT NULL, wall_s FLOAT NOT NULL,
           cpu_s FLOAT, energy_j FLOAT, reason TEXT NOT NULL)""",
        """CREATE TABLE records (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
           span_id INTEGER REFERENCES spans (id), created TEXT NOT NULL, UNIQUE (kind, key))""",
        "INSERT INTO spans VALUES (4, 'build', 'a', '2026-01-01', '2026-01-02', 'done', 7, 'host', 'boot', 1.5, NULL, 30.0, '')",
        "INSERT INTO records VALUES (9, 'build', 'a', '{\"loss\": 0.1}', 4, '2026-01-02')",
    )


def test_this_version_reads_a_file_of_schema_1_and_counts_on_from_it(path):
    version_1(path)
    with Ledger.open(path) as ledger:
        record = ledger.find("build", "a")
        assert (record.id, record.value, record.span_id) == (9, {"loss": 0.1}, 4)
        assert (ledger.spans()[0].wall_s, ledger.spans()[0].energy_j) == (1.5, 30.0)
        assert ledger.add("note", "n", 1).id == 10


def test_an_older_schema_is_migrated_step_by_step_and_keeps_its_rows(path, monkeypatch):
    version_1(path)

    def fill_column(file: sa.Connection) -> None:
        file.exec_driver_sql("UPDATE records SET lane = 'moved'")

    monkeypatch.setattr(schema, "STEPS", (add_column, fill_column))
    with pytest.raises(UsageError, match=r"ledger\.sqlite has schema 1; this paredown reads 3\.\n  `paredown run JOB` migrates it"):
        Ledger.open(path, read_only=True)
    for _ in range(2):
        with Ledger.open(path) as ledger:
            assert ledger.find("build", "a").value == {"loss": 0.1}
    assert raw(path, "SELECT version FROM schema", "SELECT id, lane FROM records") == [(3,), (9, "moved")]


def test_a_step_that_fails_changes_nothing(path, monkeypatch):
    version_1(path)

    def break_off(file: sa.Connection) -> None:
        add_column(file)
        raise ZeroDivisionError

    monkeypatch.setattr(schema, "STEPS", (break_off,))
    with pytest.raises(ZeroDivisionError):
        Ledger.open(path)
    assert raw(path, "SELECT version FROM schema") == [(1,)]
    assert "lane" not in [row[1] for row in raw(path, "PRAGMA table_info(records)")]


def test_a_new_ledger_needs_no_step(path, monkeypatch):
    monkeypatch.setattr(schema, "STEPS", (lambda file: pytest.fail("the step ran"),))
    Ledger.open(path).close()
    assert raw(path, "SELECT version FROM schema") == [(2,)]


def test_a_newer_schema_is_refused_by_name(path):
    Ledger.open(path).close()
    raw(path, "UPDATE schema SET version = 7")
    with pytest.raises(UsageError, match=r"ledger\.sqlite has schema 7; this paredown reads up to 1\."):
        Ledger.open(path)


def test_a_schema_that_never_was_is_damage(path):
    Ledger.open(path).close()
    raw(path, "UPDATE schema SET version = 0")
    with pytest.raises(Damaged, match="its schema version is 0"):
        Ledger.open(path)


def filled(path: Path) -> bytes:
    with Ledger.open(path) as ledger:
        for number in range(100):
            ledger.add("note", str(number), "x" * 500)
    return path.read_bytes()


@pytest.mark.parametrize("what", ["random", "truncated", "empty", "scratched", "other"])
def test_damage_is_told_with_the_path_and_the_way_out(path, what):
    content = filled(path)
    if what == "other":
        path.unlink()
        raw(path, "CREATE TABLE schema_of_another (id INTEGER)")
    else:
        noise = random.Random(0).randbytes
        scratched = content[:4096] + noise(len(content) - 8192) + content[-4096:]
        path.write_bytes({"random": noise(8192), "truncated": content[: len(content) // 2], "empty": b"", "scratched": scratched}[what])
    with pytest.raises(
        Damaged, match=r"the ledger .*ledger\.sqlite is damaged: .*\n  Put back a copy of it, or start again with `--fresh`"
    ):
        Ledger.open(path)


def test_a_file_that_another_program_locks_is_named(path, monkeypatch):
    monkeypatch.setattr(schema, "BUSY_S", 0.05)
    with Ledger.open(path) as ledger, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StudyBusy, match=r"ledger\.sqlite was locked by another program for 0\.05 s"):
            ledger.add("note", "n", 1)


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot use .*none/ledger\.sqlite: unable to open database file"):
        Ledger.open(tmp_path / "none" / "ledger.sqlite")


def test_leftovers_of_a_deleted_ledger_do_not_come_back(path):
    ledger = Ledger.open(path)
    ledger.add("note", "old", 1)
    wal = Path(f"{path}-wal").read_bytes()
    ledger.close()
    path.unlink()
    Path(f"{path}-wal").write_bytes(wal)
    with Ledger.open(path) as new:
        assert new.records("note") == []
