from pathlib import Path

import pytest
import torch

from paredown.core.errors import Unfit
from paredown.modelkit.blueprint import Blueprint, open_module, save_module
from paredown.techniques.drop_layers import DropLayers
from paredown.testing import tiny
from paredown.testing.contracts import check_technique


def test_contract(tmp_path: Path) -> None:
    check_technique(DropLayers, tmp_path, network="deep_net", samples=16)


def test_the_blocks_that_do_nothing_go_first(tmp_path: Path) -> None:
    context = tiny.context(tmp_path)
    blueprint = Blueprint(factory="paredown.testing.tiny:deep_net", arguments={"depth": 5}, inputs={tiny.FEED: (1, tiny.SIDE, tiny.SIDE)})
    module = blueprint.build()
    with torch.no_grad():
        for idle in (0, 2, 3):
            module[2][idle].inner.weight.zero_()
            module[2][idle].inner.bias.zero_()
    given = save_module(module, blueprint, context.store, context.work)
    made = DropLayers(keep=0.4).apply(given, context)
    assert made.note == "kept 2 1, 4 of 5 blocks."
    smaller, _ = open_module(made, context.store)
    feed = torch.from_numpy(context.encode(tiny.rows(8).inputs)[tiny.FEED])
    torch.testing.assert_close(smaller(feed), module(feed))
    assert made.parameters < given.parameters


def test_a_network_without_like_blocks_is_unfit(tmp_path: Path) -> None:
    given = tiny.candidate("torch", tmp_path, "conv_net")
    with pytest.raises(Unfit, match="this module has no list of like blocks that could be left out"):
        DropLayers().apply(given, tiny.context(tmp_path))


def test_a_share_that_keeps_all_is_unfit(tmp_path: Path) -> None:
    given = tiny.candidate("torch", tmp_path, "deep_net")
    with pytest.raises(Unfit, match=r"this module has 4 blocks that could be left out, of which keep=0\.9 keeps all"):
        DropLayers(keep=0.9).apply(given, tiny.context(tmp_path))
