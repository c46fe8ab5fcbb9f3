"""A trained network in torch and in onnx form, and a context that has it as its teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from paredown.core.candidate import Candidate
from paredown.core.technique import Context
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import Blueprint, save_module
from paredown.modelkit.lower import to_onnx
from paredown.testing import tiny
from paredown.training.train import Training, fit

Prepared = tuple[Candidate, Candidate, Callable[[Path], Context]]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """(torch candidate, the same in onnx form, folder -> context over their store)."""
    folder = tmp_path_factory.mktemp("prepared")
    store = FolderStore(folder / "store")
    blueprint = Blueprint(
        factory="paredown.testing.tiny:conv_net", arguments={"widths": [16, 24]}, inputs={tiny.FEED: (1, tiny.SIDE, tiny.SIDE)}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = blueprint.build()
    rows = tiny.rows()
    fit(module, tiny.encode(rows.inputs), rows.labels, Training(epochs=12, lr=0.01, batch=32), kind="class", seed=0)
    given = save_module(module, blueprint, store, folder / "scratch")
    graph = to_onnx(given, store, folder / "scratch")
    return given, graph, lambda place: replace(tiny.context(place, teacher=given), store=store)


@pytest.fixture(scope="session")
def graph_logits() -> Callable[[Path, np.ndarray], np.ndarray]:
    """(stored folder, images (N, 1, 6, 6)) -> logits through onnxruntime."""

    def ask(folder: Path, images: np.ndarray) -> np.ndarray:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "graph.onnx"), providers=["CPUExecutionProvider"])
        return session.run(None, {tiny.FEED: images})[0]

    return ask
