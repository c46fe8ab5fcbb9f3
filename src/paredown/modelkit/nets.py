"""Small networks that come with paredown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn


def _block(number: int, inputs: int, outputs: int) -> list[tuple[str, nn.Module]]:
    return [
        (f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)),
        (f"norm{number}", nn.BatchNorm2d(outputs)),
        (f"relu{number}", nn.ReLU()),
    ]


def digits_cnn(classes: int = 10, channels: int = 1, widths: Sequence[int] = (32, 64, 64)) -> nn.Module:
    """Three 3x3 convolutions with batch norm, a 2x2 pool before the last, a mean over the image, one linear layer.

    Args:
        classes: Outputs.
        channels: Input channels.
        widths: Output channels of the three convolutions; the default has about 57 000 parameters.

    Returns:
        A module from images (N, channels, H, W) to logits (N, classes).
    """
    first, second, third = widths
    pool = [("pool", nn.MaxPool2d(2))]
    head = [("mean", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten()), ("head", nn.Linear(third, classes))]
    return nn.Sequential(OrderedDict([*_block(1, channels, first), *_block(2, first, second), *pool, *_block(3, second, third), *head]))


def mlp(inputs: int, classes: int, hidden: Sequence[int] = (256, 128)) -> nn.Module:
    """Linear layers with ReLU between them.

    Args:
        inputs: Width of the input (N, inputs).
        classes: Outputs.
        hidden: Widths of the hidden layers.

    Returns:
        A module from vectors (N, inputs) to logits (N, classes).
    """
    layers: list[tuple[str, nn.Module]] = []
    width = inputs
    for number, size in enumerate(hidden, 1):
        layers += [(f"linear{number}", nn.Linear(width, size)), (f"relu{number}", nn.ReLU())]
        width = size
    return nn.Sequential(OrderedDict([*layers, ("head", nn.Linear(width, classes))]))
