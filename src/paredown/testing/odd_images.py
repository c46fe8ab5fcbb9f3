"""Those of the odd networks that look at images, and what all of them share.

`shape` is one row without the batch, `ties` what is odd about the network.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 4


class Odd(nn.Module):
    """What they share."""

    shape: ClassVar[tuple[int, ...]] = (16,)
    ties: ClassVar[str] = ""

    def example(self, batch: int = 1) -> tuple[Tensor, ...]:
        """Zeros of its shape."""
        return (torch.zeros(batch, *self.shape),)


class Images(Odd):
    """Odd networks for images."""

    shape = (3, 8, 8)


def _conv(inside: int, outside: int, kernel: int = 3, **more: Any) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, padding=kernel // 2, **more)


def _pooled(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


class PixelShuffle(Images):
    ties = "four channels become one at twice the size"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = _conv(3, 32), _conv(8, 16), nn.Linear(16, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(_pooled(self.two(functional.pixel_shuffle(self.one(maps).relu(), 2)).relu()))


class ChannelsLast(Images):
    ties = "channels last before the flatten: what one channel gives lies apart"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.wide, self.head = _conv(3, 16), nn.Linear(16 * 64, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.wide(self.one(maps).relu().permute(0, 2, 3, 1).flatten(1)).relu())


class WrittenWidth(Images):
    ties = "a width stands in the code, view(-1, 16 * 64)"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.wide, self.head = _conv(3, 16), nn.Linear(16 * 64, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.wide(self.one(maps).relu().view(-1, 16 * 64)).relu())


class Shuffle(Images):
    ties = "channels are shuffled before a depthwise convolution"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.each, self.point, self.head = _conv(3, 16), _conv(16, 16, groups=16), _conv(16, 24, 1), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        rows, channels, high, wide = maps.shape
        maps = maps.view(rows, 2, channels // 2, high, wide).transpose(1, 2).reshape(rows, channels, high, wide)
        return self.head(_pooled(self.point(self.each(maps).relu()).relu()))


class Dense(Images):
    ties = "a layer's output stands beside its input"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three, self.head = _conv(3, 12), _conv(12, 8), _conv(20, 16), nn.Linear(16, CLASSES)
        self.norm = nn.BatchNorm2d(20)

    def forward(self, maps: Tensor) -> Tensor:
        old = self.one(maps).relu()
        return self.head(_pooled(self.three(self.norm(torch.cat([self.two(old).relu(), old], 1)).relu()).relu()))


class HalfPassesBy(Images):
    ties = "half of the channels is worked on, the rest passes by, split where the code says so"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.work, self.mix, self.head = _conv(3, 16), _conv(8, 8), _conv(16, 24, 1), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        return self.head(_pooled(self.mix(torch.cat([maps[:, :8], self.work(maps[:, 8:]).relu()], 1)).relu()))


class HalfByChunk(HalfPassesBy):
    ties = "the same, split in two wherever the middle is"

    def forward(self, maps: Tensor) -> Tensor:
        by, on = self.one(maps).relu().chunk(2, 1)
        return self.head(_pooled(self.mix(torch.cat([by, self.work(on).relu()], 1)).relu()))


class LayerScale(Images):
    ties = "a bare Parameter scales the branch beside a shortcut"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.branch, self.head = _conv(3, 16), _conv(16, 16), nn.Linear(16, CLASSES)
        self.scale = nn.Parameter(torch.full((16, 1, 1), 1e-6))

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        return self.head(_pooled(maps + self.scale * self.branch(maps)))


class Unfolded(Images):
    ties = "patches by unfold: nine inputs of the next layer per channel"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.wide, self.head = _conv(3, 8), nn.Linear(8 * 9, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(self.wide(functional.unfold(self.one(maps).relu(), 3).transpose(1, 2)).relu().mean(1))


class GroupNorm(Images):
    ties = "statistics over groups of channels"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two, self.head = _conv(3, 16), nn.GroupNorm(4, 16), _conv(16, 16), nn.Linear(16, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(_pooled(self.two(self.norm(self.one(maps)).relu()).relu()))


class GroupedConv(Images):
    ties = "a convolution in groups, and one that goes back up"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.parts, self.up, self.head = (
            _conv(3, 16),
            _conv(16, 24, groups=4),
            nn.ConvTranspose2d(24, 12, 2, 2),
            nn.Linear(12, CLASSES),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return self.head(_pooled(self.up(self.parts(self.one(maps).relu()).relu()).relu()))


class Excite(Images):
    ties = "a gate per channel from the mean of all"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.each, self.point = _conv(3, 16), _conv(16, 16, groups=16), _conv(16, 24, 1)
        self.down, self.up, self.head = _conv(16, 8, 1), _conv(8, 16, 1), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = functional.silu(self.each(functional.silu(self.one(maps))))
        gate = self.up(functional.silu(self.down(maps.mean((2, 3), keepdim=True)))).sigmoid()
        return self.head(_pooled(functional.silu(self.point(maps * gate))))


class MeanOfChannels(Images):
    ties = "the mean and the greatest of all channels weigh the places"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.see, self.two, self.head = _conv(3, 16), _conv(2, 1, 3), _conv(16, 24), nn.Linear(24, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        seen = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)
        return self.head(_pooled(self.two(maps * self.see(seen).sigmoid()).relu()))


class PaddedShortcut(Images):
    ties = "a shortcut that is filled up with channels of zeros"

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three, self.head = _conv(3, 8), _conv(8, 12), _conv(12, 16), nn.Linear(16, CLASSES)

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.one(maps).relu()
        maps = functional.pad(maps, (0, 0, 0, 0, 2, 2)) + self.two(maps)
        return self.head(_pooled(self.three(maps.relu()).relu()))
