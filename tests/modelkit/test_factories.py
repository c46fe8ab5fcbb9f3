"""What a blueprint of a stranger may build: paredown's own factories with plain sizes; nothing else is called, or even imported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from paredown.core.errors import BadModel, Damaged, NotTrusted
from paredown.ground import trust
from paredown.modelkit import blueprint as blueprints
from paredown.modelkit.factories import OWN, strange

BERT = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "hidden_act": "gelu",
}
MLP = {"inputs": 8, "classes": 3, "hidden": [4]}


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "canary.py").write_text("raise SystemError('the canary was imported')")


def handed_over(folder: Path, factory: Any, arguments: Any, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    found = {"format": 1, "factory": factory, "arguments": arguments, "inputs": {"input": [8]}, "surgeries": []} | more
    (folder / blueprints.BLUEPRINT).write_text(json.dumps(found))
    save_file({}, folder / blueprints.TENSORS)
    return folder


@pytest.mark.parametrize(
    ("factory", "arguments"),
    [
        ("canary:run", {}),
        ("os:system", {"command": "exit"}),
        ("paredown.ground.lazy:resolve", {"dotted": "canary:run", "purpose": "x"}),
        ("paredown.modelkit.nets:nn.Linear", {"in_features": 8, "out_features": 3}),
        ("paredown.modelkit.nets:mlp ", MLP),
        ("torch:load", {"f": "x"}),
        ("canary", {}),
        ("", {}),
    ],
)
def test_code_of_others_is_not_called_without_a_word(tmp_path: Path, factory: str, arguments: dict[str, Any]) -> None:
    folder = handed_over(tmp_path / "given", factory, arguments)
    with pytest.raises(NotTrusted, match=r"(?s)blueprint\.json: the model is built by .*code of whoever.*`--trust .*paredown\.load"):
        blueprints.open_folder(folder)
    assert "canary" not in sys.modules


def test_a_word_of_the_user_is_enough_and_verify_takes_none(tmp_path: Path) -> None:
    folder = handed_over(tmp_path / "given", "canary:run", {})
    with trust.trusting(["canary:run"]):
        with pytest.raises(SystemError, match="the canary was imported"):
            blueprints.open_folder(folder)
        with trust.trusting_nobody(), pytest.raises(NotTrusted, match="canary:run"):
            blueprints.open_folder(folder)


def test_what_was_built_and_written_here_opens_here_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from torch import nn\n\n\ndef build(width):\n    return nn.Linear(width, 3)\n")
    blueprint = blueprints.Blueprint(factory="mine:build", arguments={"width": 8}, inputs={"input": (8,)})
    blueprints.write_folder(blueprint.build(), blueprint, tmp_path / "written")
    assert blueprints.open_folder(tmp_path / "written").in_features == 8
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    with pytest.raises(NotTrusted, match="mine:build"):
        blueprints.open_folder(tmp_path / "written")


@pytest.mark.parametrize(
    ("factory", "arguments", "said"),
    [
        ("nets:mlp", MLP | {"device": "x"}, "has arguments.device; inputs, classes, hidden may stand there"),
        ("nets:mlp", {"inputs": 8}, "lacks arguments.classes"),
        ("nets:mlp", MLP | {"hidden": [2**40]}, "a whole number from 1 to "),
        ("nets:mlp", MLP | {"hidden": 4}, "a list"),
        ("nets:digits_cnn", {"widths": [1, 2]}, "has 2 entries in arguments.widths; 3 to 3 are allowed"),
        ("memory:build", {"fingerprint": "../../x", "sha256": "0" * 64}, "it has to be a digest"),
        ("pretrained:build", {"config": BERT | {"auto_map": {"AutoModel": "canary.run"}}}, "auto_map, which may name code or files"),
        ("pretrained:build", {"config": BERT | {"_attn_implementation": "org/kernel"}}, "may name code or files"),
        ("pretrained:build", {"config": BERT | {"quantization_config": {"quant_method": "x"}}}, "may name code or files"),
        ("pretrained:build", {"config": {"model_type": "timm_wrapper", "architecture": "hf_hub"}}, "may name code or files"),
        ("pretrained:build", {"config": BERT | {"backbone": "resnet18", "use_pretrained_backbone": True}}, "may name code or files"),
        ("pretrained:build", {"config": BERT | {"inner": {"auto_map": "x"}}}, "inner.auto_map, which may name code or files"),
        ("pretrained:build", {"config": BERT | {"hidden_act": "org/name"}}, "it has to be a plain word"),
        ("pretrained:build", {"config": BERT | {"hidden_act": "../x"}}, "it has to be a plain word"),
        ("pretrained:build", {"config": {}}, "lacks arguments.config.model_type"),
        ("pretrained:build", {"config": BERT, "trust_remote_code": True}, "has arguments.trust_remote_code"),
    ],
)
def test_arguments_of_our_own_factories_name_no_code_either(factory: str, arguments: dict[str, Any], said: str) -> None:
    more = {"inputs": ["input_ids"], "classes": 3} if "config" in arguments else {}
    why = strange(f"paredown.modelkit.{factory}", more | arguments)
    assert said in why


@pytest.mark.parametrize(
    ("factory", "arguments"),
    [
        ("nets:mlp", MLP),
        ("nets:digits_cnn", {"classes": 10, "channels": 1}),
        ("pretrained:build", {"config": BERT, "inputs": ["input_ids", "attention_mask"], "classes": 3}),
        ("memory:build", {"fingerprint": "a" * 64, "sha256": "0" * 64}),
        ("layered:build", {"shape": [4], "steps": [{"op": "dense", "of": [0], "name": "head", "out": 3, "bias": 1}]}),
    ],
)
def test_our_own_are_called(factory: str, arguments: dict[str, Any]) -> None:
    assert strange(f"paredown.modelkit.{factory}", arguments) == ""


def test_every_factory_of_the_product_is_in_the_table() -> None:
    """What `models` and `modelkit` write into blueprints by themselves."""
    from paredown.modelkit import layered, pretrained
    from paredown.models.builtin import NETWORKS

    written = {factory for factory, _, _ in NETWORKS.values()} | {pretrained.FACTORY, layered.FACTORY, "paredown.modelkit.memory:build"}
    written.add("paredown.modelkit.nets:table_net")  # a student of black boxes of tables
    assert written == set(OWN)


@pytest.mark.parametrize("family", ["bert", "distilbert", "electra", "roberta", "vit", "resnet", "mobilenet_v2", "convnext", "modernbert"])
def test_configurations_of_real_families_are_only_structure(family: str) -> None:
    transformers = pytest.importorskip("transformers")
    from paredown.modelkit.pretrained import _NOT_STRUCTURE

    whole = transformers.AutoConfig.for_model(family).to_dict()
    config = json.loads(json.dumps({key: value for key, value in whole.items() if key not in _NOT_STRUCTURE}))
    assert strange("paredown.modelkit.pretrained:build", {"config": config, "inputs": ["input_ids"], "classes": 2}) == ""


SURGERY = {"layer": "head", "tensor": "weight", "axis": 0, "kept": [0], "sizes": {}}


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"surgeries": [SURGERY | {"kept": [0, 0]}]}, BadModel, "keeps an entry twice"),
        ({"surgeries": [SURGERY | {"kept": [99]}]}, BadModel, "what is kept along axis 0 is not in it"),
        ({"surgeries": [SURGERY | {"sizes": {"__class__": 1}}]}, BadModel, "its '__class__' cannot become 1"),
        ({"surgeries": [SURGERY | {"kept": ["0"]}]}, Damaged, r"has surgeries\[0\]\.kept\[0\] '0'; it has to be a whole number"),
        ({"surgeries": [SURGERY | {"axis": True}]}, Damaged, r"has surgeries\[0\]\.axis True"),
        ({"surgeries": [SURGERY | {"sizes": {"nf": 1.5}}]}, Damaged, r"has surgeries\[0\]\.sizes\.nf 1\.5"),
        ({"surgeries": "x"}, Damaged, "has surgeries 'x'; it has to be a list"),
        ({"inputs": {"input": [1e9]}}, Damaged, "a size or the name of a free axis"),
        ({"factory": 3}, Damaged, "has factory 3; it has to be a text"),
        ({"arguments": []}, Damaged, "has arguments .*; it has to be a mapping"),
    ],
)
def test_a_blueprint_of_other_kinds_is_refused_in_words(tmp_path: Path, changes: dict[str, Any], error: type[Exception], said: str) -> None:
    given = {"factory": "paredown.modelkit.nets:mlp", "arguments": MLP} | changes
    with pytest.raises(error, match=said):
        blueprints.open_folder(handed_over(tmp_path / "given", given.pop("factory"), given.pop("arguments"), **given))
