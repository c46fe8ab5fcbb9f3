"""Cutting positions out of tensors, recorded as plain data so that it can be done again on a fresh structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from paredown.core.errors import BadModel
from paredown.modelkit import sizes


@dataclass(frozen=True, kw_only=True)
class Surgery:
    """What was kept of one layer.

    Args:
        layer: The module's dotted name; empty for the whole module.
        tensor: The parameter or buffer of the layer that loses positions; empty where the layer is a list that loses blocks.
        axis: Of the tensor.
        kept: Positions that stay, in order.
        sizes: Attribute of the layer -> the size that it says from then on; one of `sizes.HEADS` or `sizes.WIDTHS`.
    """

    layer: str
    tensor: str = ""
    axis: int = 0
    kept: Sequence[int] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As written to blueprint.json."""
        return {"layer": self.layer, "tensor": self.tensor, "axis": self.axis, "kept": list(self.kept), "sizes": dict(self.sizes)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Surgery:
        """The inverse of `json()`; `blueprint` has checked the kinds of its entries."""
        return cls(layer=data["layer"], tensor=data["tensor"], axis=data["axis"], kept=tuple(data["kept"]), sizes=dict(data["sizes"]))


def operate(module: nn.Module, surgery: Surgery) -> None:
    """Cut one layer of `module` in place; a tensor that other layers hold too is cut there as well.

    Raises:
        BadModel: The layer, the tensor or a position is not there or stands twice, or an attribute is none that says a size.
    """
    try:
        _operate(module, surgery)
    except (IndexError, RuntimeError) as error:
        raise BadModel(f"layer {surgery.layer!r:.80} cannot keep those entries of {surgery.tensor!r:.80}: {str(error)[:200]}") from error


def _operate(module: nn.Module, surgery: Surgery) -> None:
    if len(set(surgery.kept)) != len(surgery.kept):
        raise BadModel(f"layer {surgery.layer!r:.80} keeps an entry twice; entries can only go.")
    try:
        layer = module.get_submodule(surgery.layer)
    except AttributeError:
        raise BadModel(f"the structure has no layer {surgery.layer!r} to cut.") from None
    if surgery.tensor:
        value = layer._parameters.get(surgery.tensor, layer._buffers.get(surgery.tensor))
        if value is None:
            raise BadModel(f"layer {surgery.layer!r} is a {type(layer).__name__}; it has no tensor {surgery.tensor!r} to cut.")
        if surgery.axis >= value.dim() or not surgery.kept or max(surgery.kept) >= value.shape[surgery.axis]:
            raise BadModel(
                f"{surgery.tensor!r} of layer {surgery.layer!r} has the shape {tuple(value.shape)}; what is kept along axis {surgery.axis} "
                "is not in it."
            )
        with torch.no_grad():
            replace(module, value, value.index_select(surgery.axis, torch.tensor(list(surgery.kept), device=value.device)))
    elif surgery.kept:
        _leave_out(module, surgery, layer)
    for attribute, size in surgery.sizes.items():
        before = sizes.said(layer, attribute) if attribute in (*sizes.HEADS, *sizes.WIDTHS) else None
        if before is None or not 0 < size <= before:
            raise BadModel(f"layer {surgery.layer!r} is a {type(layer).__name__}; its {attribute!r} cannot become {size}.")
        sizes.say(layer, attribute, size)


def _leave_out(module: nn.Module, surgery: Surgery, layer: nn.Module) -> None:
    if not surgery.layer or not isinstance(layer, nn.ModuleList | nn.Sequential):
        raise BadModel(f"layer {surgery.layer!r} is a {type(layer).__name__}; only lists of blocks can lose some.")
    if max(surgery.kept) >= len(layer):
        raise BadModel(f"layer {surgery.layer!r} has {len(layer)} blocks; there is no block {max(surgery.kept)} to keep.")
    blocks = [layer[at] for at in surgery.kept]
    parent, _, name = surgery.layer.rpartition(".")
    setattr(module.get_submodule(parent), name, type(layer)(*([blocks] if isinstance(layer, nn.ModuleList) else blocks)))


def replace(module: nn.Module, old: Tensor, new: Tensor) -> None:
    """Put a tensor in the place of another wherever a layer of `module` holds it."""
    new = nn.Parameter(new, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else new
    for layer in module.modules():
        for held in (layer._parameters, layer._buffers):
            for name, value in held.items():
                if value is old:
                    setattr(layer, name, new)
