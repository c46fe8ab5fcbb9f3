"""OpenVINO gives the answers of the graph in fp32, runs 8 bits in 8 bits or refuses, and reports nothing to anyone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.core.errors import Damaged, MissingExtra, Unfit
from paredown.core.reading import Missing
from paredown.ground import digests
from paredown.ground.lazy import missing, need
from paredown.ground.store import FolderStore
from paredown.runtimes.openvino import Openvino, _compiled
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny
from paredown.testing.contracts import check_runtime
from watched import watched

pytestmark = pytest.mark.skipif(missing("openvino", "a test") is not None, reason="the extra openvino is not installed")

FEED = tiny.encode(tiny.rows(40, 3).inputs)
IMAGE = {"kind": "image", "input": tiny.FEED, "shape": [tiny.SIDE, tiny.SIDE], "scale": 1 / 16, "mean": 0.0, "std": 1.0, "layout": "nchw"}
PROBE = tiny.rows(4, 8).inputs


def test_contract(tmp_path: Path) -> None:
    assert check_runtime(Openvino, tmp_path) is None


def test_a_profile_tells_kinds_of_work_and_no_layer(tmp_path: Path) -> None:
    given, store = tiny.candidate("onnx", tmp_path), FolderStore(tmp_path / "store")
    fact = export(given, store, tmp_path / "out")
    found = Openvino().profile(tmp_path / "out", fact["file"], {"threads": 1}, [{"input": FEED["input"][:1]}], 0.05)
    assert not isinstance(found, Missing)
    assert "FullyConnected" in {node.op for node in found}
    assert {node.layer for node in found} == {""}
    assert all(0 < node.wall_s < 0.1 for node in found)


def stored(folder: Path, nodes: list[Any], held: list[Any], taken: list[Any], given: Any) -> tuple[Candidate, FolderStore]:
    store = FolderStore(folder / "store")
    scratch = store.scratch()
    graph = helper.make_graph(nodes, "made", taken, [given], held)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("nobody", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), scratch / "graph.onnx")
    (folder / "out").mkdir(exist_ok=True)
    return Candidate(digest=store.put(scratch), form="onnx"), store


def export(candidate: Candidate, store: Any, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return Openvino().export(candidate, store, folder)


def test_weights_stay_in_fp32_and_two_exports_are_alike(tmp_path: Path) -> None:
    given, store = tiny.candidate("onnx", tmp_path), FolderStore(tmp_path / "store")
    fact = export(given, store, tmp_path / "a")
    assert fact | {"file": ""} == {"file": "", "inputs": ["input"], "outputs": ["logits"], "multiply_adds": 624, "parameters": 643}
    weights = b"".join(array.tobytes() for array in tiny.weights())
    assert (tmp_path / "a" / "model.bin").stat().st_size >= len(weights)
    export(given, store, tmp_path / "b")  # the converter has counted on meanwhile
    assert digests.of_folder(tmp_path / "a") == digests.of_folder(tmp_path / "b")


def test_products_are_exact_where_the_engines_own_default_would_round(tmp_path: Path) -> None:
    # 1 + 2^-12 needs more than the 8 bits of precision that bf16 has
    weight = np.full((64, 2), 1 + 2**-12, np.float32)
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 64])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])
    node = helper.make_node("MatMul", ["input", "weight"], ["logits"])
    candidate, store = stored(tmp_path, [node], [numpy_helper.from_array(weight, "weight")], [taken], given)
    fact = export(candidate, store, tmp_path / "out")
    session = Openvino().open(tmp_path / "out", fact["file"], {"threads": 1})
    assert session.run({"input": np.ones((3, 64), np.float32)})["logits"].tolist() == [[64 + 2**-6] * 2] * 3


def test_two_free_axes_and_integers_as_texts_have_them(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    taken = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("ids", "mask")]
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4])
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["felt"]),
        helper.make_node("Cast", ["mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "last"], ["wide"]),
        helper.make_node("Mul", ["felt", "wide"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "second"], ["logits"], keepdims=0),
    ]
    held = [numpy_helper.from_array(np.array([at], np.int64), name) for name, at in (("last", -1), ("second", 1))]
    candidate, store = stored(tmp_path, nodes, [numpy_helper.from_array(table, "table"), *held], taken, given)
    fact = export(candidate, store, tmp_path / "out")
    session = Openvino().open(tmp_path / "out", fact["file"], {"threads": 1})
    draw = np.random.default_rng(1)
    for shape in ((1, 3), (5, 2), (2, 17), (1, 3)):
        ids, mask = draw.integers(0, 9, shape), draw.integers(0, 2, shape)
        answer = session.run({"ids": ids, "mask": mask})["logits"]
        np.testing.assert_allclose(answer, (table[ids] * mask[..., None]).sum(1), rtol=1e-5, atol=1e-6)


def test_an_answer_is_not_changed_by_the_next_call(tmp_path: Path) -> None:
    given, store = tiny.candidate("onnx", tmp_path), FolderStore(tmp_path / "store")
    fact = export(given, store, tmp_path / "out")
    session = Openvino().open(tmp_path / "out", fact["file"], {"threads": 1})
    first = session.run({"input": FEED["input"][:1]})["logits"]
    kept = first.copy()
    session.run({"input": FEED["input"][1:2]})
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("threads", [1, 2])
def test_it_takes_the_threads_it_is_given(tmp_path: Path, threads: int) -> None:
    given, store = tiny.candidate("onnx", tmp_path), FolderStore(tmp_path / "store")
    fact = export(given, store, tmp_path / "out")
    compiled = _compiled(need("openvino", "a test"), tmp_path / "out" / fact["file"], {"threads": threads})
    assert compiled.get_property("INFERENCE_NUM_THREADS") == min(threads, os.cpu_count() or 1)
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_measured_ranges_really_run_in_eight_bits(tmp_path: Path) -> None:
    given = tiny.candidate("onnx", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    made = QuantizeStatic(samples=32).apply(given, context)
    fact = export(made, context.store, tmp_path / "out")
    assert fact["multiply_adds"] == 36 * 16 + 16 * 3
    assert (tmp_path / "out" / "model.bin").stat().st_size < 2 * (36 * 16 + 16 * 3)
    session = Openvino().open(tmp_path / "out", fact["file"], {"threads": 1})
    answers = session.run(FEED)["logits"]
    assert not np.allclose(answers, tiny.logits(FEED), atol=1e-5)
    assert (answers.argmax(1) == tiny.logits(FEED).argmax(1)).mean() > 0.9


def test_ranges_measured_while_it_runs_are_refused(tmp_path: Path) -> None:
    given = tiny.candidate("onnx", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    made = QuantizeDynamic().apply(given, context)
    with pytest.raises(
        Unfit, match=r"openvino computes DynamicQuantizeLinear, MatMulInteger in fp32 with extra work; .* for onnxruntime\."
    ):
        export(made, context.store, tmp_path / "out")


def test_a_graph_that_only_simulates_eight_bits_is_refused(tmp_path: Path) -> None:
    held = [
        numpy_helper.from_array(np.float32(0.1), "scale"),
        numpy_helper.from_array(np.uint8(128), "zero"),
        numpy_helper.from_array(np.ones((3, 3), np.float32), "weight"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["back"]),
        helper.make_node("Sin", ["back"], ["wave"]),
        helper.make_node("MatMul", ["wave", "weight"], ["logits"]),
    ]
    taken, given = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("input", "logits"))
    candidate, store = stored(tmp_path, nodes, held, [taken], given)
    with pytest.raises(Unfit, match=r"openvino runs none of this graph's 8-bit nodes in 8-bit kernels \(.*f32\); it would run in fp32"):
        export(candidate, store, tmp_path / "out")


def test_a_graph_with_an_unknown_operation_is_refused(tmp_path: Path) -> None:
    taken, given = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("input", "logits"))
    node = helper.make_node("OfNobody", ["input"], ["logits"], domain="nobody")
    candidate, store = stored(tmp_path, [node], [], [taken], given)
    with pytest.raises(Unfit, match=r"openvino cannot run this graph: No conversion rule found for operations: nobody\.OfNobody\."):
        export(candidate, store, tmp_path / "out")


def test_another_form_is_not_its_own() -> None:
    assert Openvino().fits(Candidate(digest="0", form="torch")) == "openvino runs onnx graphs; this one is in torch form."


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """The tiny mlp packed for OpenVINO."""
    given, store = tiny.candidate("onnx", tmp_path), FolderStore(tmp_path / "store")
    folder = tmp_path / "artifact"
    folder.mkdir()
    label = Label(
        name="tiny",
        task="image-classification",
        recipe="as_given @ openvino(threads=1)",
        lineage=[given.digest],
        encode=IMAGE,
        decode={"kind": "softmax", "output": "logits", "classes": 3},
        labels=["top", "middle", "bottom"],
        isa="avx2",
    )
    pack(label, given, "openvino", {"threads": 1}, PROBE, store, folder)
    return folder


def test_an_artifact_names_its_extra_and_answers(artifact: Path) -> None:
    with load(artifact) as model:
        assert model.manifest["requires"]["install"] == "paredown[openvino]"
        assert model.manifest["requires"]["packages"][0] == "numpy"
        assert model.manifest["requires"]["packages"][1] == f"openvino>={Openvino().version()}"
        assert [graph["file"] for graph in model.manifest["graphs"]] == ["model.xml"]
        assert {"model.xml", "model.bin"} <= set(model.manifest["files"])
        assert model.predict(PROBE) == [("top", "middle", "bottom")[at] for at in tiny.logits(tiny.encode(PROBE)).argmax(1)]


def test_a_damaged_artifact_says_which_file(artifact: Path) -> None:
    xml = artifact / "model.xml"
    whole = xml.read_text()
    xml.write_text(whole[: len(whole) // 2])
    with pytest.raises(Damaged, match=r"model\.xml cannot be opened by openvino: "):
        load(artifact)
    xml.write_text(whole)
    binary = artifact / "model.bin"
    binary.write_bytes(binary.read_bytes()[:40])
    with pytest.raises(Damaged, match=r"model\.xml cannot be opened by openvino: "):
        load(artifact)
    binary.unlink()
    with pytest.raises(Damaged, match=r"model\.xml cannot be opened by openvino: "):
        load(artifact)


def test_without_the_package_the_install_line_is_said(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"(?s)the runtime openvino needs the package openvino, .*pip install 'paredown\[openvino\]'"):
        load(artifact)


LIGHT = "torch,onnx,safetensors,sklearn,transformers"
ANSWER = "from paredown.artifact.load import load; import numpy as np; print(*load(sys.argv[1]).predict(np.load(sys.argv[2])), sep='\\n')"
SCRIPT = "sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
BOTH = "from paredown.ground.lazy import need; need('openvino', 'x'); need('nncf', 'x'); print('done')"


def test_loading_an_artifact_needs_no_training_framework_and_reports_nothing(artifact: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", PROBE)
    wanted = [("top", "middle", "bottom")[at] for at in tiny.logits(tiny.encode(PROBE)).argmax(1)]
    assert watched(tmp_path / "home", LIGHT, ANSWER, artifact, tmp_path / "images.npy").split() == wanted


def test_its_script_needs_openvino_and_numpy_alone_and_reports_nothing(artifact: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", PROBE)
    wanted = [("top", "middle", "bottom")[at] for at in tiny.logits(tiny.encode(PROBE)).argmax(1)]
    absent = f"{LIGHT},paredown,onnxruntime,PIL,pydantic,sqlalchemy"
    assert watched(tmp_path / "home", absent, SCRIPT, artifact / "predict.py", tmp_path / "images.npy").split() == wanted


def test_importing_openvino_and_nncf_through_us_reports_nothing(tmp_path: Path) -> None:
    assert "done" in watched(tmp_path / "home", "nothing", BOTH)
