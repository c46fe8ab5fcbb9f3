"""Embeddings in fewer bits: smaller, near, in recipes before what quantizes the rest, and refused where nothing is gained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from paredown.builder.order import check
from paredown.core.errors import BadKnob, BadRecipe, Unfit
from paredown.core.recipe import parse
from paredown.techniques.quantize_embeddings import QuantizeEmbeddings
from paredown.testing import tiny
from paredown.testing.contracts import check_technique


@pytest.mark.parametrize("bits", [8, 4])
def test_contract(tmp_path: Path, bits: int) -> None:
    check_technique(QuantizeEmbeddings, tmp_path, network="table", bits=bits)


def answers(folder: Path) -> np.ndarray:
    from paredown.runtimes.onnxruntime import Onnxruntime

    session = Onnxruntime().open(folder, "graph.onnx", {"threads": 1})
    found: np.ndarray = next(iter(session.run(tiny.encode(tiny.rows(50, 3).inputs)).values()))
    session.close()
    return found


@pytest.mark.parametrize(("bits", "near", "smaller"), [(8, 0.01, 2.6), (4, 0.15, 3.9)])
def test_it_is_smaller_and_stays_near(tmp_path: Path, bits: int, near: float, smaller: float) -> None:
    given = tiny.candidate("onnx", tmp_path, "table")
    context = tiny.context(tmp_path, teacher=given)
    made = QuantizeEmbeddings(bits=bits).apply(given, context)
    before, after = (context.store.folder(one.digest) for one in (given, made))
    mine, goal = answers(after), answers(before)
    assert 0 < np.abs(mine - goal).max() < near * np.abs(goal).max()
    assert (after / "graph.onnx").stat().st_size * smaller < (before / "graph.onnx").stat().st_size
    assert made.note.startswith(f"1 table from 32768 to {512 * (16 * bits // 8 + 4)} bytes; ")
    assert made.parameters == given.parameters


def test_a_graph_without_tables_gains_nothing(tmp_path: Path) -> None:
    given = tiny.candidate("onnx", tmp_path)
    with pytest.raises(Unfit, match=r"0\.0% of its bytes are tables of which rows are looked up, .* nothing is gained\."):
        QuantizeEmbeddings().apply(given, tiny.context(tmp_path, teacher=given))


@pytest.mark.parametrize("bits", [5, 6, 7])
def test_bits_that_would_take_a_byte_each_are_refused(bits: int) -> None:
    with pytest.raises(BadKnob, match=rf"quantize_embeddings: bits is {bits}; it needs 4 or 8, since others take the bytes of 8\."):
        QuantizeEmbeddings(bits=bits)


def test_it_stands_before_what_quantizes_products() -> None:
    check(parse("quantize_embeddings(bits=4) > quantize_dynamic() @ onnxruntime"))
    for recipe, said in (
        ("quantize_dynamic() > quantize_embeddings() @ onnxruntime", "tables comes before quantize"),
        ("quantize_embeddings() > quantize_embeddings(bits=4) @ onnxruntime", "a model is quantized once"),
        ("quantize_embeddings() > recover() @ onnxruntime", "nothing changes tensors after quantization"),
    ):
        with pytest.raises(BadRecipe, match=said):
            check(parse(recipe))


@pytest.mark.slow
def test_a_text_encoder_takes_both(tmp_path: Path) -> None:
    """A small BERT whose words are most of it: exported, its embeddings in 8 bits, then its products too."""
    from paredown.techniques.quantize_dynamic import QuantizeDynamic

    given, context = bert(tmp_path)
    embedded = QuantizeEmbeddings().apply(given, context)
    both = QuantizeDynamic().apply(embedded, context)
    sizes = [(context.store.folder(one.digest) / "graph.onnx").stat().st_size for one in (given, embedded, both)]
    assert sizes[0] > 2 * sizes[1]
    assert sizes[1] > 1.1 * sizes[2]
    assert "fp16" not in both.note  # scales of rows are looked up, and stay what they are
    assert any("Integer" in node.op_type for node in onnx.load(context.store.folder(both.digest) / "graph.onnx").graph.node)


def bert(folder: Path) -> tuple[Any, Any]:
    """A tiny BERT as a graph, and a context that feeds it tokens."""
    from dataclasses import replace

    import torch
    import transformers

    from paredown.modelkit.blueprint import Blueprint, save_module
    from paredown.modelkit.lower import to_onnx

    shape: dict[str, Any] = {"vocab_size": 3000, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    made = transformers.BertConfig(**shape, num_hidden_layers=1, max_position_embeddings=40)
    context = tiny.context(folder)
    blueprint = Blueprint(
        factory="paredown.modelkit.pretrained:build",
        arguments={"config": made.to_dict(), "inputs": ["input_ids", "attention_mask"], "classes": 3},
        inputs={"input_ids": ("tokens",), "attention_mask": ("tokens",)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = blueprint.build()

    def encode(texts: Any) -> dict[str, np.ndarray]:
        ids = np.array([[1 + (7 * at + len(str(text))) % 2999 for at in range(6)] for text in texts], np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids)}

    torch_one = save_module(module, blueprint, context.store, context.work)
    graph = to_onnx(torch_one, context.store, context.work)
    return graph, replace(context, teacher=graph, encode=encode, data={"calibration": lambda: tiny.texts(16)})
