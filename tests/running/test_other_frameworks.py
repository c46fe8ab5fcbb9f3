"""Keras, TF Lite and TensorFlow models from `init` to an artifact that answers where their frameworks are not installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import UsageError
from paredown.ground import documents, registry
from paredown.ground.lazy import missing
from paredown.inmemory.shrink import shrink
from paredown.planning.init import starter
from paredown.running.story import run
from paredown.study.jobfile import read_job
from paredown.study.units import units_of
from paredown.testing import tiny
from tiny_study import shorten

ALONE = """
import runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("paredown", "torch", "keras", "tensorflow", "h5py", "onnx", "pydantic", "sqlalchemy"):
            raise ModuleNotFoundError(f"{name} is not here", name=name)

sys.meta_path.insert(0, Absent())
script, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = script
runpy.run_path(script, run_name="__main__")
"""


def alone(folder: Path, rows: Path) -> np.ndarray:
    """Probabilities as an artifact's predict.py prints them, in a process where no framework can be imported."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    command = [sys.executable, "-I", "-c", ALONE, str(folder / "predict.py"), str(rows), "--proba"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return np.loadtxt(done.stdout.splitlines(), delimiter=",")


def as_given(study: Path, engine: str) -> Path:
    """The fp32 artifact of the model as given on an engine."""
    result = json.loads((study / "result.json").read_text())
    done = [trial for trial in result["trials"] if trial["role"] == "fastest_fp32" and trial["state"] == "done"]
    (artifact,) = [trial["artifact"] for trial in done if f"@ {engine}(" in trial["recipe"]]
    return study / "cache" / "artifacts" / artifact


def only(text: str, engines: str, technique: str = "") -> str:
    """A job with one technique, on these engines, judged by size and quality alone, which depend on no machine."""
    others = ", ".join(name for name in registry.names("techniques") if name != technique)
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("  extends:")) + "\n"
    kept = kept.replace("  seed: 0\n", f"  seed: 0\n  exclude: [{others}]\n").replace("deploy:\n", f"deploy:\n  runtimes: [{engines}]\n")
    return kept.replace("minimize: cpu_time", "minimize: size")


def digits(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits from 0 to 1 with their channel last, as train.npz and test.npz; all of them, and their labels."""
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    from sklearn.datasets import load_digits

    found = load_digits()
    images, labels = (found.images[..., None] / 16).astype(np.float32), found.target
    np.savez(folder / "train.npz", X=images[:1000], y=labels[:1000])
    np.savez(folder / "test.npz", X=images[1000:], y=labels[1000:])
    np.save(folder / "rows.npy", images[1000:1100])
    return images, labels


def network(keras: Any) -> Any:
    """A small residual network with batch norm, a depthwise convolution and a mean over the image, which ends in probabilities."""
    layers = keras.layers
    keras.utils.set_random_seed(1)
    given = keras.Input((8, 8, 1))
    x = layers.Conv2D(32, 3, padding="same", use_bias=False)(given)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.8)(x))
    y = layers.BatchNormalization(momentum=0.8)(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    x = layers.Add()([x, layers.Conv2D(32, 1, activation="relu")(y)])
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(given, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.slow
@pytest.mark.skipif(missing("keras", "a test") is not None, reason="the extra keras is not installed")
def test_a_keras_network_runs_to_an_artifact_without_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.models.keras import _keras

    shorten(monkeypatch, tmp_path / "state")
    images, labels = digits(tmp_path)
    keras = _keras()
    model = network(keras)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 3e-3
    model.fit(images[:1000], labels[:1000], epochs=6, batch_size=50, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras itself
        model.save(tmp_path / "model.keras")
    monkeypatch.chdir(tmp_path)
    made = starter("model.keras", "test.npz", "train.npz", out=Path("job.yaml"))
    assert made.open == []
    assert "model: {keras: model.keras}\ntask: image-classification\n" in made.text
    assert "preprocess: {layout: nhwc}" in made.text
    (tmp_path / "job.yaml").write_text(only(made.text, "onnxruntime, litert", "quantize_static"))
    result = run(tmp_path / "job.yaml", tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert result.chosen["recipe"].startswith("quantize_static")
    goal = np.asarray(model(images[1000:1100]).detach())
    for engine in ("onnxruntime", "litert"):
        np.testing.assert_allclose(alone(as_given(tmp_path / "study", engine), tmp_path / "rows.npy"), goal, atol=1e-4)
    found = alone(tmp_path / "study" / "artifact", tmp_path / "rows.npy")
    assert (found.argmax(1) == goal.argmax(1)).mean() > 0.9


@pytest.mark.slow
@pytest.mark.skipif(missing("keras", "a test") is not None, reason="the extra keras is not installed")
def test_a_live_keras_model_is_shrunk_and_goes_on_with_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.models.keras import _keras

    shorten(monkeypatch, tmp_path / "state")
    keras = _keras()
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(3)])
    rows = np.random.default_rng(0).normal(size=(900, 6)).astype(np.float32)
    goal = np.asarray(model(rows).detach())
    told: dict[str, Any] = {"policy": {"minimize": "size", "rules": [{"quality": {"drop": "20 %"}}]}, "runtimes": ["onnxruntime"]}
    told |= {"folder": tmp_path / "live", "quiet": True, "job": {"search": {"exclude": [*registry.names("techniques")]}}}
    for _ in range(2):
        result = shrink(model, test=(rows, goal.argmax(1)), **told)
    assert result.data["task"] == "tabular-classification"
    assert len([*(tmp_path / "live" / "given").glob("model-*.keras")]) == 1
    np.save(tmp_path / "rows.npy", rows[:20])
    shares = np.exp(goal[:20]) / np.exp(goal[:20]).sum(1, keepdims=True)
    np.testing.assert_allclose(alone(as_given(tmp_path / "live", "onnxruntime"), tmp_path / "rows.npy"), shares, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(missing("ai_edge_litert", "a test") is not None, reason="the extra litert is not installed")
def test_a_tf_lite_file_runs_to_an_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    tiny.write_tflite(tmp_path / "model.tflite", softmax=True)
    for name, seed in (("train", 0), ("test", 1)):
        images = tiny.encode(tiny.rows(600, seed).inputs)[tiny.FEED]
        np.savez(tmp_path / f"{name}.npz", X=images, y=tiny.logits({tiny.FEED: images}).argmax(1))
    np.save(tmp_path / "rows.npy", images[:50])
    monkeypatch.chdir(tmp_path)
    made = starter("model.tflite", "test.npz", "train.npz", out=Path("job.yaml"))
    assert "model: {tflite: model.tflite}\ntask: array-classification\n" in made.text
    (tmp_path / "job.yaml").write_text(only(made.text, "litert", "quantize_dynamic"))
    result = run(tmp_path / "job.yaml", tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert "@ litert(" in result.chosen["recipe"]
    assert result.chosen["recipe"].startswith("quantize_dynamic")
    units = units_of(read_job(tmp_path / "job.yaml"))
    assert units.engines["litert"] is None
    with pytest.raises(UsageError, match=r"names onnxruntime, which cannot run here: it runs onnx graphs, and nothing here turns such a"):
        units_of(read_job(documents.parse(only(made.text, "onnxruntime"), "job.yaml").data, tmp_path))
    logits = tiny.logits({tiny.FEED: images[:50]})
    goal = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(alone(as_given(tmp_path / "study", "litert"), tmp_path / "rows.npy"), goal, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(
    bool(missing("tensorflow", "a test") or missing("tf2onnx", "a test")), reason="the extra tensorflow, two gigabytes, is not installed"
)
def test_a_saved_model_runs_to_an_artifact_without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, tmp_path / "state")
    digits(tmp_path)
    program = (
        "import os, sys, numpy as np; os.environ['KERAS_BACKEND'] = 'tensorflow'; sys.path[:0] = sys.argv[1:]\n"
        "import keras; from test_other_frameworks import network\n"
        "data = np.load('train.npz'); model = network(keras); model.compile('adam', 'sparse_categorical_crossentropy')\n"
        "model.optimizer.learning_rate = 3e-3; model.fit(data['X'], data['y'], epochs=6, batch_size=50, verbose=0)\n"
        "model.export('saved', format='tf_saved_model', verbose=False); np.save('goal.npy', model(np.load('rows.npy')))\n"
    )
    command = [sys.executable, "-c", program, *map(str, Path(__file__).parents[:2])]
    made_it = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert made_it.returncode == 0, made_it.stderr
    monkeypatch.chdir(tmp_path)
    made = starter("saved", "test.npz", "train.npz", out=Path("job.yaml"))
    assert "model: {tensorflow: saved}\ntask: image-classification\n" in made.text
    (tmp_path / "job.yaml").write_text(only(made.text, "onnxruntime"))
    run(tmp_path / "job.yaml", tmp_path / "study")
    np.testing.assert_allclose(
        alone(as_given(tmp_path / "study", "onnxruntime"), tmp_path / "rows.npy"), np.load(tmp_path / "goal.npy"), atol=1e-4
    )
