"""A light and a heavy artifact, a table's one, and the rows they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.pack import Label, join, pack
from paredown.core.candidate import Candidate
from paredown.core.rows import Rows
from paredown.ground.store import FolderStore
from paredown.rows.rowfile import write_rows
from paredown.testing import tiny

IMAGE = {"kind": "image", "input": "input", "shape": [6, 6], "scale": 1 / 16, "mean": 0.0, "std": 1.0, "layout": "nchw"}
TABLE = {
    "kind": "table",
    "input": "input",
    "columns": [
        {"name": "age", "kind": "numeric", "mean": 40.0, "std": 10.0, "fill": 38.0},
        {"name": "job", "kind": "categorical", "values": ["cook", "nurse"]},
    ],
}


def write_graph(file: Path, shape: list[int], hidden: int, seed: int = 0) -> None:
    """(N, *shape) -> flatten -> hidden -> logits (N, 3)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(seed)
    width = int(np.prod(shape))
    sizes = {"a": (width, hidden), "b": (hidden, hidden), "c": (hidden, 3)}
    held = [numpy_helper.from_array(draw.normal(0, 0.05, size).astype(np.float32), name) for name, size in sizes.items()]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("MatMul", ["flat", "a"], ["one"]),
        helper.make_node("Relu", ["one"], ["two"]),
        helper.make_node("MatMul", ["two", "b"], ["three"]),
        helper.make_node("MatMul", ["three", "c"], ["logits"]),
    ]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *shape])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "made", [taken], [given], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


@dataclass(frozen=True)
class Made:
    """Folders of artifacts and files of rows."""

    light: Path
    heavy: Path
    pair: Path
    table: Path
    rows: Path
    table_rows: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Artifacts that are not to be changed."""
    root = tmp_path_factory.mktemp("made")
    store = FolderStore(root / "store")

    def label(encode: dict[str, Any]) -> Label:
        return Label(
            name="made",
            task="tabular-classification" if encode["kind"] == "table" else "image-classification",
            recipe="as_given @ onnxruntime(threads=1)",
            lineage=[],
            encode=encode,
            decode={"kind": "softmax", "output": "logits", "classes": 3},
            labels=["a", "b", "c"],
            isa="avx2",
        )

    def one(name: str, encode: dict[str, Any], shape: list[int], hidden: int, probe: Any) -> Path:
        scratch = store.scratch()
        write_graph(scratch / "graph.onnx", shape, hidden)
        folder = root / name
        folder.mkdir()
        pack(label(encode), Candidate(digest=store.put(scratch), form="onnx"), "onnxruntime", {"threads": 1}, probe, store, folder)
        return folder

    images = tiny.rows(300, 1)
    light = one("light", IMAGE, [1, 6, 6], 4, images.inputs[:4])
    heavy = one("heavy", IMAGE, [1, 6, 6], 1500, images.inputs[:4])
    (root / "pair").mkdir()
    join(label(IMAGE), {"kind": "cascade", "at": 0.9}, {"first": light, "second": heavy}, images.inputs[:4], root / "pair")
    table = one("table", TABLE, [3], 4, [{"age": 30.0, "job": "cook"}])
    write_rows(images, root / "rows.npz")
    draw = np.random.default_rng(0)
    columns = {"age": draw.normal(40, 10, 30), "job": draw.choice(["cook", "nurse", ""], 30)}
    write_rows(Rows(inputs=columns, labels=None), root / "table.npz")
    return Made(light=light, heavy=heavy, pair=root / "pair", table=table, rows=root / "rows.npz", table_rows=root / "table.npz")
