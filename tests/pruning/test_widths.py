"""Widths keep what they promise: the share of the work, the strongest channels, the floors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import modelkit_nets as nets
from paredown.modelkit.nets import digits_cnn
from paredown.pruning import count, couple, widths

EXAMPLE = (torch.zeros(1, 1, 6, 6),)


def wide() -> nn.Module:
    return digits_cnn(classes=3, widths=(32, 64, 48)).eval()


def random_scores(groups: list[couple.Group], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(group.channels, generator=generator) for group in groups]


def work(module: nn.Module) -> int:
    return sum(count.multiply_adds(module, EXAMPLE).values())


@pytest.mark.parametrize("factory", [wide, nets.residual, nets.flat, nets.perceptron])
@pytest.mark.parametrize("keep", [0.8, 0.5, 0.25])
def test_allocate_keeps_about_the_share_of_the_work(factory: Callable[[], nn.Module], keep: float) -> None:
    module = factory().eval()
    groups = couple.groups(module, EXAMPLE)
    before = work(module)
    scores = random_scores(groups)
    kept = widths.allocate(module, EXAMPLE, groups, scores, keep=keep, round_to=1)
    couple.cut(module, groups, kept)
    left = work(module) / before
    # the last move may overshoot by the largest share that one channel has
    assert keep - 0.16 <= left <= keep + 1e-9
    assert module(torch.zeros(2, 1, 6, 6)).shape == (2, 3)


@pytest.mark.parametrize("keep", [0.8, 0.7, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_cut_that_there_is_room_for(keep: float, seed: int) -> None:
    """One coarse move at the end made half of the earlier ones needless: 49 % were left of 70 %."""
    module = wide()
    groups = couple.groups(module, EXAMPLE)
    kept = widths.allocate(module, EXAMPLE, groups, random_scores(groups, seed), keep=keep, round_to=16)
    for at, group in enumerate(groups):
        if len(kept[at]) < group.channels:
            more = sorted({*kept[at], *[channel for channel in range(group.channels) if channel not in kept[at]][:16]})
            larger = wide()
            couple.cut(larger, couple.groups(larger, EXAMPLE), [*kept[:at], more, *kept[at + 1 :]])
            assert work(larger) > keep * work(module)


def test_allocate_takes_the_weakest_channels_and_keeps_tiles() -> None:
    module = wide()
    groups = couple.groups(module, EXAMPLE)
    scores = random_scores(groups)
    kept = widths.allocate(module, EXAMPLE, groups, scores, keep=0.3, round_to=8)
    for group, score, keep in zip(groups, scores, kept):
        assert len(keep) % 8 == 0
        assert 8 <= len(keep) <= group.channels
        assert keep == sorted(score.argsort(descending=True)[: len(keep)].tolist())
    assert sum(map(len, kept)) < sum(group.channels for group in groups)


def test_allocate_cuts_where_it_costs_least() -> None:
    module = wide()
    groups = couple.groups(module, EXAMPLE)
    dear = next(at for at, group in enumerate(groups) if group.channels == 48)
    scores = [torch.ones(group.channels) * (1e6 if at == dear else 1.0) for at, group in enumerate(groups)]
    kept = widths.allocate(module, EXAMPLE, groups, scores, keep=0.6, round_to=8)
    assert len(kept[dear]) == 48
    assert all(len(keep) < group.channels for at, (group, keep) in enumerate(zip(groups, kept)) if at != dear)


def test_keeping_all_keeps_all_and_nothing_is_cut_away_whole() -> None:
    module = wide()
    groups = couple.groups(module, EXAMPLE)
    scores = random_scores(groups)
    assert widths.allocate(module, EXAMPLE, groups, scores, keep=1.0, round_to=8) == [[*range(group.channels)] for group in groups]
    floor = widths.allocate(module, EXAMPLE, groups, scores, keep=0.0001, round_to=8)
    assert all(len(keep) >= 8 for keep in floor)


@pytest.mark.parametrize(("channels", "round_to", "expected"), [(64, 8, 8), (12, 8, 3), (3, 8, 1), (64, 1, 1), (2, 64, 1)])
def test_a_tile_is_at_most_a_quarter_of_the_width(channels: int, round_to: int, expected: int) -> None:
    assert widths.tile(channels, round_to) == expected


@pytest.mark.parametrize("share", [1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8])
def test_uniform_keeps_the_strongest_of_each_group(share: float) -> None:
    module = wide()
    groups = couple.groups(module, EXAMPLE)
    scores = random_scores(groups)
    kept = widths.uniform(groups, scores, share)
    for group, score, keep in zip(groups, scores, kept):
        assert abs(len(keep) - group.channels * share) <= 2
        assert len(keep) % 4 == 0 or len(keep) < 8
        assert keep == sorted(score.argsort(descending=True)[: len(keep)].tolist())
    couple.cut(module, groups, kept)
    assert module(torch.zeros(2, 1, 6, 6)).shape == (2, 3)


def test_uniform_never_leaves_less_than_two() -> None:
    groups = couple.groups(nets.flat().eval(), EXAMPLE)
    assert [len(keep) for keep in widths.uniform(groups, random_scores(groups), 1 / 8)] == [2, 2]
