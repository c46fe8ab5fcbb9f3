"""The order in which a module's convolutions keep their numbers in memory: the fast one where the module bears it.

Convolutions of images take a quarter less time with channels last. But views of such maps fail, and what reads numbers by their place in
memory reads others: whether a module bears it is tried, not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_ALIKE = 1e-3
"""Share of the largest number by which answers may differ between the layouts, which sum in another order."""

_ALIKE_GRADIENTS = 1e-2
"""The same of a gradient's length: where two inputs of a maximum are nearly equal, rounding decides which one it flows to."""


@contextmanager
def fast_layout(module: nn.Module, part: tuple[Tensor, ...]) -> Iterator[torch.memory_format]:
    """While this lasts, the module's weights of four axes lie channels last, where it answers and learns alike so; then plainly again.

    Args:
        module: Is asked twice in eval mode and once in training mode; random streams, buffers, gradients and modes are as before.
        part: One batch as it will be fed.
    """
    found = torch.channels_last if _bears(module, part) else torch.contiguous_format
    try:
        _lay_out(module, found)
        yield found
    finally:
        _lay_out(module, torch.contiguous_format)


def _bears(module: nn.Module, part: tuple[Tensor, ...]) -> bool:
    if not any(_moves(value) for value in module.parameters()):
        return False
    modes = {layer: layer.training for layer in module.modules()}
    kept = [(buffer, buffer.clone()) for buffer in module.buffers()]
    gradients = [(value, value.grad) for value in module.parameters()]
    try:
        with torch.random.fork_rng(devices=[]):
            plain = _asked(module.eval(), part)
            _lay_out(module, torch.channels_last)
            alike = _alike(plain, _asked(module, part))
            if alike:
                _asked(module.train(), part)
            return alike
    except Exception:  # a forward raises what it likes; whether the plain layout works is seen where it is used
        return False
    finally:
        _lay_out(module, torch.contiguous_format)
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)
        for value, gradient in gradients:
            value.grad = gradient
        for layer, mode in modes.items():
            layer.training = mode


def _moves(value: Tensor) -> bool:
    """Whether channels last is another order for it."""
    return bool(value.dim() == 4 and value.shape[1] > 1 and value[0, 0].numel() > 1)


def _asked(module: nn.Module, part: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor | None]]:
    """Answers, and the gradients of a sum of them in which each has a weight of its own."""
    torch.manual_seed(0)
    module.zero_grad(set_to_none=True)
    with torch.enable_grad():
        answers = module(*(item.clone() for item in part))
        (answers * torch.linspace(1, 2, answers.numel()).view(answers.shape)).sum().backward()
    return answers.detach(), [None if value.grad is None else value.grad.clone() for value in module.parameters()]


def _alike(one: tuple[Tensor, list[Tensor | None]], other: tuple[Tensor, list[Tensor | None]]) -> bool:
    if one[0].shape != other[0].shape or float((one[0] - other[0]).abs().max()) > _ALIKE * float(one[0].abs().max()):
        return False
    for mine, its in zip(one[1], other[1]):
        if (mine is None) != (its is None):
            return False
        if mine is not None and its is not None and float((mine - its).norm()) > _ALIKE_GRADIENTS * float(mine.norm()) + 1e-7:
            return False
    return True


def _lay_out(module: nn.Module, order: torch.memory_format) -> None:
    for value in module.parameters():
        if value.dim() == 4:
            value.data = value.data.contiguous(memory_format=order)
