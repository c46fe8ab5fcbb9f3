"""The whole story on a tiny job: releases, continues, refuses, and survives being killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadDocument, BadModel, Damaged, LimitExceeded, OtherJob, UnknownName
from paredown.ground import digests
from paredown.running.story import run
from tiny_study import NAMES, ONE_RECIPE, TinyStudy, shorten, tiny_rows, write_tiny_job

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")


def records(study: Path) -> list[tuple[int, str, str, str]]:
    with sqlite3.connect(study / "ledger.sqlite") as file:
        return file.execute("SELECT id, kind, key, value FROM records ORDER BY id").fetchall()


def test_a_pass_releases_the_bytes_that_were_measured_with_result_report_and_evidence(tiny_study: TinyStudy) -> None:
    result = json.loads((tiny_study.folder / "result.json").read_text())
    assert result["verdict"] == "pass"
    measured = tiny_study.folder / "cache/artifacts" / result["chosen"]["digest"]
    assert digests.of_files(tiny_study.artifact) == digests.of_files(measured)
    assert (tiny_study.folder / "report.html").is_file()
    assert (tiny_study.folder / "evidence/MANIFEST.sha256").is_file()
    assert not (tiny_study.folder / "nearest-miss").exists()


def test_result_json_has_the_keys_that_scripts_read(tiny_study: TinyStudy) -> None:
    result = json.loads((tiny_study.folder / "result.json").read_text())
    whole = {
        "format",
        "name",
        "verdict",
        "unit",
        "baseline",
        "fastest_fp32",
        "chosen",
        "nearest",
        "front",
        "findings",
        "rows",
        "search",
        "host",
    }
    assert whole <= set(result)
    chosen = {"recipe", "why", "runtime", "threads", "batch", "quality", "readings", "ratios", "ratios_vs_fastest_fp32", "ratios_as_found"}
    assert chosen | {"compression_rate", "efficiency", "artifact"} <= set(result["chosen"])
    assert {"cpu_time", "energy", "latency_p50", "size", "peak_rss"} <= set(result["chosen"]["ratios"])
    assert {"train", "calibration", "validation", "test", "test_reads"} <= set(result["rows"])
    assert {"trials", "energy_j", "wall_s", "payback_inferences"} <= set(result["search"])


def test_the_result_names_each_estimator_of_the_energy_with_its_value(tiny_study: TinyStudy) -> None:
    result = json.loads((tiny_study.folder / "result.json").read_text())
    model = result["energy_model"]
    assert model["boundary"].endswith("memory, disks, network and cooling are not in it")
    assert model["spread"] == pytest.approx(model["active_w"]["high"] / model["active_w"]["low"])
    for side in ("baseline", "chosen"):
        energy, parts = result[side]["readings"]["energy"], result[side]["estimators"]
        assert list(parts) == list(model["estimators"])
        assert parts["vcpu_curve"]["value"] == pytest.approx(energy["value"], rel=0.1)
        for name, part in parts.items():
            watts = model["estimators"][name]["active_w"]
            assert part["value"] / watts["value"] == pytest.approx(parts["vcpu_curve"]["value"] / model["active_w"]["value"])
            assert energy["low"] <= part["low"] < part["value"] < part["high"]


def test_the_ratio_is_baseline_over_chosen(tiny_study: TinyStudy) -> None:
    chosen = json.loads((tiny_study.folder / "result.json").read_text())["chosen"]
    result = json.loads((tiny_study.folder / "result.json").read_text())
    expected = result["baseline"]["readings"]["size"]["value"] / chosen["readings"]["size"]["value"]
    assert chosen["ratios"]["size"]["value"] == pytest.approx(expected)
    assert chosen["compression_rate"] == chosen["ratios"]["size"]


def test_no_raw_row_of_the_data_is_in_what_leaves(tiny_study: TinyStudy) -> None:
    inputs, _ = tiny_rows(900, 0)
    numbers = {f"{value:.7g}"[:9] for value in inputs[:50].ravel().tolist()}
    for place in ("artifact", "evidence", "report.html", "result.json"):
        target = tiny_study.folder / place
        for file in [target] if target.is_file() else [path for path in target.rglob("*") if path.suffix != ".onnx" and path.is_file()]:
            text = file.read_text("utf-8")
            assert not [number for number in numbers if number in text], file


def test_a_second_run_repeats_nothing(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    before = records(folder)
    # the copy's absolute paths differ, as after moving a study
    result = run(tiny_study.job, folder)
    after = records(folder)
    assert after[: len(before)] == before
    assert {kind for _, kind, _, _ in after[len(before) :]} <= {"own"}
    assert result.verdict == "pass"


def test_a_policy_that_nothing_can_satisfy_releases_nothing_and_says_what_would_pass(tmp_path: Path) -> None:
    policy = "{minimize: size, rules: [{quality: {drop: 5 %}}, {size: {max: 1 kB}}]}"
    result = run(write_tiny_job(tmp_path, policy, ONE_RECIPE), tmp_path / "study")
    assert (result.verdict, result.exit_code, result.chosen) == ("infeasible", 4, None)
    assert not (tmp_path / "study/artifact").exists()
    assert (tmp_path / "study/nearest-miss/artifact.json").is_file()
    assert result.nearest is not None
    assert result.nearest["binds"] == "size"
    assert "1 kB" in result.nearest["relaxation"]
    assert result.data["rows"]["test_reads_here"] == 0, "screening already shows the miss, so test stays closed"


def test_a_changed_policy_goes_on_from_the_trials_and_takes_the_release_back(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    strict = tiny_study.job.with_name("strict.yaml")
    strict.write_text(tiny_study.job.read_text().replace("{quality: {drop: 5 %}}", "{quality: {drop: 5 %}}, {size: {max: 1 kB}}"))
    trials = [row for row in records(folder) if row[1] == "trial"]
    result = run(strict, folder)
    assert result.verdict == "infeasible"
    assert [row for row in records(folder) if row[1] == "trial"] == trials
    assert not (folder / "artifact").exists()
    assert result.data["policy"]["post_hoc"] is True


def test_a_place_and_a_training_that_are_declared_later_measure_nothing_again(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    text = tiny_study.job.read_text().replace("{onnx: given.onnx}", '{onnx: given.onnx, training_energy: 500 kWh, source: "card, 2024"}')
    placed = tiny_study.job.with_name("placed.yaml")
    place = "grid: {zone: NO}, machine: {price: 0.045 EUR/h}, volume: 1e6 / month for 1 year"
    placed.write_text(text.replace("deploy: {", f"deploy: {{{place}, "))
    trials = [row for row in records(folder) if row[1] == "trial"]
    result = run(placed, folder)
    assert [row for row in records(folder) if row[1] == "trial"] == trials
    training = result.data["baseline"]["cost"]["training"]
    assert (training["value"], training["unit"], training["source"]) == (1.8e9, "J", "card, 2024 (declared)")
    said = "Training the model before this job took 500 kWh, says card, 2024; it is in no figure of the search."
    assert said in result.data["notes"]
    assert json.loads((tiny_study.folder / "result.json").read_text())["baseline"]["cost"]["training"] is None


def test_other_data_are_another_job(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    other = tmp_path / "job"
    other.mkdir()
    job = write_tiny_job(other, search=ONE_RECIPE)
    inputs, labels = tiny_rows(900, 1)
    np.savez(other / "rows.npz", X=inputs, y=np.asarray(NAMES)[labels])
    with pytest.raises(OtherJob, match=r"data\.test: [0-9a-f]+ -> [0-9a-f]+"):
        run(job, folder)
    assert (folder / "artifact").is_dir()


def test_a_model_that_guesses_ends_the_run_and_shows_rows_with_both_names(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path, search=ONE_RECIPE)
    job.write_text(job.read_text().replace("[left, middle, right]", "[middle, right, left]"))
    with pytest.raises(BadModel, match=r"accuracy 0 on validation(.|\n)*row 0: label '\w+', the model says '\w+'"):
        run(job, tmp_path / "study")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("metric: accuracy", "metric: acuracy", "no metric 'acuracy'. Did you mean 'accuracy'"),
        ("runtimes: [onnxruntime]", "runtimes: [onnxrutime]", "no runtime 'onnxrutime'. Did you mean 'onnxruntime'"),
        ("exclude: [distill", "exclude: [distil", "no technique 'distil'. Did you mean 'distill'"),
    ],
)
def test_a_unit_that_does_not_exist_costs_nothing(tmp_path: Path, old: str, new: str, message: str) -> None:
    job = write_tiny_job(tmp_path, search=ONE_RECIPE)
    job.write_text(job.read_text().replace(old, new))
    with pytest.raises(BadDocument, match=message):
        run(job, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_job_made_in_python_is_checked_too(tmp_path: Path) -> None:
    from dataclasses import replace

    from paredown.running.setup import checked
    from paredown.study.jobfile import read_job

    job = read_job(write_tiny_job(tmp_path))
    with pytest.raises(UnknownName, match=r"no strategy 'lader'\. Did you mean 'ladder'"):
        checked(replace(job, search=replace(job.search, strategy="lader")))


RUN = """
import sys
sys.path.insert(0, {here!r})
import pytest
from pathlib import Path
from tiny_study import shorten
shorten(pytest.MonkeyPatch(), Path({state!r}))
from paredown.running.story import run
print(run({job!r}, {study!r}).verdict)
"""


def workers_of(pid: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            if "paredown.executors.worker" in words and str(pid) in words:
                found.append(entry.name)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_kill_9_at_random_moments_loses_nothing_recorded(tiny_study: TinyStudy, tmp_path: Path) -> None:
    """No recorded build, measurement or test read is made again, no worker lives on, lost work is booked, the verdict is the same."""
    study, draw = tmp_path / "study", random.Random(7)
    script = tmp_path / "go.py"
    script.write_text(RUN.format(here=str(HERE.parent), state=str(tmp_path / "state"), job=str(tiny_study.job), study=str(study)))
    seen: list[tuple[int, str, str, str]] = []
    for moment in range(6):
        process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.8, 2.0) + 0.7 * moment)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until = time.monotonic() + 5
        while workers_of(process.pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert not workers_of(process.pid)
        if (study / "ledger.sqlite").exists():
            now = records(study)
            assert now[: len(seen)] == seen
            seen = now
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[-1:] == ["pass"], done.stderr
    final = records(study)
    assert final[: len(seen)] == seen
    assert len({row[1:3] for row in final}) == len(final)
    with sqlite3.connect(study / "ledger.sqlite") as file:
        states = dict(file.execute("SELECT state, COUNT(*) FROM spans GROUP BY state").fetchall())
    assert "running" not in states
    mine, theirs = json.loads((study / "result.json").read_text()), json.loads((tiny_study.folder / "result.json").read_text())
    digest = {trial["recipe"].partition(" @")[0]: trial["artifact"] for trial in theirs["trials"] if trial["state"] == "done"}
    graph = "model.onnx"
    for trial in mine["trials"]:
        if trial["state"] == "done":
            twin = tiny_study.folder / "cache/artifacts" / digest[trial["recipe"].partition(" @")[0]] / graph
            assert digests.of_file(study / "cache/artifacts" / trial["artifact"] / graph) == digests.of_file(twin)


THIRD_PARTY = '''
from dataclasses import dataclass
from paredown.core.technique import Context, DataNeed, Stage, Technique

@dataclass(frozen=True, kw_only=True)
class LeaveAlone(Technique):
    """Change nothing, in a package of its own."""
    stage = Stage.QUANTIZE
    data = DataNeed.NONE
    source = "nobody"
    use_when = "somebody tests entry points."
    avoid_when = "otherwise."
    def apply(self, candidate, context: Context):
        return candidate

@dataclass(frozen=True, kw_only=True)
class FallOver(LeaveAlone):
    """Crash the worker."""
    def apply(self, candidate, context: Context):
        import os
        os._exit(9)
'''


def test_a_technique_of_another_package_is_searched_and_reported_and_a_crash_costs_only_its_trial(tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "alone-1.0.dist-info").mkdir(parents=True)
    (package / "alone.py").write_text(THIRD_PARTY)
    (package / "alone-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: alone\nVersion: 1.0\n")
    points = "[paredown.techniques]\nleave_alone = alone:LeaveAlone\nfall_over = alone:FallOver\n"
    (package / "alone-1.0.dist-info/entry_points.txt").write_text(points)
    job, script = write_tiny_job(tmp_path, search=ONE_RECIPE), tmp_path / "go.py"
    study = tmp_path / "study"
    script.write_text(RUN.format(here=str(HERE.parent), state=str(tmp_path / "state"), job=str(job), study=str(study)))
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"PYTHONPATH": str(package)},
    )
    assert done.stdout.split()[-1] == "pass"
    trials = {trial["recipe"].partition("(")[0]: trial for trial in json.loads((study / "result.json").read_text())["trials"]}
    assert trials["leave_alone"]["state"] == "done"
    assert trials["fall_over"]["state"] == "failed"
    assert "exit code 9" in trials["fall_over"]["reason"]
    assert "leave_alone()" in (study / "report.html").read_text("utf-8")


def test_a_failure_is_tried_again_under_other_limits_and_a_success_is_not(tmp_path: Path) -> None:
    job, study = (
        write_tiny_job(
            tmp_path, search="{exclude: [distill, prune_channels, recover, cascade, distill_to_mlp, prune_trees], trial: {memory: 1 MB}}"
        ),
        tmp_path / "s",
    )
    with pytest.raises(LimitExceeded, match=r"took \d\.\d\d GB of memory; one trial may take 0\.00 GB"):
        run(job, study)
    job.write_text(job.read_text().replace("memory: 1 MB", "memory: 8 GB"))
    assert run(job, study).verdict == "pass"
    trials = [row for row in records(study) if row[1] == "trial"]
    job.write_text(job.read_text().replace("memory: 8 GB", "memory: 9 GB"))
    run(job, study)
    again = [row for row in records(study) if row[1] == "trial"]
    failed = {row[2].partition(" within ")[0] for row in trials if json.loads(row[3])["state"] == "failed"}
    assert {row[2].partition(" within ")[0] for row in again[len(trials) :]} == failed


def test_what_the_job_excludes_later_is_no_finalist(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    chosen = json.loads((folder / "result.json").read_text())["chosen"]["recipe"]
    assert chosen.startswith("quantize_dynamic")
    later = tiny_study.job.with_name("later.yaml")
    later.write_text(tiny_study.job.read_text().replace("exclude: [", "exclude: [quantize_dynamic, "))
    result = run(later, folder)
    assert "quantize_dynamic" not in str(result.chosen and result.chosen["recipe"])


def test_lost_outputs_are_named_not_guessed(tiny_study: TinyStudy, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    for file in (folder / "cache/data").glob("outputs-*-validation.npy"):
        file.unlink()
    with pytest.raises(Damaged, match=r"outputs-\w+-validation\.npy is gone or is not what was written(.|\n)*--fresh"):
        run(tiny_study.job, folder)


def test_a_group_that_the_data_lack_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path, "{minimize: cpu_time, rules: [{quality: {drop: 5 pp, by: [region]}}]}")
    with pytest.raises(
        BadDocument, match=r"tiny\.yaml:8: quality is judged by 'region'; the data have no groups\.(.|\n)*`data: \{groups: "
    ):
        run(job, tmp_path / "study")
    assert not (tmp_path / "study").exists()
