"""A ledger that a stranger wrote: what is no record of ours is damage in words, and nothing in it runs on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from paredown.core.errors import Damaged
from paredown.study.ledger import Ledger


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "CREATE VIEW more AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            "holds 'more', a view or a trigger",
        ),
        ("UPDATE schema SET version = 'x'", "its schema version is 'x'"),
        ("DROP TABLE records", "it holds no paredown ledger"),
        (f"UPDATE records SET value = '{'[' * 500 + ']' * 500}'", "is nested more than 64 deep"),
        ("UPDATE records SET value = '{\"a\": NaN}'", "holds NaN; numbers are finite"),
        ("UPDATE records SET value = x'ff'", "is not JSON"),
    ],
)
def test_what_a_stranger_wrote_into_a_ledger_is_damage(tmp_path: Path, statement: str, said: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(path) as ledger:
        ledger.add("plan", "a", 1)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(statement)
    with pytest.raises(Damaged, match=said), Ledger.open(path, read_only=True) as opened:
        opened.records("plan")
