"""Tables of embeddings in 8 and 4 bits: how near the numbers stay, which tables are taken, and what both engines answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.ground.lazy import missing
from paredown.quantizing import tables

DRAW = np.random.default_rng(0)


def graph(table: np.ndarray, *more: Any, output: str = "rows", extra: tuple[Any, ...] = ()) -> Any:
    """A graph that looks up the rows of a table whose numbers it is fed, with more nodes and initializers."""
    nodes = [helper.make_node("Gather", ["words", "asked"], ["rows"], axis=0), *more]
    kind = helper.np_dtype_to_tensor_dtype(table.dtype)
    asked = helper.make_tensor_value_info("asked", TensorProto.INT64, ["batch", "tokens"])
    made = helper.make_tensor_value_info(output, kind, ["batch", "tokens", table.shape[1]])
    held = [numpy_helper.from_array(table, "words"), *extra]
    return helper.make_model(
        helper.make_graph(nodes, "g", [asked], [made], held), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )


@pytest.mark.parametrize("width", [16, 31])
@pytest.mark.parametrize("bits", [8, 4])
def test_rows_are_within_half_a_step_and_fewer_bits_cost_more(bits: int, width: int) -> None:
    table = (DRAW.normal(size=(300, width)) * DRAW.uniform(0.01, 3, (300, 1))).astype(np.float32)
    item = tables.coded(table, bits)
    assert item.codes.max() <= 2**bits - 1
    spread = table.max(1) - table.min(1)
    off = np.abs(item.rows() - table).max(1)
    inside = off <= spread / (2**bits - 1) * (0.51 if bits == 8 else 0.5 + 0.16 * 15)  # a narrowed range cuts what is outside it
    assert inside.all()
    assert tables.packed_b(item, bits) == 300 * ((width * bits + 7) // 8 + 4)  # scale and least value in 16 bits each


def test_a_narrowed_range_costs_less_than_the_whole_one() -> None:
    table = DRAW.standard_t(4, size=(200, 64)).astype(np.float32)
    low, high = table.min(1, keepdims=True), table.max(1, keepdims=True)
    whole = np.rint((table - low) / (high - low) * 15) * (high - low) / 15 + low
    found = tables.coded(table, 4).rows()
    each = [((rows - table) ** 2).sum(axis=1) for rows in (found, whole)]
    assert each[0].sum() < 0.9 * each[1].sum()
    assert (each[0] <= each[1] * 1.01).all()  # scale and least value are rounded to 16 bits


def test_rows_of_one_number_and_rows_far_from_0_stay_what_they_are() -> None:
    table = np.stack([np.zeros(8), np.full(8, -3.25), 1000 + np.arange(8) / 100, np.full(8, 1e9)]).astype(np.float32)
    for bits in (8, 4):
        item = tables.coded(table, bits)
        assert item.low.dtype == np.float32  # 16 bits do not hold 1000.01
        np.testing.assert_allclose(item.rows(), table, rtol=0, atol=0.07 / 15 + 1e-6)


def run(model: Any, asked: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"asked": asked})[0]
    return found


def run_openvino(model: Any, asked: np.ndarray) -> np.ndarray:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString(), b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found: np.ndarray = compiled({"asked": asked})[0]
    return found


ENGINES = [
    run,
    pytest.param(run_openvino, marks=pytest.mark.skipif(missing("openvino", "a test") is not None, reason="openvino is not installed")),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("width", [16, 7])
@pytest.mark.parametrize("bits", [8, 4])
def test_an_engine_answers_with_the_coded_rows(bits: int, width: int, kind: Any, engine: Any) -> None:
    table = DRAW.normal(size=(40, width)).astype(kind)
    model, asked = graph(table), DRAW.integers(0, 40, (3, 5))
    item = tables.coded(table, bits)
    tables.replace(model, "words", item, bits)
    onnx.checker.check_model(model)
    np.testing.assert_allclose(engine(model, asked), item.rows()[asked], rtol=0, atol=2e-6 if kind is np.float32 else 4e-3)


def test_a_graph_stays_small_when_an_engine_has_prepared_it(tmp_path: Path) -> None:
    """No engine makes floats of the table beforehand: the rows are known only when it is asked."""
    import onnxruntime

    table = DRAW.normal(size=(4000, 64)).astype(np.float32)
    for bits, times in ((8, 3.5), (4, 6.5)):
        model = graph(table)
        tables.replace(model, "words", tables.coded(table, bits), bits)
        assert model.ByteSize() * times < table.nbytes
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / f"{bits}.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        assert (tmp_path / f"{bits}.onnx").stat().st_size * times < table.nbytes


def test_only_tables_of_which_nothing_but_rows_is_used_are_taken() -> None:
    table = DRAW.normal(size=(40, 8)).astype(np.float32)
    assert tables.looked_up(graph(table)) == ["words"]
    assert tables.looked_up(graph(table[:15])) == []  # a few rows
    assert tables.looked_up(graph(table.astype(np.int32))) == []
    shared = helper.make_node("MatMul", ["rows", "turned"], ["out"])
    turned = helper.make_node("Transpose", ["words"], ["turned"])
    assert tables.looked_up(graph(table, turned, shared, output="out")) == []  # a head that shares its weights
    second = numpy_helper.from_array(np.array([[0, 3]]), "fixed")
    constant = helper.make_node("Gather", ["words", "fixed"], ["out"], axis=0)
    assert tables.looked_up(graph(table, constant, output="out", extra=(second,))) == []
    columns = graph(table)
    columns.graph.node[0].attribute[0].i = 1
    assert tables.looked_up(columns) == []
