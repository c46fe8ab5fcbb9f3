"""Counting multiply-adds layer by layer."""

from __future__ import annotations

from torch import Tensor, nn

from paredown.modelkit.observe import observe


def multiply_adds(module: nn.Module, example: tuple[Tensor, ...]) -> dict[str, int]:
    """Multiply-adds of each convolution and linear layer for one item.

    Args:
        module: In eval mode.
        example: Inputs with a batch of one.

    Returns:
        Layer name -> multiply-adds; a layer used twice counts twice.
    """
    found: dict[str, int] = {}

    def note(name: str, layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        each = layer.in_features if isinstance(layer, nn.Linear) else layer.weight[0].numel()
        found[name] = found.get(name, 0) + output.numel() * each

    products = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)}
    observe(module, example, products, note)
    return found
