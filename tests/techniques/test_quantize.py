"""Graphs in 8 bits: near the answers in fp32, smaller, and refused where they would not pay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from paredown.builder.order import check
from paredown.core.candidate import Candidate
from paredown.core.errors import BadRecipe, Unfit
from paredown.core.recipe import parse
from paredown.ground.lazy import missing
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny
from paredown.testing.contracts import check_technique

IMAGES = tiny.encode(tiny.rows(90, 7).inputs)[tiny.FEED]
Ask = Callable[[Path, np.ndarray], np.ndarray]


def test_static_contract(tmp_path: Path) -> None:
    check_technique(QuantizeStatic, tmp_path, samples=32)


NNCF = pytest.mark.skipif(missing("nncf", "a test") is not None, reason="the extra openvino is not installed")


@NNCF
def test_static_contract_through_nncf(tmp_path: Path) -> None:
    check_technique(QuantizeStatic, tmp_path, samples=32, ranges="nncf")


@NNCF
def test_nncf_stays_near_and_runs_in_eight_bits_on_both_engines(prepared: Any, tmp_path: Path, graph_logits: Ask) -> None:
    from paredown.runtimes.onnxruntime import Onnxruntime
    from paredown.runtimes.openvino import Openvino

    _, graph, context_at = prepared
    context = context_at(tmp_path)
    made = QuantizeStatic(ranges="nncf", samples=40).apply(graph, context)
    near(graph_logits(context.store.folder(made.digest), IMAGES), graph_logits(context.store.folder(graph.digest), IMAGES))
    for unit in (Onnxruntime(), Openvino()):
        (tmp_path / unit.name()).mkdir()
        unit.export(made, context.store, tmp_path / unit.name())  # refuses what would run in fp32
    with pytest.raises(Unfit, match=r"nncf has one scale per channel only; leave `per_channel` at true"):
        QuantizeStatic(ranges="nncf", per_channel=False).apply(graph, context_at(tmp_path / "b"))


def test_dynamic_contract(tmp_path: Path) -> None:
    check_technique(QuantizeDynamic, tmp_path)


def weights(model: Any, kinds: tuple[int, ...]) -> dict[str, list[int]]:
    """Initializers of two axes or more in these types, by name."""
    return {item.name: list(item.dims) for item in model.graph.initializer if item.data_type in kinds and len(item.dims) > 1}


EIGHT_BITS = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)


def near(mine: np.ndarray, goal: np.ndarray) -> None:
    assert not np.array_equal(mine, goal)
    assert np.abs(mine - goal).max() < 0.1 * np.abs(goal).max()
    assert (mine.argmax(1) == goal.argmax(1)).mean() > 0.95


@pytest.mark.parametrize("ranges", ["error", "minmax", "percentile"])
def test_static_stays_near(prepared: Any, tmp_path: Path, graph_logits: Ask, ranges: str) -> None:
    _, graph, context_at = prepared
    context = context_at(tmp_path)
    made = QuantizeStatic(ranges=ranges, samples=40).apply(graph, context)
    folder = context.store.folder(made.digest)
    near(graph_logits(folder, IMAGES), graph_logits(context.store.folder(graph.digest), IMAGES))
    model = onnx.load(folder / "graph.onnx")
    assert sorted(map(tuple, weights(model, EIGHT_BITS).values())) == [(3, 24), (16, 1, 3, 3), (24, 16, 3, 3)]
    assert weights(model, (onnx.TensorProto.FLOAT,)) == {}
    assert (made.parameters, made.note) == (graph.parameters, "ranges from 40 rows.")
    assert graph_logits(folder, IMAGES[:1]).shape == (1, 3)
    assert [node.name for node in model.graph.node if node.doc_string or node.metadata_props] == []


def test_one_scale_per_channel_or_per_tensor(prepared: Any, tmp_path: Path) -> None:
    _, graph, context_at = prepared
    context = context_at(tmp_path / "a")
    for per_channel, sizes in ((True, {16, 24, 3}), (False, {1})):
        context = context_at(tmp_path / str(per_channel))
        made = QuantizeStatic(per_channel=per_channel, samples=32).apply(graph, context)
        model = onnx.load(context.store.folder(made.digest) / "graph.onnx")
        held = {item.name: item for item in model.graph.initializer}
        matrices = weights(model, EIGHT_BITS)
        scales = {
            int(np.prod(held[node.input[1]].dims))
            for node in model.graph.node
            if node.op_type == "DequantizeLinear" and node.input[0] in matrices
        }
        assert scales <= sizes
        assert len(scales) > per_channel


def test_dynamic_stays_near_and_puts_products_into_eight_bits(tmp_path: Path, graph_logits: Ask) -> None:
    given = tiny.candidate("onnx", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    made = QuantizeDynamic().apply(given, context)
    folder = context.store.folder(made.digest)
    near(graph_logits(folder, IMAGES), tiny.logits({tiny.FEED: IMAGES}))
    model = onnx.load(folder / "graph.onnx")
    assert sorted(weights(model, EIGHT_BITS).values()) == [[16, 3], [36, 16]]
    assert weights(model, (onnx.TensorProto.FLOAT,)) == {}


def test_dynamic_refuses_a_convolutional_network(prepared: Any, tmp_path: Path) -> None:
    _, graph, context_at = prepared
    said = r"\d+ of \d+ weights are in matrix products; dynamic quantization pays from about a fifth on\. Use quantize_static\."
    with pytest.raises(Unfit, match=said):
        QuantizeDynamic().apply(graph, context_at(tmp_path))


def test_a_table_of_words_is_no_reason_to_refuse(prepared: Any, tmp_path: Path) -> None:
    draw, context = np.random.default_rng(0), prepared[2](tmp_path)
    held = [("table", draw.normal(size=(1000, 8))), ("matrix", draw.normal(size=(8, 3)))]
    nodes = [("Gather", ["table", "ids"], "found"), ("ReduceMean", ["found"], "felt"), ("MatMul", ["felt", "matrix"], "logits")]
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node(op, takes, [made], **({"axes": [1], "keepdims": 0} if op == "ReduceMean" else {}))
            for op, takes, made in nodes
        ],
        "words",
        [onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["batch", "tokens"])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in held],
    )
    folder = context.store.scratch()
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10), folder / "graph.onnx")
    made = QuantizeDynamic().apply(Candidate(digest=context.store.put(folder), form="onnx"), context)
    model = onnx.load(context.store.folder(made.digest) / "graph.onnx")
    assert [8, 3] in weights(model, EIGHT_BITS).values()


def test_a_model_is_quantized_once() -> None:
    with pytest.raises(BadRecipe, match=r"quantize_dynamic after quantize_static: a model is quantized once\."):
        check(parse("quantize_static() > quantize_dynamic() @ onnxruntime"))
