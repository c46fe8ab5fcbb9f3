"""Artifacts whose cost is known beforehand: the same matrix product, as many times as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.ground.host import host
from paredown.ground.store import FolderStore
from paredown.testing import tiny


def products(folder: Path, times: int, width: int = 64) -> Path:
    """Pack a graph for the tiny images whose work is `times` products of two (width, width) matrices, on one thread of onnxruntime.

    Twice the times take twice the CPU time, but for what encoding an image and decoding the answer take.

    Args:
        folder: An empty or absent folder; the artifact comes into `artifact` below it.
        times: Products per inference.
        width: 64 takes about 20 us per product on a server core of 2020, 256 about 1 ms.

    Returns:
        The artifact's folder.
    """
    store = FolderStore(folder / "store")
    scratch = store.scratch()
    _write_graph(scratch / "graph.onnx", times, width)
    label = Label(
        name="products",
        task="image-classification",
        recipe="as_given @ onnxruntime(threads=1)",
        lineage=[],
        encode={
            "kind": "image",
            "input": tiny.FEED,
            "shape": [tiny.SIDE, tiny.SIDE],
            "scale": 1 / 16,
            "mean": 0.0,
            "std": 1.0,
            "layout": "nchw",
        },
        decode={"kind": "softmax", "output": "logits", "classes": tiny.CLASSES},
        labels=["top", "middle", "bottom"],
        isa=host().isa,
    )
    artifact = folder / "artifact"
    artifact.mkdir(parents=True)
    candidate = Candidate(digest=store.put(scratch), form="onnx")
    pack(label, candidate, "onnxruntime", {"threads": 1}, tiny.rows(4).inputs, store, artifact)
    return artifact


def _write_graph(file: Path, times: int, width: int) -> None:
    """(N, 1, 6, 6) -> (N, width, width), multiplied `times` times by one orthogonal matrix -> (N, 3)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(0)
    turn, _ = np.linalg.qr(draw.normal(size=(width, width)))
    held = {
        "spread": draw.normal(0, 0.1, (tiny.SIDE**2, width)),
        "ground": draw.normal(0, 1, (width, width)),
        "turn": turn,
        "last": draw.normal(0, 0.1, (width, tiny.CLASSES)),
    }
    nodes = [
        helper.make_node("Flatten", [tiny.FEED], ["flat"]),
        helper.make_node("MatMul", ["flat", "spread"], ["row"]),
        helper.make_node("Unsqueeze", ["row", "one"], ["rows"]),
        helper.make_node("Add", ["rows", "ground"], ["turned0"]),
        *(helper.make_node("MatMul", [f"turned{at}", "turn"], [f"turned{at + 1}"]) for at in range(times)),
        helper.make_node("ReduceMean", [f"turned{times}", "one"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "last"], ["logits"]),
    ]
    constants = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in held.items()]
    constants.append(numpy_helper.from_array(np.asarray([1], np.int64), "one"))
    taken = helper.make_tensor_value_info(tiny.FEED, TensorProto.FLOAT, ["batch", 1, tiny.SIDE, tiny.SIDE])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", tiny.CLASSES])
    graph = helper.make_graph(nodes, "products", [taken], [given], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
