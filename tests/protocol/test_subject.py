"""The process under measurement: it asks real rows in turn, counts what it answers, and imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.load import load
from paredown.core.errors import BadData
from paredown.core.meter import Meter
from paredown.ground import registry
from paredown.ground.digests import of_file
from paredown.protocol import subject
from paredown.rows.rowfile import read_rows


def opened(made: Any, artifact: Path, rows: Path, **options: Any) -> dict[str, Any]:
    state: dict[str, Any] = {}
    found = subject.open_artifact(state, artifact=str(artifact), rows=str(rows), **options)
    assert found["open_s"] > 0
    return state


def test_a_window_asks_one_row_after_the_other(made: Any) -> None:
    state = opened(made, made.light, made.rows)
    asked = []
    program = state["model"].program
    state["model"].program = type("Spy", (), {"predict": staticmethod(lambda rows: asked.append(rows) or program.predict(rows))})
    try:
        found = subject.window(state, seconds=0.05)
        first = len(asked)
        subject.window(state, seconds=0.02)
    finally:
        subject.close(state)
    rows = read_rows(made.rows).spread(256).inputs
    assert first == found["items"]
    assert all(np.array_equal(call, rows[at % 256 : at % 256 + 1]) for at, call in enumerate(asked))
    assert found["wall_s"] >= 0.05
    assert found["readings"]["latency_p50"]["value"] <= found["readings"]["latency_p95"]["value"]


def test_a_meter_that_waits_is_stopped_when_no_other_counts_any_more(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = []

    def unit(name: str, waits: bool) -> type[Meter]:
        said = {"start": lambda self: None, "ready": lambda self, host: None, "stop": lambda self, window: stopped.append(name) or ()}
        return type(name, (Meter,), said | {"waits": waits})

    monkeypatch.setattr(registry, "working", lambda kind: [unit("first", False), unit("log", True), unit("last", False)])
    state = opened(made, made.light, made.rows)
    try:
        subject.window(state, seconds=0.01)
    finally:
        subject.close(state)
    assert stopped == ["last", "first", "log"]


def test_readings_are_per_item_and_few_laps_are_kept(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = opened(made, made.heavy, made.rows, batch=8)
    try:
        monkeypatch.setattr(subject, "_POOLED", 1)
        assert subject.window(state, seconds=0.05)["laps_s"] == []
        monkeypatch.setattr(subject, "_POOLED", 1 << 30)
        found = subject.window(state, seconds=0.05)
    finally:
        subject.close(state)
    laps = found["laps_s"]
    assert laps
    assert found["items"] == 8 * len(laps)
    assert sum(laps) == pytest.approx(found["wall_s"], rel=0.05)
    cpu = found["readings"]["cpu_time"]
    # one thread cannot take more CPU time than wall time, but for the clock's own grain
    assert 0 < cpu["value"] * found["items"] <= found["wall_s"] * 1.2 + 0.02


def test_many_laps_are_not_kept(made: Any) -> None:
    state = opened(made, made.light, made.rows)
    try:
        found = subject.window(state, seconds=0.2)
    finally:
        subject.close(state)
    assert found["items"] > 200
    assert found["laps_s"] == []


def test_tables_are_asked_row_by_row_and_in_batches(made: Any) -> None:
    for batch in (1, 7, 50):
        state = opened(made, made.table, made.table_rows, batch=batch)
        try:
            found = subject.window(state, seconds=0.02)
        finally:
            subject.close(state)
        # fewer rows than a batch are one call of what there is
        assert found["items"] % min(batch, 30) == 0


def test_the_engine_alone_takes_no_more_than_the_whole(made: Any) -> None:
    state = opened(made, made.heavy, made.rows)
    try:
        graph_s = subject.graph_window(state, seconds=0.1)["graph_time"]
        whole_s = subject.window(state, seconds=0.1)["readings"]["cpu_time"]["value"]
        assert 0 < graph_s < 3 * whole_s
    finally:
        subject.close(state)
    state = opened(made, made.pair, made.rows)
    try:
        assert subject.graph_window(state, seconds=0.05) == {"graph_time": None}
    finally:
        subject.close(state)


def test_predictions_of_all_rows_are_written(made: Any, tmp_path: Path) -> None:
    found = subject.predict({}, artifact=str(made.pair), rows=str(made.rows), out=str(tmp_path / "deep" / "p.npy"), batch=64)
    probabilities = np.load(tmp_path / "deep" / "p.npy")
    with load(made.pair) as model:
        expected = model.predict_proba(read_rows(made.rows).inputs)
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
        assert found["asked"] == {"first": 300, "second": model.program.asked["second"]}
    assert (found["file"], found["shape"], found["sha256"]) == ("p.npy", [300, 3], of_file(tmp_path / "deep" / "p.npy"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["p.npy"]


def test_rows_that_do_not_fit_are_refused(made: Any, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"the inputs are of type ndarray; give a mapping column -> values"):
        subject.predict({}, artifact=str(made.table), rows=str(made.rows), out=str(tmp_path / "p.npy"), batch=64)
    assert list(tmp_path.iterdir()) == []


def test_another_artifact_takes_the_place_of_the_open_one(made: Any) -> None:
    state = opened(made, made.light, made.rows)
    first = state["model"]
    subject.open_artifact(state, artifact=str(made.heavy), rows=str(made.rows))
    assert state["model"] is not first
    subject.close(state)
    assert "model" not in state
    subject.close(state)


HEAVY = ("torch", "onnx", "pydantic", "sqlalchemy", "sklearn", "click", "rich")


def test_measuring_imports_nothing_heavy(made: Any) -> None:
    code = (
        "import sys\nfrom paredown.protocol import subject\nstate = {}\n"
        f"subject.open_artifact(state, artifact={str(made.light)!r}, rows={str(made.rows)!r})\nsubject.window(state, seconds=0.01)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_profile_is_per_inference_and_goes_through_every_graph(made: Any) -> None:
    for batch in (1, 8):
        (found,) = subject.profile({}, artifact=str(made.light), rows=str(made.rows), batch=batch, seconds=0.05)
        assert found["name"] == "model"
        assert all(node["op"] and 0 <= node["wall_s"] < 0.01 for node in found["nodes"])
    given = read_rows(made.rows)
    with load(made.light) as model:
        model.predict(given.inputs[:1])


def test_an_engine_that_cannot_say_gives_its_reason(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.core.runtime import Runtime
    from paredown.runtimes.onnxruntime import Onnxruntime

    monkeypatch.setattr(Onnxruntime, "profile", Runtime.profile)
    found = subject.profile({}, artifact=str(made.light), rows=str(made.rows), batch=1, seconds=0.05)
    assert found == [{"name": "model", "missing": "onnxruntime does not say where its time goes."}]


def test_a_window_of_some_calls_asks_them_in_whole_passes(made: Any) -> None:
    state = opened(made, made.light, made.rows)
    asked = []
    program = state["model"].program
    state["model"].program = type("Spy", (), {"predict": staticmethod(lambda rows: asked.append(rows) or program.predict(rows))})
    try:
        found = subject.window(state, seconds=0.03, first=300, calls=7)
    finally:
        subject.close(state)
    rows = read_rows(made.rows).spread(256).inputs
    assert found["items"] == len(asked) > 7
    assert len(asked) % 7 == 0
    assert all(np.array_equal(call, rows[44 + at % 7 : 45 + at % 7]) for at, call in enumerate(asked))
