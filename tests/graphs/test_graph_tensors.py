"""Graphs of any inputs and outputs, opened with a few rows: where rows lie, what is constant, what is answered, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, BadModel, UnknownName
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.kinds.decode import answer, make_decoder
from paredown.models.onnx import Onnx
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.runtimes.openvino import Openvino
from paredown.tasks.tensors import Tensors
from paredown.testing import tiny

DRAW = np.random.default_rng(0)
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
End = tuple[str, int, list[Any]]


def graph(nodes: Sequence[Any], inputs: Sequence[End], outputs: Sequence[End], **held: Any) -> Any:
    ends = [[helper.make_tensor_value_info(*end) for end in some] for some in (inputs, outputs)]
    kept = [numpy_helper.from_array(np.asarray(array), name) for name, array in held.items()]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, kept), opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def node(op: str, inputs: str, outputs: str, **more: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **more)


class Made:
    """A graph that the model source has opened and stored, asked row by row and all at once."""

    def __init__(self, folder: Path, model: Any, arrays: Mapping[str, Any], **options: Any) -> None:
        onnx.save(model, folder / "m.onnx")
        spec, source, task = ModelSpec(kind="onnx", value="m.onnx", options=options), Onnx(), Tensors()
        rows = Rows(inputs=arrays if len(arrays) > 1 else next(iter(arrays.values())), labels=None)
        task.check(rows)
        encode = task.encoder(rows, {"takes": source.takes(spec, folder)})
        context = tiny.context(folder / "look")
        context = replace(context, data={"calibration": lambda: rows}, encode=make_encoder(encode), decode=task.decoder(("0",), encode))
        self.decode = source.limits(spec, folder, encode, context)["decode"]
        work = folder / "take" / "work"
        work.mkdir(parents=True)
        context = replace(context, decode=self.decode, work=work)
        self.candidate: Candidate = source.prepare(spec, folder, feed_shapes(encode), self.decode["width"], context)
        self.feed, self.store, self.folder = context.encode(rows.inputs), context.store, folder
        self.model = onnx.load(self.store.folder(self.candidate.digest) / "graph.onnx")

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        return {part["name"]: tuple(part["shape"]) for part in self.decode["parts"]}

    def answers(self, engine: Any = Onnxruntime) -> list[dict[str, Any]]:
        """What an engine says of each row, the same alone as among all."""
        out = self.folder / engine.__name__
        out.mkdir()
        session = engine().open(out, engine().export(self.candidate, self.store, out)["file"], {"threads": 1})
        decode = make_decoder(self.decode)
        whole = decode(session.run(self.feed))
        alone = [decode(session.run({name: array[at : at + 1] for name, array in self.feed.items()})) for at in range(len(whole))]
        session.close()
        np.testing.assert_allclose(np.concatenate(alone), whole, atol=1e-5)
        assert whole.dtype == np.float32
        return answer(self.decode, [], whole)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Made]:
    return lambda *args, **options: Made(tmp_path, *args, **options)


X = DRAW.normal(size=(6, 4)).astype(np.float32)
STATE = DRAW.normal(size=(6, 2, 3)).astype(np.float32)


def recurrent(batch: Any) -> Any:
    """x (N, 4), state (2, N, 3) and a rate without axes; the next state has its rows along the second axis too."""
    nodes = [
        node("MatMul", "x W", "felt"), node("Add", "state felt", "sum"), node("Cast", "rate", "r", to=FLOAT),
        node("Mul", "sum r", "next"), node("ReduceSum", "felt axes", "prob", keepdims=1),
    ]  # fmt: skip
    ends = [("x", FLOAT, [batch, 4]), ("state", FLOAT, [2, batch, 3]), ("rate", INT64, [])]
    return graph(nodes, ends, [("prob", FLOAT, [batch, 1]), ("next", FLOAT, [2, batch, 3])], W=W, axes=np.array([1]))


W = DRAW.normal(size=(4, 3)).astype(np.float32)


@pytest.mark.parametrize("engine", [Onnxruntime, Openvino])
@pytest.mark.parametrize("batch", ["n", 1])
def test_rows_may_lie_along_another_axis_and_a_constant_is_a_part_of_the_model(made: Any, batch: Any, engine: Any) -> None:
    found = made(recurrent(batch), {"x": X, "state": STATE}, constants={"rate": 3})
    assert found.parts == {"prob": (1,), "next": (2, 3)}
    assert [item.name for item in found.model.graph.input] == ["x", "state"]
    for row, said in enumerate(found.answers(engine)):
        np.testing.assert_allclose(said["prob"], (X[row] @ W).sum(keepdims=True), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(said["next"], 3 * (STATE[row] + X[row] @ W), rtol=1e-5, atol=1e-6)


def test_an_input_without_an_axis_for_rows_is_fed_one_by_one(made: Any) -> None:
    rates = np.array([1, 2, 3, 1, 2, 3])
    found = made(recurrent("n"), {"x": X, "state": STATE, "rate": rates})
    assert "The graph's 'rate' has no axis for rows: it is fed one by one." in found.candidate.note
    for row, said in enumerate(found.answers()):
        np.testing.assert_allclose(said["next"], rates[row] * (STATE[row] + X[row] @ W), rtol=1e-5, atol=1e-6)


def test_a_constant_of_one_number_fills_an_input_for_as_many_rows_as_there_are(made: Any) -> None:
    found = made(recurrent("n"), {"anything": X}, constants={"rate": 2, "state": 0.5})
    np.testing.assert_allclose(found.answers()[4]["next"], 2 * (0.5 + np.tile(X[4] @ W, (2, 1))), rtol=1e-5, atol=1e-6)


def test_blocks_of_an_axis_belong_to_their_row_and_free_sizes_to_the_rows(made: Any) -> None:
    nodes = [node("Reshape", "x two", "halves"), node("ReduceMean", "x", "mean", axes=[1], keepdims=0), node("Identity", "x", "same")]
    outputs = [("halves", FLOAT, ["m", 2]), ("mean", FLOAT, ["n"]), ("same", FLOAT, ["n", "t"])]
    found = made(graph(nodes, [("x", FLOAT, ["n", "t"])], outputs, two=np.array([-1, 2])), {"x": X})
    assert found.parts == {"halves": (2, 2), "mean": (), "same": (4,)}
    said = found.answers()[3]
    np.testing.assert_array_equal(said["halves"], X[3].reshape(2, 2))
    np.testing.assert_allclose(said["mean"], X[3].mean(), rtol=1e-6)


def test_numbers_are_fed_in_the_kind_that_the_graph_takes_and_come_as_float32(made: Any) -> None:
    nodes = [node("Gather", "table at", "row", axis=0), node("Not", "mask", "other"), node("Cast", "wide", "w", to=FLOAT)]
    inputs = [("at", TensorProto.INT32, ["n", 2]), ("mask", BOOL, ["n", 2]), ("wide", TensorProto.DOUBLE, ["n"])]
    outputs = [("row", FLOAT, ["n", 2, 3]), ("other", BOOL, ["n", 2]), ("w", FLOAT, ["n"])]
    at, mask = DRAW.integers(0, 9, (6, 2)), DRAW.random((6, 2)) > 0.5
    table = DRAW.normal(size=(9, 3)).astype(np.float32)
    found = made(graph(nodes, inputs, outputs, table=table), {"wide": X[:, 0], "mask": mask, "at": at})
    assert {name: str(array.dtype) for name, array in found.feed.items()} == {"at": "int32", "mask": "bool", "wide": "float64"}
    said = found.answers()[2]
    np.testing.assert_array_equal(said["row"], table[at[2]])
    np.testing.assert_array_equal(said["other"], ~mask[2])


def test_weights_in_nodes_count_and_a_decided_branch_is_gone(made: Any) -> None:
    def branch(name: str, weight: Any) -> Any:
        held = helper.make_node("Constant", [], [f"{name}_w"], value=numpy_helper.from_array(weight))
        out = helper.make_tensor_value_info(name, FLOAT, None)
        return helper.make_graph([held, node("MatMul", f"x {name}_w", name)], name, [], [out])

    nodes = [node("Equal", "rate sixteen", "yes"), node("If", "yes", "y", then_branch=branch("t", W), else_branch=branch("e", -W))]
    inputs = [("x", FLOAT, ["n", 4]), ("rate", INT64, [])]
    found = made(graph(nodes, inputs, [("y", FLOAT, ["n", 3])], sixteen=np.array(16)), {"x": X}, constants={"rate": 16})
    assert "If" not in {each.op_type for each in found.model.graph.node}
    assert found.candidate.parameters >= W.size
    np.testing.assert_allclose(found.answers()[5]["y"], X[5] @ W, rtol=1e-5, atol=1e-6)


def test_a_branch_that_the_size_of_rows_decides_is_gone_and_one_that_the_rows_decide_stays(made: Any) -> None:
    def side(name: str, op: str) -> Any:
        return helper.make_graph([node(op, "x", name)], name, [], [helper.make_tensor_value_info(name, FLOAT, None)])

    nodes = [
        node("Shape", "x", "shape"), node("Gather", "shape one", "size"), node("Equal", "size four", "wide"),
        node("If", "wide", "y", then_branch=side("t", "Relu"), else_branch=side("e", "Neg")),
        node("ReduceSum", "x", "sum", keepdims=0), node("Greater", "sum zero", "positive"),
        node("If", "positive", "z", then_branch=side("p", "Abs"), else_branch=side("n", "Neg")),
    ]  # fmt: skip
    outputs = [("y", FLOAT, ["n", 4]), ("z", FLOAT, ["n", 4])]
    found = made(graph(nodes, [("x", FLOAT, ["n", "w"])], outputs, one=np.array(1), four=np.array(4), zero=np.float32(0)), {"x": X})
    assert [each.op_type for each in found.model.graph.node].count("If") == 1
    assert "it is fed one by one" in found.candidate.note  # the sum of several rows is another
    for row, said in zip(X, found.answers()):
        np.testing.assert_array_equal(said["y"], np.maximum(row, 0))
        np.testing.assert_array_equal(said["z"], np.abs(row) if row.sum() > 0 else -row)


def same(shape: list[Any], kind: int = FLOAT) -> Any:
    return graph([node("Relu", "x", "y")], [("x", kind, shape)], [("y", kind, shape)])


def test_what_does_not_fit_is_refused(made: Any) -> None:
    with pytest.raises(
        BadModel, match=r"m\.onnx takes x: float \(n, 5\); one row of the array 'x' has the shape \(4,\)\.\n  Rows lie along"
    ):
        made(same(["n", 5]), {"x": X})


def test_an_output_that_is_not_there_is_refused(made: Any) -> None:
    with pytest.raises(UnknownName, match=r"no output of the graph 'z'"):
        made(same(["n", 4]), {"x": X}, output="z")


def test_one_output_can_be_named_and_others_than_numbers_are_left_out(made: Any) -> None:
    label = helper.make_tensor_value_info("label", TensorProto.STRING, ["n"])
    model = same(["n", 4])
    model.graph.node.append(node("Gather", "names zeros", "label"))
    model.graph.node.append(node("Sqrt", "y", "root"))
    model.graph.output.extend([label, helper.make_tensor_value_info("root", FLOAT, ["n", 4])])
    model.graph.initializer.extend(
        [numpy_helper.from_array(np.array(["a"], object), "names"), numpy_helper.from_array(np.zeros(6, int), "zeros")]
    )
    found = made(model, {"x": X})
    assert "Outputs that are no tensors of numbers are left out: label: string (n,)." in found.candidate.note
    assert found.parts == {"y": (4,), "root": (4,)}


def test_a_shape_that_depends_on_what_is_in_a_row_is_refused(made: Any) -> None:
    model = graph([node("NonZero", "r", "y"), node("Relu", "x", "r")][::-1], [("x", FLOAT, [1, 4])], [("y", INT64, [2, "k"])])
    with pytest.raises(
        BadModel, match=r"m\.onnx answers in 'y' with another shape for another row \(\(2, \d\) and \(2, \d\)\), as detectors"
    ):
        made(model, {"x": X})


@pytest.mark.parametrize(
    ("constants", "error", "said"),
    [
        ({"rat": 1}, UnknownName, "no input of the graph 'rat'. Did you mean 'rate'?"),
        ({"rate": "fast"}, BadModel, "`constants:` gives 'rate' 'fast'; it takes rate: int64 ()."),
        ({"rate": [1, 2]}, BadModel, "`constants:` gives 'rate' numbers of shape (2,); it takes rate: int64 ()."),
        ({}, BadData, "the model takes 'rate' (int64, shape ()); the rows have the arrays x, state.\n  Give one array for each input"),
    ],
)
def test_constants_that_do_not_fit_are_refused(made: Any, constants: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        made(recurrent("n"), {"x": X, "state": STATE}, constants=constants)


def test_rows_that_the_graph_does_not_run_on_are_told(made: Any) -> None:
    model = graph([node("Reshape", "x seven", "y")], [("x", FLOAT, ["n", 4])], [("y", FLOAT, None)], seven=np.array([-1, 7]))
    with pytest.raises(BadModel, match=r"m\.onnx does not answer a row of these data \(x \(1, 4\) of float32\): .*[Rr]eshape"):
        made(model, {"x": X})


def test_words_are_refused(tmp_path: Path) -> None:
    model = graph([node("Identity", "x", "y")], [("x", TensorProto.STRING, ["n"])], [("y", TensorProto.STRING, ["n"])])
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(BadModel, match=r"m\.onnx takes x: string \(n,\), and rows are fed as arrays of numbers\."):
        Onnx().takes(ModelSpec(kind="onnx", value="m.onnx"), tmp_path)


def test_answers_that_are_no_tensors_are_refused(made: Any) -> None:
    model = graph(
        [node("Gather", "names x", "y")], [("x", INT64, ["n"])], [("y", TensorProto.STRING, ["n"])], names=np.array(["a", "b"], object)
    )
    with pytest.raises(BadModel, match=r"m\.onnx answers with y: string \(n,\): no tensors of numbers\."):
        made(model, {"x": np.array([0, 1, 1])})


def test_another_model_has_to_have_the_same_outputs(made: Any, tmp_path: Path) -> None:
    found = made(same(["n", 4]), {"x": X})
    other = replace(tiny.context(tmp_path / "other"), data={"calibration": lambda: Rows(inputs=X, labels=None)}, decode=found.decode)
    other = replace(other, encode=lambda inputs: {"x": inputs})
    onnx.save(graph([node("Relu", "x", "z")], [("x", FLOAT, ["n", 4])], [("z", FLOAT, ["n", 4])]), tmp_path / "m.onnx")
    with pytest.raises(BadModel, match=r"answers with z \(4,\); wanted are y \(4,\)\.\n  Give a model with the same outputs"):
        Onnx().prepare(ModelSpec(kind="onnx", value="m.onnx"), tmp_path, {"x": (4,)}, 4, other)
