"""The exported graph answers like the module and says nothing about the machine it was made on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import modelkit_nets as nets
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.graphs.graphs import GRAPH
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import Blueprint, save_module
from paredown.modelkit.lower import LOWERINGS, to_onnx
from paredown.modelkit.lower_tflite import to_tflite
from paredown.pruning import couple
from paredown.testing import tiny


def answers(file: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert [item.name for item in session.get_inputs()] == ["input"]
    assert [item.name for item in session.get_outputs()] == ["logits"]
    return session.run(None, {"input": images})[0]


def test_a_graph_answers_like_the_module_for_any_batch(trained: nn.Module, lowered: tuple[Path, Candidate, Candidate]) -> None:
    folder, given, graph = lowered
    assert (graph.form, graph.parameters) == ("onnx", given.parameters)
    file = folder / "store" / graph.digest / GRAPH
    images = tiny.encode(tiny.rows(30, 4).inputs)["input"]
    for count in (1, 2, 30):
        with torch.no_grad():
            expected = trained(torch.from_numpy(images[:count])).numpy()
        np.testing.assert_allclose(answers(file, images[:count]), expected, rtol=1e-5, atol=1e-5)


def test_norms_are_folded_and_nothing_local_is_left(lowered: tuple[Path, Candidate, Candidate]) -> None:
    folder, _, graph = lowered
    stored = folder / "store" / graph.digest
    assert [path.name for path in stored.iterdir()] == [GRAPH]
    model = onnx.load(stored / GRAPH)
    onnx.checker.check_model(model)
    assert "BatchNormalization" not in {node.op_type for node in model.graph.node}
    assert list(model.metadata_props) == []
    assert [node.name for node in model.graph.node if node.metadata_props or node.doc_string] == []
    content = (stored / GRAPH).read_bytes()
    for trace in (str(Path(__file__).parents[2]), str(folder), "site-packages", ".py", "tiny"):
        assert trace.encode() not in content, trace


def test_a_cut_residual_network_is_exported(store: FolderStore) -> None:
    blueprint = Blueprint(factory="modelkit_nets:residual", inputs={"input": (1, 6, 6)})
    module = nets.liven(blueprint.build())
    found = couple.groups(module, blueprint.example())
    blueprint = blueprint.then(couple.cut(module, found, [range(0, group.channels, 2) for group in found]))
    graph = to_onnx(save_module(module, blueprint, store, store.scratch()), store, store.scratch())
    images = np.random.default_rng(0).normal(size=(3, 1, 6, 6)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(answers(store.folder(graph.digest) / GRAPH, images), expected, rtol=1e-4, atol=1e-4)


class Gathering(nn.Module):
    """A forward that takes what it gets by place, as wrappers of other people's models do."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(36, 3)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        return self.head(given[0].flatten(1))


def test_a_module_that_gathers_its_inputs_is_exported(store: FolderStore) -> None:
    blueprint = Blueprint(factory=f"{__name__}:Gathering", inputs={"input": (1, 6, 6)})
    module = blueprint.build()
    graph = to_onnx(save_module(module, blueprint, store, store.scratch()), store, store.scratch())
    images = tiny.encode(tiny.rows(5, 4).inputs)["input"]
    with torch.no_grad():
        expected = module(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(answers(store.folder(graph.digest) / GRAPH, images), expected, rtol=1e-5, atol=1e-5)


def test_a_module_that_cannot_be_exported_is_unfit(store: FolderStore) -> None:
    blueprint = Blueprint(factory="modelkit_nets:stubborn", inputs={"input": (1, 6, 6)})
    given = save_module(blueprint.build(), blueprint, store, store.scratch())
    with pytest.raises(Unfit, match="the module cannot be exported to ONNX: RuntimeError: not today"):
        to_onnx(given, store, store.scratch())


def test_a_forward_that_counts_its_rows_is_exported_for_any_batch(store: FolderStore) -> None:
    blueprint = Blueprint(factory="modelkit_nets:counts_its_rows", inputs={"input": (1, 6, 6)})
    module = blueprint.build()
    graph = to_onnx(save_module(module, blueprint, store, store.scratch()), store, store.scratch())
    images = np.random.default_rng(0).normal(size=(5, 1, 6, 6)).astype(np.float32)
    for count in (1, 2, 5):
        with torch.no_grad():
            expected = module(torch.from_numpy(images[:count])).numpy()
        np.testing.assert_allclose(answers(store.folder(graph.digest) / GRAPH, images[:count]), expected, rtol=1e-4, atol=1e-5)


def test_a_batch_that_stays_a_constant_is_unfit_and_its_line_is_named(store: FolderStore) -> None:
    blueprint = Blueprint(factory="modelkit_nets:lists_its_rows", inputs={"input": (1, 6, 6)})
    given = save_module(blueprint.build(), blueprint, store, store.scratch())
    said = (
        r"the exported graph does not answer batches of 1 and 3 as the module does, since the batch is a plain number in "
        r"modelkit_nets\.py:\d+: `return torch\.stack\(\[self\.head\(rows\[at\].*`; write `x\.shape\[0\]` there\."
    )
    with pytest.raises(Unfit, match=said):
        to_onnx(given, store, store.scratch())


def test_zeros_around_negative_numbers_stay_in_a_pool(store: FolderStore) -> None:
    """onnxruntime leaves them out of it."""
    blueprint = Blueprint(factory="modelkit_nets:pools_below_zero", inputs={"input": (1, 6, 6)})
    module = blueprint.build()
    graph = to_onnx(save_module(module, blueprint, store, store.scratch()), store, store.scratch())
    images = np.random.default_rng(0).normal(size=(5, 1, 6, 6)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(answers(store.folder(graph.digest) / GRAPH, images), module(torch.from_numpy(images)).numpy(), atol=1e-5)


def test_experts_are_exported(tmp_path: Path, store: FolderStore) -> None:
    import transformers

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 16}
    config = transformers.MixtralConfig(**sizes, vocab_size=20, num_local_experts=3, num_experts_per_tok=2, pad_token_id=0)
    arguments = {"config": {"model_type": "mixtral", **config.to_diff_dict()}, "inputs": ["input_ids", "attention_mask"], "classes": 3}
    shapes = dict.fromkeys(arguments["inputs"], ("tokens",))
    blueprint = Blueprint(factory="paredown.modelkit.pretrained:build", arguments=arguments, inputs=shapes)
    assert to_onnx(save_module(blueprint.build(), blueprint, store, store.scratch()), store, store.scratch()).form == "onnx"


def test_an_axis_that_stays_a_constant_is_named_in_plain_words(store: FolderStore) -> None:
    blueprint = Blueprint(factory="modelkit_nets:knows_its_tokens", inputs={"rows": ("tokens", 6)})
    given = save_module(blueprint.build(), blueprint, store, store.scratch())
    said = r"cannot be exported to ONNX: its forward takes a fixed number of tokens: it makes axis 1 of 'input' 8, which has to stay free\."
    with pytest.raises(Unfit, match=said):
        to_onnx(given, store, store.scratch())


def test_the_table_of_lowerings() -> None:
    assert {("torch", "onnx"): to_onnx, ("torch", "tflite"): to_tflite} == LOWERINGS
