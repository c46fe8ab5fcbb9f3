"""A stored candidate opens as what was stored, or says what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from paredown.core.errors import BadModel, Damaged
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import BLUEPRINT, TENSORS, Blueprint, open_folder, read_blueprint, save_module, write_folder
from paredown.modelkit.surgery import Surgery

RESIDUAL = Blueprint(factory="modelkit_nets:residual", inputs={"input": (1, 6, 6)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(RESIDUAL.build(), RESIDUAL, tmp_path / "stored")
    return tmp_path / "stored"


def test_equal_tensors_have_equal_digests(store: FolderStore) -> None:
    module = RESIDUAL.build()
    first, second = (save_module(module, RESIDUAL, store, store.scratch()) for _ in range(2))
    assert first == second
    with torch.no_grad():
        module.head.bias[0] += 1e-3
    assert save_module(module, RESIDUAL, store, store.scratch()).digest != first.digest


def test_the_example_has_the_shapes_of_the_inputs() -> None:
    both = Blueprint(factory="x:y", inputs={"image": (1, 6, 6), "age": (1,)})
    assert [tuple(item.shape) for item in both.example(4)] == [(4, 1, 6, 6), (4, 1)]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_diverged_weights_are_not_stored(store: FolderStore, value: float) -> None:
    module = RESIDUAL.build()
    with torch.no_grad():
        module.conv2.weight[0, 0, 0, 0] = value
    with pytest.raises(BadModel, match=r"conv2\.weight holds NaN or infinite numbers after this step; a lower learning rate"):
        save_module(module, RESIDUAL, store, store.scratch())


@pytest.mark.parametrize(
    ("factory", "arguments", "message"),
    [
        ("modelkit_nets:no_module", {}, r"modelkit_nets:no_module returned int; it must return a torch\.nn\.Module\."),
        ("modelkit_nets:residual", {"depth": 3}, r"modelkit_nets:residual\(\{'depth': 3\}\) failed: TypeError: .*'depth'"),
        ("modelkit_nets:nothing", {}, r"model: module 'modelkit_nets' has no 'nothing'\."),
    ],
)
def test_a_factory_that_does_not_build_is_refused(factory: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(BadModel, match=message):
        Blueprint(factory=factory, arguments=arguments).build()


def test_a_damaged_blueprint_is_refused(folder: Path) -> None:
    for content in ("{", "[]", '{"format": 1}', '{"factory": "a:b", "arguments": {}, "inputs": {}, "surgeries": [{}]}'):
        (folder / BLUEPRINT).write_text(content)
        with pytest.raises(Damaged, match=r"blueprint\.json cannot be read: "):
            read_blueprint(folder)
    (folder / BLUEPRINT).unlink()
    with pytest.raises(Damaged, match=r"blueprint\.json cannot be read: .*No such file"):
        read_blueprint(folder)


def test_tensors_that_do_not_fit_are_refused(folder: Path) -> None:
    cut = RESIDUAL.then([Surgery(layer="head", tensor="weight", axis=1, kept=(0, 1), sizes={"in_features": 2})])
    (folder / BLUEPRINT).write_text(json.dumps(cut.json()))
    with pytest.raises(Damaged, match=r"(?s)model\.safetensors does not fit its blueprint: .*head\.weight.*\[3, 8\].*\[3, 2\]"):
        open_folder(folder)


@pytest.mark.parametrize("content", [b"", b"not tensors at all"])
def test_damaged_tensors_are_refused(folder: Path, content: bytes) -> None:
    (folder / TENSORS).write_bytes(content)
    with pytest.raises(Damaged, match=r"model\.safetensors does not fit its blueprint"):
        open_folder(folder)


def test_tied_tensors_can_be_stored(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import modelkit_nets

    def tied() -> nn.Module:
        module = nn.Sequential(nn.Flatten(), nn.Linear(36, 36), nn.Linear(36, 36))
        module[2].weight = module[1].weight
        return module

    monkeypatch.setattr(modelkit_nets, "tied", tied, raising=False)
    blueprint = Blueprint(factory="modelkit_nets:tied", inputs={"input": (1, 6, 6)})
    module = blueprint.build()
    again = open_folder(store.folder(save_module(module, blueprint, store, store.scratch()).digest))
    assert again[1].weight is again[2].weight
    torch.testing.assert_close(again[1].weight, module[1].weight, rtol=0, atol=0)
