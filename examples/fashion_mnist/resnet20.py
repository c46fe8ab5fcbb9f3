"""ResNet-20 (He et al. 2016, arXiv:1512.03385, section 4.2) for small images: 0.27 M parameters."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes (option B of the paper).

    Args:
        inputs: Channels of the input (N, inputs, H, W).
        outputs: Channels of the output (N, outputs, H / stride, W / stride).
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H / stride, W / stride)."""
        found = functional.relu(self.norm1(self.conv1(images)))
        return functional.relu(self.norm2(self.conv2(found)) + self.shortcut(images))


def build(classes: int = 10, channels: int = 1) -> nn.Module:
    """Three stages of three blocks with 16, 32 and 64 channels, a mean over the image, one linear layer.

    Args:
        classes: Outputs.
        channels: Input channels.

    Returns:
        A module from images (N, channels, H, W) to logits (N, classes).
    """
    layers: list[nn.Module] = [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [Block(width, outputs, stride), Block(outputs, outputs, 1), Block(outputs, outputs, 1)]
        width = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))
