"""Every kind of input that comes from outside stands in the table of threats, and each threat names a test that is there."""

from __future__ import annotations

import ast
import csv
from pathlib import Path

import pytest
from house_tree import ROOT, parsed, write

TABLE = ROOT / "tests" / "house" / "threats.csv"
KINDS = ("artifact", "study", "job", "policy", "table", "series", "record", "model file", "name")


def threats(table: Path) -> list[dict[str, str]]:
    """The rows of the table; its first line is a comment."""
    lines = [line for line in table.read_text("utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def absent(rows: list[dict[str, str]], root: Path) -> list[str]:
    """What the table names and is not there."""
    return [f"{row['kind']}: {row['attempt']}: no {row['test']}" for row in rows if not _is_test(row["test"], root)]


def _is_test(name: str, root: Path) -> bool:
    file, _, function = name.partition("::")
    path = root / file
    if not path.is_file() or not function.startswith("test_"):
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in ast.walk(parsed(path)))


def test_each_threat_names_a_test() -> None:
    rows = threats(TABLE)
    assert absent(rows, ROOT) == []
    assert all(row["attempt"] for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_from_outside_has_threats(kind: str) -> None:
    assert kind in {row["kind"] for row in threats(TABLE)}


def test_no_other_kind_stands_in_the_table() -> None:
    assert {row["kind"] for row in threats(TABLE)} <= set(KINDS)


def test_the_security_page_says_each_kind() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8").lower()
    assert [kind for kind in KINDS if f"| {kind} |" not in page] == []


def test_a_threat_without_its_test_is_seen(tmp_path: Path) -> None:
    root = write(tmp_path, tests__test_a="def test_one():\n    pass\n")
    rows = [{"kind": "job", "attempt": "x", "test": f"tests/test_a.py::{name}"} for name in ("test_one", "test_two")]
    assert absent(rows, root) == ["job: x: no tests/test_a.py::test_two"]
