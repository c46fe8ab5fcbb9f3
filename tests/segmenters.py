"""Networks that answer for each pixel; images are (N, 1, 8, 12), classes lie where they are bright."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from paredown.core.candidate import Candidate
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.ground.store import FolderStore
from paredown.kinds.map import Map

SIDES = (8, 12)
INPUTS = {"input": (1, *SIDES)}


class Small(nn.Module):
    """Down and up again, with what was there before the pooling beside it.

    Args:
        outputs: Numbers for each pixel.
        end: "", "softmax" or "sigmoid" for shares; "last", "small", "flat", "squeezed", "mapping" for other shapes.
    """

    def __init__(self, outputs: int, end: str) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 12, 3, padding=1), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(20, 8, 3, padding=1), nn.ReLU())
        self.head, self.end = nn.Conv2d(8, outputs, 1), end

    def forward(self, images: Tensor) -> Any:
        beside = self.first(images)
        below = self.second(nn.functional.max_pool2d(beside, 2))
        found = self.head(self.third(torch.cat([nn.functional.interpolate(below, scale_factor=2.0), beside], 1)))
        changed = {
            "softmax": lambda: found.softmax(1),
            "sigmoid": lambda: found.sigmoid(),
            "last": lambda: found.permute(0, 2, 3, 1),
            "small": lambda: nn.functional.avg_pool2d(found, 2),
            "flat": lambda: found.flatten(1),
            "squeezed": lambda: found[:, 0],
            "mapping": lambda: {"out": found},
        }
        return changed[self.end]() if self.end else found


def small(outputs: int = 2, end: str = "") -> nn.Module:
    """See `Small`."""
    return Small(outputs, end)


def rows(count: int = 48, seed: int = 0, classes: int = 2) -> Rows:
    """Images (N, 8, 12) from 0 to 1, in which a rectangle of each class but the first is brighter than the one before."""
    draw = np.random.default_rng(seed)
    masks = np.zeros((count, *SIDES), np.int16)
    for mask in masks:
        for at in range(1, classes):
            top, left = draw.integers(0, 5), draw.integers(0, 8)
            mask[top : top + 3, left : left + 4] = at
    images = masks / (classes - 1) * 0.6 + draw.uniform(0, 0.3, masks.shape)
    return Rows(inputs=images.astype(np.float32), labels=masks, names=tuple("abcdef"[:classes]), high=1.0)


def context(folder: Any, teacher: Candidate | None = None, classes: int = 2) -> Context:
    """Of a study whose train and calibration are such rows."""
    work = folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    return Context(
        data={"train": lambda: rows(classes=classes), "calibration": lambda: rows(16, 1, classes)},
        encode=lambda inputs: {"input": np.asarray(inputs, np.float32)[:, None]},
        decode=Map().decoder("abcdef"[:classes], SIDES),
        teacher=teacher or Candidate(digest="none", form="none"),
        ask=lambda feed: np.zeros((len(feed["input"]), classes * 96), np.float32),
        store=FolderStore(folder / "store"),
        seed=0,
        threads=1,
        work=work,
    )
