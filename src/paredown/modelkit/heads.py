"""Attention heads as groups of channels: the rows of query, key and value and the columns of the projection behind them.

The package that traces couplings sees through none of the reshapes between them, so heads are found by the names that the layers have.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from paredown.modelkit.groups import Group, Member
from paredown.modelkit.observe import observe
from paredown.modelkit.surgery import operate

_TRIPLES = (("query", "key", "value"), ("q_proj", "k_proj", "v_proj"), ("q_lin", "k_lin", "v_lin"))
_SIZES = ("attention_head_size", "head_dim")


def heads(module: nn.Module, example: tuple[Tensor, ...]) -> list[Group]:
    """One group per attention whose heads can be cut; none where the module has no attention of a known form.

    An attention counts when its three projections have one width, its size of a head divides it, a linear layer of that width comes next,
    and the module without a head everywhere answers as if that head were silent.

    Args:
        module: In eval mode; not changed.
        example: Inputs, batch of one.

    Source: Michel et al. 2019, arXiv:1905.10650, for heads as the unit.
    """
    called = _called(module, example)
    found = []
    for name, layer in module.named_modules():
        triple = next((names for names in _TRIPLES if all(isinstance(getattr(layer, item, None), nn.Linear) for item in names)), None)
        size = next((value for item in _SIZES if isinstance(value := getattr(layer, item, None), int)), 0)
        if triple is None or not size:
            continue
        parts = [f"{name}.{item}" if name else item for item in triple]
        widths = {module.get_submodule(part).out_features for part in parts}
        places = [at for at, item in enumerate(called) if item in parts]
        behind = next(iter(called[max(places) + 1 :]), None) if places else None
        if len(widths) == 1 and behind is not None and module.get_submodule(behind).in_features == (width := widths.pop()):
            rows = [list(range(start, start + size)) for start in range(0, width, size)]
            if width % size == 0 and len(rows) > 1:
                members = [Member(layer=part, side="out", rows=rows) for part in parts] + [Member(layer=behind, side="in", rows=rows)]
                found.append(Group(channels=len(rows), members=tuple(members), felt=(parts[2],)))
    return found if _can_be_cut(module, example, found) else []


def _called(module: nn.Module, example: tuple[Tensor, ...]) -> list[str]:
    """Names of the linear layers in the order in which one pass asks them."""
    order: list[str] = []
    linear = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    observe(module, example, linear, lambda name, *_: order.append(name))
    return order


def _can_be_cut(module: nn.Module, example: tuple[Tensor, ...], found: Sequence[Group]) -> bool:
    """True when the module without the first head of every group answers like one in which nothing listens to them.

    One that cuts its width into a fixed number of heads would still answer, with heads of other channels.
    """
    smaller, deaf = copy.deepcopy(module), copy.deepcopy(module)
    for group in found:
        for surgery in group.surgeries(range(1, group.channels)):
            operate(smaller, surgery)
        for member in group.members:
            if member.side == "in":
                deaf.get_submodule(member.layer).weight.data[:, member.rows[0]] = 0
    try:
        with torch.no_grad():
            return torch.allclose(smaller(*example), deaf(*example), rtol=1e-3, atol=1e-4)
    except (RuntimeError, ValueError, TypeError):
        return False
