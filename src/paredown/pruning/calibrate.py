"""What the output feels: scores of coupled channels, and batch-norm statistics after a cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from paredown.pruning.groups import Group
from paredown.training import losses
from paredown.training.train import PASSED, fewer, lengths, part_of, tensors

_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def magnitude(module: nn.Module, groups: Sequence[Group]) -> list[Tensor]:
    """Per group, the sum over its layers of each channel's mean squared weight, shape (channels,).

    Source: Li et al. 2017, arXiv:1608.08710. Departs: squared weights, averaged per layer so that wide layers do not dominate.
    """
    scores = []
    for group in groups:
        score = torch.zeros(group.channels)
        for member in group.members:
            weight = getattr(module.get_submodule(member.layer), member.tensor).detach()
            if weight.dim() > 1:
                power = weight.pow(2).mean([axis for axis in range(weight.dim()) if axis != member.axis])
                score += power[torch.as_tensor(member.rows)].mean(1) / power.mean().clamp_min(1e-12)
        scores.append(score)
    return scores


def fisher(
    module: nn.Module,
    groups: Sequence[Group],
    feed: Mapping[str, Any],
    *,
    kind: str = "class",
    classes: int = 0,
    seed: int,
    draws: int = 4,
    temperature: float = 4.0,
    batch: int = 64,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Tensor]:
    """Per group, half the expected change of the answers when a channel is removed, shape (channels,).

    With a mask m of ones on the channels, the KL divergence of the masked answers from the module's own is about half of
    (1 - m)' I (1 - m), with I the Fisher information of the mask; its diagonal is the mean over items of the squared gradient, with labels
    drawn from the answers themselves. The answers are softened first: a confident module would else have gradients of zero.

    Args:
        module: In eval mode; not changed.
        groups: As `couple.groups` found them.
        feed: Input name -> array (N, ...).
        kind: The kind of answers; numbers are taken as means of normal distributions of one spread each, that of the answers.
        classes: Of each place, where a row is answered place by place.
        seed: Of the drawn labels.
        draws: Labels drawn per item.
        temperature: Softens the answers.
        batch: Rows per pass.
        progress: Called with (passes done, passes).

    Source: Kwon et al. 2022, arXiv:2204.09656.
    Departs: labels drawn from softened answers, so that none are needed; masks stand where the channels are read, and coupled layers share
        one mask.
    """
    taken: dict[str, list[Tensor]] = {}
    hooks = []
    for name in {name for group in groups for name in group.felt}:

        def hook(_: nn.Module, given: tuple[Any, ...], name: str = name) -> tuple[Any, ...]:
            seen = given[0].view_as(given[0])  # what others read of the same numbers is not felt here
            if seen.requires_grad:
                seen.retain_grad()
                taken.setdefault(name, []).append(seen)
            return seen, *given[1:]

        hooks.append(module.get_submodule(name).register_forward_pre_hook(hook))
    inputs = tensors(feed)
    batch = min(fewer(batch, item.shape[1:], PASSED // 4) for item in inputs)
    sums = [torch.zeros(group.channels, dtype=torch.float64) for group in groups]
    count, sizes = len(inputs[0]), lengths(inputs)
    generator = torch.Generator().manual_seed(seed)
    try:
        per_item = _per_item(module, inputs, sizes, taken)
        passes = [start for start in range(0, count, batch) for _ in range(draws)]
        for done, start in enumerate(passes, 1):
            part = _felt(part_of(inputs, slice(start, start + batch), sizes))
            answers = module(*part)
            surprise = _surprise(kind, losses.by_place(kind, answers, classes), temperature, generator)
            module.zero_grad(set_to_none=True)
            surprise.backward()
            for group, total in zip(groups, sums):
                gradient, common = torch.zeros(len(answers), group.channels), torch.zeros(1, group.channels)
                for name, (axis, channels) in group.felt.items():
                    for seen, own in zip(taken.get(name, ()), per_item.get(name, ())):
                        if seen.grad is not None:
                            into = gradient if own else common
                            into += _per_channel(seen.detach() * seen.grad, axis, channels, into)
                if not group.felt:
                    common = _of_weights(module, group)
                total += gradient.double().pow(2).sum(0) + common.double().pow(2).sum(0)
            taken.clear()
            progress(done, len(passes))
    finally:
        for handle in hooks:
            handle.remove()
        module.zero_grad(set_to_none=True)
    return [(total / (2 * count * draws)).float() for total in sums]


def _surprise(kind: str, answers: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """The sum over rows of -ln p of what is drawn from the answers themselves, whose gradient has the Fisher information as its square."""
    if kind == "tensors":  # which are in units of their spread
        return (answers * torch.randn(answers.shape, generator=generator)).sum()
    if kind in ("numbers", "vector"):
        spread = answers.detach().std(0, unbiased=False).clamp_min(1e-9)
        return (answers / spread * torch.randn(answers.shape, generator=generator)).sum()
    if kind == "labels":
        softened = answers / temperature
        drawn = torch.bernoulli(torch.sigmoid(softened.detach()), generator=generator)
        return functional.binary_cross_entropy_with_logits(softened, drawn, reduction="sum")
    shares = functional.log_softmax(answers / temperature, dim=1)
    drawn = torch.multinomial(shares.detach().exp(), 1, generator=generator)
    return -shares.gather(1, drawn).sum()


def _felt(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Inputs through which gradients go; a forward may change them in place, which it may not do with leaves of the graph of gradients."""
    return tuple(item.clone().requires_grad_(item.is_floating_point()).clone() for item in inputs)


def _per_item(module: nn.Module, inputs: tuple[Tensor, ...], sizes: Tensor | None, taken: dict[str, list[Tensor]]) -> dict[str, list[bool]]:
    """Whether each call of a layer sees as much again where the batch holds its row twice; a table of positions is one for all rows.

    The gradient by the mask is of the whole batch there: its square is the sum of those of the items in expectation, since the labels are
    drawn from the answers.
    """
    found: list[dict[str, list[int]]] = []
    for rows in ([0], [0, 0]):
        module(*_felt(part_of(inputs, torch.tensor(rows), sizes)))
        found.append({name: [item.numel() for item in items] for name, items in taken.items()})
        taken.clear()
    once, twice = found
    return {name: [2 * one == two for one, two in zip(once[name], twice.get(name, ()))] for name in once}


def _per_channel(felt: Tensor, axis: int, channels: NDArray[np.int64], like: Tensor) -> Tensor:
    """Sums over the positions of each channel; rows of one item, as windows or groups of it, count for that item."""
    felt = felt.movedim(axis, -1)
    felt = felt.reshape(len(like), -1, felt.shape[-1]).sum(1)
    own = torch.from_numpy(np.flatnonzero(channels >= 0))
    return torch.zeros_like(like).index_add(1, torch.from_numpy(channels)[own], felt[:, own])


def _of_weights(module: nn.Module, group: Group) -> Tensor:
    """The gradient by the mask of a whole batch, from the weights that read the channels: its square is the sum of those of the items in
    expectation, since the labels are drawn from the answers."""
    out = torch.zeros(1, group.channels)
    for member in group.members:
        weight = getattr(module.get_submodule(member.layer), member.tensor)
        if member.side == "in" and weight.grad is not None:
            felt = (weight.detach() * weight.grad).sum([axis for axis in range(weight.dim()) if axis != member.axis])
            out += felt[torch.as_tensor(member.rows)].sum(1)
    return out


def refresh_norms(module: nn.Module, feed: Mapping[str, Any], batch: int = 64) -> None:
    """Measure the batch norms' statistics again, in place; a cut shifts them.

    Args:
        module: Left in eval mode.
        feed: Input name -> array (N, ...).
    """
    norms = [layer for layer in module.modules() if isinstance(layer, _NORM) and layer.track_running_stats]
    if not norms or len(next(iter(feed.values()))) < 2:  # one row has no variance
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    inputs = tensors(feed)
    batch = max(2, min(fewer(batch, item.shape[1:], PASSED) for item in inputs))
    with torch.no_grad():
        for start in range(0, len(inputs[0]), batch):
            if len(inputs[0]) - start > 1:
                module(*(item[start : start + batch].clone() for item in inputs))
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum
    module.eval()
