"""From job to released model where answers are no class: numbers, and any number of labels."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.core.errors import BadData, BadModel, UsageError
from paredown.measuring.check import check
from paredown.measuring.verify import verify
from paredown.running.story import run
from tiny_study import ONE_RECIPE, WIDTH, shorten

HIDDEN = 1024
HEAD = np.random.default_rng(7).normal(size=(WIDTH, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shorten(monkeypatch, tmp_path / "state")


def graph(file: Path, head: np.ndarray, shape: list[str | int]) -> None:
    """X -> X @ head through layers that are large enough for 8-bit numbers to pay."""
    held = {"first": np.eye(WIDTH, HIDDEN), "second": np.eye(HIDDEN), "last": np.zeros((HIDDEN, head.shape[1]))}
    held["last"][:WIDTH] = head
    nodes = [helper.make_node("MatMul", [left, right], [out]) for left, right, out in (("X", "first", "a"), ("a", "second", "b"))]
    nodes.append(helper.make_node("MatMul", ["b", "last"], ["y" if len(shape) == 2 else "c"]))
    if len(shape) == 1:
        held["flat"] = np.array([-1])
        nodes.append(helper.make_node("Reshape", ["c", "flat"], ["y"]))
    tensors = [numpy_helper.from_array(array.astype(np.int64 if name == "flat" else np.float32), name) for name, array in held.items()]
    taken, given = (helper.make_tensor_value_info(name, TensorProto.FLOAT, its) for name, its in (("X", ["n", WIDTH]), ("y", shape)))
    made = helper.make_graph(nodes, "given", [taken], [given], tensors)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


def table(file: Path, inputs: np.ndarray, answers: list[str]) -> None:
    head = ",".join([*(f"x{at}" for at in range(WIDTH)), "answer"])
    rows = [",".join([*(f"{value:.6g}" for value in row), f'"{said}"']) for row, said in zip(inputs.tolist(), answers)]
    file.write_text("\n".join([head, *rows]) + "\n")


def job(folder: Path, task: str, metric: str, model: str = "{onnx: given.onnx}", search: str = ONE_RECIPE) -> Path:
    file = folder / "job.yaml"
    file.write_text(
        f"name: other\nmodel: {model}\ntask: {task}\ndata: {{all: rows.csv, label: answer}}\nmetric: {metric}\n"
        f"deploy: {{runtimes: [onnxruntime]}}\nsearch: {search}\npolicy: {{minimize: size, rules: [{{quality: {{drop: 5 %}}}}]}}\n"
    )
    return file


def numbers(folder: Path, shape: list[str | int]) -> np.ndarray:
    """Rows whose answer is one number, and the graph that knows it but for noise; returns the inputs."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(900, WIDTH)).astype(np.float32)
    table(folder / "rows.csv", inputs, [f"{value:.6g}" for value in inputs @ HEAD[:, 0] + draw.normal(0, 0.3, 900)])
    graph(folder / "given.onnx", HEAD[:, :1], shape)
    return inputs


def test_a_regression_from_a_graph_is_released_and_answers_with_numbers(tmp_path: Path) -> None:
    inputs = numbers(tmp_path, ["n"])  # (N,) becomes (N, 1)
    result = run(job(tmp_path, "tabular-regression", "rmse"), tmp_path / "study")
    data = json.loads((tmp_path / "study/result.json").read_text())
    assert (result.verdict, data["baseline"]["quality"]["value"]) == ("pass", pytest.approx(0.3, rel=0.2))
    assert data["chosen"]["ratios"]["size"]["value"] > 2
    rows = {f"x{at}": inputs[:5, at] for at in range(WIDTH)}
    with result.load() as model:
        said = model.predict(rows)
        np.testing.assert_allclose(said, inputs[:5] @ HEAD[:, 0], atol=0.2)
        np.testing.assert_array_equal(model.answers(rows)[:, 0], said)
        assert model.labels == ["answer"]
        with pytest.raises(BadData, match="this model answers with numbers and has no probabilities; ask for its answers"):
            model.predict_proba(rows)
    table(tmp_path / "some.csv", inputs[:5], [""] * 5)
    script = [sys.executable, str(tmp_path / "study/artifact/predict.py"), str(tmp_path / "some.csv")]
    printed = subprocess.run(script, capture_output=True, text=True, check=True)
    np.testing.assert_allclose([float(line) for line in printed.stdout.split()], said, rtol=1e-4, atol=1e-4)
    refused = subprocess.run([*script, "--proba"], capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "this model answers with numbers and has no probabilities" in refused.stderr
    found = check(tmp_path / "study", policy=None)
    assert {finding.outcome.value for finding in found.findings} == {"pass"}
    verify(tmp_path / "study/artifact")


def test_any_number_of_labels_is_released_and_answered_as_a_list(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    inputs, names = draw.normal(size=(900, WIDTH)).astype(np.float32), np.array(["joy", "fear", "rage"])
    order = np.argsort(names)  # the graph's outputs stand in the order of the alphabet
    marks = inputs @ HEAD + draw.normal(0, 0.3, (900, 3)) > 0
    table(tmp_path / "rows.csv", inputs, ["|".join(names[row]) or "[]" for row in marks])
    graph(tmp_path / "given.onnx", 4 * HEAD[:, order], ["n", 3])
    file = job(tmp_path, "tabular-multilabel", "micro_f1")
    file.write_text(file.read_text().replace("label: answer", "label: answer, labels: [fear, joy, rage]"))
    result = run(file, tmp_path / "study")
    assert result.verdict == "pass"
    with result.load() as model:
        rows = {f"x{at}": inputs[:6, at] for at in range(WIDTH)}
        chances = model.predict_proba(rows)
        assert model.labels == sorted(names.tolist())
        assert model.predict(rows) == [[name for name, p in zip(model.labels, row) if p >= 0.5] for row in chances]
        np.testing.assert_allclose(chances, 1 / (1 + np.exp(-4 * inputs[:6] @ HEAD[:, order])), atol=0.25)  # in 8 bits
    table(tmp_path / "some.csv", inputs[:6], [""] * 6)
    printed = subprocess.run(
        [sys.executable, str(tmp_path / "study/artifact/predict.py"), str(tmp_path / "some.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(isinstance(json.loads(line), list) for line in printed.stdout.splitlines())


@pytest.mark.slow
def test_a_network_that_the_job_trains_answers_in_the_unit_of_the_data(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    inputs = draw.normal(size=(1200, WIDTH)).astype(np.float32)
    table(tmp_path / "rows.csv", inputs, [f"{value:.6g}" for value in 5000 + 900 * (inputs @ HEAD[:, 0])])
    others = "prune_channels, recover, cascade, quantize_static, quantize_dynamic, quantize_embeddings, drop_layers"
    search = f"{{exclude: [{others}, distill_to_mlp, prune_trees]}}"
    file = job(tmp_path, "tabular-regression", "r2", "{builtin: mlp, hidden: [64], train: {epochs: 30, batch: 32}}", search)
    result = run(file, tmp_path / "study")
    data = json.loads((tmp_path / "study/result.json").read_text())
    assert data["baseline"]["quality"]["value"] > 0.9
    taught = [trial for trial in data["trials"] if trial["recipe"].startswith("distill")]
    assert taught
    assert all(trial["state"] == "done" and trial["quality"] > 0.8 for trial in taught)
    if result.verdict == "pass":
        with result.load() as model:
            assert 2000 < np.mean(model.predict({f"x{at}": inputs[:, at] for at in range(WIDTH)})) < 8000


@pytest.mark.parametrize(
    ("task", "metric", "error", "said"),
    [
        (
            "tabular-classification",
            "accuracy",
            BadData,
            r"has the label '-?\d\.\d+' in 1 rows, a fraction: regression, the answer is a number",
        ),
        (
            "tabular-regression",
            "accuracy",
            UsageError,
            r"metric accuracy judges one class per row; the task's answers are numbers\.\n.*mae",
        ),
        ("tabular-multilabel", "mae", UsageError, r"metric mae judges numbers; the task's answers are any number of labels per row"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path: Path, task: str, metric: str, error: type[Exception], said: str) -> None:
    numbers(tmp_path, ["n", 1])
    with pytest.raises(error, match=said):
        run(job(tmp_path, task, metric), tmp_path / "study")


def test_points_of_an_error_are_refused(tmp_path: Path) -> None:
    numbers(tmp_path, ["n", 1])
    file = job(tmp_path, "tabular-regression", "mae")
    file.write_text(file.read_text().replace("drop: 5 %", "drop: 5 pp"))
    with pytest.raises(
        UsageError, match=r"quality has `drop: 5 pp`; mae is in the unit of the data, and has no points or per cent\.\n.*`max: 75`"
    ):
        run(file, tmp_path / "study")


def test_a_model_of_one_number_is_no_classifier_of_two(tmp_path: Path) -> None:
    inputs = numbers(tmp_path, ["n", 1])
    table(tmp_path / "rows.csv", inputs, ["yes" if row[0] > 0 else "no" for row in inputs])
    with pytest.raises(BadModel, match=r"given\.onnx answers with one number per row \(y: float \(n, 1\)\): a regressor, or a classifier"):
        run(job(tmp_path, "tabular-classification", "accuracy"), tmp_path / "study")


@pytest.mark.parametrize("task", ["tabular-classification", "tabular-regression", "tabular-multilabel"])
def test_a_model_and_rows_without_labels_are_enough(tmp_path: Path, task: str) -> None:
    draw = np.random.default_rng(5)
    inputs = draw.normal(size=(900, WIDTH)).astype(np.float32)
    table(tmp_path / "rows.csv", inputs, ["unused"] * 900)
    width = 1 if task.endswith("regression") else 3
    graph(tmp_path / "given.onnx", 4 * HEAD[:, :width], ["n", width])
    file = job(tmp_path, task, "agreement")
    file.write_text(file.read_text().replace("label: answer", "drop: [answer]"))
    result = run(file, tmp_path / "study")
    data = json.loads((tmp_path / "study/result.json").read_text())
    assert (result.verdict, data["baseline"]["quality"]["value"]) == ("pass", 1.0)
    assert 0.9 < data["chosen"]["quality"]["value"] <= 1.0
    assert data["chosen"]["ratios"]["size"]["value"] > 2
    assert {finding.outcome.value for finding in check(tmp_path / "study").findings} == {"pass"}
    report = (tmp_path / "study/report.html").read_text()
    assert "Agreement with the model as given" in report
    with result.load() as model:
        assert model.labels == [str(at) for at in range(width)]


def test_who_trains_a_model_has_none_to_agree_with(tmp_path: Path) -> None:
    numbers(tmp_path, ["n", 1])
    with pytest.raises(UsageError, match=r"agreement is judged by what the model as given says, and the job trains that model\.\n  Give a"):
        run(job(tmp_path, "tabular-regression", "agreement", "{builtin: mlp}"), tmp_path / "study")
