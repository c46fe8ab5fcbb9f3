"""Folders of photos of any size and a pretrained classifier of images: from the files to an artifact that opens files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import transformers
from PIL import Image

from paredown.ground import registry
from paredown.planning.dry_run import plan
from paredown.running.story import run
from tiny_study import shorten

LIGHT = {"night": 0, "day": 170}


def photos(folder: Path, count: int, seed: int) -> None:
    """Dark and bright images of several sizes and modes, in a folder each."""
    draw = np.random.default_rng(seed)
    for name, low in LIGHT.items():
        (folder / name).mkdir(parents=True)
        for at in range(count):
            size = (20 + at % 7, 30 - at % 5)
            pixels = draw.integers(low, low + 80, size if at % 3 else (*size, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{at}.png")


@pytest.mark.slow
def test_photos_and_a_pretrained_classifier_run_to_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    photos(tmp_path / "train", 60, 0)
    photos(tmp_path / "test", 50, 1)
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic")
    transformers.ResNetModel(config).save_pretrained(tmp_path / "given")
    transformers.ConvNextImageProcessorPil(size={"shortest_edge": 28}, crop_pct=0.875).save_pretrained(tmp_path / "given")
    job = tmp_path / "job.yaml"
    others = [name for name in registry.names("techniques") if name != "quantize_static"]
    job.write_text(
        "name: photos\nmodel: {huggingface: given, finetune: {epochs: 4, lr: 3e-3, batch: 16}}\ntask: image-classification\n"
        "data: {train: train, test: test}\nmetric: accuracy\ndeploy: {runtimes: [onnxruntime]}\n"
        f"search: {{exclude: [{', '.join(others)}]}}\n"
        "policy: {minimize: size, rules: [{quality: {drop: 20 %}}]}\n"
    )
    assert plan(job)["rows"]["test"] == 100
    result = run(job, tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    with result.load() as model:
        files = sorted((tmp_path / "test").glob("*/*.png"))
        answers = model.predict(files)
        assert model.manifest["encode"]["resize"] == 32
    assert np.mean([answer == path.parent.name for answer, path in zip(answers, files)]) > 0.9
