"""LiteRT gives the answers of the graph, whatever its batch and its ends, alone in predict.py too; 8 bits by its quantizer stay close."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.core.errors import BadData, BadModel, Unfit
from paredown.core.job import ModelSpec
from paredown.encoders.declared_feed import interpreted
from paredown.graphs import tflite
from paredown.ground.lazy import missing, need
from paredown.ground.store import FolderStore
from paredown.models.tflite import Tflite
from paredown.runtimes.litert import Litert
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.testing import tiny
from paredown.testing.contracts import check_model_source, check_runtime

pytestmark = pytest.mark.skipif(missing("ai_edge_litert", "a test") is not None, reason="the extra litert is not installed")

INPUTS = {tiny.FEED: (1, tiny.SIDE, tiny.SIDE)}
IMAGE = {"kind": "image", "input": tiny.FEED, "shape": [tiny.SIDE, tiny.SIDE], "scale": 1 / 16, "mean": 0.0, "std": 1.0, "layout": "nchw"}


def spec(name: str = "model.tflite") -> ModelSpec:
    return ModelSpec(kind="tflite", value=name, options={})


def test_runtime_contract(tmp_path: Path) -> None:
    assert check_runtime(Litert, tmp_path) is None


def test_model_contract(tmp_path: Path) -> None:
    tiny.write_tflite(tmp_path / "model.tflite", softmax=True)
    made = check_model_source(Tflite(), spec(), tmp_path, tmp_path / "scratch")
    assert (made.form, made.parameters) == ("tflite", 36 * 16 + 16 + 16 * 3 + 3)
    assert Tflite().outputs(spec(), tmp_path) == tiny.CLASSES
    stored = tflite.graph_of(FolderStore(tmp_path / "scratch" / "first" / "store").folder(made.digest))
    assert stored.name == "probabilities.tflite"
    assert tflite.count(tflite.read(stored)) == (36 * 16 + 16 * 3, 36 * 16 + 16 + 16 * 3 + 3)


@pytest.mark.parametrize("batch", [-1, 1, 4])
def test_any_number_of_rows_is_answered(tmp_path: Path, batch: int) -> None:
    tiny.write_tflite(tmp_path / "logits.tflite", batch=batch)
    session = Litert().open(tmp_path, "logits.tflite", {"threads": 2})
    for count in (1, 7, 4, 1):
        feed = tiny.encode(tiny.rows(count, count).inputs)
        np.testing.assert_allclose(session.run(feed)["logits"], tiny.logits(feed), rtol=1e-4, atol=1e-5)
    with pytest.raises(BadData, match="litert cannot answer these inputs: "):
        session.run({tiny.FEED: np.zeros((2, 5, 5), np.float32)})
    session.close()


def test_a_shape_inside_that_is_fixed_for_one_row_is_asked_row_by_row(tmp_path: Path) -> None:
    tiny.write_tflite(tmp_path / "logits.tflite", inside=1)
    session = Litert().open(tmp_path, "logits.tflite", {"threads": 1})
    for count in (5, 1, 3):
        feed = tiny.encode(tiny.rows(count, count).inputs)
        np.testing.assert_allclose(session.run(feed)["logits"], tiny.logits(feed), rtol=1e-4, atol=1e-5)


def test_ends_in_8_bits_have_their_scale_and_zero(tmp_path: Path) -> None:
    given = tiny.candidate("tflite", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    made = QuantizeStatic(samples=32).apply(given, context)
    path = tflite.graph_of(context.store.folder(made.digest))
    model = need("ai_edge_litert.interpreter", "a test").Interpreter(str(path))
    taken, answer = model.get_input_details()[0], model.get_output_details()[0]
    assert taken["dtype"] == answer["dtype"] == np.int8
    feed = tiny.encode(tiny.rows(1, 4).inputs)
    found = interpreted(model)(feed)
    # by hand: whole numbers in and out, by the scale and the zero that the file declares
    (gain, zero), (scale, shift) = taken["quantization"], answer["quantization"]
    model.set_tensor(taken["index"], np.clip(np.round(feed["input"] / gain) + zero, -128, 127).astype(np.int8))
    model.invoke()
    np.testing.assert_allclose(found, (model.get_tensor(answer["index"]).astype(np.float64) - shift) * scale, rtol=1e-6)
    assert np.abs(found - tiny.logits(feed)).max() < 0.1 * np.abs(tiny.logits(feed)).max()


@pytest.mark.parametrize("technique", [QuantizeDynamic(), QuantizeStatic(samples=32)])
def test_its_own_quantizer(tmp_path: Path, technique: Any) -> None:
    given = tiny.candidate("tflite", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    assert technique.fits(given) is None
    made = technique.apply(given, context)
    assert made.form == "tflite"
    before, after = (tflite.graph_of(context.store.folder(item.digest)) for item in (given, made))
    assert after.name == before.name == "logits.tflite"
    assert after.stat().st_size < before.stat().st_size
    (tmp_path / "out").mkdir()
    fact = Litert().export(made, context.store, tmp_path / "out")
    feed = tiny.encode(tiny.rows(60, 9).inputs)
    found = Litert().open(tmp_path / "out", fact["file"], {"threads": 1}).run(feed)["logits"]
    assert not np.allclose(found, tiny.logits(feed), atol=1e-5)
    assert (found.argmax(1) == tiny.logits(feed).argmax(1)).mean() > 0.9
    with pytest.raises(Unfit, match="the graph is in 8 bits already"):
        technique.apply(made, replace(context, work=tmp_path / "again"))


def test_what_the_quantizer_does_not_take_is_said(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    scratch = store.scratch()
    tiny.write_tflite(scratch / "logits.tflite", signature=False)
    given = Candidate(digest=store.put(scratch), form="tflite")
    context = tiny.context(tmp_path / "context", teacher=given)
    with pytest.raises(Unfit, match="the file has no signature, by which the quantizer of LiteRT feeds a graph"):
        QuantizeStatic().apply(given, replace(context, store=store))
    said = QuantizeStatic(ranges="error").fits(given)
    assert said == "quantize_static quantizes a TF Lite graph by the ends of ranges and per channel; leave both as they are."


def test_a_packed_graph_answers_alone(tmp_path: Path) -> None:
    given, store = tiny.candidate("tflite", tmp_path), FolderStore(tmp_path / "store")
    label = Label(
        name="tiny",
        task="image-classification",
        recipe="as_given @ litert(threads=1)",
        lineage=[given.digest],
        encode=IMAGE,
        decode=tiny.DECODE,
        labels=["top", "middle", "bottom"],
        isa="none",
    )
    folder = tmp_path / "artifact"
    folder.mkdir()
    pack(label, given, "litert", {"threads": 1}, tiny.rows(4).inputs, store, folder)
    rows = tiny.rows(5, 2).inputs
    np.save(tmp_path / "rows.npy", rows)
    with load(folder) as model:
        goal, said = model.predict_proba(rows), model.predict(rows)
    logits = tiny.logits(tiny.encode(rows))
    np.testing.assert_allclose(goal, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), atol=1e-5)
    assert "'ai-edge-litert>=" in (folder / "README.md").read_text()
    block = "import sys; sys.modules.update(dict.fromkeys(('paredown', 'torch', 'keras', 'tensorflow', 'onnxruntime', 'onnx')))\n"
    run = f"{block}import runpy; sys.argv = [{str(folder / 'predict.py')!r}, {str(tmp_path / 'rows.npy')!r}]\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{run}runpy.run_path(sys.argv[0], run_name='__main__')"], capture_output=True, text=True, check=False
    )
    assert (done.stdout.splitlines(), done.returncode) == (said, 0)


def refused(folder: Path, said: str, inputs: Any = INPUTS, classes: int = tiny.CLASSES, name: str = "model.tflite") -> None:
    context = tiny.context(folder / f"study {len([*folder.iterdir()])}")
    with pytest.raises(BadModel, match=said):
        Tflite().prepare(spec(name), folder, inputs, classes, context)


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    refused(tmp_path, r"model\.tflite does not exist\.\n  `tflite:` names a file")
    (tmp_path / "model.tflite").write_bytes(b"no such graph")
    refused(tmp_path, r"model\.tflite is not a valid TF Lite model: it does not begin as one\.")
    tiny.write_tflite(tmp_path / "model.tflite")
    refused(tmp_path, r"model\.tflite takes rows of the shape \(1, 6, 6\); the data give \(36\)\.\n.*layout: nhwc", {tiny.FEED: (36,)})
    refused(tmp_path, r"model\.tflite takes the input input; the task feeds ids\.\n  Texts go in as numbers", {"ids": ("tokens",)})
    refused(tmp_path, r"model\.tflite answers \d+ rows with an array \(\d+, 3\); the data have 4 classes\.", classes=4)
    tiny.write_tflite(tmp_path / "own.tflite", custom="Mine")
    refused(
        tmp_path, r"own\.tflite cannot be run by litert: (?s:.*)It has operators of its own \(custom Mine\); convert it", name="own.tflite"
    )


def test_a_graph_with_an_operator_of_its_own_is_unfit(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    scratch = store.scratch()
    tiny.write_tflite(scratch / "logits.tflite", custom="Mine")
    (tmp_path / "out").mkdir()
    with pytest.raises(Unfit, match=r"litert cannot run this graph: .*Mine"):
        Litert().export(Candidate(digest=store.put(scratch), form="tflite"), store, tmp_path / "out")


def layered(folder: Path, steps: list[dict[str, Any]], shape: tuple[int, ...]) -> tuple[Candidate, Any]:
    """A network of steps with weights of its own, in torch form; and its context."""
    import torch

    from paredown.modelkit.blueprint import Blueprint, save_module
    from paredown.modelkit.layered import FACTORY

    context = tiny.context(folder)
    blueprint = Blueprint(factory=FACTORY, arguments={"steps": steps, "shape": list(shape)}, inputs={tiny.FEED: shape})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = blueprint.build()
        for name, value in module.state_dict().items():
            if value.dim() == 1:
                value.copy_(torch.rand_like(value) + (0.5 if name.endswith(("weight", "var")) else 0))
    return save_module(module, blueprint, context.store, context.work), context


CONV = {"op": "conv", "kernel": [3, 3], "stride": [1, 1], "dilation": [1, 1], "groups": 1, "bias": 1, "same": 1}
NETWORKS: dict[str, tuple[list[dict[str, Any]], tuple[int, ...]]] = {
    "images": (
        [
            {**CONV, "of": [0], "name": "a", "out": 8, "stride": [2, 2], "bias": 0},
            {"op": "batch_norm", "of": [1], "name": "b", "eps": 1e-3, "number": 0.1},
            {"op": "act", "of": [2], "kind": "relu6"},
            {**CONV, "of": [3], "name": "c", "out": 16, "groups": 8},
            {**CONV, "of": [4], "name": "d", "out": 16, "groups": 2, "dilation": [2, 2]},
            {"op": "add", "of": [4, 5]},
            {"op": "prelu", "of": [6], "name": "e"},
            {"op": "pool", "of": [7], "kind": "mean", "kernel": [2, 2], "stride": [2, 2], "same": 1},
            {"op": "global", "of": [8], "kind": "mean", "keep": 1},
            {"op": "act", "of": [9], "kind": "hard_sigmoid"},
            {"op": "multiply", "of": [8, 10]},
            {"op": "layer_norm", "of": [11], "name": "f", "eps": 1e-3},
            {"op": "flatten", "of": [12]},
            {"op": "dense", "of": [13], "name": "g", "out": 1, "bias": 1},
            {"op": "act", "of": [14], "kind": "sigmoid"},
            {"op": "pair", "of": [15], "kind": "sigmoid"},
        ],
        (9, 10, 3),
    ),
    "words": (
        [
            {"op": "embedding", "of": [0], "name": "a", "rows": 20, "out": 6},
            {**CONV, "of": [1], "name": "b", "out": 8, "kernel": [3], "stride": [1], "dilation": [2], "pads": [[4, 0]]},
            {"op": "act", "of": [2], "kind": "gelu"},
            {"op": "pool", "of": [3], "kind": "max", "kernel": [2], "stride": [2], "same": 0},
            {"op": "dense", "of": [4], "name": "c", "out": 4, "bias": 1},
            {"op": "concatenate", "of": [4, 5], "axis": -1},
            {"op": "global", "of": [6], "kind": "max", "keep": 0},
            {"op": "dense", "of": [7], "name": "d", "out": 3, "bias": 1},
            {"op": "act", "of": [8], "kind": "softmax"},
        ],
        (10,),
    ),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_known_layers_become_a_graph_that_answers_as_they_do(tmp_path: Path, kind: str) -> None:
    import torch

    from paredown.modelkit.blueprint import open_folder
    from paredown.modelkit.lower import LOWERINGS

    given, context = layered(tmp_path, *NETWORKS[kind])
    made = LOWERINGS["torch", "tflite"](given, context.store, context.work)
    path = tflite.graph_of(context.store.folder(made.digest))
    assert path.name == "logits.tflite"
    draw, shape = np.random.default_rng(1), NETWORKS[kind][1]
    rows = draw.integers(0, 20, (4, *shape)) if kind == "words" else draw.normal(0, 2, (4, *shape)).astype(np.float32)
    with torch.no_grad():
        goal = open_folder(context.store.folder(given.digest))(torch.from_numpy(rows)).numpy()
    found = Litert().open(path.parent, path.name, {"threads": 1}).run({tiny.FEED: rows})["logits"]
    np.testing.assert_allclose(found, goal, rtol=1e-4, atol=1e-5)


def test_what_has_no_operator_of_tf_lite_is_unfit(tmp_path: Path) -> None:
    from paredown.modelkit.lower import LOWERINGS

    steps = [{"op": "dense", "of": [0], "name": "a", "out": 3, "bias": 1}, {"op": "act", "of": [1], "kind": "mish"}]
    given, context = layered(tmp_path / "mish", steps, (4,))
    with pytest.raises(Unfit, match="the activation 'mish' has no operator of TF Lite here"):
        LOWERINGS["torch", "tflite"](given, context.store, context.work)
    other = tiny.candidate("torch", tmp_path / "other")
    with pytest.raises(Unfit, match="only the layers of a Keras file are turned into a TF Lite graph here"):
        LOWERINGS["torch", "tflite"](other, FolderStore(tmp_path / "other" / "store"), tmp_path / "work")
