"""ONNX graphs that answer for each pixel, in the layouts that exporters write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import segmenters
from paredown.artifact.load import load, packable
from paredown.artifact.pack import Label, pack
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.kinds.decode import decoding, make_decoder
from paredown.measuring.answer_file import answer_file
from paredown.models.onnx import Onnx
from paredown.protocol import subject
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.testing import tiny

DRAW = np.random.default_rng(0)
KERNELS = {classes: DRAW.normal(size=(classes, 1, 3, 3)).astype(np.float32) for classes in (1, 2, 3)}
SPEC = ModelSpec(kind="onnx", value="m.onnx")


def save(folder: Path, outputs: int, end: list[tuple[str, dict[str, Any]]], sides: tuple[Any, Any] = ("h", "w")) -> None:
    """One convolution, and what comes behind it, for images of any size."""
    nodes, name = [helper.make_node("Conv", ["image", "k"], ["z0"], pads=[1, 1, 1, 1])], "z0"
    for at, (kind, more) in enumerate(end, 1):
        nodes.append(helper.make_node(kind, [name], [name := f"z{at}"], **more))
    shape = ["n", *sides, outputs] if ("Transpose", {"perm": [0, 2, 3, 1]}) in end else ["n", outputs, *sides]
    graph = helper.make_graph(
        nodes,
        "pixels",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, *sides])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(KERNELS[outputs], "k")],
    )
    onnx.save(helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]), folder / "m.onnx")


LAST = ("Transpose", {"perm": [0, 2, 3, 1]})


@pytest.mark.parametrize(
    ("outputs", "end", "holds"),
    [
        (2, [], "map_logits"),
        (2, [("Softmax", {"axis": 1})], "map_probabilities"),
        (1, [], "map_logit"),
        (1, [("Sigmoid", {})], "map_probability"),
        (1, [LAST], "map_logit"),
        (3, [LAST], "map_logits"),
        (3, [LAST, ("Softmax", {"axis": -1})], "map_probabilities"),
    ],
)
def test_a_graph_answers_as_its_own_numbers_say(outputs: int, end: list[Any], holds: str, tmp_path: Path) -> None:
    save(tmp_path, outputs, end)
    classes = max(2, outputs)
    context = segmenters.context(tmp_path, classes=classes)
    assert Onnx().outputs(SPEC, tmp_path) == classes
    made = Onnx().prepare(SPEC, tmp_path, segmenters.INPUTS, classes * 96, context)
    session = Onnxruntime().open(context.store.folder(made.digest), "graph.onnx", {"threads": 1})
    images = segmenters.rows(5).inputs[:, None]
    outputs_of = session.run({"input": images})
    assert [*outputs_of] == [holds]
    answers = make_decoder(decoding(context.decode, [*outputs_of]))(outputs_of)
    padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    scores = np.einsum("nhwab,cab->nchw", windows, KERNELS[outputs][:, 0])
    scores = np.concatenate([np.zeros_like(scores), scores], 1) if outputs == 1 else scores
    powers = np.exp(scores - scores.max(1, keepdims=True))
    np.testing.assert_allclose(answers, powers / powers.sum(1, keepdims=True), atol=1e-5)


def test_what_is_packed_says_the_class_of_each_pixel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 1, [])
    context = segmenters.context(tmp_path)
    made = Onnx().prepare(SPEC, tmp_path, segmenters.INPUTS, 192, context)
    rows, out = segmenters.rows(3), tmp_path / "out"
    encode = {"kind": "image", "input": "input", "shape": [8, 12], "scale": 1.0, "mean": 0.0, "std": 1.0, "layout": "nchw"}
    same = {"name": "a", "task": "image-segmentation", "recipe": "x", "lineage": [], "labels": ["a", "b"], "isa": "avx2"}
    out.mkdir()
    pack(Label(encode=encode, decode=context.decode, **same), made, "onnxruntime", {"threads": 1}, rows.inputs[:2], context.store, out)
    with load(out) as model:
        answers, said = model.answers(rows.inputs), model.predict(rows.inputs)
        assert model.predict_proba(rows.inputs).shape == (3, 2, 8, 12)
    assert [(one.shape, one.dtype) for one in said] == [((8, 12), np.uint8)] * 3
    np.testing.assert_array_equal(said, answers.argmax(axis=1))
    np.save(tmp_path / "x.npy", rows.inputs)
    script = [sys.executable, str(out / "predict.py"), str(tmp_path / "x.npy")]
    for lines in (subprocess.run(script, capture_output=True, text=True, check=True).stdout.splitlines(), None):
        told = [json.loads(line) for line in lines] if lines else answer_file(out, tmp_path / "x.npy").answers
        for one, expected in zip(told, said, strict=True):
            assert one["size"] == [8, 12]
            np.testing.assert_array_equal(np.concatenate([[index] * count for index, count in one["runs"]]), expected.reshape(-1))
    numbers = subprocess.run([*script, "--proba"], capture_output=True, text=True, check=True).stdout.splitlines()
    np.testing.assert_allclose([list(map(float, line.split(","))) for line in numbers], answers.reshape(3, -1), atol=1e-6)
    monkeypatch.setattr(subject, "hold_to", lambda room_b: None)  # it would hold these tests
    found = subject.ask_probe({}, artifact=str(out), room_b=8 << 30)
    assert (found["rows"], found["difference"]) == (2, pytest.approx(0, abs=1e-5))
    assert packable(np.zeros((2, 3, 512, 512))).shape == (2, 1 << 14)


def test_a_graph_of_other_classes_or_sizes_is_refused(tmp_path: Path) -> None:
    save(tmp_path, 3, [])
    said = r"m\.onnx answers \d+ images with an array \(\d+, 3, 8, 12\); of 2 classes it must be \(N, 2, 8, 12\), or \(N, 1, 8, 12\)\."
    with pytest.raises(BadModel, match=said):
        Onnx().prepare(SPEC, tmp_path, segmenters.INPUTS, 192, segmenters.context(tmp_path))
    save(tmp_path, 2, [("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]})])
    with pytest.raises(BadModel, match=r"m\.onnx answers \d+ images with an array \(\d+, 2, 4, 6\); of 2 classes"):
        Onnx().prepare(SPEC, tmp_path, segmenters.INPUTS, 192, segmenters.context(tmp_path / "b"))
    save(tmp_path, 2, [], (32, 32))
    with pytest.raises(BadModel, match=r"takes image in the shape \(1, 32, 32\) per row; the data give \(1, 8, 12\)"):
        Onnx().prepare(SPEC, tmp_path, segmenters.INPUTS, 192, segmenters.context(tmp_path / "c"))
    with pytest.raises(BadModel, match=r"(?s)^m\.onnx answers with z0: .*For a class of each pixel write `task: image-segmentation`"):
        Onnx().prepare(SPEC, tmp_path, {"input": (1, 32, 32)}, 2, tiny.context(tmp_path / "study"))
