"""Channels are cut together with all that depends on them: a cut network answers like the whole one with those channels silenced."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

import modelkit_nets as nets
from paredown.core.errors import BadModel, Unfit
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import Blueprint, open_module, save_module
from paredown.modelkit.surgery import Surgery, operate
from paredown.pruning import couple
from paredown.pruning.couple import Group
from paredown.testing import odd_images

EXAMPLE = (torch.zeros(1, 1, 6, 6),)


def grouped(module: nn.Module) -> dict[str, Group]:
    """Groups by the first of the layers that produce their channels, in the order of the module."""
    order = [name for name, _ in module.named_modules()]
    found = couple.groups(module, EXAMPLE)
    return {min((member.layer for member in group.members if member.side == "out"), key=order.index): group for group in found}


def silence(module: nn.Module, layer: str, kept: list[int]) -> None:
    """Channels of a layer that are not kept give zero."""
    part = module.get_submodule(layer)
    gone = [channel for channel in range(len(part.weight)) if channel not in kept]
    with torch.no_grad():
        part.weight[gone] = 0
        if part.bias is not None:
            part.bias[gone] = 0


def parameters(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


# factory, channels kept by group, layers that silence a group's channels, parameters of what is left
CASES: list[tuple[Callable[[], nn.Module], dict[str, list[int]], dict[str, list[int]], int]] = [
    (
        nets.residual,
        {"conv1": [0, 2, 3, 6, 7], "conv2": [1, 4, 9]},
        {"norm1": [0, 2, 3, 6, 7], "norm3": [0, 2, 3, 6, 7], "norm2": [1, 4, 9]},
        # conv1 1*5*9, norm1 2*5, conv2 5*3*9, norm2 2*3, conv3 3*5*9, norm3 2*5, head 5*3 + 3
        45 + 10 + 135 + 6 + 135 + 10 + 18,
    ),
    (
        nets.depthwise,
        {"0": [1, 2, 5], "6": [0, 3, 4, 5]},
        {"1": [1, 2, 5], "4": [1, 2, 5], "6": [0, 3, 4, 5]},
        # conv 3*9, norm 2*3, depthwise 3*9 + 3, norm 2*3, pointwise 3*4 + 4, head 4*3 + 3
        27 + 6 + 30 + 6 + 16 + 15,
    ),
    (
        nets.flat,
        {"0": [1, 3], "4": [0, 2, 5, 6, 9]},
        {"0": [1, 3], "4": [0, 2, 5, 6, 9]},
        # conv 2*9 + 2, linear 18*5 + 5, head 5*3 + 3
        20 + 95 + 18,
    ),
]


@pytest.mark.parametrize(("factory", "kept", "silenced", "left"), CASES, ids=["residual", "depthwise", "flat"])
def test_a_cut_network_is_the_silenced_one(
    factory: Callable[[], nn.Module], kept: dict[str, list[int]], silenced: dict[str, list[int]], left: int, images: torch.Tensor
) -> None:
    whole, cut = nets.liven(factory()), nets.liven(factory())
    found = grouped(cut)
    assert found.keys() == kept.keys()
    surgeries = couple.cut(cut, list(found.values()), [kept[name] for name in found])
    for layer, channels in silenced.items():
        silence(whole, layer, channels)
    with torch.no_grad():
        torch.testing.assert_close(cut(images), whole(images), rtol=1e-4, atol=1e-4)
    assert parameters(cut) == left
    assert {(surgery.layer, surgery.tensor, surgery.axis) for surgery in surgeries} >= {(name, "weight", 0) for name in kept}


def test_a_perceptron_loses_neurons_with_everything_on_them(images: torch.Tensor) -> None:
    module = nets.liven(nets.perceptron())
    found = grouped(module)
    assert {name: group.channels for name, group in found.items()} == {"1": 16, "4": 8}
    whole = nets.liven(nets.perceptron())
    # the norm over 16 neurons sees them all, so that only those behind it are cut here
    couple.cut(module, [found["4"]], [[0, 3, 6]])
    silence(whole, "4", [0, 3, 6])
    with torch.no_grad():
        torch.testing.assert_close(module(images), whole(images), rtol=1e-4, atol=1e-5)
    couple.cut(module, [found["1"]], [list(range(0, 16, 2))])
    assert module(images).shape == (5, 3)
    # linear 36*8 + 8, norm 2*8, linear 8*3 + 3, prelu 3, head 3*3 + 3
    assert parameters(module) == 296 + 16 + 27 + 3 + 12


def test_all_channels_kept_changes_nothing() -> None:
    module = nets.liven(nets.residual())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = couple.groups(module, EXAMPLE)
    assert couple.cut(module, found, [range(group.channels) for group in found]) == []
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_inputs_and_outputs_are_never_cut_and_every_part_of_a_grouped_convolution_loses_as_many() -> None:
    pairs = [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert {name: group.first.rows for name, group in grouped(nets.shuffled().eval()).items()} == {"0": pairs, "2": pairs}
    for factory in (nets.residual, nets.depthwise, nets.flat, nets.perceptron):
        module = factory().eval()
        last = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)][-1]
        for group in couple.groups(module, EXAMPLE):
            assert (last, "weight", 0) not in {(member.layer, member.tensor, member.axis) for member in group.members}


def test_a_network_that_cannot_be_traced_is_unfit() -> None:
    with pytest.raises(Unfit, match=r"the couplings of this module's channels cannot be traced: \w+: .*not today"):
        couple.groups(nets.stubborn(), EXAMPLE)


class Noisy(nn.Module):
    """Adds noise in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(36, 8), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        felt = self.one(images.flatten(1))
        return self.two(felt + torch.randn_like(felt))


def test_a_network_that_answers_differently_is_unfit() -> None:
    with pytest.raises(Unfit, match=r"this module answers differently when it is asked twice; what is random in it has to be off in eval"):
        couple.groups(Noisy().eval(), EXAMPLE)


def test_the_end_of_the_time_is_an_answer() -> None:
    found = couple.search(nets.liven(nets.residual()), EXAMPLE, limit_s=0.0)
    assert found.groups == []
    assert found.whole == {"all that was not proven by then": "the search ended after 0 s"}
    assert found.said == " Stays whole, since it could not be proven: all that was not proven by then (the search ended after 0 s)."


class Slow(nn.Module):
    """Takes a while for each of its many steps."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(36, 8), nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        felt = self.one(images.flatten(1))
        for _ in range(20):
            end = time.thread_time() + 0.01
            while time.thread_time() < end:
                felt = felt + 0.0
        return self.two(felt)


def test_a_slow_network_is_left_whole_in_time() -> None:
    start = time.thread_time()
    assert couple.search(Slow().eval(), EXAMPLE, limit_s=0.3).groups == []
    assert time.thread_time() - start < 2


def test_a_cut_that_is_not_right_leaves_its_group_whole_and_the_others_are_cut(images: torch.Tensor) -> None:
    module = nets.liven(nets.flat())
    conv, linear = couple.groups(module, EXAMPLE)
    shifted = [replace(member, rows=member.rows[1:] + member.rows[:1]) if member.side == "in" else member for member in conv.members]
    surgeries = couple.cut(module, [replace(conv, members=shifted), linear], [[0, 1], [2, 3, 4]], (images,))
    assert {surgery.layer for surgery in surgeries} == {"4", "6"}
    assert couple.widths_after([conv, linear], surgeries) == "0 4/4, 4 3/10"
    assert module(images).shape == (5, 3)


class Closed(nn.Module):
    """Its forward uses layers that a copy of it does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(36, 8), nn.Linear(8, 3)
        self.way = lambda images: self.two(self.one(images.flatten(1)).relu())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.way(images)


def test_what_no_copy_shows_is_not_proven() -> None:
    found = couple.search(Closed().eval(), EXAMPLE)
    assert found.groups == []
    assert found.whole == {"one": "nothing in the answer feels it"}


class WithoutGradients(nn.Sequential):
    """Answers without gradients."""

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images)


def test_a_network_without_gradients_is_left_whole() -> None:
    found = couple.search(WithoutGradients(*nets.flat()).eval(), EXAMPLE)
    assert (found.groups, list(found.whole)) == ([], ["0", "4"])


class OneByOne(nn.Sequential):
    """Takes one row at a time."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.reshape(1, 1, 6, 6))


def test_a_network_that_takes_one_row_at_a_time_is_cut_all_the_same(images: torch.Tensor) -> None:
    module = OneByOne(*nets.flat()).eval()
    found = couple.groups(module, EXAMPLE)
    assert [group.name for group in found] == ["0", "4"]
    couple.cut(module, found, [[0, 1], [0, 1, 2]], (images,))
    assert (module[0].out_channels, module[4].in_features, module[6].in_features) == (2, 18, 3)


def test_groups_that_share_an_axis_are_cut_in_one_go(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    module = odd_images.Dense().eval()
    whole = copy.deepcopy(module)
    found = couple.groups(module, module.example())
    surgeries = couple.cut(module, found, [[0, 2, 5], [1, 7], range(16)])
    (shared,) = [surgery for surgery in surgeries if (surgery.layer, surgery.tensor, surgery.axis) == ("three", "weight", 1)]
    assert list(shared.kept) == [1, 7, 8, 10, 13]  # eight of the second layer stand before twelve of the first
    assert (module.three.in_channels, module.norm.num_features) == (5, 5)
    whole.three.weight.data[:, [at for at in range(20) if at not in shared.kept]] = 0
    whole.two.weight.data[:, [at for at in range(12) if at not in (0, 2, 5)]] = 0
    maps = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(module(maps), whole(maps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factory", [nets.residual, nets.depthwise, nets.flat, nets.perceptron])
def test_a_blueprint_rebuilds_a_cut_network(factory: Callable[[], nn.Module], store: FolderStore, images: torch.Tensor) -> None:
    blueprint = Blueprint(factory=f"modelkit_nets:{factory.__name__}", arguments={"classes": 3}, inputs={"input": (1, 6, 6)})
    module = nets.liven(blueprint.build())
    for step in range(2):
        found = couple.groups(module, blueprint.example())
        surgeries = couple.cut(module, found, [range(step, group.channels, 2) for group in found])
        blueprint = blueprint.then(surgeries)
    work = store.scratch()
    candidate = save_module(module, blueprint, store, work, note="cut twice.")
    again, read = open_module(candidate, store)
    assert read.json() == blueprint.json()
    assert not again.training
    with torch.no_grad():
        torch.testing.assert_close(again(images), module(images), rtol=0, atol=0)
    assert (candidate.parameters, candidate.note, candidate.form) == (parameters(module), "cut twice.", "torch")


def test_surgery_keeps_the_rows_in_the_order_given() -> None:
    layer = nn.Sequential(nn.Linear(3, 4))
    before = layer[0].weight.clone()
    operate(layer, Surgery(layer="0", tensor="weight", axis=0, kept=(2, 0), sizes={"out_features": 2}))
    operate(layer, Surgery(layer="0", tensor="weight", axis=1, kept=(1,), sizes={"in_features": 1}))
    assert torch.equal(layer[0].weight, before[[2, 0]][:, [1]])
    assert (layer[0].in_features, layer[0].out_features) == (1, 2)
    assert layer[0].weight.requires_grad


@pytest.mark.parametrize(
    ("surgery", "message"),
    [
        (Surgery(layer="9", tensor="weight", kept=(0,)), r"the structure has no layer '9' to cut\."),
        (Surgery(layer="1", tensor="weight", kept=(0,)), r"layer '1' is a ReLU; it has no tensor 'weight' to cut\."),
        (Surgery(layer="0", tensor="weight", axis=1, kept=(1,)), r"'weight' of layer '0' has the shape \(8, 1, 3, 3\); what is kept along"),
        (Surgery(layer="0", tensor="weight", axis=4, kept=(0,)), r"has the shape \(8, 1, 3, 3\); what is kept along axis 4 is not in it\."),
        (Surgery(layer="0", sizes={"out_channels": 9}), r"layer '0' is a Conv2d; its 'out_channels' cannot become 9\."),
        (Surgery(layer="0", sizes={"training": 1}), r"layer '0' is a Conv2d; its 'training' cannot become 1\."),
        (Surgery(layer="0", sizes={"nf": 1}), r"layer '0' is a Conv2d; its 'nf' cannot become 1\."),
        (Surgery(layer="0", kept=(0,)), r"layer '0' is a Conv2d; only lists of blocks can lose some\."),
        (Surgery(layer="", kept=(0,)), r"layer '' is a Sequential; only lists of blocks can lose some\."),
    ],
)
def test_what_cannot_be_cut_is_refused(surgery: Surgery, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        operate(nets.shuffled(), surgery)


def test_a_block_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadModel, match=r"layer '0' has 1 blocks; there is no block 3 to keep\."):
        operate(nn.Sequential(nn.Sequential(nn.Linear(2, 2))), Surgery(layer="0", kept=(3,)))


def test_a_surgery_is_plain_data() -> None:
    surgery = Surgery(layer="a.b", tensor="weight", axis=1, kept=(3, 1), sizes={"in_features": 2})
    assert Surgery.of(surgery.json()) == surgery
