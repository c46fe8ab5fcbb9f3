"""Each way in which channels are tied together, and random compositions of them: what is cut answers like what is silent."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from paredown.modelkit.surgery import operate
from paredown.pruning import calibrate, couple
from paredown.testing import odd

# network -> (group, channels, rows of its first layer that are one channel), layers that stay whole
EXPECTED: dict[str, tuple[list[tuple[str, int, int]], list[str]]] = {
    "Gated": ([("one", 24, 2), ("two", 16, 2)], []),
    "PixelShuffle": ([("one", 8, 4), ("two", 16, 1)], []),
    "ChannelsLast": ([("one", 16, 1), ("wide", 24, 1)], []),
    "WrittenWidth": ([("wide", 24, 1)], ["one"]),
    "Shuffle": ([("one", 8, 2), ("point", 24, 1)], []),
    "Tied": ([("enter", 24, 1)], []),
    "Transposed": ([("enter", 24, 1), ("one", 12, 1)], []),
    "Shared": ([("enter", 24, 1)], []),
    "Dense": ([("one", 12, 1), ("two", 8, 1), ("three", 16, 1)], []),
    "HalfPassesBy": ([("work", 8, 1), ("mix", 24, 1)], ["one"]),
    "HalfByChunk": ([("one", 8, 2), ("work", 8, 1), ("mix", 24, 1)], []),
    "LayerScale": ([("one", 16, 1)], []),
    "ClassToken": ([("enter", 24, 1), ("up", 32, 1)], []),
    "RootMean": ([("one", 24, 1), ("two", 16, 1)], []),
    "GroupedQueries": ([("q_proj", 2, 16), ("o_proj", 16, 1)], []),
    "FusedHeads": ([("enter", 4, 8)], []),
    "Encoder": (
        [("encoder.layers.0.self_attn.out_proj", 2, 8), ("encoder.layers.0.linear1", 32, 1), ("encoder.layers.1.linear1", 32, 1)],
        [],
    ),
    "EinsumWeight": ([("one", 24, 1), ("weight", 12, 1), ("two", 16, 1)], []),
    "Rolled": ([("two", 16, 1)], ["one"]),
    "Unfolded": ([("one", 8, 1), ("wide", 24, 1)], []),
    "GroupNorm": ([("one", 4, 4), ("two", 16, 1)], []),
    "GroupedConv": ([("one", 4, 4), ("parts", 6, 4), ("up", 12, 1)], []),
    "Excite": ([("one", 16, 1), ("point", 24, 1), ("down", 8, 1)], []),
    "Recurrent": ([("enter", 24, 1), ("mid", 24, 1)], ["lstm"]),
    "Gru": ([("enter", 24, 1), ("gru", 16, 3)], []),
    "Tokens": ([("table", 24, 1), ("up", 32, 1)], []),
    "Mixer": ([("enter", 24, 1), ("across", 12, 1), ("up", 32, 1)], ["back"]),
    "MeanOfChannels": ([("two", 24, 1)], ["one"]),
    "Softmaxed": ([("two", 16, 1)], ["one"]),
    "Numbered": ([("two", 16, 1)], ["one"]),
    "WeightNorm": ([("one", 24, 1), ("two", 16, 1)], []),
    "PaddedShortcut": ([("one", 8, 1), ("three", 16, 1)], []),
}


def rows_of(example: tuple[Tensor, ...], count: int = 6) -> tuple[Tensor, ...]:
    """Random rows of an example's shapes."""
    return tuple(
        torch.randn(count, *item.shape[1:]) if item.is_floating_point() else torch.randint(1, 50, (count, *item.shape[1:]))
        for item in example
    )


def apart(
    module: nn.Module, small: nn.Module, groups: list[couple.Group], gone: list[list[int]], rows: tuple[Tensor, ...]
) -> tuple[float, float]:
    """How far a cut module is from one in which nothing reads the channels, and how far that one is from the whole; shares of its range."""
    silent = copy.deepcopy(module)
    for group, channels in zip(groups, gone):
        for member in group.members:
            if member.side == "in":
                positions = torch.tensor([row for channel in channels for row in member.rows[channel]])
                getattr(silent.get_submodule(member.layer), member.tensor).data.index_fill_(member.axis, positions, 0)
    with torch.no_grad():
        whole, mine, theirs = module(*rows), small(*rows), silent(*rows)
    assert mine.shape == whole.shape
    scale = float(whole.abs().max())
    return float((mine - theirs).abs().max()) / scale, float((theirs - whole).abs().max()) / scale


def check_each(module: nn.Module, groups: list[couple.Group], example: tuple[Tensor, ...]) -> None:
    """Every group on its own, first and last channel and one between; a norm over the channels sees fewer of them after a cut."""
    for group in groups:
        gone = sorted({0, group.channels // 2, group.channels - 1})[: 1 if group.normed else group.channels - 1]
        small = copy.deepcopy(module)
        for surgery in group.surgeries([at for at in range(group.channels) if at not in gone]):
            operate(small, surgery)
        far, effect = apart(module, small, [group], [gone], rows_of(example))
        assert far <= (effect if group.normed else 1e-5), (group.name, far, effect)


@pytest.mark.parametrize("name", odd.ALL)
def test_what_is_tied_together_is_cut_together_and_the_rest_is_named(name: str) -> None:
    torch.manual_seed(0)
    module = odd.ALL[name]().eval()
    found = couple.search(module, module.example())
    assert ([(group.name, group.channels, group.rows_each) for group in found.groups], list(found.whole)) == EXPECTED[name]
    check_each(module, found.groups, module.example())


@pytest.mark.parametrize("name", ["FusedHeads", "Encoder"])
def test_a_width_and_the_heads_that_divide_it_lose_the_same_share(name: str) -> None:
    torch.manual_seed(0)
    module = odd.ALL[name]().eval()
    first = couple.groups(module, module.example())[0]
    assert first.rows_each == 8
    rows = rows_of(module.example())
    (score,) = calibrate.fisher(module, [first], {"input": rows[0].numpy()}, seed=0)
    assert bool((score > 0).all())
    assert all({*channels.tolist()} - {-1} == {*range(first.channels)} for _, channels in first.felt.values())
    couple.cut(module, [first], [[0]])
    heads = [layer.heads if hasattr(layer, "heads") else layer.num_heads for layer in module.modules() if "heads" in " ".join(vars(layer))]
    assert set(heads) == {1}
    assert module(*rows_of(module.example())).shape == (6, odd.CLASSES)


def _chosen(felt: Tensor, _: nn.Linear, number: int) -> Tensor:
    return felt[:, torch.randperm(felt.shape[-1], generator=torch.Generator().manual_seed(number))]


# what stands between two layers -> how the width changes, what is done with (numbers, a layer beside the way, a random number)
BETWEEN: dict[str, tuple[Callable[[int], int], Callable[[Tensor, nn.Linear, int], Tensor]]] = {
    "shortcut": (lambda width: width, lambda felt, beside, _: felt + beside(felt).relu()),
    "gate": (lambda width: width, lambda felt, beside, _: felt * beside(felt).sigmoid()),
    "beside": (lambda width: 2 * width, lambda felt, beside, _: torch.cat([beside(felt), felt], -1)),
    "halves": (lambda width: width // 2, lambda felt, _, __: functional.glu(felt)),
    "swap": (lambda width: width, lambda felt, _, __: torch.cat(felt.chunk(2, -1)[::-1], -1)),
    "written": (lambda width: width, lambda felt, _, __: torch.cat([felt[:, 4:], felt[:, :4]], -1)),
    "shuffle": (lambda width: width, lambda felt, _, __: felt.unflatten(-1, (2, -1)).transpose(1, 2).flatten(1)),
    "shuffle of four": (lambda width: width, lambda felt, _, __: felt.unflatten(-1, (-1, 4)).transpose(1, 2).flatten(1)),
    "roll": (lambda width: width, lambda felt, _, number: felt.roll(1 + number % 3, -1)),
    "turn": (lambda width: width, lambda felt, _, __: felt.flip(-1)),
    "chosen": (lambda width: width, _chosen),
    "first": (lambda width: 8, lambda felt, _, __: felt[:, :8]),
    "every other": (lambda width: width // 2, lambda felt, _, __: felt[:, ::2]),
    "norm": (lambda width: width, lambda felt, _, __: functional.layer_norm(felt, felt.shape[-1:])),
    "softmax": (lambda width: width, lambda felt, _, __: felt.softmax(-1)),
    "running": (lambda width: width, lambda felt, _, __: felt.cumsum(-1)),
    "means": (lambda width: width // 2, lambda felt, _, __: felt.unflatten(-1, (-1, 2)).mean(-1)),
    "greatest": (lambda width: width // 2, lambda felt, _, __: felt.unflatten(-1, (-1, 2)).amax(-1)),
    "sum": (lambda width: width, lambda felt, _, __: felt - felt.sum(-1, keepdim=True) / 7),
    "twice": (lambda width: width, lambda felt, beside, _: beside(beside(felt).relu())),
    "back": (lambda width: width, lambda felt, beside, _: beside(felt).relu() @ beside.weight),
    "repeat": (lambda width: 2 * width, lambda felt, _, __: felt.repeat(1, 2)),
    "each twice": (lambda width: 2 * width, lambda felt, _, __: felt.repeat_interleave(2, -1)),
    "outer": (lambda width: 4 * width, lambda felt, _, __: (felt[:, :, None] * felt[:, None, :4]).flatten(1)),
    "padded": (lambda width: width + 2, lambda felt, _, __: functional.pad(felt, (1, 1))),
    "window": (lambda width: width, lambda felt, _, __: functional.avg_pool1d(felt[:, None], 3, 1, 1)[:, 0]),
}


class Composed(nn.Module):
    """Layers with random things between them, some of which no cut survives."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.layers, self.beside, self.steps = nn.ModuleList([nn.Linear(16, 24)]), nn.ModuleList(), []
        width = 24
        for _ in range(dice.randint(2, 5)):
            self.steps.append((dice.choice([*BETWEEN]), dice.randrange(1000)))
            self.beside.append(nn.Linear(width, width))
            before, width = BETWEEN[self.steps[-1][0]][0](width), dice.choice([12, 16, 24])
            self.layers.append(nn.Linear(before, width))
        self.layers.append(nn.Linear(width, 4))

    def forward(self, felt: Tensor) -> Tensor:
        felt = torch.tanh(self.layers[0](felt))
        for (name, number), beside, layer in zip(self.steps, self.beside, self.layers[1:]):
            felt = torch.tanh(layer(BETWEEN[name][1](felt, beside, number)))
        return self.layers[-1](felt)


def composed(seed: int) -> Composed:
    """One of them."""
    torch.manual_seed(seed)
    return Composed(random.Random(seed)).eval()


def check_composed(seed: int) -> None:
    """Nothing that is found in one of them is wrong, alone or together."""
    module, example = composed(seed), (torch.zeros(1, 16),)
    found = couple.search(module, example)
    check_each(module, found.groups, example)


@pytest.mark.parametrize("seed", range(10))
def test_random_compositions_are_never_cut_wrongly(seed: int) -> None:
    check_composed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_random_compositions_are_never_cut_wrongly(seed: int) -> None:
    check_composed(seed)
