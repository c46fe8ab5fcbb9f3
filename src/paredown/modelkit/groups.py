"""Channels that live and die together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paredown.modelkit.surgery import Surgery


@dataclass(frozen=True, kw_only=True)
class Member:
    """One layer's part in a group.

    Args:
        layer: Dotted name.
        side: "out" or "in".
        rows: For each channel of the group, the positions in this layer that belong to it.
    """

    layer: str
    side: str
    rows: Sequence[Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Channels that live and die together across layers; a head of an attention counts as one channel.

    Args:
        channels: How many there are.
        members: All layers touched.
        felt: The layers at whose outputs a channel is felt; empty is where the group's own layers end.
    """

    channels: int
    members: Sequence[Member]
    felt: Sequence[str] = ()

    @property
    def name(self) -> str:
        """The first layer that produces the channels."""
        return next(member.layer for member in self.members if member.side == "out")

    @property
    def rows_each(self) -> int:
        """Rows of that layer that belong to one channel: 1, or the size of a head."""
        return len(next(member.rows[0] for member in self.members if member.side == "out"))

    def surgeries(self, kept: Sequence[int]) -> list[Surgery]:
        """The cuts that leave only these channels."""
        return [
            Surgery(layer=member.layer, side=member.side, kept=sorted(row for channel in kept for row in member.rows[channel]))
            for member in self.members
        ]
