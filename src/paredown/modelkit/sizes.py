"""Attributes of layers that say how large they are: which of them follow a cut."""

from __future__ import annotations

from typing import Any

from torch import nn

HEADS = (
    "num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads", "num_key_value_heads", "num_kv_heads", "n_kv_heads",
    "num_groups", "groups",
)  # fmt: skip
"""Attributes that count parts of a width."""
WIDTHS = (
    "in_features", "out_features", "in_channels", "out_channels", "num_features", "num_channels", "num_parameters", "num_embeddings",
    "embedding_dim", "normalized_shape", "nf", "nx", "embed_dim", "kdim", "vdim", "input_size", "hidden_size", "proj_size", "all_head_size",
    "split_size", "inner_dim", "attn_dim", "attention_dim", "hidden_dim", "intermediate_size", "intermediate_dim", "dim", "d_model", "d_ff",
    "d_inner", "width", "channels", "features", "n_embd", "head_width", "num_hidden", "hidden_features", "hidden", "units",
)  # fmt: skip
"""Attributes that are a width."""

_LINEAR = {"in_features": ("weight", 1), "out_features": ("weight", 0)}
_CONV = {"in_channels": ("weight", 1), "out_channels": ("weight", 0)}
_DEPTHWISE = dict.fromkeys(("in_channels", "out_channels", "groups"), ("weight", 0))
_BACKWARD = {"in_channels": ("weight", 0), "out_channels": ("weight", 1)}
_NORM = {"num_features": ("weight", 0), "num_channels": ("weight", 0), "normalized_shape": ("weight", 0)}
_PLAIN_NORM = {"num_features": ("running_mean", 0)}
_EMBEDDING = {"num_embeddings": ("weight", 0), "embedding_dim": ("weight", 1)}
_RECURRENT = {"input_size": ("weight_ih_l0", 1), "hidden_size": ("weight_ih_l0", 0), "proj_size": ("weight_hr_l0", 0)}
_ATTENTION = dict.fromkeys(("embed_dim", "kdim", "vdim"), ("in_proj_weight", 1))


def own(layer: nn.Module) -> dict[str, tuple[str, int]]:
    """Attribute of a layer -> (its tensor, axis) whose size it follows, for the kinds of layers that say so themselves."""
    if isinstance(layer, nn.Linear):
        return _LINEAR
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return _DEPTHWISE if layer.groups > 1 and layer.weight.shape[1] == 1 else _CONV
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        return _DEPTHWISE if layer.groups > 1 and layer.groups == layer.in_channels else _BACKWARD
    if isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.GroupNorm | nn.LayerNorm | nn.RMSNorm):
        return _NORM if getattr(layer, "weight", None) is not None else _PLAIN_NORM
    if isinstance(layer, nn.Embedding):
        return _EMBEDDING
    if isinstance(layer, nn.RNNBase | nn.RNNCellBase):
        return _RECURRENT if isinstance(layer, nn.RNNBase) else {"input_size": ("weight_ih", 1), "hidden_size": ("weight_hh", 1)}
    if isinstance(layer, nn.MultiheadAttention):
        return _ATTENTION
    if isinstance(layer, nn.PReLU):
        return {"num_parameters": ("weight", 0)}
    if hasattr(layer, "nf") and hasattr(layer, "weight"):  # the linear layer that transformers has of its own
        return {"nx": ("weight", 0), "nf": ("weight", 1)}
    return {}


def said(layer: nn.Module, attribute: str) -> int | None:
    """The size that an attribute of a layer says; None where it says none."""
    value: Any = vars(layer).get(attribute)
    if isinstance(value, tuple | list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def say(layer: nn.Module, attribute: str, value: int) -> None:
    """Set an attribute that `said` reads, in the form that it has."""
    before = vars(layer)[attribute]
    setattr(layer, attribute, type(before)([value]) if isinstance(before, tuple | list) else value)
