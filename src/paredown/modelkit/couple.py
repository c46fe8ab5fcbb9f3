"""Which channels have to be cut together, traced from the module's own graph.

Source: Fang et al. 2023 (DepGraph), arXiv:2301.12900, through the torch-pruning package.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from paredown.core.errors import Unfit
from paredown.ground.lazy import need
from paredown.modelkit.groups import Group, Member
from paredown.modelkit.heads import heads
from paredown.modelkit.surgery import CUTTABLE, Surgery, operate


def groups(module: nn.Module, example: tuple[Tensor, ...]) -> list[Group]:
    """All groups of channels, and of attention heads, that can be cut without changing the module's inputs or outputs.

    Args:
        module: In eval mode.
        example: Inputs for tracing, batch of one.

    Raises:
        Unfit: The graph cannot be traced; says why.
    """
    pruning = need("torch_pruning", "cutting channels")
    names = {layer: name for name, layer in module.named_modules()}
    try:
        graph = pruning.DependencyGraph().build_dependency(module, example_inputs=example)
        found = list(graph.get_all_groups(root_module_types=[nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear]))
    except Exception as error:
        raise Unfit(f"the couplings of this module's channels cannot be traced: {type(error).__name__}: {error}") from error
    out = heads(module, example)
    taken = {(member.layer, member.side) for group in out for member in group.members}
    for group in found:
        channels = len(group[0].idxs)
        members: dict[tuple[str, str], list[list[int]]] = {}
        whole = True
        for item in group:
            layer = item.dep.target.module
            if layer not in names:
                continue
            side = "out" if graph.is_out_channel_pruning_fn(item.dep.handler) else "in"
            grouped = isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and layer.groups > 1
            if not isinstance(layer, CUTTABLE) or (grouped and layer.groups != layer.in_channels):
                whole = False
                break
            rows = members.setdefault((names[layer], side), [[] for _ in range(channels)])
            for row, root in zip(item.idxs, item.root_idxs):
                if row not in rows[root]:
                    rows[root].append(row)
        reaches_on = any(side == "in" for _, side in members)
        even = all(len(row) == len(rows[0]) > 0 for rows in members.values() for row in rows)
        if whole and reaches_on and even and channels > 1 and not taken & members.keys():
            out.append(
                Group(channels=channels, members=tuple(Member(layer=name, side=side, rows=rows) for (name, side), rows in members.items()))
            )
    return out


def cut(module: nn.Module, found: Sequence[Group], kept: Sequence[Sequence[int]]) -> list[Surgery]:
    """Cut the groups of `module` in place to the kept channels; returns the surgeries for the blueprint.

    One layer may stand in several groups (as "in" of one and "out" of another); each side is cut once.
    """
    done = []
    for group, keep in zip(found, kept):
        if len(keep) < group.channels:
            for surgery in group.surgeries(keep):
                operate(module, surgery)
                done.append(surgery)
    return done
