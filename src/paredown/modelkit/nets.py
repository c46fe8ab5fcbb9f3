"""Small networks that come with paredown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn


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


class TableNet(nn.Module):
    """Linear layers over the columns of a table, each column cut into steps that fill up one after the other.

    A step from a to b is 0 below a, 1 above b, and a share of the way between them: so a network sees where in its column a number stands,
    whatever the column's unit, and bends where the data are. A missing number is a column of its own.

    Source: Gorishniy et al. 2022 (piecewise linear encoding), arXiv:2203.05556.
    """

    columns: Tensor
    start: Tensor
    gain: Tensor
    gaps: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, steps: Sequence[int], classes: int, hidden: Sequence[int], gaps: int) -> None:
        super().__init__()
        total = sum(steps)
        self.missing = gaps > 0
        self.register_buffer("columns", torch.arange(len(steps)).repeat_interleave(torch.tensor(steps)))
        self.register_buffer("start", torch.zeros(total))
        self.register_buffer("gain", torch.ones(total))
        self.register_buffer("gaps", torch.zeros(gaps, dtype=torch.int64))
        self.register_buffer("scale", torch.ones(classes))
        self.register_buffer("shift", torch.zeros(classes))
        self.layers = mlp(total + gaps, classes, hidden)

    def forward(self, rows: Tensor) -> Tensor:
        """Numbers (N, columns) to answers (N, classes)."""
        steps = ((rows.index_select(1, self.columns) - self.start) * self.gain).clamp(0, 1)
        if self.missing:
            absent = torch.isnan(rows.index_select(1, self.gaps))
            steps = torch.cat([torch.where(torch.isnan(steps), torch.zeros_like(steps), steps), absent.to(steps.dtype)], dim=1)
        answers: Tensor = self.layers(steps) * self.scale + self.shift
        return answers


def table_net(steps: Sequence[int], classes: int, hidden: Sequence[int] = (64, 64), gaps: int = 0) -> nn.Module:
    """A network for the columns of a table; see TableNet.

    Args:
        steps: Steps of each column.
        classes: Outputs.
        hidden: Widths of the hidden layers.
        gaps: Columns in which a number may be missing.

    Returns:
        A module from vectors (N, columns) to answers (N, classes).
    """
    return TableNet(steps, classes, hidden, gaps)
