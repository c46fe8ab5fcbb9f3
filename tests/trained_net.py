"""A store, a scratch folder and a small trained network: fixtures of modelkit, pruning and graphs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from paredown.core.candidate import Candidate
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import Blueprint, save_module
from paredown.modelkit.lower import to_onnx
from paredown.testing import tiny
from paredown.training.train import Training, fit


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def trained() -> nn.Module:
    """The tiny convolutional network, trained until it knows its rows; not to be changed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = tiny.conv_net()
    rows = tiny.rows()
    fit(module, tiny.encode(rows.inputs), rows.labels, Training(epochs=15, lr=0.01, batch=32), kind="class", seed=0)
    return module


@pytest.fixture(scope="session")
def lowered(trained: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Candidate, Candidate]:
    """A folder with a store in it, `trained` there in torch form, and the same in onnx form."""
    folder = tmp_path_factory.mktemp("lowered")
    store = FolderStore(folder / "store")
    blueprint = Blueprint(factory="paredown.testing.tiny:conv_net", inputs={tiny.FEED: (1, tiny.SIDE, tiny.SIDE)})
    given = save_module(trained, blueprint, store, folder / "scratch")
    return folder, given, to_onnx(given, store, folder / "scratch")
