"""What a folder says of pooling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from paredown.core.errors import BadModel
from paredown.modelkit.pooling import WAYS, pooling_of, width_of_tokens
from paredown.modelkit.pretrained import pool

KINDS = ("Transformer", "Pooling", "Normalize")


def folder(tmp_path: Path, kinds: tuple[str, ...] = KINDS, **pooling: Any) -> Path:
    paths = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [{"idx": at, "path": paths.get(kind, kind), "type": f"sentence_transformers.models.{kind}"} for at, kind in enumerate(kinds)]
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "modules.json").write_text(json.dumps(modules), "utf-8")
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 4, **pooling}), "utf-8")
    return tmp_path


def test_a_folder_says_how_and_how_long(tmp_path: Path) -> None:
    made = folder(tmp_path, pooling_mode_cls_token=False, pooling_mode_mean_tokens=True)
    (made / "sentence_bert_config.json").write_text('{"max_seq_length": 128, "do_lower_case": false}', "utf-8")
    found = pooling_of(made)
    assert (found.ways, found.normalize, found.longest) == (("mean",), True, 128)
    assert found.said == "A text's vector is the mean of its tokens, of length 1, as modules.json says; 128 tokens at most."


@pytest.mark.parametrize(
    ("pooling", "ways"),
    [
        ({"pooling_mode": "cls"}, ("cls",)), ({"pooling_mode": "mean"}, ("mean",)), ({"pooling_mode_max_tokens": True}, ("max",)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len_tokens",)),
    ],
)  # fmt: skip
def test_ways_of_pooling_are_known_in_both_spellings(tmp_path: Path, pooling: dict[str, Any], ways: tuple[str, ...]) -> None:
    found = pooling_of(folder(tmp_path, KINDS[:2], **pooling))
    assert (found.ways, found.normalize, found.longest) == (ways, False, 0)


def test_a_plain_folder_has_the_mean(tmp_path: Path) -> None:
    found = pooling_of(tmp_path)
    assert (found.ways, found.normalize) == (("mean",), False)
    assert "has no modules.json" in found.said


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    made = folder(tmp_path, (*KINDS[:2], "Dense"), pooling_mode_mean_tokens=True)
    with pytest.raises(BadModel, match=r"modules\.json names Transformer, Pooling, Dense; known are Transformer .*\n  .*`python: my"):
        pooling_of(made)
    (made / "modules.json").write_text(
        json.dumps([{"type": "x.Transformer", "path": ""}, {"type": "x.Pooling", "path": "1_Pooling"}]), "utf-8"
    )
    for pooling, said in (
        ({"pooling_mode_lasttoken": True}, "asks for lasttoken"),
        ({}, "asks for no pooling"),
        ({"pooling_mode": "x"}, "for x"),
    ):
        (made / "1_Pooling" / "config.json").write_text(json.dumps(pooling), "utf-8")
        with pytest.raises(BadModel, match=said):
            pooling_of(made)
    (made / "1_Pooling" / "config.json").write_text("[]", "utf-8")
    with pytest.raises(BadModel, match=r"config\.json is no configuration of pooling"):
        pooling_of(made)
    (made / "modules.json").write_text("{}", "utf-8")
    with pytest.raises(BadModel, match=r"modules\.json is no list of modules"):
        pooling_of(made)
    (made / "modules.json").write_text("{", "utf-8")
    with pytest.raises(BadModel, match=r"modules\.json cannot be read"):
        pooling_of(made)


def test_padding_is_left_out_of_every_way() -> None:
    tokens, mask = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0)) - 3, torch.zeros(3, 6, dtype=torch.int64)
    for row, size in enumerate((1, 4, 6)):
        mask[row, :size] = 1
    found = pool(tokens, mask, WAYS)
    for row, size in enumerate((1, 4, 6)):
        own = tokens[row, :size]
        want = torch.cat([own[0], own.amax(0), own.mean(0), own.sum(0) / size**0.5])
        torch.testing.assert_close(found[row], want)


def test_the_width_goes_by_many_names() -> None:
    assert [width_of_tokens(config) for config in ({"hidden_size": 8}, {"dim": 9}, {"d_model": 7, "dim": True}, {})] == [8, 9, 7, 0]
