"""Multiply-adds and parameters against sums made by hand, on modules and on graphs, quantized ones too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

import modelkit_nets as nets
from paredown.core.candidate import Candidate
from paredown.graphs import graphs
from paredown.ground.store import FolderStore
from paredown.pruning.count import multiply_adds
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny

EXAMPLE = (torch.zeros(1, 1, 6, 6),)
# 36 places x 8 x 9; 36 x 12 x 72; 12 x 3
CONV_WORK = 36 * 8 * 9 + 36 * 12 * 8 * 9 + 12 * 3
# with the norms folded into the convolutions, each has a bias
CONV_NUMBERS = 8 * 9 + 8 + 12 * 72 + 12 + 12 * 3 + 3
MLP_WORK = 36 * 16 + 16 * 3
MLP_NUMBERS = MLP_WORK + 16 + 3


def test_modules() -> None:
    assert multiply_adds(nets.residual().eval(), EXAMPLE) == {
        "conv1": 36 * 8 * 9,
        "conv2": 36 * 12 * 8 * 9,
        "conv3": 36 * 8 * 12 * 9,
        "head": 8 * 3,
    }
    # a depthwise convolution sees one channel per output
    assert multiply_adds(nets.depthwise().eval(), EXAMPLE) == {"0": 36 * 8 * 9, "3": 36 * 8 * 9, "6": 36 * 6 * 8, "10": 6 * 3}
    assert multiply_adds(nets.flat().eval(), EXAMPLE) == {"0": 36 * 4 * 9, "4": 36 * 10, "6": 10 * 3}


def test_a_layer_used_twice_counts_twice() -> None:
    layer = torch.nn.Linear(4, 4)
    assert multiply_adds(torch.nn.Sequential(layer, layer), (torch.zeros(1, 4),)) == {"0": 32}


def counted(candidate: Candidate, folder: Path) -> tuple[int | None, int]:
    return graphs.count(graphs.load_clean(FolderStore(folder / "store").folder(candidate.digest), "counting"))


def test_graphs(tmp_path: Path, lowered: tuple[Path, Candidate, Candidate]) -> None:
    assert counted(tiny.candidate("onnx", tmp_path), tmp_path) == (MLP_WORK, MLP_NUMBERS)
    assert counted(lowered[2], lowered[0]) == (CONV_WORK, CONV_NUMBERS)


def test_quantized_graphs_do_the_same_work(tmp_path: Path, lowered: tuple[Path, Candidate, Candidate]) -> None:
    folder, given, graph = lowered
    context = replace(tiny.context(tmp_path / "conv", teacher=given), store=FolderStore(folder / "store"))
    assert counted(QuantizeStatic().apply(graph, context), folder) == (CONV_WORK, CONV_NUMBERS)
    mlp = tiny.candidate("onnx", tmp_path)
    dynamic = QuantizeDynamic().apply(mlp, tiny.context(tmp_path, teacher=mlp))
    work, numbers = counted(dynamic, tmp_path)
    assert work == MLP_WORK
    # a scale and a zero point per output stand beside the weights
    assert MLP_NUMBERS <= numbers <= MLP_NUMBERS + 2 * (16 + 3)


def test_a_shape_that_stays_unknown_is_not_guessed() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["places"]),
        helper.make_node("Cast", ["places"], ["open"], to=TensorProto.FLOAT),
        helper.make_node("MyOwn", ["open"], ["mine"], domain="example"),
        helper.make_node("MatMul", ["mine", "w"], ["y"]),
    ]
    held = [helper.make_tensor("w", TensorProto.FLOAT, [2, 2], [1.0] * 4)]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "open", [x], [y], held), opset_imports=[helper.make_opsetid("", 18)])
    assert graphs.count(model) == (None, 4)


def test_steps_that_stay_unknown_are_not_counted_as_one() -> None:
    """Taking the time axis of a second recurrent layer for 1 told a half of the products."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 7, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    held = [helper.make_tensor("some", TensorProto.BOOL, [7], [True] * 7)]
    held += [
        helper.make_tensor(name, TensorProto.FLOAT, (1, 15, width), bytes(60 * width), raw=True) for name, width in (("w", 4), ("r", 5))
    ]
    first = helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2])
    part = helper.make_node("Compress", ["steps", "some"], ["part"], axis=0)
    for nodes, fed, found in (([first], "steps", 7 * 15 * (4 + 5)), ([first, part], "part", None)):
        gru = helper.make_node("GRU", [fed, "w", "r"], ["y"], hidden_size=5)
        graph = helper.make_graph([*nodes, gru], "steps", [x], [y], held)
        assert graphs.count(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))[0] == found


def test_strip_takes_out_what_only_the_maker_needs() -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    node = helper.make_node("Relu", ["x"], ["y"], name="relu", doc_string="File '/somewhere/secret.py', line 3")
    node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/somewhere/secret.py")
    graph = helper.make_graph([node], "g", [x], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])], doc_string="secret")
    graph.metadata_props.add(key="secret", value="1")
    graph.input[0].metadata_props.add(key="secret", value="1")
    model = helper.make_model(graph, doc_string="secret")
    model.metadata_props.add(key="secret", value="1")
    graphs.strip(model)
    assert b"secret" not in model.SerializeToString()
    onnx.checker.check_model(model)
