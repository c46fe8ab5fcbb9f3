"""Whole numbers stay whole from the job to the artifact: blueprint, training, cuts, export, answers; what the other kind takes is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paredown.artifact.load import load
from paredown.artifact.pack import Label, pack
from paredown.core.errors import BadData, BadModel
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.encoders.feed import make_encoder
from paredown.modelkit.blueprint import open_module, read_blueprint
from paredown.modelkit.lower import to_onnx
from paredown.pruning import students
from paredown.tasks.array_classification import ArrayClassification
from paredown.tasks.tabular_classification import TabularClassification
from paredown.techniques.prune_channels import PruneChannels
from paredown.testing import tiny
from paredown.training.train import predict
from paredown.training.trainer import take_baseline, train_baseline

DICE = np.random.default_rng(0)
TOKENS = Rows(inputs=DICE.integers(1, 9, (60, 7)), labels=DICE.integers(0, 3, 60), names=("a", "b", "c"))
TASK = TabularClassification()
ENCODE = TASK.encoder(TOKENS, {"numbers": "int64"})
INPUTS = {"input": (7,)}


def embedding() -> nn.Module:
    """Token numbers in, logits out."""

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.inner, self.head = nn.Embedding(9, 16), nn.Linear(16, 24), nn.Linear(24, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.inner(self.words(x).mean(1)).relu())

    return Tokens()


def wide() -> nn.Module:
    """Floats in, logits out."""
    return nn.Linear(7, 3)


def two() -> nn.Module:
    """Two inputs."""

    class Two(nn.Module):
        def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
            return torch.cat([x, z], 1)[:, :3]

    return Two()


def context(folder: Path, encode: dict[str, Any] = ENCODE) -> Context:
    rows = dict.fromkeys(("train", "calibration"), lambda: TOKENS)
    return replace(tiny.context(folder), encode=make_encoder(encode), data=rows)


def test_tokens_go_the_whole_way_as_int64(tmp_path: Path) -> None:
    given = context(tmp_path / "study")
    candidate = train_baseline("test_whole_inputs:embedding", {}, INPUTS, 3, {"epochs": 2}, given)
    module, blueprint = open_module(candidate, given.store)
    assert blueprint.whole == ["input"]
    assert blueprint.example(2)[0].dtype == torch.int64
    given = replace(given, teacher=candidate)
    smaller = PruneChannels(keep=0.5).apply(candidate, given)
    assert smaller.parameters < candidate.parameters
    _, blueprint, _ = students.make("half", candidate, given, 0)
    assert blueprint.whole == ["input"]
    _, blueprint, _ = students.make("test_whole_inputs:embedding", candidate, given, 0)
    assert (blueprint.whole, blueprint.inputs) == (["input"], {"input": [7]})
    expected = predict(module, given.encode(TOKENS.inputs)).softmax(1).numpy()
    label = Label(
        name="tokens", task="tabular-classification", recipe="as_given", lineage=[], encode=ENCODE,
        decode=TASK.decoder(TOKENS.names, ENCODE),
        labels=TOKENS.names, isa="",
    )  # fmt: skip
    (tmp_path / "out").mkdir()
    lowered = to_onnx(candidate, given.store, tmp_path)
    pack(label, lowered, "onnxruntime", {"threads": 1}, TASK.probe(ENCODE, 0), given.store, tmp_path / "out")
    with load(tmp_path / "out") as artifact:
        np.testing.assert_allclose(artifact.predict_proba(TOKENS.inputs), expected, atol=1e-5)
        np.testing.assert_allclose(artifact.predict_proba(TOKENS.inputs.astype(float).tolist()), expected, atol=1e-5)
        with pytest.raises(BadData, match="row 1 holds a fraction or no number; the model takes whole numbers"):
            artifact.predict(TOKENS.inputs + np.arange(60)[:, None] * 0.5)
    assert json.loads((tmp_path / "out" / "artifact.json").read_text())["encode"]["numbers"] == "int64"


def test_what_the_model_takes_is_named_where_the_job_feeds_the_other(tmp_path: Path) -> None:
    plain = TASK.encoder(TOKENS, {})
    with pytest.raises(
        BadModel, match=r"embedding takes int64, and the rows are fed as float32\.\n  Say so: `data: {preprocess: {numbers: int64}}`"
    ):
        take_baseline("test_whole_inputs:embedding", {}, INPUTS, 3, context(tmp_path / "a", plain))
    with pytest.raises(BadModel, match=r"wide takes float32, and the rows are fed as int64"):
        take_baseline("test_whole_inputs:wide", {}, INPUTS, 3, context(tmp_path / "b"))
    with pytest.raises(BadModel, match=r"two takes 2 inputs \(x, z\); one input is taken now"):
        take_baseline("test_whole_inputs:two", {}, INPUTS, 3, context(tmp_path / "c", plain))


@pytest.mark.parametrize("task", [TabularClassification(), ArrayClassification()])
def test_the_option_is_checked(task: Any) -> None:
    assert task.encoder(TOKENS, {"numbers": "float32"}) == task.encoder(TOKENS, {})
    assert task.probe(task.encoder(TOKENS, {"numbers": "int64"}), 0).dtype == np.int64
    with pytest.raises(BadData, match=r"preprocess: numbers is 'int8'\.\n  Write float32, or int64"):
        task.encoder(TOKENS, {"numbers": "int8"})
    halves = replace(TOKENS, inputs=np.where(np.arange(60)[:, None] == 2, 0.5, 1.0).repeat(7, 1))
    with pytest.raises(BadData, match=r"preprocess: numbers is int64, and row 2 holds a fraction"):
        task.encoder(halves, {"numbers": "int64"})


def test_a_blueprint_of_floats_says_nothing_of_it(tmp_path: Path) -> None:
    given = context(tmp_path, TASK.encoder(TOKENS, {}))
    candidate = take_baseline("test_whole_inputs:wide", {}, INPUTS, 3, given)
    folder = given.store.folder(candidate.digest)
    assert "whole" not in json.loads((folder / "blueprint.json").read_text())
    assert read_blueprint(folder).whole == ()
