"""What a module takes is asked of it: whole numbers stay whole where it takes them, and several inputs are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import paredown
from paredown.core.errors import BadData, BadModel
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.inmemory import shrink

X = np.random.default_rng(0).normal(size=(60, 8)).astype("float32")
Y = np.arange(60) % 3
TASK = registry.get("tasks", "tabular-classification")()


def refuse(folder: Path, model: nn.Module, inputs: object, labels: object) -> None:
    paredown.shrink(model, test=(inputs, labels), folder=folder / "study", quiet=True)


class Picky(nn.Module):
    """Answers whole numbers in another way than the same numbers as float32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([x.float().sum(1), x.float().mean(1) * (1 if x.is_floating_point() else 7)], 1)


def test_whole_numbers_that_the_model_takes_otherwise_are_refused(tmp_path: Path) -> None:
    class Bytes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x.float().sum(1), x.float().mean(1) * (1 if x.dtype != torch.uint8 else 7)], 1)

    with pytest.raises(BadData, match=r"X is uint8, and the model takes it otherwise than float32"):
        refuse(tmp_path, Bytes(), np.arange(24, dtype=np.uint8).reshape(12, 2), np.arange(12) % 2)


@pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("model", [Picky(), nn.Sequential(nn.Embedding(24, 3), nn.Flatten(1), nn.Linear(6, 2))])
def test_whole_numbers_stay_whole_where_the_model_takes_them(kind: str, model: nn.Module) -> None:
    rows = Rows(inputs=np.arange(24, dtype=kind).reshape(12, 2), labels=np.arange(12) % 2, names=("0", "1"))
    assert shrink._asked(model, TASK, {"test": rows}, {}) == (2, {"numbers": "int64"})
    assert shrink._asked(nn.Linear(2, 2), TASK, {"test": replace(rows, inputs=rows.inputs.astype("float32"))}, {}) == (2, {})


class Two(nn.Module):
    """Two inputs."""

    def forward(self, x: torch.Tensor, z: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return torch.cat([x, z], 1)[:, :3] * scale


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ((X, X), "test: the inputs are 2 arrays; one input is taken now"),
        ([torch.from_numpy(X), torch.from_numpy(X)], "test: the inputs are 2 arrays; one input"),
        ({"x": X, "z": X}, "test: the inputs are 2 arrays; one input is taken now"),
        (X, r"the model takes 2 inputs \(x, z\); one input is taken now\.\n  Put them side by side"),
        (np.round(X).astype(int), r"the model takes 2 inputs \(x, z\); one input is taken now"),
    ],
)
def test_several_inputs_are_told_with_the_way_to_make_one_of_them(tmp_path: Path, inputs: object, said: str) -> None:
    with pytest.raises((BadData, BadModel), match=said):
        refuse(tmp_path, Two(), inputs, Y)


@pytest.mark.parametrize("task", [None, "array-classification", "image-segmentation"])
def test_masks_are_refused_with_the_way_that_takes_them(tmp_path: Path, task: str | None) -> None:
    images, masks = np.zeros((6, 1, 4, 4), np.float32), np.arange(96).reshape(6, 4, 4) % 2
    with pytest.raises(
        BadData, match=r"y holds a class for each pixel, and `shrink` takes .*\n  Write the arrays with `numpy\.savez\('train\.npz"
    ):
        paredown.shrink(nn.Conv2d(1, 2, 1), test=(images, masks), task=task, folder=tmp_path / "study", quiet=True)
    assert not (tmp_path / "study").exists()
