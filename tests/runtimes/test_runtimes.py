"""Engines answer alike, take the threads they are given, and refuse what would only pretend to be fast."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.reading import Missing
from paredown.ground.store import FolderStore
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.runtimes.torch import Torch
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.testing import tiny
from paredown.testing.contracts import check_runtime
from watched import watched

FEED = tiny.encode(tiny.rows(40, 3).inputs)


def test_onnxruntime_contract(tmp_path: Path) -> None:
    assert check_runtime(Onnxruntime, tmp_path) is None


def test_torch_contract(tmp_path: Path) -> None:
    assert check_runtime(Torch, tmp_path) is None


def exported(unit: Torch | Onnxruntime, folder: Path) -> dict[str, Any]:
    given = tiny.candidate(unit.form, folder)
    (folder / "out").mkdir()
    return unit.export(given, FolderStore(folder / "store"), folder / "out")


def test_both_engines_say_the_same_of_one_model(tmp_path: Path) -> None:
    facts, answers = [], []
    for unit in (Torch(), Onnxruntime()):
        folder = tmp_path / unit.name()
        facts.append(exported(unit, folder))
        session = unit.open(folder / "out", facts[-1]["file"], {"threads": 1})
        answers.append(session.run(FEED)["logits"])
        session.close()
    np.testing.assert_allclose(*answers, rtol=1e-5, atol=1e-5)
    assert [fact["multiply_adds"] for fact in facts] == [36 * 16 + 16 * 3] * 2
    assert [fact["parameters"] for fact in facts] == [36 * 16 + 16 + 16 * 3 + 3] * 2
    assert [(fact["inputs"], fact["outputs"]) for fact in facts] == [(["input"], ["logits"])] * 2


def test_a_profile_names_the_layer_of_each_node_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers whose matrices lost their names, as exporters do; the bias that follows tells whose they are."""
    nodes = [
        helper.make_node("MatMul", ["input", "val_1"], ["a"], name="m1"),
        helper.make_node("Add", ["a", "encoder.layer.0.dense.bias"], ["b"], name="b1"),
        helper.make_node("Relu", ["b"], ["c"], name="r1"),
        helper.make_node("MatMul", ["c", "val_2"], ["d"], name="m2"),
        helper.make_node("Add", ["d", "head.bias"], ["logits"], name="b2"),
    ]
    draw = np.random.default_rng(0)
    held = {"val_1": (8, 16), "encoder.layer.0.dense.bias": (16,), "val_2": (16, 3), "head.bias": (3,)}
    tensors = [numpy_helper.from_array(draw.normal(size=shape).astype(np.float32), name) for name, shape in held.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in (("input", 8), ("logits", 3))]
    graph = helper.make_graph(nodes, "two", ends[:1], ends[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    found = Onnxruntime().profile(tmp_path, "model.onnx", {"threads": 1}, [{"input": np.ones((1, 8), np.float32)}], 0.05)
    assert {node.layer for node in found} == {"encoder.layer.0.dense", "head"}
    assert {node.layer for node in found if "head" not in node.layer and node.op in ("Gemm", "FusedGemm", "MatMul")} == {
        "encoder.layer.0.dense"
    }
    assert all(0 < node.wall_s < 0.1 for node in found)
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_equal_numbers_that_layers_share_name_none_of_them(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Mul", ["input", "first.weight"], ["a"], name="n1"),
        helper.make_node("Relu", ["a"], ["b"], name="n2"),
        helper.make_node("Mul", ["b", "first.weight"], ["logits"], name="n3"),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("input", "logits")]
    held = numpy_helper.from_array(np.arange(4, dtype=np.float32), "first.weight")
    graph = helper.make_graph(nodes, "shared", ends[:1], ends[1:], [held])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "model.onnx")
    found = Onnxruntime().profile(tmp_path, "model.onnx", {"threads": 1}, [{"input": np.ones((1, 4), np.float32)}], 0.01)
    assert {node.layer for node in found} == {""}


def test_an_engine_without_a_profiler_says_so(tmp_path: Path) -> None:
    found = Torch().profile(tmp_path, "x", {}, [], 0.1)
    assert isinstance(found, Missing)
    assert found.reason == "torch does not say where its time goes."


def tasks() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_onnxruntime_starts_the_threads_it_is_given(tmp_path: Path) -> None:
    fact = exported(Onnxruntime(), tmp_path)
    started = []
    for placement in ({}, {"threads": 1}, {"threads": 2}, {"threads": 4}):
        before = tasks()
        session = Onnxruntime().open(tmp_path / "out", fact["file"], placement)
        started.append(tasks() - before)
        session.run(FEED)
        session.close()
        del session
    # the calling thread works too
    assert started == [0, 0, 1, 3]


def test_torch_takes_the_threads_it_is_given(tmp_path: Path) -> None:
    import torch

    fact, before = exported(Torch(), tmp_path), torch.get_num_threads()
    try:
        for threads in (2, 1):
            Torch().open(tmp_path / "out", fact["file"], {"threads": threads}).close()
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def stored(folder: Path, build: Callable[[], Any]) -> tuple[Candidate, FolderStore]:
    store = FolderStore(folder / "store")
    scratch = store.scratch()
    onnx.save(build(), scratch / "graph.onnx")
    return Candidate(digest=store.put(scratch), form="onnx"), store


def pretending() -> Any:
    """Rounds its input to 8 bits and back; the sine in between has no 8-bit kernel."""
    held = [numpy_helper.from_array(np.float32(0.1), "scale"), numpy_helper.from_array(np.uint8(128), "zero")]
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["back"]),
        helper.make_node("Sin", ["back"], ["logits"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("input", "logits")]
    graph = helper.make_graph(nodes, "pretending", ends[:1], ends[1:], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_a_graph_that_only_simulates_eight_bits_is_unfit(tmp_path: Path) -> None:
    given, store = stored(tmp_path, pretending)
    (tmp_path / "out").mkdir()
    with pytest.raises(Unfit, match=r"onnxruntime turns none of this graph's 8-bit nodes into 8-bit kernels; it would run in fp32"):
        Onnxruntime().export(given, store, tmp_path / "out")


def test_a_graph_that_really_runs_in_eight_bits_is_exported(tmp_path: Path) -> None:
    given = tiny.candidate("onnx", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    made = QuantizeDynamic().apply(given, context)
    (tmp_path / "out").mkdir()
    fact = Onnxruntime().export(made, context.store, tmp_path / "out")
    assert fact["multiply_adds"] == 36 * 16 + 16 * 3
    session = Onnxruntime().open(tmp_path / "out", fact["file"], {"threads": 1})
    agree = session.run(FEED)["logits"].argmax(1) == tiny.logits(FEED).argmax(1)
    assert agree.mean() > 0.9


def test_a_form_that_is_not_the_engines_own_is_said() -> None:
    assert Onnxruntime().fits(Candidate(digest="0", form="torch")) == "onnxruntime runs onnx graphs; this one is in torch form."
    assert Torch().fits(Candidate(digest="0", form="onnx")) == "torch runs torch graphs; this one is in onnx form."


QUIET = (
    "from paredown.runtimes.onnxruntime import Onnxruntime as R; from pathlib import Path; R().open(Path(sys.argv[1]), 'model.onnx', {})"
)


def test_onnxruntime_through_us_reports_nothing(tmp_path: Path) -> None:
    exported(Onnxruntime(), tmp_path)
    watched(tmp_path / "home", "torch", QUIET, tmp_path / "out")
