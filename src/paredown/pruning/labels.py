"""Labels: to which channel each number of a tensor belongs, as arrays that broadcast to it.

Every position along every axis of every parameter is one label. What an operation does to the labels of its operands says which labels
have to stay or go together; those ties are collected here and solved once at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PINNED, FREE = 0, -1
"""Labels of what has to stay, and of constants that follow whatever stands beside them."""


@dataclass(frozen=True)
class Labels:
    """What is known of one tensor.

    Args:
        layers: Arrays of labels that broadcast to the tensor, each varying along every axis where its size is not 1; no two of them vary
            along one axis.
        fixed: True where the numbers come from the inputs; axes along which no layer varies then keep their sizes.
        sums: Labels that were summed over, until the sum meets what it was taken of, as in a norm.
    """

    layers: tuple[Tensor, ...] = ()
    fixed: bool = False
    sums: tuple[Tensor, ...] = ()


def axes(layer: Tensor) -> list[int]:
    """The axes along which a layer varies."""
    return [axis for axis, size in enumerate(layer.shape) if size > 1]


def compress(layer: Tensor) -> Tensor:
    """The same labels with size 1 wherever they do not vary."""
    for axis, size in enumerate(layer.shape):
        if size > 1:
            first = layer.narrow(axis, 0, 1)
            if layer.stride(axis) == 0 or bool((layer == first).all()):
                layer = first
    return layer


def aligned(layer: Tensor, dims: int) -> Tensor:
    """A layer with axes of size 1 in front, so that it has `dims` of them."""
    return layer.reshape((1,) * (dims - layer.dim()) + tuple(layer.shape))


class Ties:
    """Which labels live and die together, which stay, and which tensors have to stay rectangular."""

    def __init__(self) -> None:
        self.count = 1
        self.pins: list[tuple[NDArray[np.int64], str]] = []
        self.boxes: dict[bytes, NDArray[np.int64]] = {}
        self.partial: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._pairs: list[NDArray[np.int64]] = []

    def fresh(self, size: int) -> Tensor:
        """New labels, shape (size,)."""
        self.count += size
        return torch.arange(self.count - size, self.count)

    def tie(self, one: Tensor, other: Tensor) -> None:
        """Labels at the same place stay or go together; both broadcast."""
        one, other = torch.broadcast_tensors(one, other)
        pairs = np.stack([one.numpy().ravel(), other.numpy().ravel()])
        pairs = pairs[:, (pairs[0] != pairs[1]) & (pairs.min(0) != FREE)]
        if pairs.shape[1] > 10_000:
            pairs = np.unique(pairs, axis=1)
        if pairs.shape[1]:
            self._pairs.append(pairs)

    def pin(self, labels: Iterable[Tensor], why: str) -> None:
        """These labels stay whole."""
        for layer in labels:
            self.pins.append((layer[layer != FREE].numpy().copy(), why))

    def pinned(self, why: str) -> int:
        """A label of its own that stays whole."""
        label = self.fresh(1)
        self.pin([label], why)
        return int(label)

    def collapse(self, layer: Tensor, over: Sequence[int]) -> Tensor:
        """Tie all labels along some axes; the layer with size 1 there."""
        for axis in over:
            if layer.shape[axis] > 1:
                first = layer.narrow(axis, 0, 1)
                self.tie(layer, first)
                layer = first
        return layer

    def merge(self, layers: Iterable[Tensor]) -> tuple[Tensor, ...]:
        """Layers of one tensor, so that no two vary along one axis; those that did are tied.

        A layer along several axes that meets one along some of them, as heads times their size meet what is per place in a head, is tied
        to it later: only if the heads do not turn out to be the units.
        """
        out: list[Tensor] = []
        for layer in sorted(layers, key=lambda item: len(axes(item))):
            mine = set(axes(layer))
            met = [other for other in out if set(axes(other)) & mine]
            for other in met:
                if set(axes(other)) < mine:
                    self.partial.append((layer.numpy(), other.numpy()))
                    out = [item for item in out if item is not other]
                else:
                    self.tie(other, layer)
            if met and all(set(axes(other)) < mine for other in met):
                out.append(layer)
            elif met and bool((met[0] == FREE).any()) and met[0].shape == layer.shape:
                out = [torch.where(item == FREE, layer, item) if item is met[0] else item for item in out]
            elif not met and mine:
                out.append(layer)
        return tuple(out)

    def combine(self, operands: Sequence[tuple[Labels, Sequence[int]]], dims: int, why: str) -> Labels:
        """The labels of what is computed place by place of operands (labels, shape) that broadcast to `dims` axes."""
        layers = self.merge([aligned(layer, dims) for labels, _ in operands for layer in labels.layers])
        for labels, shape in operands:
            if labels.fixed:
                own = {axis for layer in labels.layers for axis in axes(aligned(layer, dims))}
                wide = {axis + dims - len(shape) for axis, size in enumerate(shape) if size > 1} - own
                self.pin([layer for layer in layers if set(axes(layer)) <= wide], why)
                layers = tuple(self.collapse(layer, sorted(wide)) for layer in layers if not set(axes(layer)) <= wide)
        sums = []
        for labels, _ in operands:
            others = [layer for other, _ in operands if other is not labels for layer in other.layers]
            sums += [item for item in labels.sums if not any(bool(torch.isin(layer, item).any()) for layer in others)]
        return Labels(layers, any(labels.fixed for labels, _ in operands), tuple(sums))

    def rectangular(self, layer: Tensor) -> None:
        """A tensor of several axes cannot lose single places: along all axes but one the labels have to be tied in the end."""
        values = layer.squeeze().numpy()
        if values.ndim > 1 and (values != FREE).all():
            self.boxes.setdefault(values.tobytes() + bytes(str(values.shape), "ascii"), values.copy())

    def solve(self, *, outer: bool = False, pinned: bool = True) -> NDArray[np.int64]:
        """The class of each label: the least label that it is tied to, 0 for what stays.

        Args:
            outer: Of several axes along which a box could lose places, the first stays free in place of the last.
            pinned: False leaves out what was pinned, as if nothing had to stay.
        """
        pairs = [np.stack([np.zeros_like(labels), labels]) for labels, _ in self.pins if pinned] + self._pairs
        found = np.arange(self.count)
        open_ = self.partial
        while True:
            if pairs:
                _join(found, np.concatenate(pairs, axis=1))
            pairs, rest = [], []
            for layer, part in open_:  # what is decided by now; then those of the outer axes; then the others
                if not _varies(found[layer], part):
                    pairs.append(_pairs(np.zeros_like(part), part))
                else:
                    rest.append((layer, part))
            open_ = rest
            if not pairs and open_:
                first = [item for item in open_ if item[1].shape[_free(item[0])[0]] > 1] or open_
                pairs = [_pairs(*np.broadcast_arrays(layer, part)) for layer, part in first]
                open_ = [item for item in open_ if not any(item is other for other in first)]
            if not pairs:
                for box in self.boxes.values():
                    classes = found[box]
                    free = _free(classes)
                    for axis in free[1:] if outer else free[:-1]:
                        pairs.append(_pairs(*np.broadcast_arrays(classes.take([0], axis), classes)))
            if not pairs:
                return found


def _pairs(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = np.stack([one.ravel(), other.ravel()])
    return pairs[:, pairs.min(0) != FREE]


def _free(classes: NDArray[np.int64]) -> list[int]:
    """The axes along which classes vary."""
    return [axis for axis in range(classes.ndim) if (classes != classes.take([0], axis)).any()]


def _varies(classes: NDArray[np.int64], part: NDArray[np.int64]) -> bool:
    """Whether classes vary along an axis of `part`."""
    return any(part.shape[axis] > 1 for axis in _free(classes))


def _join(found: NDArray[np.int64], pairs: NDArray[np.int64]) -> None:
    """Give all labels of one component the least of them, in place."""
    one, other = pairs
    while True:
        here, there = found[one], found[other]
        least = np.minimum(here, there)
        if (here == there).all():
            return
        np.minimum.at(found, here, least)
        np.minimum.at(found, there, least)
        while (found != (further := found[found])).any():
            found[:] = further
