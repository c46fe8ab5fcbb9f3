"""What a study's evidence binds: one figure is edited in a place, and `verify` names the file while `check` never gets better."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import Damaged, UsageError
from paredown.core.finding import Outcome
from paredown.evidence.bound import bind
from paredown.ground import digests
from paredown.measuring.check import check
from paredown.measuring.verify import verify
from tiny_study import TinyStudy

STRICT = {"rules": [{"size": {"max": "1 kB"}}]}


@pytest.fixture(scope="module")
def study(tiny_study: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy; a test that edits a file puts it back."""
    return Path(shutil.copytree(tiny_study.folder, tmp_path_factory.mktemp("bound") / "study"))


@contextmanager
def edited(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Another content in a file, while the block lasts."""
    before = path.read_bytes()
    assert change(before) != before
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each number."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*at, key))
    elif isinstance(value, int | float):
        yield at


def other(value: Any) -> Any:
    return not value if isinstance(value, bool) else value * 100 + 1


def refused(study: Path, name: str) -> None:
    """`verify` names the file, and `check` gives no verdict by any policy."""
    with pytest.raises(Damaged, match=name.replace(".", r"\.")):
        verify(study)
    for policy in (None, STRICT):
        with pytest.raises(Damaged, match=name.replace(".", r"\.")):
            check(study, policy)


def test_every_figure_of_the_result_is_bound(study: Path) -> None:
    places = list(leaves(json.loads((study / "result.json").read_text())))
    assert len(places) > 500
    for place in places[:: len(places) // 25]:

        def change(content: bytes, place: tuple[Any, ...] = place) -> bytes:
            result = inner = json.loads(content)
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = other(inner[place[-1]])
            return json.dumps(result, indent=1, ensure_ascii=False).encode()

        with edited(study / "result.json", change):
            refused(study, "result.json")


@pytest.mark.parametrize("entry", [{"format": 2}, {"verdict": "infeasible"}, {"chosen": None}])
def test_no_entry_of_the_result_changes_what_is_said_of_the_edit(study: Path, entry: dict[str, Any]) -> None:
    with edited(study / "result.json", lambda content: json.dumps(json.loads(content) | entry).encode()):
        refused(study, "result.json")


COLUMNS = {"records": ("value", "created", "key"), "spans": ("wall_s", "cpu_s", "energy_j", "state")}


@pytest.mark.parametrize("table", COLUMNS)
def test_every_row_of_the_ledger_is_bound(study: Path, table: str) -> None:
    with closing(sqlite3.connect(study / "ledger.sqlite")) as file:
        numbers = [row[0] for row in file.execute(f"SELECT id FROM {table}")]
        for number, column in zip(numbers[:: len(numbers) // 6], COLUMNS[table] * 3):
            (before,) = file.execute(f"SELECT {column} FROM {table} WHERE id = ?", (number,)).fetchone()
            with file:
                file.execute(f"UPDATE {table} SET {column} = '7' WHERE id = ?", (number,))
            with pytest.raises(Damaged, match=rf"ledger\.sqlite was changed: its table {table}"):
                verify(study)
            with pytest.raises(Damaged, match=r"ledger\.sqlite was changed"):
                check(study)
            with file:
                file.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (before, number))
    assert verify(study).released


def test_a_row_that_is_taken_away_or_put_in_before_the_last_is_seen(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as file, file:
        file.execute("DELETE FROM records WHERE kind = 'note' OR id = 3")
    with pytest.raises(Damaged, match=r"ledger\.sqlite was changed: its table records has \d+ rows up to number \d+"):
        verify(folder)
    (folder / "ledger.sqlite").unlink()
    with pytest.raises(Damaged, match=r"ledger\.sqlite is missing"):
        verify(folder)


def test_rows_that_later_work_added_are_no_damage_and_are_said_not_to_be_covered(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as file, file:
        file.execute("INSERT INTO records (kind, key, value, created) VALUES ('note', 'new', '1', 'now')")
    assert "1 rows of ledger.sqlite that were written after the evidence" in verify(folder).not_covered
    assert check(folder).outcome == Outcome.PASS


@pytest.mark.parametrize("name", ["report.html", "job.lock.yaml"])
def test_report_and_job_are_bound(study: Path, name: str) -> None:
    with (
        edited(study / name, lambda content: content.replace(b"5", b"6", 1)),
        pytest.raises(Damaged, match=name.replace(".", r"\.") + " was changed"),
    ):
        verify(study)


def test_check_reads_no_job_that_was_edited(study: Path) -> None:
    with edited(study / "job.lock.yaml", lambda content: content.replace(b"metric: accuracy", b"metric: macro_f1")):
        refused(study, "job.lock.yaml")


def test_a_report_that_this_paredown_makes_of_the_bound_result_is_the_report(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with edited(study / "report.html", lambda content: content.replace(b"<main", b"<main data-version='next'")):
        with pytest.raises(Damaged, match=r"report\.html was changed"):
            verify(study)
        page = (study / "report.html").read_text()
        monkeypatch.setattr("paredown.report.html.render", lambda result, language="en": page)
        assert verify(study).released


def test_every_file_of_the_evidence_is_bound(study: Path) -> None:
    files = sorted((study / "evidence").iterdir())
    assert len(files) == 8
    for path in files:
        with edited(path, lambda content: content.replace(b"0", b"9", 1)):
            refused(study, path.name)


def test_answers_that_quality_is_judged_by_are_bound(study: Path) -> None:
    names = [name for name in json.loads((study / "evidence/released.json").read_text())["files"] if name.startswith("cache/")]
    assert len(names) == 3
    for name in names:
        with edited(study / name, lambda content: content[:-8] + bytes(byte ^ 1 for byte in content[-8:])):
            refused(study, Path(name).name)


def test_another_candidate_of_the_run_is_not_the_one_that_was_released(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    released = digests.of_folder(folder / "artifact")
    tried = json.loads((folder / "result.json").read_text())["baseline"]["artifact"]
    shutil.rmtree(folder / "artifact")
    shutil.copytree(folder / "cache/artifacts" / tried, folder / "artifact")
    with pytest.raises(Damaged, match=rf"artifact is another candidate of this run, .*names quantize_dynamic\(\) @.*{released[:12]}"):
        verify(folder)
    shutil.move(folder / "artifact", folder / "nearest-miss")
    with pytest.raises(Damaged, match=r"(?s)artifact is gone; the evidence names .*nearest-miss stands there; the evidence names"):
        verify(folder)


def test_a_nearest_miss_stays_one_wherever_it_is_put(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    result = json.loads((folder / "result.json").read_text())
    missed = result | {"chosen": None, "nearest": result["chosen"] | {"artifact": "nearest-miss"}, "verdict": "infeasible"}
    (folder / "result.json").write_text(json.dumps(missed))
    shutil.copytree(folder / "artifact", folder / "nearest-miss")
    released = folder / "evidence/released.json"
    released.write_text(json.dumps(bind(folder, missed, [])))
    seal(folder)
    with pytest.raises(Damaged, match=r"artifact stands there; the evidence names .* as the nearest miss, because nothing was"):
        verify(folder)
    shutil.rmtree(folder / "artifact")
    assert verify(folder).released is False


def seal(folder: Path) -> None:
    """Write the manifest of an evidence folder again, as whoever can write all of it could."""
    (folder / "evidence/MANIFEST.sha256").unlink()
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.of_files(folder / "evidence").items())
    (folder / "evidence/MANIFEST.sha256").write_text(lines)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format is 2; this paredown reads 1"),
        ({"folder": "../elsewhere"}, r"folder is '\.\./elsewhere'"),
        ({"digest": "0"}, "a sha256 digest is none"),
        ({"files": {"../../etc/passwd": "0" * 64}}, r"'\.\./\.\./etc/passwd' is no path below the study"),
        ({"files": {}}, "result.json is not bound"),
        ({"ledger": {}}, "the rows of nothing are bound"),
        ({"files": 7}, "released.json is not what paredown writes"),
        ({"ledger": {"records": {"last": 1, "count": 1, "sha256": "a"}}}, "the rows of records are bound, not of records, spans"),
    ],
)
def test_a_released_json_that_paredown_does_not_write_is_damage(study: Path, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    path = folder / "evidence/released.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    seal(folder)
    with pytest.raises(Damaged, match=said):
        verify(folder)


def test_a_study_without_evidence_is_not_verified_and_not_called_damaged(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    shutil.rmtree(folder / "evidence")
    with pytest.raises(UsageError, match=r"cannot be verified: not covered by evidence: .* has no folder `evidence`"):
        verify(folder)
    with pytest.raises(UsageError, match=r"cannot be judged: not covered by evidence: .* because somebody took it away"):
        check(folder)


def test_evidence_that_binds_nothing_proves_nothing(study: Path, tmp_path: Path) -> None:
    """As an earlier paredown wrote it, or as whoever edits a figure leaves it."""
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    (folder / "evidence/released.json").unlink()
    seal(folder)
    with pytest.raises(UsageError, match=r"cannot be verified: .* was written by an earlier paredown"):
        verify(folder)
    with pytest.raises(UsageError, match=r"cannot be judged: .* was written by an earlier paredown"):
        check(folder)


def test_one_digest_stands_for_the_whole_evidence(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    assert verify(folder).evidence_digest == verify(study).evidence_digest == digests.of_folder(study / "evidence")
    environment = folder / "evidence/environment.json"
    environment.write_text(environment.read_text() + " ")
    seal(folder)
    assert verify(folder).evidence_digest != verify(study).evidence_digest


def test_a_lock_that_a_later_run_wrote_is_said_not_to_be_covered(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    lock = (folder / "job.lock.yaml").read_bytes().replace(b"5 %", b"4 %")
    (folder / "job.lock.yaml").write_bytes(lock)
    with pytest.raises(Damaged, match=r"job\.lock\.yaml was changed"):
        verify(folder)
    from paredown.study.ledger import Ledger

    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.add("job", digests.of_file(folder / "job.lock.yaml"), "0.1.0")
    assert any(line.startswith("job.lock.yaml: a later run") for line in verify(folder).not_covered)
    assert check(folder).outcome == Outcome.PASS


def test_what_else_lies_in_a_study_is_said_not_to_be_covered(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    (folder / "report.zh.html").write_text("x")
    (folder / "applied").mkdir()
    assert {"report.zh.html", "applied"} <= {*verify(folder).not_covered}
    assert {"result.json", "report.html", "job.lock.yaml", "ledger.sqlite"} <= {*verify(folder).covered}


def test_a_metric_of_the_job_s_own_is_not_run_and_its_findings_stand_for_the_run_s_own_policy_alone(study: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(study, tmp_path / "study"))
    lock = (folder / "job.lock.yaml").read_text().replace("metric: accuracy", "metric: evilmod:f")
    (folder / "job.lock.yaml").write_text(lock)
    result = json.loads((folder / "result.json").read_text())
    (folder / "evidence/released.json").write_text(json.dumps(bind(folder, result, [])))
    seal(folder)
    found = check(folder)
    assert [finding.json() for finding in found.findings] == result["findings"]
    assert found.notes == (
        "The metric evilmod:f is code of the job, which `paredown check` does not run: its rules stand as the run found them.",
    )
    other_policy = check(folder, {"rules": [{"quality": {"drop": "6 %"}}]})
    assert other_policy.outcome == Outcome.INCONCLUSIVE
    assert any("its rules stay inconclusive" in note for note in other_policy.notes)
