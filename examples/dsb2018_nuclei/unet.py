"""A small U-Net (Ronneberger et al. 2015, arXiv:1505.04597) for gray images: one logit for each pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with a batch norm."""
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Down by pooling, up by nearest neighbours; on the way up each level sees what it was on the way down.

    Args:
        channels: Of the input (N, channels, H, W); H and W are multiples of 2 ** (len(widths) - 1).
        widths: Channels of each level, from the largest image on.
        outputs: Of each pixel; 1 is the logit of the second of two classes.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_twice(inputs, width) for inputs, width in zip((channels, *widths), widths))
        self.up = nn.ModuleList(_twice(below + width, width) for width, below in zip(widths[-2::-1], widths[:0:-1]))
        self.head = nn.Conv2d(widths[0], outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(N, channels, H, W) -> (N, outputs, H, W)."""
        found, seen = images, list[Tensor]()
        for level, layers in enumerate(self.down):
            found = layers(functional.max_pool2d(found, 2) if level else found)
            seen.append(found)
        for layers, beside in zip(self.up, seen[-2::-1]):
            found = layers(torch.cat([functional.interpolate(found, scale_factor=2.0), beside], 1))
        return self.head(found)


def build(channels: int = 1, width: int = 8, levels: int = 4, outputs: int = 1) -> nn.Module:
    """A U-Net whose width doubles from level to level.

    Args:
        channels: Of the images.
        width: Channels of the first level.
        levels: How many there are.
        outputs: Of each pixel.
    """
    return UNet(channels, tuple(width << level for level in range(levels)), outputs)
