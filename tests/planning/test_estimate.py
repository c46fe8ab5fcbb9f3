"""A dry run opens the model in a folder that is thrown away and says what a run would take, as ranges."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadModel
from paredown.planning import estimate
from paredown.planning.dry_run import plan
from paredown.study.jobfile import read_job
from paredown.study.splits import load_splits
from tiny_study import NAMES, ONE_RECIPE, write_tiny_job


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def test_a_range_for_minutes_memory_and_joules_and_no_trace(tmp_path: Path, scratch: Path) -> None:
    job = write_tiny_job(tmp_path, search=ONE_RECIPE)
    before = sorted(path.name for path in tmp_path.iterdir())
    found = plan(job, timed=True)["estimate"]
    for name in ("wall_s", "memory_b", "energy_j", "trials"):
        low, high = found[name]
        assert 0 < low <= high, name
    assert found["rehearsed"]["parameters"] == 8 * 1024 + 1024 * 1024 + 1024 * 3
    assert found["memory_b"][0] > 1e7
    assert re.match(r"estimated: [\d.]+ to [\d.]+ min, [\d. to]+ GB of memory, [\d.]+ to [\d.]+ kJ, for \d+ to \d+ trials;", found["text"])
    assert "ms per answer of the model as given, timed here on 64 rows." in found["text"]
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert list(scratch.iterdir()) == []


def test_a_budget_bounds_the_search(tmp_path: Path) -> None:
    search = "{budget: 10 s, trial: {time: 5 s}, exclude: [cascade]}"
    bound = plan(write_tiny_job(tmp_path, search=search), timed=True)["estimate"]
    assert ", within the budget" in bound["text"]
    free = plan(write_tiny_job(tmp_path, search="{exclude: [cascade]}"), timed=True)["estimate"]
    assert bound["wall_s"][1] < free["wall_s"][1]


def test_more_rows_to_train_on_take_longer(tmp_path: Path) -> None:
    job = read_job(write_tiny_job(tmp_path))
    splits = load_splits(job, 0, False)
    seen = {"prepare_s": 1.0, "call_s": 1e-3, "row_s": 1e-3}
    from paredown.running.setup import usable

    units = usable([], trainable=True)
    few, many = (estimate._search_s(units, 1, rows, len(splits.validation), seen, 1) for rows in (100, 1_000_000))
    assert many > few + 1_000_000 * 1e-3
    assert estimate._search_s(units, 1, 100, 100, seen, 0) < few


def test_a_model_that_does_not_fit_the_labels_is_refused_before_a_study_exists(tmp_path: Path) -> None:
    job = write_tiny_job(tmp_path, search=ONE_RECIPE)
    rows = np.load(tmp_path / "rows.npz")
    np.savez(tmp_path / "rows.npz", X=rows["X"], y=np.where(np.arange(900) % 5 == 0, "other", rows["y"]))
    job.write_text(job.read_text().replace(f"labels: [{', '.join(NAMES)}]", f"labels: [{', '.join(NAMES)}, other]"))
    with pytest.raises(BadModel, match=r"answers with 3 numbers per row; the data have 4 classes"):
        plan(job, timed=True)


def test_a_model_that_answers_nan_is_refused(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    job = write_tiny_job(tmp_path, search=ONE_RECIPE)
    graph = onnx.load(tmp_path / "given.onnx")
    last = next(item for item in graph.graph.initializer if item.name == "last")
    last.CopyFrom(numpy_helper.from_array(np.full((1024, 3), np.nan, np.float32), "last"))
    onnx.save(graph, tmp_path / "given.onnx")
    with pytest.raises(BadModel, match=r"the model as given: the model's output holds NaN or infinite values in 1 of 1 rows"):
        plan(job, timed=True)


def test_what_cannot_be_timed_is_missing_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_PATIENCE_S", 0.0)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    job = write_tiny_job(tmp_path)
    job.write_text(job.read_text().replace("{onnx: given.onnx}", "{python: slow:build}"))
    found = plan(job, timed=True)["estimate"]
    assert found["missing"].startswith("the model could not be opened to be timed: took more than the 0 s")
