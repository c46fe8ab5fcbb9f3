"""Looking at what layers take and give in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def observe(
    module: nn.Module,
    example: tuple[Tensor, ...],
    layers: Mapping[Any, nn.Module],
    note: Callable[[Any, nn.Module, tuple[Any, ...], Any], None],
) -> None:
    """Ask a module once and tell what each of some layers took and gave, in the order in which they were asked.

    Args:
        module: In eval mode; not changed.
        example: Its inputs.
        layers: Name -> layer of the module.
        note: Called with name, layer, inputs and output after each call of a layer.
    """

    def hook_of(name: Any) -> Callable[..., None]:
        return lambda layer, inputs, output: note(name, layer, inputs, output)

    hooks = [layer.register_forward_hook(hook_of(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            module(*example)
    finally:
        for hook in hooks:
            hook.remove()
