"""Graphs as other exporters write them go into 8 bits: lifted, widened, folded, with fewer scales; or a layer is left out and named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.rows import Rows
from paredown.core.runtime import Session
from paredown.core.technique import Context, Technique
from paredown.ground.lazy import missing
from paredown.ground.store import FolderStore
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.runtimes.openvino import Openvino
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny

Node = tuple[str, list[str], str | list[str], dict[str, Any]]
DRAW = np.random.default_rng(0)


def weight(*shape: int) -> np.ndarray:
    return (DRAW.normal(size=shape) / np.sqrt(shape[-1] if len(shape) < 3 else np.prod(shape[1:]))).astype(np.float32)


def rows(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(24, *shape)).astype(np.float32)


def graph(
    nodes: Sequence[Node],
    shape: Sequence[int],
    held: Mapping[str, np.ndarray],
    opset: int = 17,
    kind: int = T.FLOAT,
    batch: int | str = "N",
    fed_too: bool = False,
) -> onnx.ModelProto:
    """Input "x" of this kind and shape per row, output "y" of four numbers; `fed_too` lists the tensors among the inputs, as of old."""
    tensors = [numpy_helper.from_array(array, name) for name, array in held.items()]
    inputs = [helper.make_tensor_value_info("x", kind, [batch, *shape])]
    inputs += [helper.make_tensor_value_info(item.name, item.data_type, list(item.dims)) for item in tensors] if fed_too else []
    made = helper.make_graph(
        [helper.make_node(op, takes, [out] if isinstance(out, str) else out, **knobs) for op, takes, out, knobs in nodes],
        "odd",
        inputs,
        [helper.make_tensor_value_info("y", kind, [batch, 4])],
        tensors,
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=3 if fed_too else 4 if opset < 12 else 8)


def conv(opset: int = 17, batch: int | str = "N") -> tuple[onnx.ModelProto, np.ndarray]:
    nodes: list[Node] = [
        ("Conv", ["x", "model/a.weight:0", "model/a.bias:0"], "c", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["c"], "r", {}),
        ("GlobalAveragePool", ["r"], "g", {}),
        ("Flatten", ["g"], "f", {}),
        ("Gemm", ["f", "o", "b"], "y", {"transB": 1}),
    ]
    held = {"model/a.weight:0": weight(16, 3, 3, 3), "model/a.bias:0": weight(16), "o": weight(4, 16), "b": weight(4)}
    return graph(nodes, (3, 6, 6), held, opset, batch=batch), rows(3, 6, 6)


def mlp(kind: int = T.FLOAT, opset: int = 17, fed_too: bool = False, **scales: float) -> tuple[onnx.ModelProto, np.ndarray]:
    """Two linear layers, the second scaled and turned."""
    kinds = {T.FLOAT: np.float32, T.FLOAT16: np.float16, T.DOUBLE: np.float64}
    held = {"first": weight(32, 48), "bias": weight(48), "second": weight(4, 48), "end": weight(4)}
    nodes: list[Node] = [
        ("Gemm", ["x", "first", "bias"], "h", {}),
        ("Relu", ["h"], "r", {}),
        ("Gemm", ["r", "second", "end"], "y", {"transB": 1} | scales),
    ]
    held = {name: array.astype(kinds[kind]) for name, array in held.items()}
    return graph(nodes, (32,), held, opset, kind, fed_too=fed_too), rows(32).astype(kinds[kind])


def per_head() -> tuple[onnx.ModelProto, np.ndarray]:
    """A weight of three axes, then a matrix."""
    nodes: list[Node] = [
        ("Unsqueeze", ["x", "axis"], "u", {}),
        ("MatMul", ["u", "each"], "c", {}),
        ("Relu", ["c"], "r", {}),
        ("Reshape", ["r", "flat"], "f", {}),
        ("MatMul", ["f", "head"], "y", {}),
    ]
    held = {"axis": np.array([2]), "each": weight(8, 16, 32), "flat": np.array([0, 256]), "head": weight(256, 4)}
    return graph(nodes, (8, 16), held), rows(8, 16)


def recurrent(op: str, gates: int) -> tuple[onnx.ModelProto, np.ndarray]:
    """A layer whose weights come out of Constant, Identity, Transpose, Concat and Slice nodes, as exporters leave them."""
    given = {"a": numpy_helper.from_array(weight(16, gates * 16), "a"), "b": numpy_helper.from_array(weight(16, gates * 16), "b")}
    nodes: list[Node] = [
        *(("Constant", [], f"k{name}", {"value": given[name]}) for name in given),
        ("Identity", ["ka"], "i", {}),
        ("Concat", ["i", "kb"], "turned", {"axis": 1}),
        ("Transpose", ["turned"], "both", {"perm": [1, 0]}),
        ("Unsqueeze", ["both", "zero"], "w", {}),
        ("Slice", ["wide", "zero", "size", "two"], "again", {}),
        ("Transpose", ["x"], "steps", {"perm": [1, 0, 2]}),
        (op, ["steps", "w", "again"], ["all", "last"], {"hidden_size": 32, **({"linear_before_reset": 1} if op == "GRU" else {})}),
        ("Squeeze", ["last", "zero"], "h", {}),
        ("MatMul", ["h", "head"], "y", {}),
    ]
    held = {"zero": np.array([0]), "two": np.array([2]), "size": np.array([32]), "wide": weight(1, gates * 32, 40), "head": weight(32, 4)}
    return graph(nodes, (6, 16), held), rows(6, 16)


def shared() -> tuple[onnx.ModelProto, np.ndarray]:
    """One matrix in three layers, once turned."""
    nodes: list[Node] = [
        ("MatMul", ["x", "w"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("MatMul", ["b", "w"], "c", {}),
        ("Gemm", ["c", "w"], "d", {"transB": 1}),
        ("MatMul", ["d", "head"], "y", {}),
    ]
    return graph(nodes, (32,), {"w": weight(32, 32), "head": weight(32, 4)}), rows(32)


def context_for(model: onnx.ModelProto, inputs: np.ndarray, folder: Path) -> tuple[Candidate, Context]:
    store = FolderStore(folder / "store")
    scratch = store.scratch()
    onnx.save(model, scratch / "graph.onnx")
    given = Candidate(digest=store.put(scratch), form="onnx")
    rows = {"calibration": lambda: Rows(inputs=inputs, labels=None)}
    return given, replace(tiny.context(folder, given), data=rows, encode=lambda values: {"x": values})


def answers(unit: Any, candidate: Candidate, context: Context, folder: Path, feed: np.ndarray) -> np.ndarray:
    folder.mkdir(parents=True)
    exported = unit.export(candidate, context.store, folder)
    session = unit.open(folder, exported["file"], {"threads": 1})
    return np.asarray(session.run({"x": feed})["y"], np.float64)


ENGINES = [Onnxruntime(), *([] if missing("openvino", "a test") else [Openvino()])]
CASES: dict[str, tuple[type[Technique], Callable[[], tuple[onnx.ModelProto, np.ndarray]], str]] = {
    "opset 9": (QuantizeStatic, lambda: conv(9), "opset 9 lifted to 13"),
    "opset 11": (QuantizeStatic, lambda: conv(11), "opset 11 lifted to 13"),
    "fixed batch": (QuantizeStatic, lambda: conv(batch=1), "ranges from 24 rows"),
    "fp16, static": (QuantizeStatic, lambda: mlp(T.FLOAT16), "weights from fp16 to fp32 first"),
    "fp16, dynamic": (QuantizeDynamic, lambda: mlp(T.FLOAT16), "weights from fp16 to fp32 first"),
    "double, dynamic": (QuantizeDynamic, lambda: mlp(T.DOUBLE), "weights from fp64 to fp32 first"),
    "scaled, static": (QuantizeStatic, lambda: mlp(alpha=0.5, beta=3.0), "ranges from 24 rows"),
    "scaled, dynamic": (QuantizeDynamic, lambda: mlp(alpha=0.5, beta=3.0), ""),
    "tensors that are inputs": (QuantizeDynamic, lambda: mlp(opset=11, fed_too=True), "opset 11 lifted to 13"),
    "three axes, static": (QuantizeStatic, per_head, "1 of 2 layers with one scale for the whole weight (MatMul_1_c)"),
    "three axes, dynamic": (QuantizeDynamic, per_head, "1 of 2 layers with one scale for the whole weight (MatMul_1_c)"),
    "lstm": (QuantizeDynamic, lambda: recurrent("LSTM", 4), ""),
    "shared": (QuantizeDynamic, shared, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_it_goes_into_eight_bits_and_answers_alike(tmp_path: Path, case: str) -> None:
    unit, make, said = CASES[case]
    model, inputs = make()
    given, context = context_for(model, inputs, tmp_path / "case")
    made = unit().apply(given, context)
    assert said in made.note
    eight = {item.data_type for item in onnx.load(context.store.folder(made.digest) / "graph.onnx").graph.initializer if len(item.dims) > 1}
    assert eight & {T.INT8, T.UINT8}
    for engine in ENGINES if unit is QuantizeStatic else ENGINES[:1]:
        if engine.name() == "openvino" and inputs.dtype == np.float64:
            continue
        for batch in (1,) if case == "fixed batch" else (1, 24):
            place = tmp_path / engine.name() / str(batch)
            mine = answers(engine, made, context, place / "made", inputs[:batch])
            goal = answers(engine, given, context, place / "given", inputs[:batch])
            assert mine.shape == goal.shape == (batch, 4)
            assert np.linalg.norm(mine - goal) < 0.25 * np.linalg.norm(goal)


def test_a_layer_that_no_engine_takes_stays_and_is_named(tmp_path: Path) -> None:
    from paredown.quantizing import eight_bits

    model, inputs = shared()
    for at, node in enumerate(model.graph.node):
        node.name = f"node{at}"
    asker = eight_bits.Asker(eight_bits.engines(1), model, {"x": inputs[:4]}, tmp_path)
    found = eight_bits.products(model, ["MatMul", "Gemm"])
    tried: list[dict[str, str]] = []

    def build(ways: Mapping[str, str]) -> Any:
        tried.append(dict(ways))
        if ways["w"] != eight_bits.LEFT:
            raise RuntimeError("words that name nothing")
        return model

    _, ways = eight_bits.settle(found, {item.weight: eight_bits.CHANNEL for item in found}, build, asker)
    assert ways == {"w": eight_bits.LEFT, "head": eight_bits.CHANNEL}
    assert eight_bits.summary(found, ways, eight_bits.CHANNEL) == "3 of 4 layers left in fp32 (node0, node2, node3)"
    assert tried[0] == {"w": eight_bits.CHANNEL, "head": eight_bits.CHANNEL}
    with pytest.raises(Unfit, match=r"none of this graph's 4 layers can be put into 8 bits: the quantizer gives up\."):
        eight_bits.settle(found, {"w": eight_bits.CHANNEL, "head": eight_bits.CHANNEL}, lambda ways: 1 / 0, asker)


def test_answers_that_say_nothing_are_refused(tmp_path: Path) -> None:
    from paredown.quantizing import eight_bits

    model, inputs = mlp()
    other = onnx.ModelProto.FromString(model.SerializeToString())
    for item in other.graph.initializer[2:]:
        item.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(item), item.name))
    asker = eight_bits.Asker(eight_bits.engines(1), model, {"x": inputs[:4]}, tmp_path)
    assert asker.refusal(model) == ("", "")
    assert asker.refusal(other)[0].endswith("have nothing to do with those in fp32")
    other.graph.node[1].op_type = "NoSuchOperator"
    assert asker.refusal(other)[0] == "onnxruntime does not take it, because of its NoSuchOperator nodes"
    with pytest.raises(Unfit, match=r"onnxruntime does not run the graph as it is, because of its NoSuchOperator nodes; no 8-bit form"):
        eight_bits.Asker(eight_bits.engines(1), other, {"x": inputs[:4]}, tmp_path)


def test_an_engine_that_takes_no_layer_or_computes_the_graph_otherwise_is_left_out(tmp_path: Path) -> None:
    from paredown.quantizing import eight_bits

    model, inputs = mlp()
    first, opens = next(iter(eight_bits.engines(1).items()))

    class Odd(Session):
        """Answers as the first engine, times a number that the graph's text names."""

        def __init__(self, folder: Path) -> None:
            self.inner, self.times = opens(folder), float(onnx.load(folder / "graph.onnx").doc_string or 1)

        def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
            return {name: self.times * item for name, item in self.inner.run(feed).items()}

    def marked(times: str) -> onnx.ModelProto:
        copy = onnx.ModelProto.FromString(model.SerializeToString())
        copy.doc_string = times
        return copy

    both = {first: opens, "odd": Odd}
    assert [*eight_bits.Asker(both, marked("1.5"), {"x": inputs[:4]}, tmp_path / "any").engines] == [first]
    asker = eight_bits.Asker(both, model, {"x": inputs[:4]}, tmp_path / "eight")
    assert [*asker.engines] == [first, "odd"]
    found = eight_bits.products(model, ("Gemm",))
    wished = eight_bits.wished(found, True)

    def build(ways: Mapping[str, str]) -> onnx.ModelProto:
        if sum(way != eight_bits.LEFT for way in ways.values()) == 1:
            raise RuntimeError("one alone the quantizer does not take")
        return marked("-1")

    assert eight_bits.settle(found, wished, build, asker)[1] == wished
    assert [*asker.engines] == [first]


@pytest.mark.parametrize("unit", [QuantizeStatic, QuantizeDynamic])
def test_a_graph_in_eight_bits_already_is_refused(tmp_path: Path, unit: type[Technique]) -> None:
    given, context = context_for(*mlp(), tmp_path / "a")
    made = QuantizeDynamic().apply(given, context)
    with pytest.raises(
        Unfit, match=r"this graph is quantized already \(DynamicQuantizeLinear, MatMulInteger\); .* give the model in fp32\."
    ):
        unit().apply(made, context)


def test_a_layer_without_kernels_is_no_reason_to_go_elsewhere(tmp_path: Path) -> None:
    given, context = context_for(*recurrent("GRU", 3), tmp_path / "a")
    with pytest.raises(
        Unfit, match=r"128 of 4736 weights are in matrix products; .*The others are in GRU, for which there are no 8-bit kernels"
    ):
        QuantizeDynamic().apply(given, context)
    with pytest.raises(Unfit, match=r"128 of 4736 weights are in layers for which there are 8-bit kernels with measured ranges"):
        QuantizeStatic().apply(given, context)


def test_work_of_recurrent_layers_is_counted(tmp_path: Path) -> None:
    from paredown.graphs import graphs

    given, context = context_for(*recurrent("LSTM", 4), tmp_path / "a")
    steps = 6 * (16 * 128 + 32 * 128) + 32 * 4
    assert graphs.count(graphs.load_clean(context.store.folder(given.digest), "a test"))[0] == steps
    made = QuantizeDynamic().apply(given, context)
    assert graphs.count(graphs.load_clean(context.store.folder(made.digest), "a test"))[0] == steps


def test_one_loud_channel_is_evened_before_layers_are_left_in_fp32(tmp_path: Path) -> None:
    model, inputs = mlp()
    first = numpy_helper.to_array(model.graph.initializer[0]).copy()
    inputs[:, 0], first[0] = 400 * inputs[:, 0], first[0] / 400
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(first, "first"))
    given, context = context_for(model, inputs, tmp_path / "a")
    made = QuantizeStatic().apply(given, context)
    assert "layers with weights alone, the channels of 2 inputs made alike" in made.note
    assert "fp32" not in made.note
    goal = answers(ENGINES[0], given, context, tmp_path / "given", inputs)
    assert np.linalg.norm(answers(ENGINES[0], made, context, tmp_path / "made", inputs) - goal) < 0.1 * np.linalg.norm(goal)
    rough = QuantizeStatic(moved=1.0).apply(given, context_for(model, inputs, tmp_path / "b")[1])
    assert "made alike" not in rough.note
