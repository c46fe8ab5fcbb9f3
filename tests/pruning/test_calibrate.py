"""Scores against what removal really does, statistics against numpy."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import modelkit_nets as nets
from paredown.pruning import calibrate, couple
from paredown.pruning.couple import Group
from paredown.testing import tiny

FEED = tiny.encode(tiny.rows(16, 3).inputs)
TEMPERATURE = 20.0  # so that few draws say enough
INPUTS = torch.from_numpy(FEED[tiny.FEED])


def masked(module: nn.Module, layers: list[str], mask: Tensor) -> nn.Module:
    """A copy whose layers' channels are multiplied by `mask`, (channels,) or (N, channels)."""
    out = copy.deepcopy(module)
    for name in layers:
        layer = out.get_submodule(name)
        layer.register_forward_hook(lambda _, __, output: output * mask.view(-1, output.shape[1], *[1] * (output.dim() - 2)))
    return out


def exact_fisher(module: nn.Module, layers: list[str], channels: int, temperature: float) -> Tensor:
    """Half the mean over items and answers of the squared gradient by the mask, every class weighted by its probability."""
    mask = torch.ones(len(INPUTS), channels, requires_grad=True)
    answers = torch.log_softmax(masked(module, layers, mask)(INPUTS) / temperature, dim=1)
    total = torch.zeros(channels)
    for answer in answers.T:
        (gradient,) = torch.autograd.grad(answer.sum(), mask, retain_graph=True)
        total += (answer.detach().exp()[:, None] * gradient**2).mean(0)
    return total / 2


def scored(module: nn.Module) -> dict[frozenset[str], tuple[Group, Tensor]]:
    groups = couple.groups(module, (torch.zeros(1, 1, 6, 6),))
    scores = calibrate.fisher(module, groups, FEED, seed=0, draws=80, temperature=TEMPERATURE)
    assert [score.shape for score in scores] == [(group.channels,) for group in groups]
    return {frozenset(member.layer for member in group.members): (group, score) for group, score in zip(groups, scores)}


def test_fisher_is_the_mean_squared_gradient_of_the_mask() -> None:
    module = nets.liven(nets.residual())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for layers, (group, score) in scored(module).items():
        # the group of the sum is closed by both of its norms
        ends = [name for name in ("norm1", "norm2", "norm3") if name in layers]
        expected = exact_fisher(module, ends, group.channels, TEMPERATURE)
        torch.testing.assert_close(score, expected, rtol=0.25, atol=0.02 * float(expected.max()))
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(value.grad is None for value in module.parameters())
    assert not module.training


def test_the_channel_that_nobody_feels_is_found(trained: nn.Module) -> None:
    module = copy.deepcopy(trained)
    with torch.no_grad():
        # what channel 5 of the last convolution says goes nowhere
        module[8].weight[:, 5] = 0
    own = module(INPUTS).softmax(1).detach()

    def change(layer: str, channels: int, gone: int) -> float:
        mask = torch.ones(channels)
        mask[gone] = 0
        answers = torch.log_softmax(masked(module, [layer], mask)(INPUTS), dim=1).detach()
        return float((own * (own.log() - answers)).sum(1).mean())

    for layers, (group, score) in scored(module).items():
        end = "4" if "4" in layers else "1"
        truth = torch.tensor([change(end, group.channels, gone) for gone in range(group.channels)])
        if end == "4":
            assert int(score.argmin()) == int(truth.argmin()) == 5
            assert float(score[5]) == 0.0
        ranks = [np.argsort(np.argsort(values.numpy())) for values in (score, truth)]
        assert np.corrcoef(*ranks)[0, 1] > 0.6, (score, truth)


def test_fisher_is_repeatable_and_follows_its_seed(trained: nn.Module) -> None:
    groups = couple.groups(trained, (torch.zeros(1, 1, 6, 6),))
    first, again, other = (calibrate.fisher(trained, groups, FEED, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(one, two) for one, two in zip(first, again))
    assert not all(torch.equal(one, two) for one, two in zip(first, other))


class OfPlaces(nn.Module):
    """A layer reads the items and a table of places, as relative positions in attention do; `lone` reads the table alone."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.enter, self.both, self.lone, self.head = nn.Linear(6, 16), nn.Linear(16, 12), nn.Linear(16, 12), nn.Linear(12, 3)
        self.table = nn.Parameter(torch.randn(places, 6))

    def forward(self, images: Tensor) -> Tensor:
        felt, places = self.enter(images[:, 0]).relu(), self.enter(self.table).relu()
        return self.head((self.both(felt).mean(1) + self.both(places).mean(0) + self.lone(places).mean(0)).tanh())


@pytest.mark.parametrize("places", [5, 16, 32])
def test_a_layer_that_reads_a_table_is_felt_by_the_whole_batch(places: int) -> None:
    torch.manual_seed(0)
    module = OfPlaces(places).eval()
    with torch.no_grad():
        module.both.weight[:, 3] = module.lone.weight[:, 3] = 0
        module.both.weight[:, 4] = 0
    ((_, score),) = [(group, score) for layers, (group, score) in scored(module).items() if "enter" in layers]
    assert float(score[3]) == 0
    assert float(score[4]) > 0  # by the table alone
    mask = torch.ones(len(INPUTS), 16, requires_grad=True)
    seen = {}

    def asked(item: int) -> Tensor:
        felt, own = module.enter(INPUTS[item, 0]).relu() * mask[item], module.enter(module.table).relu() * mask[item]
        return module.head((module.both(felt).mean(0) + module.both(own).mean(0) + module.lone(own).mean(0)).tanh())

    answers = torch.log_softmax(torch.stack([asked(item) for item in range(len(INPUTS))]) / TEMPERATURE, dim=1)
    for answer in answers.T:
        (gradient,) = torch.autograd.grad(answer.sum(), mask, retain_graph=True)
        seen[len(seen)] = (answer.detach().exp()[:, None] * gradient**2).mean(0) / 2
    expected = sum(seen.values())
    ranks = [np.argsort(np.argsort(values.numpy())) for values in (score, expected)]
    assert np.corrcoef(*ranks)[0, 1] > 0.8, (score, expected)


def test_magnitude_ranks_by_squared_weights() -> None:
    module = nets.liven(nets.flat())
    with torch.no_grad():
        module[0].weight[2] = 1e-3
        module[4].weight[:, 18:27] = 1e-3
    groups = couple.groups(module, (torch.zeros(1, 1, 6, 6),))
    (score,) = [score for group, score in zip(groups, calibrate.magnitude(module, groups)) if group.channels == 4]
    assert int(score.argmin()) == 2
    weight, columns = module[0].weight.detach().numpy(), module[4].weight.detach().numpy()
    rows = (weight.reshape(4, -1) ** 2).mean(1)
    columns = (columns.reshape(10, 4, 9) ** 2).mean((0, 2))
    np.testing.assert_allclose(score.numpy(), rows / rows.mean() + columns / columns.mean(), rtol=1e-4)


def test_norms_are_measured_again() -> None:
    module = nets.liven(nets.residual())
    feed = {"input": np.random.default_rng(0).normal(2, 3, (50, 1, 6, 6)).astype(np.float32)}
    momenta = [layer.momentum for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    with torch.no_grad():
        given = module.conv1(torch.from_numpy(feed["input"])).numpy().astype(np.float64)
    weights = [value.detach().clone() for value in module.parameters()]
    calibrate.refresh_norms(module, feed)
    np.testing.assert_allclose(module.norm1.running_mean.numpy(), given.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(module.norm1.running_var.numpy(), given.var((0, 2, 3), ddof=1), rtol=1e-4)
    # what comes after sees the first norm's new statistics
    scale, shift = module.norm1.weight.detach().numpy(), module.norm1.bias.detach().numpy()
    mean, variance = given.mean((0, 2, 3)), given.var((0, 2, 3))
    normed = (given - mean[:, None, None]) / np.sqrt(variance[:, None, None] + 1e-5) * scale[:, None, None] + shift[:, None, None]
    with torch.no_grad():
        second = module.conv2(torch.from_numpy(np.maximum(normed, 0).astype(np.float32))).numpy()
    np.testing.assert_allclose(module.norm2.running_mean.numpy(), second.mean((0, 2, 3)), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(module.norm2.running_var.numpy(), second.var((0, 2, 3), ddof=1), rtol=1e-3)
    assert not module.training
    assert not module.norm1.training
    assert [layer.momentum for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)] == momenta
    assert all(torch.equal(value, before) for value, before in zip(module.parameters(), weights))


def test_several_batches_count_alike_and_a_single_row_is_left_out() -> None:
    module = nets.liven(nets.residual())
    feed = {"input": np.random.default_rng(0).normal(0, 1, (41, 1, 6, 6)).astype(np.float32)}
    with torch.no_grad():
        given = module.conv1(torch.from_numpy(feed["input"][:40])).numpy().reshape(2, 20, 8, 36)
    calibrate.refresh_norms(module, feed, batch=20)
    np.testing.assert_allclose(module.norm1.running_mean.numpy(), given.mean((1, 3)).mean(0), rtol=1e-4, atol=1e-6)
    variances = [part.transpose(1, 0, 2).reshape(8, -1).var(1, ddof=1) for part in given]
    np.testing.assert_allclose(module.norm1.running_var.numpy(), np.mean(variances, 0), rtol=1e-4)


def test_a_network_without_norms_is_left_alone() -> None:
    module = nets.liven(nets.flat())
    calibrate.refresh_norms(module, {})
    assert not module.training
