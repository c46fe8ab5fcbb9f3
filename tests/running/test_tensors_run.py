"""From a graph and arrays without labels to a released model: the job that `init` writes, the run, its answers, what holds it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.artifact.load import load
from paredown.core.errors import BadData, UsageError
from paredown.core.reading import Missing
from paredown.measuring.answer_file import answer_file
from paredown.measuring.check import check
from paredown.measuring.side_by_side import measure
from paredown.measuring.verify import verify
from paredown.planning.init import starter
from paredown.running import encoding
from paredown.running.story import run
from paredown.study.jobfile import read_job
from tiny_study import ONE_RECIPE, shorten

WIDTH, HIDDEN = 8, 1024
DRAW = np.random.default_rng(3)
HEAD = DRAW.normal(size=(WIDTH, 3)).astype(np.float32)
X, STATE = DRAW.normal(size=(400, WIDTH)).astype(np.float32), DRAW.normal(size=(400, 2, 4)).astype(np.float32)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")
    monkeypatch.chdir(tmp_path)


def write_graph(file: Path, constant: int | None = None) -> None:
    """sound (N, 8), state (2, N, 4) and a rate -> score (N, 3), and a state a thousand times larger, rows along its second axis."""
    held = {"first": np.eye(WIDTH, HIDDEN), "second": np.eye(HIDDEN), "last": np.zeros((HIDDEN, 3))}
    held["last"][:WIDTH] = HEAD
    nodes = [
        helper.make_node("MatMul", ["sound", "first"], ["a"]),
        helper.make_node("MatMul", ["a", "second"], ["b"]),
        helper.make_node("MatMul", ["b", "last"], ["score"]),
        helper.make_node("Cast", ["rate"], ["r"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["state", "r"], ["next"]),
    ]
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in held.items()]
    made = {"sound": ["n", WIDTH], "state": [2, "n", 4]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in made.items()]
    inputs += [helper.make_tensor_value_info("rate", TensorProto.INT64, [])] if constant is None else []
    tensors += [] if constant is None else [numpy_helper.from_array(np.array(constant), "rate")]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", 3])]
    outputs.append(helper.make_tensor_value_info("next", TensorProto.FLOAT, [2, "n", 4]))
    graph = helper.make_graph(nodes, "given", inputs, outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


def started(folder: Path) -> Path:
    """The job that is written for the graph and its rows, with short work."""
    write_graph(folder / "given.onnx")
    np.savez(folder / "rows.npz", sound=X, state=STATE, rate=1000)
    found = starter("given.onnx", "", "rows.npz", out=folder / "job.yaml")
    assert "it is no classifier" in found.seen[0]
    assert "the same in all rows, and so a part of the model: rate: 1000" in found.seen
    assert not found.open
    file = folder / "job.yaml"
    file.write_text(found.text)
    job = read_job(file)
    assert (job.task, job.metric, job.data.sources) == ("tensors", "agreement", {"all": "rows.npz"})
    assert dict(job.model.options) == {"constants": {"rate": 1000}}
    file.write_text(
        "name: any\nmodel: {onnx: given.onnx, constants: {rate: 1000}}\ntask: tensors\ndata: {all: rows.npz}\nmetric: agreement\n"
        f"deploy: {{runtimes: [onnxruntime]}}\nsearch: {ONE_RECIPE}\npolicy: {{minimize: size, rules: [{{quality: {{drop: 5 %}}}}]}}\n"
    )
    return file


@pytest.mark.slow
def test_any_outputs_of_any_inputs_are_released_and_told_by_name(tmp_path: Path) -> None:
    result = run(started(tmp_path), tmp_path / "study")
    data = json.loads((tmp_path / "study/result.json").read_text())
    assert (result.verdict, data["baseline"]["quality"]["value"]) == ("pass", 1.0)
    assert data["chosen"]["ratios"]["size"]["value"] > 2
    assert 0.95 < data["chosen"]["quality"]["value"] < 1
    artifact = tmp_path / "study/artifact"
    with load(artifact) as model:
        said = model.predict({"sound": X[:5], "state": STATE[:5]})
        assert model.labels == ["score", "next"]
        np.testing.assert_allclose([row["next"] for row in said], 1000 * STATE[:5], rtol=1e-5)
        np.testing.assert_allclose([row["score"] for row in said], X[:5] @ HEAD, atol=0.3)
        with pytest.raises(BadData, match=r"there is no array 'state'; the model takes sound, state\."):
            model.predict({"sound": X[:5]})
    np.savez(tmp_path / "some.npz", sound=X[:5], state=STATE[:5], rate=1000)
    printed = subprocess.run([sys.executable, str(artifact / "predict.py"), "some.npz"], capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in printed.stdout.splitlines()]
    np.testing.assert_allclose([row["next"] for row in rows], 1000 * STATE[:5], rtol=1e-5)
    assert answer_file(artifact, Path("some.npz")).answers == rows
    found = check(tmp_path / "study", policy=None)
    assert {finding.outcome.value for finding in found.findings} == {"pass"}
    verify(artifact)
    write_graph(tmp_path / "other.onnx", constant=1000)
    beside = measure(artifact, "other.onnx", data="rows.npz", seconds=1.0)
    assert not isinstance(beside.ratios["size"], Missing)
    with pytest.raises(BadData, match=r"the model takes 'rate' \(int64, shape \(\)\); the rows have the arrays sound, state\."):
        measure(artifact, "given.onnx", data="rows.npz", seconds=1.0)


def test_answers_beyond_all_room_are_refused_before_anything_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MOST_B", 2000)
    with pytest.raises(
        BadData, match=r"answers a row with 11 numbers; those to the 200 rows of test take 8\.8e-06 GB.*\n.*at most 45 rows"
    ):
        run(started(tmp_path), tmp_path / "study")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("agreement", "accuracy", r"metric accuracy judges one class per row; the task's answers are tensors\."),
        ("constants: {rate: 1000}", "constants: 1000", r"constants is 1000; it has to be a mapping"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = started(tmp_path)
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(UsageError, match=said):
        run(file, tmp_path / "study")
