"""Artifacts whose graph never ends, or asks for more memory than there is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from hostile import reseal
from tiny_study import NAMES, WIDTH


def replace_graph(artifact: Path, kind: str) -> Path:
    """Put a graph into a copy of the tiny artifact: "endless" has a loop of 2**62 rounds, "huge" asks for 256 TB, "wide" for 8 GB."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    logits = [helper.make_node("MatMul", ["input", "cut"], ["small"])]
    held = [numpy_helper.from_array(np.eye(WIDTH, len(NAMES), dtype=np.float32), "cut")]
    if kind == "endless":
        rounds = helper.make_graph(
            [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Tanh", ["before"], ["after"])],
            "rounds",
            [
                helper.make_tensor_value_info("round", TensorProto.INT64, []),
                helper.make_tensor_value_info("on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
            ],
            [helper.make_tensor_value_info("still", TensorProto.BOOL, []), helper.make_tensor_value_info("after", TensorProto.FLOAT, None)],
        )
        held += [numpy_helper.from_array(np.array(2**62), "most"), numpy_helper.from_array(np.array(True), "always")]
        logits.append(helper.make_node("Loop", ["most", "always", "small"], ["logits"], body=rounds))
    else:
        many = 2**46 if kind == "huge" else 2**31
        held += [numpy_helper.from_array(np.array([many]), "shape"), numpy_helper.from_array(np.array([0]), "axis")]
        logits += [
            helper.make_node("ConstantOfShape", ["shape"], ["filled"]),
            helper.make_node("ReduceSum", ["filled", "axis"], ["sum"], keepdims=0),
            helper.make_node("Add", ["small", "sum"], ["logits"]),
        ]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", WIDTH])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(NAMES)])
    graph = helper.make_graph(logits, "hostile", [taken], [given], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), artifact / "model.onnx")
    reseal(artifact)
    assert json.loads((artifact / "artifact.json").read_text())["graphs"][0]["file"] == "model.onnx"
    return artifact
