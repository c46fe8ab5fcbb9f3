"""Graphs of other types, of a fixed batch, with inputs of several kinds: fed as they declare it, or refused in words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, BadModel
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.graphs import graph_batch, graphs
from paredown.models.onnx import Onnx
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.array_classification import ArrayClassification
from paredown.tasks.image_classification import ImageClassification
from paredown.tasks.tabular_classification import TabularClassification
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny

WIDTH, CLASSES = 6, 3
DRAW = np.random.default_rng(3)
WHOLE = DRAW.integers(0, 9, (60, WIDTH)).astype(np.float32)
HEAD = DRAW.normal(size=(WIDTH, CLASSES)).astype(np.float32)
Node = tuple[str, Sequence[str], str, Mapping[str, Any]]


def save(
    folder: Path, nodes: Sequence[Node], shape: Sequence[Any], kind: int = TensorProto.FLOAT, held: Mapping[str, Any] = {}, opset: int = 17
) -> ModelSpec:
    """A graph in m.onnx from `x` to `y`."""
    made = [helper.make_node(op, list(taken), [name], **more) for op, taken, name, more in nodes]
    ends = [helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", TensorProto.FLOAT, [shape[0], CLASSES])]
    graph = helper.make_graph(made, "g", ends[:1], ends[1:], [numpy_helper.from_array(array, name) for name, array in held.items()])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), folder / "m.onnx")
    return ModelSpec(kind="onnx", value="m.onnx")


def linear(folder: Path, kind: int = TensorProto.FLOAT, batch: Any = "n") -> ModelSpec:
    nodes: list[Node] = [("Cast", ["x"], "f", {"to": TensorProto.FLOAT}), ("MatMul", ["f", "head"], "y", {})]
    return save(folder, nodes, [batch, WIDTH], kind, {"head": HEAD})


def prepared(folder: Path, spec: ModelSpec, inputs: Any, task: Any = ArrayClassification) -> tuple[Candidate, Context, dict[str, Any]]:
    """The candidate of a graph, asked some rows as a job asks them, with the context and the encoder's declaration."""
    rows = Rows(inputs=inputs, labels=np.arange(len(inputs)) % CLASSES, names=tuple("abc"))
    encode = task().encoder(rows, Onnx().preprocess(spec, folder, folder))
    context = replace(tiny.context(folder / "study"), data={"calibration": lambda: rows}, encode=make_encoder(encode))
    return Onnx().prepare(spec, folder, feed_shapes(encode), CLASSES, context), context, encode


def answered(
    folder: Path, made: tuple[Candidate, Context, dict[str, Any]], inputs: Any, task: str, engine: str = "onnxruntime"
) -> np.ndarray:
    """Probabilities of the packed artifact."""
    candidate, context, encode = made
    decode = {"kind": "softmax", "output": "logits", "classes": CLASSES}
    label = Label(name="m", task=task, recipe="x", lineage=[], labels=list("abc"), isa="avx2", encode=encode, decode=decode)
    out = folder / f"out-{engine}"
    out.mkdir()
    pack(label, candidate, engine, {"threads": 1}, inputs[:4], context.store, out)
    with load(out) as model:
        return model.predict_proba(inputs)


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values.astype(np.float64) - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("kind", ["DOUBLE", "INT64", "INT32", "UINT8", "FLOAT16", "BOOL"])
def test_a_graph_of_another_type_is_fed_as_it_declares(tmp_path: Path, kind: str, engine: str) -> None:
    rows = WHOLE if kind != "BOOL" else (WHOLE > 4).astype(np.float32)
    made = prepared(tmp_path, linear(tmp_path, getattr(TensorProto, kind)), rows)
    assert f"which the graph casts to the {kind.lower()} that it takes" in made[0].note
    np.testing.assert_allclose(answered(tmp_path, made, rows, "array-classification", engine), softmax(rows @ HEAD), atol=1e-5)


@pytest.mark.parametrize("kind", ["INT64", "INT32"])
def test_whole_numbers_that_are_fed_as_such_stay_whole(tmp_path: Path, kind: str) -> None:
    """Beyond 2^24 float32 would round them."""
    rows = Rows(inputs=np.full((8, WIDTH), 2**24 + 1), labels=np.arange(8) % 3, names=tuple("abc"))
    context = replace(
        tiny.context(tmp_path / "study"), data={"train": lambda: rows}, encode=lambda given: {"input": np.asarray(given, np.int64)}
    )
    nodes: list[Node] = [
        ("Mod", ["x", "two"], "odd", {}),
        ("Cast", ["odd"], "f", {"to": TensorProto.FLOAT}),
        ("MatMul", ["f", "head"], "y", {}),
    ]
    two = np.array([2], np.int64 if kind == "INT64" else np.int32)
    spec = save(tmp_path, nodes, ["n", WIDTH], getattr(TensorProto, kind), {"two": two, "head": HEAD})
    made = Onnx().prepare(spec, tmp_path, {"input": (WIDTH,)}, CLASSES, context)
    session = Onnxruntime().open(context.store.folder(made.digest), "graph.onnx", {"threads": 1})
    (found,) = session.run({"input": rows.inputs}).values()
    np.testing.assert_allclose(found, np.tile(HEAD.sum(axis=0), (8, 1)), rtol=1e-5)


def test_fractions_are_refused_where_a_graph_takes_whole_numbers(tmp_path: Path) -> None:
    spec, broken = linear(tmp_path, TensorProto.INT64), WHOLE.copy()
    broken[7, 2] = 0.5
    said = r"row 7 holds 0\.5; the model takes whole numbers from -16777216 to 16777216\.\n  Feed it as the model was trained"
    for task in (ArrayClassification, TabularClassification):
        with pytest.raises(BadData, match=said):
            prepared(tmp_path, spec, broken, task)
    table = Rows(inputs={"age": broken[:, 2], "sum": WHOLE[:, 0]}, labels=None)
    graph = Onnx().preprocess(spec, tmp_path, tmp_path)
    with pytest.raises(BadData, match=r"the column 'age' holds 0\.5 in row 7; the model takes whole numbers"):
        TabularClassification().encoder(table, graph)
    with pytest.raises(BadData, match=r"standardize is true, and the model takes whole numbers\.\n  Write `standardize: false`"):
        TabularClassification().encoder(Rows(inputs={"sum": WHOLE[:, 0]}, labels=None), graph | {"standardize": True})
    made = prepared(tmp_path, spec, WHOLE)
    with pytest.raises(ValueError, match=r"row 7 holds 0\.5; the model takes whole numbers"):
        make_encoder(made[2])(broken)


def test_pixels_go_to_a_graph_of_bytes_as_they_are(tmp_path: Path) -> None:
    images = Rows(inputs=DRAW.integers(0, 256, (9, 4, 4), np.uint8), labels=None, high=255.0)
    graph = Onnx().preprocess(linear(tmp_path, TensorProto.UINT8), tmp_path, tmp_path)
    spec = ImageClassification().encoder(images, graph)
    assert (spec["scale"], spec["whole"]) == (1.0, [0, 255])
    np.testing.assert_array_equal(make_encoder(spec)(images.inputs)["input"][:, 0], images.inputs)
    with pytest.raises(
        BadData, match=r"preprocess scales the pixels, and the model takes whole numbers\.\n  Leave scale, mean and std out"
    ):
        ImageClassification().encoder(images, graph | {"scale": 0.5})


IMAGES = DRAW.normal(size=(30, 2, 3, 3)).astype(np.float32)
KERNEL, DENSE, TOKEN = (DRAW.normal(size=size).astype(np.float32) for size in ((4, 2, 3, 3), (4, CLASSES), (1, 1, 4)))
CONV: Node = ("Conv", ["x", "kernel"], "c", {"pads": [1, 1, 1, 1]})
ENDS: dict[str, tuple[list[Node], dict[str, Any]]] = {
    "reshape": ([("Reshape", ["p", "flat"], "f", {}), ("MatMul", ["f", "dense"], "y", {})], {"flat": np.array([1, 4])}),
    "reshape, open end": ([("Reshape", ["p", "flat"], "f", {}), ("MatMul", ["f", "dense"], "y", {})], {"flat": np.array([1, -1])}),
    "reshape as torch writes it": (
        [("Reshape", ["p", "flat"], "f", {"allowzero": 1}), ("MatMul", ["f", "dense"], "y", {})],
        {"flat": np.array([1, -1])},
    ),
    "class token": (
        [
            ("Reshape", ["p", "flat"], "f", {}),
            ("Concat", ["token", "f"], "t", {"axis": 1}),
            ("ReduceSum", ["t", "axis"], "s", {"keepdims": 0}),
            ("MatMul", ["s", "dense"], "y", {}),
        ],
        {"flat": np.array([1, 1, 4]), "token": TOKEN, "axis": np.array([1])},
    ),
    "expanded token": (
        [
            ("Expand", ["token", "sizes"], "e", {}),
            ("Reshape", ["p", "flat"], "f", {}),
            ("Concat", ["e", "f"], "t", {"axis": 1}),
            ("ReduceSum", ["t", "axis"], "s", {"keepdims": 0}),
            ("MatMul", ["s", "dense"], "y", {}),
        ],
        {"flat": np.array([1, 1, 4]), "token": TOKEN, "axis": np.array([1]), "sizes": np.array([1, 1, 4])},
    ),
}


def conv(folder: Path, end: str, batch: Any = 1) -> ModelSpec:
    nodes, held = ENDS[end]
    more = {"kernel": KERNEL, "dense": DENSE} | held
    return save(folder, [CONV, ("GlobalAveragePool", ["c"], "p", {}), *nodes], [batch, 2, 3, 3], held=more)


def one_by_one(file: Path, inputs: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"x": inputs[at : at + 1]})[0] for at in range(len(inputs))])


@pytest.mark.parametrize("batch", [1, "n"], ids=["declared", "declared free, written for one"])
@pytest.mark.parametrize("end", ENDS)
def test_a_batch_of_one_is_opened_where_answers_prove_it(tmp_path: Path, end: str, batch: Any) -> None:
    wanted = softmax(one_by_one_of(tmp_path, end))
    made = prepared(tmp_path, conv(tmp_path, end, batch), IMAGES)
    assert "its batch was opened, and answers to 24 rows at once are those to each alone" in made[0].note
    assert graph_batch.fixed(onnx.load(made[1].store.folder(made[0].digest) / "graph.onnx")) == 0
    np.testing.assert_allclose(answered(tmp_path, made, IMAGES, "array-classification"), wanted, atol=1e-5)


def one_by_one_of(folder: Path, end: str) -> np.ndarray:
    conv(folder, end)
    return one_by_one(folder / "m.onnx", IMAGES)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_rows_that_feel_each_other_are_never_opened_but_fed_one_by_one(tmp_path: Path, engine: str) -> None:
    """A softmax over the batch: for one row it is 1 everywhere, for several it is another function."""
    nodes: list[Node] = [("Softmax", ["x"], "s", {"axis": 0}), ("Add", ["s", "x"], "a", {}), ("MatMul", ["a", "head"], "y", {})]
    for batch, said in (
        (1, "takes one row at a time: it is fed one by one"),
        ("n", "answers several rows at once otherwise than each alone"),
    ):
        folder = tmp_path / str(batch)
        folder.mkdir()
        made = prepared(folder, save(folder, nodes, [batch, WIDTH], held={"head": HEAD}), WHOLE)
        assert said in made[0].note
        np.testing.assert_allclose(answered(folder, made, WHOLE, "array-classification", engine), softmax((WHOLE + 1) @ HEAD), atol=1e-5)


def test_a_batch_of_four_that_cannot_be_opened_is_fed_in_fours_and_quantized_in_fours(tmp_path: Path) -> None:
    """A constant of four rows: each row has its own shift, but the shift is the same."""
    nodes: list[Node] = [("Add", ["x", "shift"], "a", {}), ("MatMul", ["a", "head"], "y", {})]
    made = prepared(tmp_path, save(tmp_path, nodes, [4, WIDTH], held={"head": HEAD, "shift": np.ones((4, WIDTH), np.float32)}), WHOLE)
    assert "takes 4 rows at once, no more and no less: it is fed so, the last ones filled up with copies" in made[0].note
    np.testing.assert_allclose(answered(tmp_path, made, WHOLE[:30], "array-classification"), softmax((WHOLE[:30] + 1) @ HEAD), atol=1e-5)
    np.save(tmp_path / "rows.npy", WHOLE[:30])
    script = [sys.executable, tmp_path / "out-onnxruntime" / "predict.py", tmp_path / "rows.npy"]
    told = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    assert told == ["abc"[at] for at in ((WHOLE[:30] + 1) @ HEAD).argmax(axis=1)]
    smaller = QuantizeStatic(samples=30).apply(made[0], made[1])
    found = answered(tmp_path, (smaller, *made[1:]), WHOLE[:30], "array-classification", "openvino")
    assert np.abs(found - softmax((WHOLE[:30] + 1) @ HEAD)).max() < 0.2


def test_what_does_not_answer_rows_of_the_data_is_named_before_anything_is_spent(tmp_path: Path) -> None:
    nodes: list[Node] = [("Gather", ["x", "far"], "g", {"axis": 1}), ("MatMul", ["g", "head"], "y", {})]
    spec = save(tmp_path, nodes, ["n", "w"], held={"head": HEAD, "far": np.full(WIDTH, 99)})
    with pytest.raises(
        BadModel, match=r"m\.onnx does not answer rows of these data, fed as input \(6,\) of float32: (.|\n)*  Give rows as it was"
    ):
        prepared(tmp_path, spec, WHOLE)
    (tmp_path / "other").mkdir()
    strange = save(tmp_path / "other", [("Unheard", ["x"], "y", {"domain": "strange"})], ["n", WIDTH])
    with pytest.raises(BadModel, match=r"is not a valid ONNX model|cannot be run by onnxruntime"):
        prepared(tmp_path / "other", strange, WHOLE)


@pytest.mark.parametrize("odd", ["its output has the feed's name", "a type without shapes"])
def test_odd_graphs_that_engines_run_are_taken(tmp_path: Path, odd: str) -> None:
    spec = linear(tmp_path, TensorProto.INT64)
    model = onnx.load(tmp_path / "m.onnx")
    if odd.startswith("its"):
        graphs.rename(model.graph, "y", "input")
    else:
        model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, tmp_path / "m.onnx")
    made = prepared(tmp_path, spec, WHOLE)
    np.testing.assert_allclose(answered(tmp_path, made, WHOLE, "array-classification"), softmax(WHOLE @ HEAD), atol=1e-5)


def test_inputs_that_are_no_columns_are_refused(tmp_path: Path) -> None:
    spec = linear(tmp_path)
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.input.append(helper.make_tensor_value_info("rate", TensorProto.FLOAT, []))
    onnx.save(model, tmp_path / "m.onnx")
    said = (
        r"takes the inputs x: float \(n, 6\), rate: float \(\); the task feeds input\.\n  Export it with one input, or with one column of"
    )
    with pytest.raises(BadModel, match=said):
        prepared(tmp_path, spec, WHOLE)
    model.graph.input[-1].CopyFrom(helper.make_tensor_value_info("rate", TensorProto.COMPLEX64, ["n"]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(
        BadModel, match=r"m\.onnx takes rate: complex64 \(n,\), and rows are fed as numbers or words\.\n  Export it with inputs"
    ):
        prepared(tmp_path, spec, WHOLE)
