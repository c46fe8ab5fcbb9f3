"""From labels to groups: which of the classes that a run showed are channels of one kind, and which attributes follow them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import nn

from paredown.modelkit import sizes
from paredown.pruning.dependencies import Trace
from paredown.pruning.groups import Count, Group, Member
from paredown.pruning.labels import axes


def proposed(module: nn.Module, trace: Trace, classes: NDArray[np.int64]) -> list[Group]:
    """The groups of channels that the classes of labels make, in the order of the module; classes that are alike are channels of one group.

    Args:
        module: That was run.
        trace: What the run showed.
        classes: Of its labels, from `Ties.solve`.
    """
    keys = [key for key in trace.starts if trace.owned[key[0]].shape[key[1]] > 1]
    owner = np.full(len(classes), -1)
    place = np.zeros(len(classes), np.int64)
    for number, (name, axis) in enumerate(keys):
        start, size = trace.starts[name, axis], trace.owned[name].shape[axis]
        owner[start : start + size] = number
        place[start : start + size] = np.arange(size)
    read = np.zeros(len(classes), bool)
    for labels in trace.read:
        read[labels[labels > 0]] = True
    live = np.flatnonzero((classes > 0) & (owner >= 0))
    live = live[np.lexsort((live, owner[live], classes[live]))]
    ends = [0, *(np.flatnonzero(np.diff(classes[live])) + 1).tolist(), len(live)]
    kinds: dict[bytes, list[NDArray[np.int64]]] = {}
    for start, end in pairwise(ends):
        labels = live[start:end]
        if end - start > 1 and read[labels].any():
            kinds.setdefault(owner[labels].tobytes(), []).append(labels)
    normed = np.unique(
        np.concatenate([np.zeros(1, np.int64), *(classes[layer.numpy().ravel()] for step in trace.norms.values() for layer, _ in step)])
    )
    out = []
    for alike in kinds.values():
        table = np.stack(alike)
        if len(table) < 2:
            continue
        members = []
        for number in np.unique(owner[table[0]]):
            name, axis = keys[number]
            columns = table[:, owner[table[0]] == number]
            layer, _, tensor = name.rpartition(".")
            side = "in" if read[columns].any() else "out"
            members.append(
                Member(layer=layer, tensor=tensor, axis=axis, size=trace.owned[name].shape[axis], side=side, rows=place[columns].tolist())
            )
        found = classes[table[:, :1]]
        out.append(
            Group(
                channels=len(table),
                members=members,
                counts=_own_counts(module, trace, members, found, classes),
                felt=_felt(trace, members, found, classes),
                labels=found,
                classes=classes,
                normed=bool(np.isin(found, normed).any()),
            )
        )
    return sorted(out, key=lambda group: int(group.labels.min()))


def _felt(
    trace: Trace, members: Sequence[Member], found: NDArray[np.int64], classes: NDArray[np.int64]
) -> dict[str, tuple[int, NDArray[np.int64]]]:
    """Where the channels are read: the layers that sum over them, and which positions of what they are given belong to which channel."""
    channel = {int(label): at for at, row in enumerate(found) for label in row}
    out = {}
    for layer in {member.layer for member in members if member.side == "in"}:
        for known in trace.taken.get(layer, ())[:1]:
            for labels in known.layers:
                if len(axes(labels)) == 1:
                    line = classes[labels.numpy().ravel()]
                    at = np.array([channel.get(int(label), -1) for label in line])
                    if (at >= 0).any():
                        out[layer] = (axes(labels)[0] - labels.dim(), at)  # from the end: another call may have another number of axes
    return out


def _own_counts(
    module: nn.Module, trace: Trace, members: Sequence[Member], found: NDArray[np.int64], classes: NDArray[np.int64]
) -> list[Count]:
    """The attributes in which the layers of a group, and the norms over it, say their own sizes."""
    out = []
    for member in members:
        layer = module.get_submodule(member.layer)
        for attribute, axis in sizes.own(layer).items():
            value = sizes.said(layer, attribute)
            if axis == (member.tensor, member.axis) and value is not None:
                out.append(Count(layer=member.layer, attribute=attribute, value=value, follows=(member.layer, *axis)))
    for name, labels in trace.norm_layers:  # a norm without weights is no member
        layer = module.get_submodule(name)
        if (
            not any(True for _ in layer.buffers())
            and not any(True for _ in layer.parameters())
            and np.isin(classes[labels.numpy()], found).any()
        ):
            for attribute in ("normalized_shape", "num_features", "num_channels"):
                value = sizes.said(layer, attribute)
                follows = next(((item.layer, item.tensor, item.axis) for item in members if item.size == value), None)
                if value is not None and follows is not None:
                    out.append(Count(layer=name, attribute=attribute, value=value, follows=follows))
    return out


def more_counts(module: nn.Module, group: Group) -> list[Count]:
    """The attributes around a group that might say one of its sizes: of its layers, and of the modules around them."""
    known = {(count.layer, count.attribute) for count in group.counts}
    out: dict[tuple[str, str], Count] = {}
    for member in group.members:
        each = len(member.rows[0])
        if each * group.channels < member.size:
            continue
        name, told = member.layer, sizes.own(module.get_submodule(member.layer))
        for up in range(4):
            layer = module.get_submodule(name)
            for attribute in (*sizes.HEADS, *sizes.WIDTHS):
                value = sizes.said(layer, attribute) or 0
                if attribute in sizes.HEADS:
                    fits = value > 1 and value * each % member.size == 0
                else:
                    fits = value == member.size
                if fits and not (up == 0 and attribute in told) and (name, attribute) not in known:
                    follows = (member.layer, member.tensor, member.axis)
                    out.setdefault((name, attribute), Count(layer=name, attribute=attribute, value=value, follows=follows))
            if not name:
                break
            name = name.rpartition(".")[0]
    return list(out.values())
