"""The model entry of a job from a path, a name or a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from paredown.core.errors import BadModel, UsageError
from paredown.planning.model_entry import entry_of


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.pkl", r"none\.pkl does not exist"),
        ("weights.pt", r"holds weights, not the code that uses them(.|\n)*--build pkg\.mod:build"),
        ("none.safetensors", r"none\.safetensors does not exist"),
        ("none.onnx", r"none\.onnx does not exist"),
        ("folder", r"folder has no config\.json, so it is no Hugging Face model, and no saved_model\.pb of TensorFlow; it has nothing"),
        ("table.csv", r"ends in \.csv; models are"),
        ("digits-cn", r"no model 'digits-cn'\. Did you mean 'digits-cnn'"),
    ],
)
def test_a_path_that_is_no_model_is_refused(tmp_path: Path, name: str, message: str) -> None:
    for file in ("weights.pt", "table.csv"):
        (tmp_path / file).touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match=message):
        entry_of(name, tmp_path)


def test_a_path_that_is_a_model(tmp_path: Path) -> None:
    for file in ("weights.pt", "m.onnx", "m.PKL", "m.keras", "m.H5", "m.tflite"):
        (tmp_path / file).touch()
    (tmp_path / "m.txt").write_text("tree\nversion=v4\n")
    (tmp_path / "m.json").write_text('{"learner":{}}')
    for file in ("m.PKL", "m.txt", "m.json"):
        assert entry_of(file, tmp_path) == {"estimator": file}
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "config.json").write_text("{}")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").touch()
    assert entry_of("m.onnx", tmp_path) == {"onnx": "m.onnx"}
    assert entry_of("m.keras", tmp_path) == {"keras": "m.keras"}
    assert entry_of("m.H5", tmp_path) == {"keras": "m.H5"}
    assert entry_of("m.tflite", tmp_path) == {"tflite": "m.tflite"}
    assert entry_of("saved", tmp_path) == {"tensorflow": "saved"}
    assert entry_of("bert", tmp_path) == {"huggingface": "bert"}
    assert entry_of("org/bert", tmp_path) == {"huggingface": "org/bert"}
    assert entry_of("my.mod:build", tmp_path) == {"python": "my.mod:build"}
    assert entry_of("weights.pt", tmp_path, "my.mod:build") == {"python": "my.mod:build", "weights": "weights.pt"}
    assert entry_of("mlp", tmp_path) == {"builtin": "mlp"}
    with pytest.raises(BadModel, match=r"m\.onnx needs no function that builds it"):
        entry_of("m.onnx", tmp_path, "my.mod:build")
    with pytest.raises(BadModel, match=r"`--build` is 'build'"):
        entry_of("weights.pt", tmp_path, "build")
