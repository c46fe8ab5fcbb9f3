"""A budget is what the whole run takes: planned from its end, refused where it holds nothing, and gone on with where it was left."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from test_story import records

from paredown.core.errors import BudgetTooSmall
from paredown.core.recipe import parse
from paredown.protocol.plan import Plan
from paredown.running import confirm, long_measurement, timing
from paredown.running.setup import opened, prepare, state_of
from paredown.running.story import run
from paredown.running.workspace import Silent
from paredown.search.schedule import Schedule
from paredown.study.jobfile import read_job
from tiny_study import shorten, write_tiny_job


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")


ONE = "exclude: [distill, prune_channels, recover, cascade, quantize_static, drop_layers, distill_to_mlp, prune_trees, quantize_embeddings]"


def test_a_budget_that_does_not_even_hold_the_model_as_given_is_refused_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(
        BudgetTooSmall, match=r"the budget of 1 s does not hold making the model as given: it cannot begin after \d s\. 30 s are"
    ):
        run(write_tiny_job(tmp_path, search="{budget: 1 s}"), tmp_path / "study")
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_with_enough_time_a_budget_changes_nothing_and_a_second_run_repeats_nothing(tmp_path: Path) -> None:
    job, folder = write_tiny_job(tmp_path, search=f"{{budget: 60 min, {ONE}}}"), tmp_path / "study"
    first = run(job, folder)
    assert first.verdict == "pass"
    assert not [note for note in first.data["notes"] if "budget" in note]
    before = records(folder)
    again = run(job, folder)
    assert {kind for _, kind, _, _ in records(folder)[len(before) :]} <= {"own"}
    assert again.chosen is not None
    assert first.chosen is not None
    assert again.chosen["ratios"] == first.chosen["ratios"]


def test_what_does_not_fit_is_said_and_an_end_without_a_measurement_is_inconclusive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, folder = write_tiny_job(tmp_path, search=f"{{budget: 60 min, {ONE}}}"), tmp_path / "study"
    slow = Plan(rounds=50, window_s=1000.0)
    monkeypatch.setattr(long_measurement, "FINAL", slow)
    monkeypatch.setattr(confirm, "time_to_confirm", lambda workspace, least=False: 0.0)
    monkeypatch.setattr("paredown.running.story.time_to_confirm", lambda workspace, least=False: 0.0)
    result = run(job, folder)
    assert (result.verdict, result.exit_code, result.chosen) == ("inconclusive", 3, None)
    assert result.nearest is not None
    assert result.nearest["measured"] == "screening"
    assert "missing" in result.nearest["ratios"]["cpu_time"]
    (said,) = [note for note in result.data["notes"] if note.startswith("Nothing is decided: ")]
    assert said.startswith("Nothing is decided: the budget ended before the long measurement: measuring needs about ")
    assert not (folder / "artifact").exists()
    assert json.loads((folder / "result.json").read_text())["verdict"] == "inconclusive"


def test_what_cannot_end_is_not_begun_and_a_training_is_made_to_fit(tmp_path: Path) -> None:
    job, now = read_job(write_tiny_job(tmp_path, search=f"{{{ONE}}}")), [0.0]
    schedule = Schedule(budget_s=1000.0, clock=lambda: now[0])
    with opened(job, tmp_path / "study", fresh=False, wait_s=0, listener=Silent(), schedule=schedule) as workspace:
        prepare(workspace)
        schedule.reserved_s, schedule.rest_s = 100.0, {"onnxruntime": [10.0]}
        cheap, dear = parse("quantize_dynamic() @ onnxruntime"), parse("quantize_static() @ onnxruntime")
        assert timing.expected_s(workspace, cheap) == pytest.approx(1.2 * 10 + 1.2 * 10 / 2)
        schedule.steps_s["quantize_static"] = [(None, 500.0)]
        assert timing.expected_s(workspace, dear) == pytest.approx(1.2 * 10 + 1.2 * 500)
        now[0] = 300.0  # 600 s are the search's
        assert timing.time_lacking(workspace, cheap) is None
        assert timing.time_lacking(workspace, dear) == "it is expected to take 612 s, and the search has 600 s."
        assert timing.share_s(workspace, cheap) == 300
        schedule.steps_s["quantize_dynamic"] = [(None, 200.0)]
        assert timing.share_s(workspace, cheap) == pytest.approx(2 * 1.2 * 210)
        assert timing.share_s(workspace, dear) == 600
        state = state_of(workspace)
        recovered = parse("prune_channels() > recover() @ onnxruntime")
        assert state.fitted(recovered) == recovered, "how fast it trains is not known"
        schedule.row_s = 0.1  # 293 rows: a pass is expected to take 35 s, and its own 125 passes more than an hour
        fitted = state.fitted(recovered)
        assert str(fitted) == "prune_channels() > recover(epochs=8) @ onnxruntime"
        assert schedule.short == ["recover took 8 passes over the training rows"]
        assert timing.foretold(workspace, fitted) == {"prune_channels": None, "recover": pytest.approx(8 * 293 * 0.1)}
        assert timing.time_lacking(workspace, recovered) is not None
        workspace.schedule = replace(schedule, budget_s=None)
        assert timing.time_lacking(workspace, dear) is None
