"""Folders of sounds are looked at by `init`: their rate, their length, and what a graph takes of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from paredown.ingest.any_source import read_rows
from paredown.planning import raw_inputs
from paredown.planning.init import starter
from paredown.study.jobfile import read_job
from sound_files import tone, wav
from tiny_cli import leave


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")


def write_graph(name: str, shape: tuple[int, ...]) -> None:
    """A graph (N, *shape) -> logits (N, 2)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Flatten", ["sound"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    weight = np.random.default_rng(0).normal(0, 0.01, (int(np.prod(shape)), 2)).astype(np.float32)
    taken = helper.make_tensor_value_info("sound", TensorProto.FLOAT, ["N", *shape])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "g", [taken], [given], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), name)


def write_sounds(folder: str, each: int, pitches: dict[str, int]) -> None:
    draw = random.Random(folder)
    for name, pitch in pitches.items():
        Path(folder, name).mkdir(parents=True)
        for at in range(each):
            sound = tone(pitch * draw.uniform(0.9, 1.1), draw.uniform(0.4, 0.5))
            Path(folder, name, f"{at}.wav").write_bytes(wav(sound))


def test_folders_of_sounds_get_their_rate_and_length_and_a_graph_its_axes(capfd) -> None:
    write_sounds("train", 20, {"high": 1500, "low": 400})
    write_sounds("test", 100, {"high": 1500, "low": 400})
    code, out, err = leave(capfd, "init", "digits-cnn", "--train", "train", "--test", "test")
    assert (code, err, "to fill in" in out) == (0, "", False)
    job = read_job(Path("job.yaml"))
    length = job.data.preprocess["seconds"]
    assert job.task == "audio-classification"
    assert 0.45 < length <= 0.5
    assert job.data.preprocess == {"sample_rate": 8000, "seconds": length, "features": "log_mel", "mean": "train", "std": "train"}
    write_graph("m.onnx", (1, 40, 1 + int(100 * length)))
    made = starter("m.onnx", "test", "train")
    assert f"sample_rate: 8000, seconds: {length}, features: log_mel" in made.text
    assert any(said.startswith("how the model was trained to take sounds is not known") for said in made.open)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((0, 4000), {"features": "waveform", "layout": "nt"}),
        ((0, 1, 0), {"features": "waveform", "layout": "nct"}),
        ((0, 40, 101), {"features": "log_mel", "layout": "nft", "mean": "train", "std": "train"}),
    ],
)
def test_the_axes_of_a_graph_say_what_it_takes_of_sounds(shape: tuple[int, ...], found: dict[str, str]) -> None:
    write_sounds("test", 2, {"low": 400})
    rows = read_rows("test", Path(), {}, ())
    assert raw_inputs.raw_of(rows, shape) == "audio"
    options = raw_inputs.options_of("audio", rows, shape, {"onnx": "m.onnx"})
    assert {key: value for key, value in options.items() if key not in ("sample_rate", "seconds")} == found
    assert [*raw_inputs.options_of("audio", rows, (), {"huggingface": "x"})] == ["seconds"]
