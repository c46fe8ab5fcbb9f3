"""DS-CNN (Zhang et al. 2017, Hello Edge, arXiv:1711.07128, section 3.6) for spoken words: convolutions in depth and across, one by one."""

from __future__ import annotations

from torch import nn


def _separable(width: int) -> list[nn.Module]:
    """A 3x3 convolution within each channel, then a 1x1 one across them, each with batch norm and ReLU."""
    depthwise = [nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    return [*depthwise, nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


def build(classes: int = 6, width: int = 64, blocks: int = 4) -> nn.Module:
    """A convolution over 5 bands and 9 frames with a stride of 2, separable blocks, a mean over the spectrogram, one linear layer.

    Args:
        classes: Outputs.
        width: Channels of all convolutions; 64 with four blocks has 23 thousand parameters.
        blocks: Separable blocks.

    Returns:
        A module from log-mel spectrograms (N, 1, bands, frames) to logits (N, classes).
    """
    layers: list[nn.Module] = [nn.Conv2d(1, width, (5, 9), stride=2, padding=(2, 4), bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    for _ in range(blocks):
        layers += _separable(width)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(width, classes))
