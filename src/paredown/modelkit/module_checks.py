"""What a module has to be, whoever brings it: a job's function, a folder, or a program's memory."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from paredown.core.errors import BadModel


def bare(module: nn.Module) -> nn.Module:
    """The module itself, without what torch.compile or DataParallel put around it.

    Raises:
        BadModel: It is a TorchScript module.
    """
    while isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel) or hasattr(module, "_orig_mod"):
        inner: Any = module._orig_mod if hasattr(module, "_orig_mod") else module.module
        module = inner
    if isinstance(module, torch.jit.ScriptModule):
        raise BadModel("the model is a TorchScript module, whose code is not Python any more.\n  Give the module it was made from.")
    return module


def refuse_unready(module: nn.Module) -> None:
    """Refuse tensors that have no numbers yet, or another kind than is measured.

    Raises:
        BadModel: Names the first such tensor, and what to do.
    """
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if isinstance(value, nn.parameter.UninitializedTensorMixin) or value.is_meta:
            raise BadModel(f"{name} has no numbers yet.\n  Load the weights, or call a lazy module once, before you give it.")
        if value.is_floating_point() and value.dtype != torch.float32:
            kind = str(value.dtype).removeprefix("torch.")
            raise BadModel(f"{name} is {kind}; the model as given is measured in float32.\n  Give `model.float()`.")


def takes_more(module: nn.Module, fed: int) -> str:
    """That a module takes more inputs than it is fed, in words; empty where it does not, or where it does not say."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return ""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [item.name for item in parameters if item.kind in plain and item.default is inspect.Parameter.empty]
    return f"takes {len(needed)} inputs ({', '.join(needed)})" if len(needed) > max(1, fed) else ""


def in_order(module: nn.Module, names: Sequence[str]) -> list[str]:
    """Names of arrays in the order of the parameters of a module's forward where these are called so; else as they stand."""
    try:
        parameters = [*inspect.signature(module.forward).parameters]
    except (TypeError, ValueError):
        return [*names]
    return sorted(names, key=parameters.index) if {*names} <= {*parameters} else [*names]
