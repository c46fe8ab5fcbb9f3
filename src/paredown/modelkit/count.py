"""Counting multiply-adds layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def multiply_adds(module: nn.Module, example: tuple[Tensor, ...]) -> dict[str, int]:
    """Multiply-adds of each convolution and linear layer for one item.

    Args:
        module: In eval mode.
        example: Inputs with a batch of one.

    Returns:
        Layer name -> multiply-adds; a layer used twice counts twice.
    """
    found: dict[str, int] = {}
    hooks = []

    def watch(name: str, layer: nn.Module) -> None:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(layer, nn.Linear):
                made = output.numel() * layer.in_features
            else:
                made = output.numel() * layer.weight[0].numel()
            found[name] = found.get(name, 0) + made

        hooks.append(layer.register_forward_hook(hook))

    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            watch(name, layer)
    try:
        with torch.inference_mode():
            module(*example)
    finally:
        for handle in hooks:
            handle.remove()
    return found
