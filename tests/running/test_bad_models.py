"""Models that do not fit their data, or answer with what is no number, end a run with one sentence and nothing recorded as done."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from paredown.core.errors import BadData, BadModel, ParedownError
from paredown.running.story import run
from tiny_study import shorten

NETS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes, bad):
        super().__init__()
        self.head, self.bad = nn.Linear(64, classes), bad

    def forward(self, images):
        answer = self.head(images.flatten(1))
        if self.bad == "all":
            return answer * float("nan")
        if self.bad == "some":  # digits have rows of pixels that are empty; noise has none
            empty = images[:, 0, :, 6].sum(1, keepdim=True) == 0
            return torch.where(empty, answer * float("nan"), answer)
        return answer


def build(classes=10, bad=""):
    return Net(classes, bad)
"""


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"classes": 7}, BadModel, r"bad_nets:build answers with 7 numbers per row; the data have 10 classes\."),
        ({"bad": "all"}, BadData, r"asked made-up inputs, as a check: the model's output holds NaN or infinite values in 4 of 4 rows"),
        ({"bad": "some"}, BadData, r"^row \d+: the model's output holds NaN or infinite values in 1 of 1 rows"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], kind: type[ParedownError], text: str
) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "bad_nets.py").write_text(NETS)
    job = tmp_path / "job.yaml"
    job.write_text(
        f"name: bad\nmodel: {{python: 'bad_nets:build', arguments: {arguments}}}\ntask: image-classification\ndata: {{builtin: digits}}\n"
        "metric: accuracy\npolicy: {minimize: size, rules: [{quality: {drop: 5 %}}]}\n"
    )
    with pytest.raises(kind, match=text):
        run(job, tmp_path / "study")
    with sqlite3.connect(tmp_path / "study/ledger.sqlite") as file:
        assert not file.execute("SELECT id FROM records WHERE kind = 'trial'").fetchall()
    assert not (tmp_path / "study/artifact").exists()
