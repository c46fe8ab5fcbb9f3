"""Channels that live and die together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paredown.modelkit.surgery import Surgery


@dataclass(frozen=True, kw_only=True)
class Member:
    """One tensor's part in a group.

    Args:
        layer: Dotted name of the module that holds it.
        tensor: Its name there.
        axis: Along which the channels lie.
        size: Of that axis.
        side: "in" where products sum along the axis, so that a channel is silent when its part here is zero; else "out".
        rows: For each channel of the group, the positions along the axis that belong to it.
    """

    layer: str
    tensor: str
    axis: int
    size: int
    side: str
    rows: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Count:
    """An attribute of a layer that says a size, and the member whose size it follows.

    Args:
        layer: Dotted name of the module.
        attribute: Its attribute.
        value: What it says.
        follows: (layer, tensor, axis) of the member.
    """

    layer: str
    attribute: str
    value: int
    follows: tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Channels that live and die together across layers; a head of an attention counts as one channel.

    Args:
        channels: How many there are.
        members: All tensors touched.
        counts: Attributes that follow.
        felt: Layer -> per position along the axis of what it is given, (axis from the end, channel or -1): where the channels are read.
        labels: Shape (channels, classes each): which classes of labels a channel is.
        classes: Of all labels of the search.
        normed: True where a norm goes over the channels, which changes what it sees when some go.
        session: The search that found it, which proves its cuts.
    """

    channels: int
    members: Sequence[Member]
    counts: Sequence[Count] = ()
    felt: Mapping[str, tuple[int, NDArray[np.int64]]] = field(default_factory=dict, repr=False)
    labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64), repr=False, compare=False)
    classes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), repr=False, compare=False)
    normed: bool = False
    session: Any = field(default=None, repr=False, compare=False)

    @property
    def first(self) -> Member:
        """The member that produces the channels."""
        made = [member for member in self.members if member.side == "out"] or self.members
        return next((member for member in made if member.layer and member.tensor.startswith("weight")), made[0])

    @property
    def name(self) -> str:
        """The first layer that produces the channels."""
        return self.first.layer or self.first.tensor

    @property
    def rows_each(self) -> int:
        """Rows of that layer that belong to one channel: 1, or the size of a head."""
        return len(self.first.rows[0])

    def surgeries(self, kept: Iterable[int]) -> list[Surgery]:
        """The cuts that leave only these channels."""
        return surgeries([self], [list(kept)])


def surgeries(groups: Sequence[Group], kept: Sequence[Iterable[int]]) -> list[Surgery]:
    """The cuts that leave only these channels of several groups, which may share tensors.

    Raises:
        ValueError: An attribute would not be a whole number.
    """
    gone: dict[tuple[str, str, int], set[int]] = {}
    widths: dict[tuple[str, str, int], int] = {}
    counts: dict[tuple[str, str], Count] = {}
    for group, keep in zip(groups, kept):
        lost = set(range(group.channels)) - set(keep)
        if not lost:
            continue
        for member in group.members:
            key = (member.layer, member.tensor, member.axis)
            widths[key] = member.size
            gone.setdefault(key, set()).update(row for channel in lost for row in member.rows[channel])
        counts |= {(count.layer, count.attribute): count for count in group.counts}
    said: dict[str, dict[str, int]] = {}
    for count in counts.values():
        size = count.value * (widths[count.follows] - len(gone[count.follows]))
        if size % widths[count.follows] or not size:
            raise ValueError(f"{count.layer}.{count.attribute} would be a fraction")
        said.setdefault(count.layer, {})[count.attribute] = size // widths[count.follows]
    out = []
    for (layer, tensor, axis), rows in gone.items():
        left = [row for row in range(widths[layer, tensor, axis]) if row not in rows]
        out.append(Surgery(layer=layer, tensor=tensor, axis=axis, kept=left, sizes=said.pop(layer, {})))
    return out + [Surgery(layer=layer, sizes=values) for layer, values in said.items()]
