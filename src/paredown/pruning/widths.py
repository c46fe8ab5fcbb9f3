"""How many and which channels each group keeps."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from paredown.pruning.count import products
from paredown.pruning.groups import Group


def tile(channels: int, round_to: int, rows_each: int = 1) -> int:
    """The step in which a group of this width is cut: `round_to` rows, or a quarter of the width where that is less; whole channels."""
    return max(1, min(round_to // rows_each, channels // 4))


def allocate(
    module: nn.Module, example: tuple[Tensor, ...], groups: Sequence[Group], scores: Sequence[Tensor], *, keep: float, round_to: int
) -> list[list[int]]:
    """Choose channels to keep so that about `keep` of the multiply-adds remain at the least predicted loss.

    Each move takes one tile of the weakest channels out of one group; the move with the least loss per multiply-add saved goes first, and
    savings are counted anew after each, since a layer's cost is the product of both its widths. Groups over which a norm goes are touched
    only where the others do not suffice. No group falls below half of the width that an even cut would leave it: predicted losses add up
    only for small cuts, and one narrow place starves the whole network. A last move that takes more than was asked makes others needless:
    of these the one with the most loss is taken back while there is room.

    Args:
        module: In eval mode.
        example: Inputs, batch of one.
        groups: As `couple.groups` found them.
        scores: Per group, predicted rise of the loss per channel, shape (channels,).
        keep: Share of the multiply-adds to keep.
        round_to: Widths stay multiples of this where they can.

    Returns:
        Per group, the kept positions in order.
    """
    costs = products(module, example)
    widths = [group.channels for group in groups]
    orders = [torch.argsort(score, stable=True).tolist() for score in scores]
    rising = [torch.cumsum(score.sort().values.double(), 0).tolist() for score in scores]
    steps = [tile(group.channels, round_to, group.rows_each) for group in groups]
    shares: dict[tuple[str, str], dict[int, dict[int, float]]] = {}
    for number, group in enumerate(groups):
        for member in group.members:
            axis = shares.setdefault((member.layer, member.tensor), {}).setdefault(member.axis, {})
            axis[number] = len(member.rows[0]) / member.size

    touched = [{(member.layer, member.tensor) for member in group.members} for group in groups]

    def cost(tensor: tuple[str, str]) -> float:
        """Multiply-adds of a tensor at the widths as they are."""
        lost = [sum(each * (groups[at].channels - widths[at]) for at, each in axis.items()) for axis in shares[tensor].values()]
        return costs.get(tensor, 0.0) * prod(1 - share for share in lost)

    def saved(number: int, taken_back: bool = False) -> float:
        """Multiply-adds that one move in this group takes away, or that taking back the last one adds."""
        before, step = sum(map(cost, touched[number])), -steps[number] if taken_back else steps[number]
        widths[number] -= step
        after = sum(map(cost, touched[number]))
        widths[number] += step
        return abs(before - after)

    def loss(number: int, width: int) -> float:
        """Predicted loss of the move that left this width."""
        gone = groups[number].channels - width
        return float(rising[number][gone - 1] - (rising[number][gone - steps[number] - 1] if gone > steps[number] else 0.0))

    current = float(sum(costs.values()))
    goal = keep * current
    floors = [max(step, group.channels * keep**0.5 / 2) for group, step in zip(groups, steps)]
    beside = [[other for other in range(len(groups)) if not touched[other].isdisjoint(mine)] for mine in touched]
    known: dict[int, float] = {}
    # what a norm sees of a smaller width is not in the predicted losses: those groups come second
    for some in ([number for number, group in enumerate(groups) if not group.normed], range(len(groups))):
        while current > goal:
            best: tuple[float, int, float] | None = None
            for number in some:
                width = widths[number] - steps[number]
                if width < floors[number]:
                    continue
                if number not in known:
                    known[number] = saved(number)
                price = loss(number, width) / max(known[number], 1e-9)
                if best is None or price < best[0]:
                    best = (price, number, known[number])
            if best is None:
                break
            widths[best[1]] -= steps[best[1]]
            current -= best[2]
            for number in beside[best[1]]:
                known.pop(number, None)
    while current <= goal:
        last = {number: loss(number, widths[number]) for number, group in enumerate(groups) if widths[number] < group.channels}
        added = {number: more for number in last if last[number] > 0 and current + (more := saved(number, taken_back=True)) <= goal}
        if not added:
            break
        number = max(added, key=lambda number: last[number])
        widths[number] += steps[number]
        current += added[number]
    return [sorted(order[group.channels - width :]) for group, order, width in zip(groups, orders, widths)]


def uniform(groups: Sequence[Group], scores: Sequence[Tensor], share: float) -> list[list[int]]:
    """The strongest channels of each group, the same share everywhere: at least two, in multiples of 4 from 8 on; any number of heads."""
    kept = []
    for group, score in zip(groups, scores):
        width = max(2 if group.rows_each == 1 else 1, round(group.channels * share))
        width = max(4, round(width / 4) * 4) if width >= 6 and group.rows_each == 1 else width
        width = min(width, group.channels)
        kept.append(sorted(torch.argsort(score, stable=True, descending=True)[:width].tolist()))
    return kept
