"""`paredown run`: verdict to exit code, progress, the dry run, and Ctrl-C."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from paredown.core.errors import UsageError
from paredown.core.reading import How, Reading
from paredown.core.trial import Trial
from paredown.report.progress import Progress
from tiny_cli import leave
from tiny_study import TinyStudy, shorten, write_tiny_job


def test_a_finished_study_is_shown_again_and_nothing_is_repeated(tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch) -> None:
    shorten(monkeypatch, tmp_path)
    before = json.loads((tiny_study.folder / "result.json").read_text())
    code, out, err = leave(capfd, "run", tiny_study.job, "--study", tiny_study.folder)
    after = json.loads((tiny_study.folder / "result.json").read_text())
    assert code == 0
    assert "Pass" in out
    assert str(tiny_study.folder / "report.html") in out
    assert "searching: ladder" in err
    last = before["trials"][-1]
    assert last["recipe"].startswith("quantize_dynamic() @ onnxruntime(threads=")  # so many as did best while it was made
    assert f"trial {last['id']}: {last['recipe']}: quality 100 %" in err
    assert "J on trials so far" in err
    assert after["trials"] == before["trials"]
    assert after["rows"]["test_reads_here"] == before["rows"]["test_reads_here"]


def test_what_nothing_can_satisfy_exits_4_and_json_is_the_result(tiny_study: TinyStudy, tmp_path: Path, capfd, monkeypatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    shutil.copytree(tiny_study.folder, tmp_path / "study")
    job = tiny_study.job.with_name("nothing.yaml")
    job.write_text(tiny_study.job.read_text().replace("{quality: {drop: 5 %}}", "{size: {max: 1 B}}, {quality: {drop: 5 %}}"))
    code, out, _ = leave(capfd, "run", job, "--study", tmp_path / "study", "--json")
    found = json.loads(out)
    assert (code, found["verdict"], found["chosen"]) == (4, "infeasible", None)
    assert found["nearest"]["binds"] == "size"
    assert not (tmp_path / "study" / "artifact").exists()
    assert (tmp_path / "study" / "nearest-miss" / "artifact.json").exists()


def test_a_dry_run_says_what_it_would_try_and_leaves_no_trace(tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = write_tiny_job(tmp_path, search="{exclude: [cascade]}")
    code, out, _ = leave(capfd, "run", job, "--dry-run")
    assert code == 0
    assert "no study is opened and nothing is kept" in out
    assert "can show a drop of" in out
    assert [line.split()[1:] for line in out.splitlines() if line.startswith("  quantize_static ")] == [["will", "be", "tried"]]
    assert "cascade" in out
    assert not (tmp_path / "runs").exists()
    assert json.loads(leave(capfd, "run", job, "--dry-run", "--json")[1])["rows"]["test"] > 0


def test_a_job_that_is_not_there_and_an_unknown_technique(tmp_path: Path, capfd) -> None:
    code, _, err = leave(capfd, "run", tmp_path / "none.yaml")
    assert code == 2
    assert "none.yaml" in err
    job = write_tiny_job(tmp_path, search="{exclude: [prune_chanels]}")
    code, _, err = leave(capfd, "run", job, "--dry-run")
    assert code == 2
    assert "tiny.yaml:7" in err
    assert "Did you mean 'prune_channels'?" in err


def test_ctrl_c_says_how_to_go_on_and_a_running_study_is_told_from_a_finished_one(tmp_path: Path, capfd) -> None:
    job, study = write_tiny_job(tmp_path), tmp_path / "study"
    words = [sys.executable, "-m", "paredown", "run", str(job), "--study", str(study)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            until = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < until and not (study / "ledger.sqlite").exists():
                time.sleep(0.05)
            code, _, err = leave(capfd, "run", job, "--study", study)
            assert code == 2
            assert f"is held by process {process.pid} on" in err
            code, _, err = leave(capfd, "report", study)
            assert code == 2
            assert "its run has not ended" in err
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert f"Nothing that was recorded is lost; go on with `paredown run {job} --study {study}`" in err
    assert "Traceback" not in err


def _progress(terminal: bool) -> tuple[Progress, io.StringIO, list[float]]:
    out, now = io.StringIO(), [0.0]
    console = Console(file=out, force_terminal=terminal, width=200, highlight=False, color_system=None)
    return Progress(console, clock=lambda: now[0]), out, now


def test_plain_progress_is_one_line_per_event_and_few_steps() -> None:
    progress, out, now = _progress(terminal=False)
    with progress:
        progress.stage("searching: [ladder]")
        for second in range(25):
            now[0] = float(second)
            progress.step("measuring", second, 25)
        now[0] = 75
        ratio = Reading(quantity="cpu_time", value=3.04, unit="x", how=How.MEASURED)
        progress.trial(Trial(id=4, recipe="a() @ b", quality=0.5, ratios={"cpu_time": ratio}, energy_j=12))
        progress.trial(Trial(id=5, recipe="c() @ b", state="failed", reason="it is too large.", energy_j=3))
        progress.trial(Trial(id=6, recipe="d() @ b", quality=1.1268), "nat")
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "0:00  searching: [ladder]",
        "0:10    measuring 10/25, 40%, about 0:15 left",
        "0:20    measuring 20/25, 80%, about 0:05 left",
        "1:15    trial 4: a() @ b: quality 50.0 %, 3x less CPU time; 12.0 J on trials so far",
        "1:15    trial 5: c() @ b: failed: it is too large; 15.0 J on trials so far",
        "1:15    trial 6: d() @ b: quality 1.13 nat; 15.0 J on trials so far",
    ]


def test_in_a_log_nothing_is_silent_for_long() -> None:
    progress, out, now = _progress(terminal=False)
    progress.stage("the model as given")
    for now[0] in (10.0, 20.0, 30.0, 39.0, 40.0):
        progress.beat()
    progress.step("pack", 0, 0)
    now[0] = 60.0
    progress.beat()
    progress.step("build", 0, 300)
    progress.step("build", 30, 300)
    for now[0] in (79.0, 80.0):
        progress.beat()
    progress.step("build", 300, 300)
    now[0] = 101.0
    progress.beat()
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "0:00  the model as given",
        "0:20    still at it: the model as given",
        "0:40    still at it: the model as given",
        "1:00    still at it: pack, for 0:20 now",
        "1:20    still at it: build 30/300, 10%, about 3:00 left",
        "1:41    still at it: the model as given",
    ]


def test_the_time_left_is_that_of_the_piece_of_work_that_goes_on() -> None:
    progress, out, now = _progress(terminal=False)
    progress.stage("training")
    progress.step("build", 5, 10)
    now[0] = 10.0
    progress.step("build", 1, 40)  # another part of it begins
    now[0] = 20.0
    progress.step("build", 11, 40)
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "0:00  training",
        "0:10    build 1/40",
        "0:20    build 11/40, 28%, about 0:29 left",
    ]


def test_beside_a_live_line_no_lines_are_written_for_silence() -> None:
    progress, out, now = _progress(terminal=True)
    with progress:
        progress.stage("searching")
        now[0] = 60.0
        progress.beat()
    assert "still at it" not in out.getvalue()


def test_a_terminal_has_a_live_line_with_stage_step_trials_and_joules() -> None:
    progress, out, _ = _progress(terminal=True)
    with progress:
        progress.stage("searching: ladder")
        progress.trial(Trial(id=4, recipe="a() @ b", energy_j=2))
        progress.step("build", 1, 9)
        progress._live.refresh()
    assert "searching: ladder  build 1/9  (1 trial, 2.00 J on trials so far)" in out.getvalue()


SWALLOWED = """
import contextlib, signal
from paredown.report.progress import Progress

before = signal.getsignal(signal.SIGINT)
try:
    with Progress() as progress:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        print("swallowed")
        progress.step("build", 1, 2)
        print("went on")
except KeyboardInterrupt:
    print("ended", signal.getsignal(signal.SIGINT) is before)
"""


def test_an_interrupt_that_a_library_swallows_ends_the_run_at_the_next_event() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True)  # this process may be one that tests share
    assert done.stdout.split("\n") == ["swallowed", "ended True", ""], done.stderr


def test_code_of_the_job_is_named_before_any_of_it_runs(tmp_path: Path, capfd, monkeypatch) -> None:
    job = write_tiny_job(tmp_path)
    text = job.read_text().replace("{onnx: given.onnx}", "{python: 'nets:build'}").replace("metric: accuracy", "metric: nets:cost")
    job.write_text(text.replace("all: rows.npz", "all: 'python:rows:load'"))

    def begins(*_: object, **__: object) -> None:
        raise UsageError("here the first of the job's code runs")

    for module, verb in (("planning.dry_run", "plan"), ("running.story", "run"), ("running.apply", "apply")):
        monkeypatch.setattr(f"paredown.{module}.{verb}", begins)
    code = "model nets:build, data rows:load, metric nets:cost"
    said = f"runs code that is not paredown's, with your rights: {code} (looked up in {tmp_path} first)"
    recipe = "quantize_dynamic() @ onnxruntime(threads=1)"
    for words in (("run", job, "--dry-run"), ("run", job), ("apply", recipe, job)):
        assert leave(capfd, *words)[2].splitlines() == [said, "here the first of the job's code runs"]
        _, out, err = leave(capfd, *words, "--json")
        assert err.splitlines()[0] == said
        assert json.loads(out)["error"]["message"] == "here the first of the job's code runs"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("{onnx: given.onnx}", "{python: 'os:system'}", "2: model.python is os:system"),
        ("all: rows.npz", "all: 'python:os:getcwd'", "4: data.all is os:getcwd"),
        ("all: rows.npz", "python: 'os:getcwd'", "4: data.python is os:getcwd"),
        ("metric: accuracy", "metric: subprocess:run", "5: metric is subprocess:run"),
    ],
)
def test_python_s_own_library_is_no_part_of_a_job(tmp_path: Path, capfd, old: str, new: str, place: str) -> None:
    job = write_tiny_job(tmp_path)
    job.write_text(job.read_text().replace(old, new))
    code, _, err = leave(capfd, "run", job, "--dry-run")
    assert code == 2
    assert f"tiny.yaml:{place}, which is of Python's own library" in err
    assert "Name a module beside the job file" in err
