"""Counting multiply-adds tensor by tensor."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from paredown.pruning.dependencies import plainly


class _Counter(TorchDispatchMode):
    """Counts the products with parameters in one run."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see dependencies.Trace

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.names = {value.untyped_storage().data_ptr(): name for name, value in module.named_parameters()}
        self.found: dict[tuple[str, str], int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        kind = func.overloadpacket.__name__
        if kind in ("mm", "bmm", "addmm", "baddbmm"):
            one, other = args[-2:]
            self._note((one, other), out.numel() * one.shape[-1])
        elif kind == "convolution":
            source, weight, _, _, _, _, backward, *_ = args
            self._note((weight,), (source if backward else out).numel() * weight[0].numel())
        return out

    def _note(self, factors: tuple[Tensor, ...], count: int) -> None:
        for factor in factors:
            name = self.names.get(factor.untyped_storage().data_ptr())
            if name is not None:
                layer, _, tensor = name.rpartition(".")
                self.found[layer, tensor] = self.found.get((layer, tensor), 0) + count


def products(module: nn.Module, example: tuple[Tensor, ...]) -> dict[tuple[str, str], int]:
    """Multiply-adds with each parameter for one item; products of two activations do not count.

    Args:
        module: In eval mode.
        example: Inputs with a batch of one.

    Returns:
        (layer, tensor) -> multiply-adds; a tensor used twice counts twice.
    """
    counter = _Counter(module)
    with plainly(), counter:
        module(*example)
    return counter.found


def multiply_adds(module: nn.Module, example: tuple[Tensor, ...]) -> dict[str, int]:
    """The same, summed over the tensors of each layer."""
    found: dict[str, int] = {}
    for (layer, _), count in products(module, example).items():
        found[layer] = found.get(layer, 0) + count
    return found
