"""Cutting rows and columns out of layers, recorded so that it can be done again on a fresh structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paredown.core.errors import BadModel

SIDES = ("out", "in", "blocks")


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """Which entries of one layer were kept.

    Args:
        layer: The module's dotted name.
        side: "out" for rows (output channels), "in" for columns (input channels), "blocks" for the members of a list of blocks.
        kept: Positions that stay, in order.
    """

    layer: str
    side: str
    kept: Sequence[int]

    def json(self) -> dict[str, Any]:
        """As written to blueprint.json."""
        return {"layer": self.layer, "side": self.side, "kept": list(self.kept)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Surgery:
        """The inverse of `json()`."""
        return cls(layer=data["layer"], side=data["side"], kept=tuple(data["kept"]))


_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORM = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CUTTABLE = (*_CONV, nn.Linear, *_NORM, nn.LayerNorm, nn.PReLU)


def _cut(layer: nn.Module, names: Sequence[str], dim: int, kept: Tensor) -> None:
    for name in names:
        value = getattr(layer, name, None)
        if value is None:
            continue
        with torch.no_grad():
            smaller = value.index_select(dim, kept).clone()
        if isinstance(value, nn.Parameter):
            setattr(layer, name, nn.Parameter(smaller, requires_grad=value.requires_grad))
        else:
            layer.register_buffer(name, smaller)


def operate(module: nn.Module, surgery: Surgery) -> None:
    """Cut one layer of `module` in place.

    Raises:
        BadModel: The layer is not there or is of a kind that cannot be cut on that side; it has no such entries.
    """
    try:
        _operate(module, surgery)
    except (IndexError, RuntimeError) as error:
        raise BadModel(f"layer {surgery.layer!r:.80} cannot keep those entries on side {surgery.side}: {str(error)[:200]}") from error


def _operate(module: nn.Module, surgery: Surgery) -> None:
    if len(set(surgery.kept)) != len(surgery.kept):
        raise BadModel(f"layer {surgery.layer!r:.80} keeps an entry twice; entries can only go.")
    try:
        layer = module.get_submodule(surgery.layer)
    except AttributeError:
        raise BadModel(f"the structure has no layer {surgery.layer!r} to cut.") from None
    kept = torch.as_tensor(list(surgery.kept), dtype=torch.long)
    count = len(surgery.kept)
    if surgery.side == "blocks":
        if not isinstance(layer, nn.ModuleList | nn.Sequential):
            raise BadModel(f"layer {surgery.layer!r} is a {type(layer).__name__}; only lists of blocks can lose some.")
        blocks = [layer[at] for at in surgery.kept]
        parent, _, name = surgery.layer.rpartition(".")
        setattr(module.get_submodule(parent), name, type(layer)(*([blocks] if isinstance(layer, nn.ModuleList) else blocks)))
    elif isinstance(layer, _CONV):
        depthwise = layer.groups == layer.in_channels == layer.out_channels and layer.groups > 1
        if depthwise:
            if surgery.side == "out":
                _cut(layer, ("weight", "bias"), 0, kept)
                layer.groups = layer.in_channels = layer.out_channels = count
            return
        if layer.groups != 1:
            raise BadModel(f"layer {surgery.layer!r} is a convolution in {layer.groups} groups; only plain and depthwise ones can be cut.")
        if surgery.side == "out":
            _cut(layer, ("weight", "bias"), 0, kept)
            layer.out_channels = count
        else:
            _cut(layer, ("weight",), 1, kept)
            layer.in_channels = count
    elif isinstance(layer, nn.Linear):
        if surgery.side == "out":
            _cut(layer, ("weight", "bias"), 0, kept)
            layer.out_features = count
        else:
            _cut(layer, ("weight",), 1, kept)
            layer.in_features = count
    elif isinstance(layer, _NORM):
        _cut(layer, ("weight", "bias", "running_mean", "running_var"), 0, kept)
        layer.num_features = count
    elif isinstance(layer, nn.LayerNorm) and len(layer.normalized_shape) == 1:
        _cut(layer, ("weight", "bias"), 0, kept)
        layer.normalized_shape = (count,)
    elif isinstance(layer, nn.PReLU):
        if layer.num_parameters > 1:
            _cut(layer, ("weight",), 0, kept)
            layer.num_parameters = count
    else:
        raise BadModel(f"layer {surgery.layer!r} is a {type(layer).__name__}; it cannot be cut.")
