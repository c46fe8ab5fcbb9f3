"""Packed artifacts: one graph for images, one for a table, one in torch, and a cascade of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.pack import Label, join, pack
from paredown.core.candidate import Candidate
from paredown.ground.store import FolderStore
from paredown.testing import tiny

IMAGE = {"kind": "image", "input": tiny.FEED, "shape": [tiny.SIDE, tiny.SIDE], "scale": 1 / 16, "mean": 0.0, "std": 1.0, "layout": "nchw"}
TABLE = {
    "kind": "table",
    "input": "input",
    "columns": [
        {"name": "age", "kind": "numeric", "mean": 40.0, "std": 10.0, "fill": 38.0},
        {"name": "job", "kind": "categorical", "values": ["", "cook", "Lehrerin"]},
        {"name": "size", "kind": "code", "values": ["l", "m", "s"]},
    ],
}


def label(encode: dict[str, Any] = IMAGE, recipe: str = "as_given @ onnxruntime(threads=1)") -> Label:
    return Label(
        name="tiny",
        task="image-classification",
        recipe=recipe,
        lineage=["a" * 64, "b" * 64],
        encode=encode,
        decode={"kind": "softmax", "output": "logits", "classes": 3},
        labels=["oben", "middle", "bottom"],
        isa="avx2",
    )


def linear_graph(file: Path, width: int, seed: int, gain: float = 1.0) -> None:
    """input (N, ...) -> flatten -> logits (N, 3)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(seed)
    held = [
        numpy_helper.from_array((gain * draw.normal(size=shape)).astype(np.float32), name)
        for name, shape in (("w", (width, 3)), ("b", (3,)))
    ]
    nodes = [helper.make_node("Flatten", ["input"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["logits"])]
    shape = ["batch", 1, 6, 6] if width == 36 else ["batch", width]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "linear", [taken], [given], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)


def stored(store: FolderStore, width: int, seed: int, gain: float = 1.0) -> Candidate:
    scratch = store.scratch()
    linear_graph(scratch / "graph.onnx", width, seed, gain)
    return Candidate(digest=store.put(scratch), form="onnx", parameters=3 * width + 3)


PROBE = np.random.default_rng(5).uniform(0, 16, (4, 6, 6)).astype(np.float32)
TABLE_PROBE = [{"age": 31.0, "job": "cook", "size": "m"}, {"age": 70.5, "job": "", "size": "xl"}]


@dataclass(frozen=True)
class Packed:
    """Folders of packed artifacts, and what made them."""

    single: Path
    torch: Path
    table: Path
    cascade: Path
    parts: dict[str, Path]
    at: float
    make: Callable[..., Path]


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    """The artifacts; not to be changed (`make` writes a fresh single one, for another engine where it is named)."""
    root = tmp_path_factory.mktemp("packed")
    store = FolderStore(root / "store")

    def fresh(folder: Path) -> Path:
        folder.mkdir(parents=True)
        return folder

    given = tiny.candidate("onnx", root)
    (given_torch,) = [tiny.candidate("torch", root)]

    def make(folder: Path, engine: str = "onnxruntime") -> Path:
        pack(label(), given, engine, {"threads": 1}, PROBE, store, fresh(folder))
        return folder

    single, in_torch, table, cascade = (root / name for name in ("single", "torch", "table", "cascade"))
    make(single)
    pack(label(recipe="as_given @ torch(threads=1)"), given_torch, "torch", {"threads": 1}, PROBE, store, fresh(in_torch))
    # age, three words, one code
    pack(label(TABLE), stored(store, 5, 1), "onnxruntime", {"threads": 1}, TABLE_PROBE, store, fresh(table))
    parts = {"first": root / "first", "second": single}
    pack(label(), stored(store, 36, 2, 0.3), "onnxruntime", {"threads": 2}, PROBE, store, fresh(parts["first"]))
    at = 0.6
    join(label(recipe=f"cascade(a @ x, b @ y, at={at})"), {"kind": "cascade", "at": at}, parts, PROBE, fresh(cascade))
    return Packed(single=single, torch=in_torch, table=table, cascade=cascade, parts=parts, at=at, make=make)
