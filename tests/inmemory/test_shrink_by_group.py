"""A model in memory is judged by the user or query that rows belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import paredown
from paredown.core.errors import UsageError
from paredown.ground import registry
from tiny_study import shorten


@pytest.mark.slow
def test_drops_are_paired_by_the_group_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    draw = np.random.default_rng(6)
    module = nn.Sequential(nn.Linear(8, 512, bias=False), nn.Linear(512, 1, bias=False))
    inputs = draw.normal(size=(900, 8)).astype(np.float32)
    with torch.no_grad():
        worth = module(torch.from_numpy(inputs)).numpy()[:, 0]
    ratings = np.clip(np.rint(5 + 3 * worth / worth.std() + draw.normal(size=900)), 0, 10)
    users = {"user": [f"u{at}" for at in draw.integers(0, 200, 900)]}
    more: dict[str, Any] = {"quiet": True, "runtimes": ["onnxruntime"], "task": "tabular-regression", "metric": "ndcg@5"}
    more["policy"] = {"minimize": "size", "rules": [{"quality": {"drop": "20 %"}}]}
    more["job"] = {"search": {"exclude": [name for name in registry.names("techniques") if name != "quantize_dynamic"]}}
    found = paredown.shrink(module, test=(inputs, ratings, users), paired_by="user", folder=tmp_path / "study", **more)
    assert found.data["metric"] == "ndcg@5"
    assert "groups of 'user'" in found.data["findings"][0]["reason"]
    with pytest.raises(UsageError, match="ndcg@5 is the mean over users, queries or other groups of rows"):
        paredown.shrink(module, test=(inputs, ratings, users), folder=tmp_path / "other", **more)
