"""Graphs of texts that take fewer tokens than their tokenizer gives, or one number of them, or another kind of whole number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from paredown.builder import work
from paredown.builder.build_spec import BuildSpec
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.models.onnx import Onnx
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.text_classification import TextClassification
from paredown.testing import tiny

PLACES, WORDS = 12, tiny.TEXT_WORDS
TEXTS = Rows(inputs=np.array(["card lost", "pin", "loan rate money"] * 8, object), labels=np.arange(24) % 3, names=("a", "b", "c"))
LONG = Rows(inputs=np.array([*TEXTS.inputs, " ".join(["card"] * 40)], object), labels=np.arange(25) % 3, names=TEXTS.names)


def write(folder: Path, length: int | str = "S", kind: int = TensorProto.INT64, places: int = PLACES, sliced: bool = True) -> ModelSpec:
    """The mean over tokens of a vector of the word and one of the place; `sliced` False adds all places, which is one length."""
    draw = np.random.default_rng(1)
    tables = {"words": draw.normal(size=(len(WORDS) + 1, 4)), "places": draw.normal(size=(places, 4)), "head": draw.normal(size=(4, 3))}
    held = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in tables.items()]
    held += [numpy_helper.from_array(np.array([value]), name) for name, value in (("zero", 0), ("one", 1), ("last", -1))]
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["w"]),
        helper.make_node("Shape", ["input_ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["length"]),
        helper.make_node("Slice", ["places", "zero", "length", "zero"], ["p"]),
        helper.make_node("Add", ["w", "p" if sliced else "places"], ["wp"]),
        helper.make_node("Cast", ["attention_mask"], ["m"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["m", "last"], ["mm"]),
        helper.make_node("Mul", ["wp", "mm"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "one"], ["sum"], keepdims=0),
        helper.make_node("MatMul", ["sum", "head"], ["logits"]),
    ]
    taken = [helper.make_tensor_value_info(name, kind, ["N", length]) for name in ("input_ids", "attention_mask")]
    graph = helper.make_graph(nodes, "g", taken, [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])], held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    words = Tokenizer(models.WordLevel({"[PAD]": 0} | {word: at for at, word in enumerate(WORDS, 1)}, unk_token="[PAD]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(folder / "tokenizer.json"))
    return ModelSpec(kind="onnx", value="m.onnx", options={"tokenizer": "tokenizer.json"})


def answered(folder: Path, spec: ModelSpec, rows: Rows) -> tuple[dict, np.ndarray, str]:
    """The encoder as the model bears it, the logits of all rows, and what was said about the graph."""
    (folder / "work").mkdir()
    encode = TextClassification().encoder(rows, Onnx().preprocess(spec, folder, folder / "work"))
    same = {"name": "t", "task": "text-classification", "decode": tiny.DECODE, "labels": list(rows.names)}
    places = {"store": str(folder / "store"), "artifacts": "", "probe": "", "data": {}, "files": str(folder / "work")}
    build_spec = BuildSpec(encode=encode, seed=0, threads=1, isa="", **same, **places).json()
    encode |= work.limit({}, build_spec=build_spec, spec=spec.__dict__, folder=str(folder))
    encoder = make_encoder(encode, folder / "work")
    context = replace(tiny.context(folder / "study"), data={"calibration": lambda: rows}, encode=encoder)
    made = Onnx().prepare(spec, folder, feed_shapes(encode), 3, context)
    session = Onnxruntime().open(context.store.folder(made.digest), "graph.onnx", {"threads": 1})
    return encode, session.run(encoder(rows.inputs))["logits"], made.note


@pytest.mark.parametrize("places", [12, 37])
def test_the_most_tokens_of_a_graph_are_found_by_trying(tmp_path: Path, places: int) -> None:
    encode, found, _ = answered(tmp_path, write(tmp_path, places=places), LONG)
    assert encode["max_length"] == places
    assert found.shape == (25, 3)


def test_a_limit_that_is_enough_stays_as_it_is(tmp_path: Path) -> None:
    assert answered(tmp_path, write(tmp_path, places=600), LONG)[0]["max_length"] == 512


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "found"])
def test_a_graph_of_one_length_gets_rows_of_that_length(tmp_path: Path, declared: bool) -> None:
    (tmp_path / "free").mkdir()
    wanted = answered(tmp_path / "free", write(tmp_path / "free"), LONG)[1]
    encode, found, _ = answered(tmp_path, write(tmp_path, PLACES if declared else "S", sliced=False), LONG)
    assert (encode["length"], encode["max_length"]) == (PLACES, PLACES)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_tokens_of_another_kind_are_cast(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    wanted = answered(tmp_path / "same", write(tmp_path / "same"), TEXTS)[1]
    _, found, note = answered(tmp_path, write(tmp_path, kind=TensorProto.INT32), TEXTS)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert "Rows are fed as int64, which the graph casts to the int32 that it takes." in note
