"""What evidence binds, without a run: rows of a ledger, files of a study."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import Damaged
from paredown.evidence.bound import LEDGER, bind, differs, knows_lock, newer_rows, read_bound, rows_of
from paredown.evidence.bundle import bound_by, refuse_changed, uncovered, write_bundle
from paredown.study.ledger import Ledger

EXTRA = dict.fromkeys(("policy.lock.json", "data.json", "candidates.jsonl", "windows.jsonl"), b"{}")
RESULT: dict[str, Any] = {"verdict": "infeasible", "chosen": None, "nearest": None}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    with Ledger.open(tmp_path / LEDGER) as ledger:
        ledger.add("job", "a" * 64, "0.1.0")
        with ledger.span("build", "b") as span:
            span.finish({"loss": 0.1}, 1.0, 2.0, 3.0)
    (tmp_path / "result.json").write_text(json.dumps(RESULT))
    (tmp_path / "report.html").write_text("<p>5")
    (tmp_path / "job.lock.yaml").write_text("seed: 5")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/answers.npy").write_bytes(b"answers")
    write_bundle(tmp_path, RESULT, EXTRA, ["cache/answers.npy"])
    return tmp_path


def test_what_stands_there_is_bound_and_nothing_differs(study: Path) -> None:
    bound = bound_by(study)
    assert bound is not None
    assert (bound.verdict, bound.folder, bound.digest) == ("infeasible", None, None)
    assert set(bound.files) == {"result.json", "report.html", "job.lock.yaml", "cache/answers.npy"}
    assert differs(study, bound, [*bound.files, LEDGER]) == []
    assert (uncovered(study), newer_rows(study / LEDGER, bound)) == ("", 0)
    assert [knows_lock(study / LEDGER, letter * 64) for letter in "ab"] == [True, False]


def test_what_was_written_after_is_newer_and_does_not_differ(study: Path) -> None:
    with Ledger.open(study / LEDGER) as ledger:
        ledger.add("note", "n", "later")
    bound = refuse_changed(study, LEDGER, "result.json")
    assert bound is not None
    assert newer_rows(study / LEDGER, bound) == 1


def test_a_cache_that_is_gone_can_be_made_again_and_a_result_cannot(study: Path) -> None:
    bound = bound_by(study)
    assert bound is not None
    for name, said in (("cache/answers.npy", []), ("result.json", ["result.json is missing."])):
        (study / name).unlink()
        assert differs(study, bound, [name]) == said
    with pytest.raises(
        Damaged, match=r"is not what was written:\n  result\.json is missing\.\n  Put back a copy\. `paredown run JOB` writes"
    ):
        refuse_changed(study, "result.json")


@pytest.mark.parametrize("figure", ["value", "created", "span_id", "key"])
def test_a_figure_of_a_row_changes_the_digest(study: Path, figure: str) -> None:
    before = rows_of(study / LEDGER)
    with closing(sqlite3.connect(study / LEDGER)) as file, file:
        file.execute(f"UPDATE records SET {figure} = '1' WHERE kind = 'job'")
    after = rows_of(study / LEDGER)
    assert (before["spans"], before["records"] == after["records"]) == (after["spans"], False)


def test_a_view_in_place_of_a_table_is_not_asked(study: Path) -> None:
    bound = bound_by(study)
    assert bound is not None
    with closing(sqlite3.connect(study / LEDGER)) as file, file:
        file.execute("ALTER TABLE records RENAME TO kept")
        file.execute("CREATE VIEW records AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n")
    with pytest.raises(sqlite3.DatabaseError, match="it has no table records"):
        rows_of(study / LEDGER)
    assert differs(study, bound, [LEDGER]) == ["ledger.sqlite cannot be read: it has no table records."]
    with pytest.raises(Damaged, match="it holds 'records', a view or a trigger"):
        Ledger.open(study / LEDGER, read_only=True)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, '{"format": 1}'])
def test_what_is_no_released_json_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "released.json").write_text(text)
    with pytest.raises(Damaged, match=r"released\.json is not what paredown writes: .*\n  `paredown run JOB` writes it again"):
        read_bound(tmp_path / "released.json")


def test_the_artifact_that_is_bound_is_the_one_of_the_result(study: Path) -> None:
    side = {"artifact": "nearest-miss", "digest": "d" * 64, "recipe": "as_given @ onnxruntime(threads=1)"}
    said = bind(study, RESULT | {"nearest": side}, [])
    assert {key: said[key] for key in ("verdict", "folder", "digest")} == {
        "verdict": "infeasible",
        "folder": "nearest-miss",
        "digest": "d" * 64,
    }


def test_it_needs_the_standard_library_only() -> None:
    code = "import sys, paredown.evidence.bundle\nprint(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    out = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    assert {name for name in out.split() if not name.startswith("_")} == {"paredown"}
