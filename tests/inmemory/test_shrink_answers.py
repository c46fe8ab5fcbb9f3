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

HERE = Path(__file__).parents[1]
SETUP = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import pytest
from pathlib import Path
from paredown.ground import registry
from tiny_study import shorten, tiny_rows
shorten(pytest.MonkeyPatch(), Path("state").resolve())
X, y = tiny_rows(900, 0)
"""
NET = """
import torch
import paredown

class Net(torch.nn.Module):
    "Passes the first three numbers on as logits; large enough for 8-bit numbers to pay."
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(*sizes, bias=False) for sizes in ((8, 1024), (1024, 1024), (1024, 3))])
        self.act = lambda x: torch.relu(x)
        for layer in self.layers:
            torch.nn.init.eye_(layer.weight)

    def forward(self, x):
        first, second, last = self.layers
        return last(second(self.act(first(x))))
"""
CALL = """
result = paredown.shrink(
    Net().train(), test=(X, y), runtimes=["onnxruntime"], folder="study",
    policy={"minimize": "size", "rules": [{"quality": {"drop": "5 %"}}]},
    job={"search": {"exclude": [name for name in registry.names("techniques") if name != "quantize_dynamic"]}},
)
"""
SAY = """
with result.load() as model:
    print(result.verdict, model.predict(X[:4]), round(result.ratios["size"]["value"], 1), result.report.is_file(), result.nearest)
print(repr(result))
"""


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
