"""Networks with the couplings that cutting has to get right; images are (N, 1, 6, 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """conv1 and conv3 meet in a sum, conv2 is free."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12)
        self.conv3, self.norm3 = nn.Conv2d(12, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        first = self.norm1(self.conv1(images)).relu()
        second = self.norm2(self.conv2(first)).relu()
        return self.head((first + self.norm3(self.conv3(second))).relu().mean((2, 3)))


def residual(classes: int = 3) -> nn.Module:
    """A block with a shortcut."""
    return Residual(classes)


def depthwise(classes: int = 3) -> nn.Module:
    """A convolution per channel between two plain ones."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=True),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 6, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, classes),
    )


def flat(classes: int = 3) -> nn.Module:
    """Channels that become nine columns each of a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10), nn.ReLU(), nn.Linear(10, classes)
    )


def alone(classes: int = 1) -> nn.Module:
    """One number per row in an axis of its own, as a regression has it."""
    return nn.Sequential(nn.Flatten(), nn.Linear(36, classes))


def perceptron(classes: int = 3) -> nn.Module:
    """Two hidden layers."""
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.LayerNorm(16), nn.Linear(16, 8), nn.PReLU(8), nn.Linear(8, classes))


def shuffled(classes: int = 3) -> nn.Module:
    """A convolution in two groups, which is neither plain nor depthwise."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=2), nn.Flatten(), nn.Linear(288, classes)
    )


class Stubborn(nn.Module):
    """Cannot be run on the example."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        raise RuntimeError("not today")


def stubborn() -> nn.Module:
    """Fails on each input."""
    return Stubborn()


def silent(classes: int = 3) -> nn.Module:
    """Answers one number per row."""
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 1), nn.Flatten(0))


def no_module() -> int:
    """Not a factory of modules."""
    return 3


def liven(module: nn.Module, seed: int = 0) -> nn.Module:
    """Weights and statistics away from their start values, so that every one of them matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                fresh = torch.randn(value.shape, generator=generator) * 0.5
                value.copy_(fresh.abs() + 0.5 if name.endswith("running_var") else fresh + (1.0 if value.dim() == 1 else 0.0))
    return module.eval()


class CountsItsRows(nn.Module):
    """A class token for each row, as many write it: `len(x)` makes the exporter take the batch for a constant."""

    def __init__(self, listed: bool = False) -> None:
        super().__init__()
        self.listed = listed
        self.token, self.head = nn.Parameter(torch.randn(1, 1, 6)), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x[:, 0]
        if self.listed:
            return torch.stack([self.head(rows[at].sum(0)) for at in range(int(rows.shape[0]))])
        return self.head(torch.cat([self.token.expand(len(rows), -1, -1), rows], 1).sum(1))


def counts_its_rows() -> nn.Module:
    return CountsItsRows()


def lists_its_rows() -> nn.Module:
    return CountsItsRows(listed=True)


def knows_its_tokens() -> nn.Module:
    """Texts of one length alone."""
    return nn.Sequential(nn.Flatten(), nn.Linear(8 * 6, 3))


def pools_below_zero() -> nn.Module:
    """Zeros stand around numbers that are all negative."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ZeroPad2d(1), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(16, 3))
    nn.init.constant_(module[0].bias, -5.0)
    return module
