"""Graphs that end in probabilities, as exporters write them: the artifact's are the graph's own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.job import ModelSpec
from paredown.core.technique import Context
from paredown.models.onnx import Onnx
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny

WIDTH, CLASSES = 8, 4
DRAW = np.random.default_rng(7)
FIRST, HEAD = DRAW.normal(0, 0.6, (WIDTH, 32)).astype(np.float32), DRAW.normal(0, 0.6, (32, CLASSES)).astype(np.float32)
X = DRAW.normal(size=(200, WIDTH)).astype(np.float32)
VECTOR = {"kind": "vector", "input": "x", "width": WIDTH}
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
Steps = list[tuple[str, list[str], str, dict[str, Any]]]

# name -> (the steps from "z" on, names of the outputs, opset)
ENDS: dict[str, tuple[Steps, list[str], int]] = {
    "softmax": ([("Softmax", ["z"], "probabilities", {"axis": 1})], ["probabilities"], 17),
    "called logits": ([("Softmax", ["z"], "logits", {"axis": -1})], ["logits"], 17),
    "opset 11": ([("Softmax", ["z"], "out", {})], ["out"], 11),
    "identity": ([("Softmax", ["z"], "s", {}), ("Identity", ["s"], "out", {})], ["out"], 17),
    "half": ([("Cast", ["z"], "h", {"to": HALF}), ("Softmax", ["h"], "s", {}), ("Cast", ["s"], "out", {"to": FLOAT})], ["out"], 17),
    "reshaped": ([("Softmax", ["z"], "s", {}), ("Reshape", ["s", "shape"], "out", {})], ["out"], 17),
    "by hand": ([("Exp", ["z"], "e", {}), ("ReduceSum", ["e", "one"], "t", {}), ("Div", ["e", "t"], "out", {})], ["out"], 17),
    "logarithms": ([("LogSoftmax", ["z"], "out", {"axis": 1})], ["out"], 17),
    "sigmoids": ([("Sigmoid", ["z"], "out", {})], ["out"], 17),
    "logits beside": ([("Softmax", ["z"], "probabilities", {}), ("Identity", ["z"], "logits", {})], ["probabilities", "logits"], 17),
    "label beside": ([("ArgMax", ["z"], "label", {"axis": 1}), ("Softmax", ["z"], "probabilities", {})], ["label", "probabilities"], 17),
    "logits under a wrong name": ([("Identity", ["z"], "probabilities", {})], ["probabilities"], 17),
}


def write(folder: Path, end: str) -> ModelSpec:
    steps, outputs, opset = ENDS[end]
    steps = [("MatMul", ["x", "first"], "wide", {}), ("Relu", ["wide"], "felt", {}), ("MatMul", ["felt", "head"], "z", {}), *steps]
    nodes = [helper.make_node(kind, taken, [made], **more) for kind, taken, made, more in steps]
    held = {"first": FIRST, "head": HEAD, "shape": np.array([-1, CLASSES]), "one": np.array([1])}
    used = {name for _, taken, _, _ in steps for name in taken}
    graph = helper.make_graph(
        nodes,
        "soft",
        [helper.make_tensor_value_info("x", FLOAT, ["n", WIDTH])],
        [
            helper.make_tensor_value_info(name, *((TensorProto.INT64, ["n", 1]) if name == "label" else (FLOAT, ["n", CLASSES])))
            for name in outputs
        ],
        [numpy_helper.from_array(array, name) for name, array in held.items() if name in used],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), folder / "soft.onnx")
    return ModelSpec(kind="onnx", value="soft.onnx")


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def wanted(end: str) -> np.ndarray:
    values = np.maximum(X @ FIRST, 0) @ HEAD
    if end != "sigmoids":
        return softmax(values)
    each = 1 / (1 + np.exp(-values.astype(np.float64)))
    return each / each.sum(axis=1, keepdims=True)


def context(folder: Path) -> Context:
    rows = replace(tiny.rows(96), inputs=X[:96])
    return replace(tiny.context(folder), data={"calibration": lambda: rows}, encode=lambda given: {"x": np.asarray(given, np.float32)})


def label() -> Label:
    decode = {"kind": "softmax", "output": "logits", "classes": CLASSES}
    same = {"name": "soft", "task": "tabular-classification", "recipe": "x", "lineage": [], "labels": list("abcd"), "isa": "avx2"}
    return Label(encode=VECTOR, decode=decode, **same)


@pytest.mark.parametrize("end", ENDS)
def test_an_artifact_gives_the_probabilities_that_the_graph_gives(tmp_path: Path, end: str) -> None:
    given = context(tmp_path / "study")
    candidate = Onnx().prepare(write(tmp_path, end), tmp_path, {"x": (WIDTH,)}, CLASSES, given)
    (tmp_path / "out").mkdir()
    pack(label(), candidate, "onnxruntime", {"threads": 1}, X[:4], given.store, tmp_path / "out")
    with load(tmp_path / "out") as model:
        np.testing.assert_allclose(model.predict_proba(X), wanted(end), atol=2e-3 if end == "half" else 1e-6)
        assert model.predict(X) == ["abcd"[at] for at in wanted(end).argmax(axis=1)]


def test_predict_py_and_the_probe_know_it_too(tmp_path: Path) -> None:
    given = context(tmp_path / "study")
    candidate = Onnx().prepare(write(tmp_path, "softmax"), tmp_path, {"x": (WIDTH,)}, CLASSES, given)
    out = tmp_path / "out"
    out.mkdir()
    pack(label(), candidate, "onnxruntime", {"threads": 1}, X[:4], given.store, out)
    np.testing.assert_allclose(json.loads((out / "probe.json").read_text())["outputs"], wanted("softmax")[:4], atol=1e-6)
    np.save(tmp_path / "x.npy", X[:3])
    said = subprocess.run([sys.executable, out / "predict.py", tmp_path / "x.npy", "--proba"], capture_output=True, text=True, check=True)
    found = [[float(number) for number in line.split(",")] for line in said.stdout.splitlines()]
    np.testing.assert_allclose(found, wanted("softmax")[:3], atol=1e-4)


@pytest.mark.parametrize("technique", [QuantizeDynamic(), QuantizeStatic(samples=96)], ids=["dynamic", "static"])
def test_eight_bits_leave_the_probabilities_fine(tmp_path: Path, technique: Any) -> None:
    """A softmax whose answers were rounded to 256 steps would give rare classes no chance at all."""
    given = context(tmp_path / "study")
    candidate = Onnx().prepare(write(tmp_path, "softmax"), tmp_path, {"x": (WIDTH,)}, CLASSES, given)
    smaller = technique.apply(candidate, given)
    (tmp_path / "out").mkdir()
    pack(label(), smaller, "onnxruntime", {"threads": 1}, X[:4], given.store, tmp_path / "out")
    with load(tmp_path / "out") as model:
        found = model.predict_proba(X)
    assert np.abs(found - wanted("softmax")).max() < 0.1
    assert found.min() > 0
    assert len(np.unique(np.round(found * 255, 6) % 1)) > 10
