"""Asking a study without a run: measure, check, verify, plan, apply; and what a TARGET means."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import paredown
from paredown.core.errors import BadData, Damaged, UnknownName, UsageError
from paredown.core.finding import Outcome
from paredown.core.reading import Missing, Reading
from paredown.ground import digests
from paredown.measuring import command, targets
from paredown.measuring.check import check
from paredown.measuring.side_by_side import measure
from paredown.measuring.verify import verify
from paredown.planning.dry_run import plan
from paredown.study.jobfile import read_job
from paredown.study.ledger import Ledger
from tiny_study import NAMES, TinyStudy, rebind, tiny_rows, write_tiny_job


@pytest.fixture
def copy(tiny_study: TinyStudy, tmp_path: Path) -> Path:
    """The study's folder, to be spoiled."""
    return Path(shutil.copytree(tiny_study.folder, tmp_path / "study"))


@pytest.fixture
def bare(copy: Path) -> Path:
    """The same without evidence: as a run leaves it that was killed before its last file."""
    shutil.rmtree(copy / "evidence")
    return copy


def change(file: Path, **entries) -> None:
    """Other entries in a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | entries))


def test_a_target_is_an_artifact_or_what_a_study_released(tiny_study: TinyStudy) -> None:
    assert targets.artifact_of(tiny_study.folder) == tiny_study.artifact
    assert targets.artifact_of(tiny_study.artifact) == tiny_study.artifact


def test_baseline_is_the_study_s_own(tiny_study: TinyStudy) -> None:
    given = json.loads((tiny_study.folder / "result.json").read_text())["baseline"]["artifact"]
    for against, target in (
        ("baseline", tiny_study.folder), ("baseline", tiny_study.artifact), (tiny_study.folder, tiny_study.artifact),
    ):  # fmt: skip
        found = targets.other_of(against, target)
        assert digests.of_folder(found) == given
        assert json.loads((found / "artifact.json").read_text())["recipe"].startswith("as_given @")
    assert targets.other_of(tiny_study.artifact, tiny_study.folder) == tiny_study.artifact


def test_wrong_targets_say_what_is_there(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere does not exist"):
        targets.artifact_of(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"result\.json is a file"):
        targets.artifact_of(copy / "result.json")
    with pytest.raises(UsageError, match=r"neither an artifact nor a study: it has no artifact\.json and no result\.json"):
        targets.artifact_of(tmp_path)
    with pytest.raises(UsageError, match=r"holds no study: it has no result\.json"):
        targets.result_of(tmp_path)
    alone = shutil.copytree(copy / "artifact", tmp_path / "alone" / "artifact")
    with pytest.raises(UsageError, match=r"lies in no study"):
        targets.other_of("baseline", Path(alone))


def test_the_baseline_is_known_before_the_run_has_ended(copy: Path) -> None:
    given = targets.baseline_of(copy)
    (copy / "result.json").unlink()
    assert targets.baseline_of(copy) == given
    (copy / "ledger.sqlite").unlink()
    Ledger.open(copy / "ledger.sqlite").close()
    with pytest.raises(UsageError, match=r"has no baseline yet: its run has only begun"):
        targets.baseline_of(copy)


def test_a_study_whose_files_are_gone_or_damaged(bare: Path) -> None:
    copy = bare
    shutil.rmtree(targets.baseline_of(copy))
    with pytest.raises(Damaged, match=r"(?s)the baseline's artifact, is gone .*--fresh"):
        targets.baseline_of(copy)
    shutil.move(copy / "artifact", copy / "nearest-miss")
    with pytest.raises(Damaged, match=r"artifact is gone; .*result\.json says that it was written"):
        targets.artifact_of(copy)
    change(copy / "result.json", chosen=None, verdict="infeasible")
    with pytest.raises(UsageError, match=r"released nothing: its verdict is infeasible"):
        targets.artifact_of(copy)
    assert targets.artifact_of(copy, nearest=True) == copy / "nearest-miss"
    change(copy / "result.json", format=9)
    with pytest.raises(UsageError, match=r"format 9; this paredown reads 1"):
        targets.result_of(copy)
    (copy / "result.json").write_text("[]")
    with pytest.raises(Damaged, match=r"is not a result: it has no `format`"):
        targets.result_of(copy)
    (copy / "result.json").write_text("{")
    with pytest.raises(Damaged, match=r"result\.json is not JSON"):
        targets.result_of(copy)
    (copy / "result.json").unlink()
    with pytest.raises(UsageError, match=r"no result\.json yet: its run has not ended"):
        targets.result_of(copy)


def test_measure_alone_gives_readings_and_no_ratio(tiny_study: TinyStudy) -> None:
    found = measure(tiny_study.artifact, seconds=1, batch=8)
    assert found.other is None
    assert found.ratios == {}
    assert found.noise_floor is None
    cpu, size = found.readings["cpu_time"], found.readings["size"]
    assert isinstance(cpu, Reading)
    assert cpu.low < cpu.value < cpu.high
    assert isinstance(size, Reading)
    files = [path for path in tiny_study.artifact.iterdir() if path.name not in ("README.md", "probe.json")]
    assert size.value == sum(path.stat().st_size for path in files)
    assert found.quick
    assert found.batch == 8
    assert "4 probe rows" in found.asked


def test_measure_against_the_baseline_is_interleaved_and_its_ratio_is_that_of_the_readings(tiny_study: TinyStudy) -> None:
    seen: list[tuple[str, int, int]] = []
    found = measure(tiny_study.folder, "baseline", data=tiny_study.rows, seconds=1, tick=lambda *step: seen.append(step))
    ratio = found.ratios["cpu_time"]
    assert isinstance(ratio, Reading)
    assert found.other == targets.baseline_of(tiny_study.folder)
    before, after = found.other_readings["cpu_time"], found.readings["cpu_time"]
    assert isinstance(before, Reading)
    assert isinstance(after, Reading)
    assert ratio.value == pytest.approx(before.value / after.value, rel=0.25)  # one is the mean of paired ratios
    assert found.ratios["size"].value == found.other_readings["size"].value / found.readings["size"].value
    assert found.noise_floor >= 0
    assert [what for what, done, total in seen if done == total] == ["answers", "windows"]
    assert "256 rows" in found.asked
    assert json.loads(json.dumps(found.json()))["quick"] is True


def test_measure_warns_on_another_class_of_cpu(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_study.artifact, tmp_path / "moved"))
    change(folder / "artifact.json", measured_on={"isa": "abacus"})
    (warning,) = [line for line in measure(folder, seconds=1).warnings if "class" in line]
    assert "class abacus; this one is" in warning


def test_measure_refuses_what_makes_no_sense(tiny_study: TinyStudy, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"seconds is 0\.5 and batch is 1"):
        measure(tiny_study.folder, seconds=0.5)
    with pytest.raises(UsageError, match=r"seconds is 60 and batch is 0"):
        measure(tiny_study.folder, batch=0)
    with pytest.raises(UsageError, match=r"seconds is inf and batch is 1"):
        measure(tiny_study.folder, seconds=float("inf"))
    with pytest.raises(UsageError, match=r"the rates are 1e\+09 /s and batch is 1; .*above 0 and up to 1e\+06 /s\."):
        measure(tiny_study.folder, rates=(1e9,))
    with pytest.raises(UsageError, match=r"at 0\.1 /s the 20 requests of one window take 200 s\.\n  .*`--seconds 200`"):
        measure(tiny_study.folder, rates=(50, 0.1))
    np.savez(tmp_path / "few.npz", X=np.zeros((3, 8)))
    with pytest.raises(BadData, match=r"few\.npz has 3 rows; a batch needs 4"):
        measure(tiny_study.folder, data=tmp_path / "few.npz", batch=4)
    np.savez(tmp_path / "narrow.npz", X=np.zeros((3, 5)))
    with pytest.raises(BadData, match=r"artifact cannot answer the rows of .*narrow\.npz.*shape \(1, 5\); one row is \(8,\)"):
        measure(tiny_study.folder, data=tmp_path / "narrow.npz", seconds=1)


def test_check_without_a_policy_says_what_the_run_said(tiny_study: TinyStudy) -> None:
    found = check(tiny_study.folder)
    said = json.loads((tiny_study.folder / "result.json").read_text())
    assert [finding.json() for finding in found.findings] == said["findings"]
    assert (found.outcome, found.split, found.notes) == (Outcome.PASS, "test", ())


POLICIES = {
    "pass": ({"rules": [{"quality": {"drop": "1 %"}}, {"parameters": {"max": 10**9}}]}, Outcome.PASS),
    "fail": ({"rules": [{"size": {"max": "1 kB"}}]}, Outcome.FAIL),
    "open": ({"rules": [{"quality": {"drop": "0.1 %"}}]}, Outcome.INCONCLUSIVE),
}


@pytest.mark.parametrize("name", POLICIES)
def test_check_judges_by_another_policy_and_says_that_it_came_late(tiny_study: TinyStudy, name: str) -> None:
    policy, outcome = POLICIES[name]
    with Ledger.open(tiny_study.folder / "ledger.sqlite", read_only=True) as ledger:
        reads = len(ledger.records("test_read"))
    found = check(tiny_study.folder, policy)
    assert found.outcome == outcome
    assert found.notes[0].startswith("Post hoc")
    with Ledger.open(tiny_study.folder / "ledger.sqlite", read_only=True) as ledger:
        assert len(ledger.records("test_read")) == reads


def test_check_of_the_drop_counts_the_rows_of_test(tiny_study: TinyStudy) -> None:
    (finding,) = check(tiny_study.folder, {"rules": [{"quality": {"drop": "1 %"}}]}).findings
    # no flips among n rows: the score bound of the relative drop is z^2 / (n + z^2), times what rounding of the accuracy leaves
    n = json.loads((tiny_study.folder / "result.json").read_text())["rows"]["test"]
    assert finding.value == 0
    assert finding.high == pytest.approx(1.6449**2 / (n + 1.6449**2), rel=0.5)
    assert f"on {n} rows" in finding.reason


def test_check_without_the_cache_leaves_quality_open(copy: Path) -> None:
    for file in (copy / "cache" / "data").glob("outputs-*-test.npy"):
        file.write_bytes(b"spoiled")
    with pytest.raises(Damaged, match=r"outputs-\w+-test\.npy was changed"):
        check(copy)
    rebind(copy)
    with pytest.raises(Damaged, match=r"the answers in .*outputs-.*\.npy cannot be read: .*\.\n  Delete it"):
        check(copy)
    shutil.rmtree(copy / "cache")
    found = check(copy)
    assert found.outcome == Outcome.INCONCLUSIVE
    assert "gone from the study's cache" in found.notes[0]


def test_check_refuses_what_it_cannot_judge(copy: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)artifact is an artifact; .*Give the study"):
        check(copy / "artifact")
    result = json.loads((copy / "result.json").read_text())
    change(copy / "result.json", policy={"name": "old"})
    rebind(copy)
    with pytest.raises(UsageError, match=r"(?s)did not say which policy .*`--policy FILE`"):
        check(copy)
    change(copy / "result.json", **(result | {"chosen": None, "nearest": None}))
    rebind(copy)
    with pytest.raises(UsageError, match=r"has no model to judge"):
        check(copy)


def test_public_names_are_these() -> None:
    assert paredown.measure is measure
    assert paredown.check is check


def test_verify_asks_the_engine_again(tiny_study: TinyStudy) -> None:
    found = verify(tiny_study.folder)
    assert found.artifact == tiny_study.artifact
    assert found.digest == digests.of_folder(tiny_study.artifact)
    assert found.evidence == sum(1 for path in (tiny_study.folder / "evidence").iterdir() if path.name != "MANIFEST.sha256")
    assert (found.probe_rows, found.warnings) == (4, [])
    assert found.difference <= found.tolerance
    assert verify(tiny_study.artifact).evidence is None


def test_verify_lists_all_damage_of_artifact_and_evidence(copy: Path) -> None:
    model = copy / "artifact" / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    (copy / "evidence" / "data.json").write_text("{}")
    with pytest.raises(Damaged, match=r"(?s)model\.onnx was changed.*data\.json was changed"):
        verify(copy)


def test_verify_refuses_an_artifact_that_the_evidence_does_not_name(copy: Path) -> None:
    change(copy / "artifact" / "artifact.json", name="another")
    assert verify(copy / "artifact").files > 0  # whole in itself
    with pytest.raises(Damaged, match=r"not an artifact of this run: its digest [0-9a-f]{12}\.\.\. stands in no line"):
        verify(copy)


def write_probe(folder: Path, probe: dict[str, Any]) -> None:
    """Another probe in an artifact whose files are whole."""
    (folder / "probe.json").write_text(json.dumps(probe))
    files = json.loads((folder / "artifact.json").read_text())["files"]
    change(folder / "artifact.json", files=files | {"probe.json": digests.of_file(folder / "probe.json")})


def test_verify_sees_other_answers_and_warns_where_the_class_of_cpu_is_another(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_study.artifact, tmp_path / "other"))
    probe = json.loads((folder / "probe.json").read_text())
    probe["outputs"][0][0] += 0.25
    write_probe(folder, probe)
    with pytest.raises(Damaged, match=r"differ by 0\.25; 0\.001 is allowed"):
        verify(folder)
    change(folder / "artifact.json", measured_on={"isa": "abacus"})
    assert [line.partition(" ")[0] for line in verify(folder).warnings] == ["quantize_dynamic()", "the"]
    write_probe(folder, probe | {"outputs": [[1.0]]})
    with pytest.raises(Damaged, match=r"answers the probe with shape \(4, 3\); \(1, 1\) was packed"):
        verify(folder)


def test_plan_says_what_is_tried_and_opens_nothing(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path, search="{exclude: [cascade]}")
    before = sorted(tmp_path.iterdir())
    found = plan(job)
    assert sorted(tmp_path.iterdir()) == before
    tried = {entry["name"]: entry["reason"] for entry in found["techniques"]}
    assert tried["quantize_dynamic"] == ""
    assert "exclude" in tried["cascade"]
    assert "works on a model in torch form" in tried["prune_channels"]  # the model arrives as a graph
    engines = {entry["name"]: entry["tried"] for entry in found["runtimes"]}
    assert engines == {"litert": False, "onnxruntime": True, "openvino": False, "torch": False}
    assert sum(found["rows"].values()) == 900
    assert f"test: {found['rows']['test']} rows; can show a drop of" in found["provable"]["text"]


def test_plan_without_rows_to_train_on_and_with_an_unknown_strategy(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path)
    inputs, labels = tiny_rows(90, 1)
    np.savez(tmp_path / "test.npz", X=inputs, y=np.asarray(NAMES)[labels])
    job.write_text(job.read_text().replace("all: rows.npz", "test: test.npz"))
    tried = {entry["name"]: entry["reason"] for entry in plan(job)["techniques"]}
    assert "neither train nor unlabeled" in tried["distill"]
    whole = read_job(job)
    with pytest.raises(UnknownName, match=r"no strategy 'ladders'\. Did you mean 'ladder'\?"):
        plan(replace(whole, search=replace(whole.search, strategy="ladders")))


def test_a_command_is_charged_with_the_processes_it_waited_for() -> None:
    inner = "x = bytearray(200_000_000); import time; t = time.process_time() + 0.3\nwhile time.process_time() < t: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True); sys.exit(3)"
    ran = command.measure_command([sys.executable, "-c", outer], output=os.open(os.devnull, os.O_WRONLY))
    cpu, peak = ran.readings["cpu_time"], ran.readings["peak_rss"]
    assert ran.exit_code == 3
    assert isinstance(cpu, Reading)
    assert 0.3 <= cpu.value < 10
    assert ran.wall_s >= 0.3
    assert ran.readings["idle_energy"].value > 0
    assert ran.json()["subject"].startswith(sys.executable)
    assert sum(ran.record.hourly_j.values()) > 0
    assert isinstance(peak, Reading | Missing)  # missing when this process was larger once
    if isinstance(peak, Reading):
        assert peak.value >= 2e8


def test_a_command_that_a_signal_ends_or_that_is_not_there() -> None:
    ran = command.measure_command([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
    assert ran.exit_code == 128 + signal.SIGTERM
    assert command.signal_name(ran.exit_code) == "SIGTERM"
    assert command.signal_name(3) == ""
    with pytest.raises(UsageError, match=r"cannot run 'no-such-program': No such file"):
        command.measure_command(["no-such-program"])


def test_a_result_that_lacks_an_entry_is_damaged_not_a_bug(bare: Path) -> None:
    folder = bare
    result = json.loads((folder / "result.json").read_text())
    del result["noise_floor"]
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(Damaged, match=r"result\.json lacks noise_floor"):
        check(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data["chosen"]["readings"]["size"].update(value="5"), "has no number for size of chosen"),
        (lambda data: data["baseline"]["readings"]["size"].update(value=float("nan")), "has no number for size of baseline"),
        (lambda data: data["trials"][0]["readings"]["size"].update(how="guessed"), r"was edited or cut \(ValueError: 'guessed'"),
        (lambda data: data["chosen"].pop("readings"), r"was edited or cut \(ValueError: lacks chosen\.readings\)"),
        (lambda data: data["search"].pop("wall_s"), r"was edited or cut \(KeyError: 'wall_s'\)"),
        (lambda data: data["search"].update(hourly_j={"2026-01-01T00": "much"}), "has no number for 2026-01-01T00"),
    ],
)
def test_an_edited_result_is_damaged_not_a_bug(tiny_study: TinyStudy, tmp_path: Path, change: Callable[[Any], Any], words: str) -> None:
    result = json.loads((tiny_study.folder / "result.json").read_text())
    change(result)
    (tmp_path / "result.json").write_text(json.dumps(result))
    with pytest.raises(Damaged, match=rf"result\.json {words}.*\n  `paredown run JOB` writes it again"):
        targets.result_of(tmp_path)
