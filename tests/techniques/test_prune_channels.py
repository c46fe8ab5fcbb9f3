"""Pruned models are really smaller, keep the promised share of the work, and say what they kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from paredown.core.errors import Unfit
from paredown.modelkit.blueprint import Blueprint, open_module, save_module
from paredown.pruning.count import multiply_adds
from paredown.techniques.prune_channels import PruneChannels
from paredown.testing import tiny
from paredown.testing.contracts import check_technique


@pytest.mark.parametrize("criterion", ["fisher", "magnitude"])
def test_contract(tmp_path: Path, criterion: str) -> None:
    check_technique(PruneChannels, tmp_path, criterion=criterion, round_to=1)


def test_contract_on_a_perceptron(tmp_path: Path) -> None:
    check_technique(PruneChannels, tmp_path, network="mlp", round_to=1)


@pytest.mark.parametrize("criterion", ["fisher", "magnitude"])
@pytest.mark.parametrize("keep", [0.5, 0.25])
def test_the_work_shrinks_to_the_share(prepared: Any, tmp_path: Path, keep: float, criterion: str) -> None:
    given, _, context_at = prepared
    context = context_at(tmp_path)
    made = PruneChannels(keep=keep, criterion=criterion, round_to=1).apply(given, context)
    (whole, blueprint), (cut, _) = (open_module(item, context.store) for item in (given, made))
    before, after = (sum(multiply_adds(module, blueprint.example()).values()) for module in (whole, cut))
    assert keep - 0.12 <= after / before <= keep
    assert made.parameters == sum(item.numel() for item in cut.parameters()) < given.parameters
    said = {name: (int(left), int(of)) for name, left, of in re.findall(r"(\d+) (\d+)/(\d+)", made.note)}
    assert said == {"0": (cut[0].out_channels, 16), "3": (cut[3].out_channels, 24)}


def test_a_light_cut_of_a_trained_network_keeps_its_answers(prepared: Any, tmp_path: Path) -> None:
    given, _, context_at = prepared
    context = context_at(tmp_path)
    made = PruneChannels(keep=0.7, round_to=1).apply(given, context)
    feed = torch.from_numpy(tiny.encode(tiny.rows(90, 7).inputs)[tiny.FEED])
    whole, cut = (open_module(item, context.store)[0](feed).argmax(1) for item in (given, made))
    assert float((whole == cut).float().mean()) > 0.85


def test_what_leaves_every_width_as_it_is_is_unfit(tmp_path: Path) -> None:
    given = tiny.candidate("torch", tmp_path, "conv_net")
    with pytest.raises(Unfit, match=r"keep=1 with round_to=8 leaves every width as it is; lower keep or round_to\."):
        PruneChannels(keep=1.0).apply(given, tiny.context(tmp_path, teacher=given))


def test_a_network_without_inner_channels_is_unfit(tmp_path: Path) -> None:
    context = tiny.context(tmp_path)
    blueprint = Blueprint(factory="torch.nn:Linear", arguments={"in_features": 6, "out_features": 3}, inputs={"input": (6,)})
    given = save_module(blueprint.build(), blueprint, context.store, tmp_path / "scratch")
    with pytest.raises(Unfit, match="no channels of this module can be cut without changing its inputs or outputs"):
        PruneChannels().apply(given, context)
