"""Answers other than classes are known by y."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import paredown
from tiny_study import shorten


def test_numbers_and_labels_are_known_by_y(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    head = np.random.default_rng(3).normal(size=(8, 2)).astype(np.float32)
    module = nn.Sequential(nn.Linear(8, 512, bias=False), nn.Linear(512, 2, bias=False))
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(512, 8))
        module[1].weight.copy_(torch.cat([torch.from_numpy(head.T.copy()), torch.zeros(2, 504)], 1))
    inputs = np.random.default_rng(4).normal(size=(500, 8)).astype(np.float32)
    policy = {"minimize": "size", "rules": [{"quality": {"drop": "5 %"}}]}
    more: dict[str, Any] = {"quiet": True, "runtimes": ["onnxruntime"], "policy": policy, "job": {"search": {"exclude": ["drop_layers"]}}}
    marks = (inputs @ head > 0).astype(int)
    found = paredown.shrink(module, test=(inputs, marks), folder=tmp_path / "labels", **more)
    assert found.data["task"] == "tabular-multilabel"
    assert found.data["baseline"]["quality"]["value"] == 1.0
    first = nn.Sequential(module[0], nn.Linear(512, 1, bias=False))
    first[1].weight.data.copy_(module[1].weight.data[:1])
    noise = np.random.default_rng(5).normal(0, 0.1, 500)
    found = paredown.shrink(first, test=(inputs, inputs @ head[:, 0] + noise), folder=tmp_path / "numbers", **more)
    assert found.data["task"] == "tabular-regression"
    assert found.data["baseline"]["quality"]["value"] == pytest.approx(0.08, abs=0.01)
