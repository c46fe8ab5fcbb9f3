"""What the output feels: scores of coupled channels, and batch-norm statistics after a cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from paredown.modelkit.groups import Group
from paredown.modelkit.train import lengths, part_of, tensors

_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def magnitude(module: nn.Module, groups: Sequence[Group]) -> list[Tensor]:
    """Per group, the sum over its layers of each channel's mean squared weight, shape (channels,).

    Source: Li et al. 2017, arXiv:1608.08710. Departs: squared weights, averaged per layer so that wide layers do not dominate.
    """
    scores = []
    for group in groups:
        score = torch.zeros(group.channels)
        for member in group.members:
            layer = module.get_submodule(member.layer)
            weight = getattr(layer, "weight", None)
            if weight is None or weight.dim() < 2:
                continue
            rows = torch.as_tensor(member.rows)
            if member.side == "out" or weight.shape[1] == 1:
                power = weight.detach().flatten(1).pow(2).mean(1)
            else:
                power = weight.detach().transpose(0, 1).flatten(1).pow(2).mean(1)
            score += power[rows].mean(1) / power.mean().clamp_min(1e-12)
        scores.append(score)
    return scores


def fisher(
    module: nn.Module,
    groups: Sequence[Group],
    feed: Mapping[str, Any],
    *,
    seed: int,
    draws: int = 4,
    temperature: float = 4.0,
    batch: int = 64,
) -> list[Tensor]:
    """Per group, half the expected change of the answers when a channel is removed, shape (channels,).

    With a mask m of ones on the channels, the KL divergence of the masked answers from the module's own is about half of
    (1 - m)' I (1 - m), with I the Fisher information of the mask; its diagonal is the mean over items of the squared gradient, with labels
    drawn from the answers themselves. The answers are softened first: a confident module would else have gradients of zero.

    Args:
        module: In eval mode; not changed.
        groups: As `couple.groups` found them.
        feed: Input name -> array (N, ...).
        seed: Of the drawn labels.
        draws: Labels drawn per item.
        temperature: Softens the answers.
        batch: Rows per pass.

    Source: Kwon et al. 2022, arXiv:2204.09656.
    Departs: labels drawn from softened answers, so that none are needed; masks stand after the batch norm (or the layer) that closes a
        channel, and coupled layers share one mask.
    """
    taken: dict[str, Tensor] = {}
    hooks = []
    watched = []
    for group in groups:
        ends = [item for item in group.members if item.side == "out" and item.layer in group.felt]
        ends = ends or [item for item in group.members if item.side == "out" and isinstance(module.get_submodule(item.layer), _NORM)]
        ends = ends or [item for item in group.members if item.side == "out" and hasattr(module.get_submodule(item.layer), "weight")]
        watched.append(ends)
    for name in {item.layer for ends in watched for item in ends}:

        def hook(_: nn.Module, __: Any, output: Tensor, name: str = name) -> None:
            output.retain_grad()
            taken[name] = output

        hooks.append(module.get_submodule(name).register_forward_hook(hook))
    inputs = tensors(feed)
    sums = [torch.zeros(group.channels, dtype=torch.float64) for group in groups]
    count, sizes = len(inputs[0]), lengths(inputs)
    generator = torch.Generator().manual_seed(seed)
    try:
        for start in [start for start in range(0, count, batch) for _ in range(draws)]:
            part = part_of(inputs, slice(start, start + batch), sizes)
            part = tuple(item.requires_grad_(item.is_floating_point()) for item in part)
            answers = functional.log_softmax(module(*part) / temperature, dim=1)
            drawn = torch.multinomial(answers.detach().exp(), 1, generator=generator)
            module.zero_grad(set_to_none=True)
            (-answers.gather(1, drawn).sum()).backward()
            for group, ends, total in zip(groups, watched, sums):
                gradient = torch.zeros(len(answers), group.channels)
                for member in ends:
                    output = taken[member.layer]
                    if output.grad is None:
                        continue
                    felt = output.detach() * output.grad
                    dim = 1 if felt.dim() != 3 or isinstance(module.get_submodule(member.layer), nn.Conv1d | nn.BatchNorm1d) else 2
                    others = [axis for axis in range(1, felt.dim()) if axis != dim]
                    felt = felt.sum(others) if others else felt
                    gradient += felt[:, torch.as_tensor(member.rows)].sum(2)
                total += gradient.double().pow(2).sum(0)
            taken.clear()
    finally:
        for handle in hooks:
            handle.remove()
        module.zero_grad(set_to_none=True)
    return [(total / (2 * count * draws)).float() for total in sums]


def refresh_norms(module: nn.Module, feed: Mapping[str, Any], batch: int = 64) -> None:
    """Measure the batch norms' statistics again, in place; a cut shifts them.

    Args:
        module: Left in eval mode.
        feed: Input name -> array (N, ...).
    """
    norms = [layer for layer in module.modules() if isinstance(layer, _NORM) and layer.track_running_stats]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    inputs = tensors(feed)
    with torch.no_grad():
        for start in range(0, len(inputs[0]), batch):
            if len(inputs[0]) - start > 1:
                module(*(item[start : start + batch] for item in inputs))
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum
    module.eval()
