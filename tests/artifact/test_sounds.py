"""An artifact that takes sounds: its predict.py answers files by itself, and what it may not say is damage."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from paredown.artifact.load import load
from paredown.artifact.manifest import check_manifest
from paredown.artifact.pack import Label, pack
from paredown.core.candidate import Candidate
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders.spectrograms import audio_shape
from paredown.ground.store import FolderStore
from paredown.tasks.audio_classification import AudioClassification
from sound_files import tone, wav

SOUNDS = np.stack([tone(hertz, 0.25) for hertz in (200, 500, 900, 1500, 2500, 3500)])


def linear(store: FolderStore, shape: tuple[int, ...]) -> str:
    """A stored graph (N, ...) -> flatten -> logits (N, 3); its digest."""
    scratch, weight = store.scratch(), np.random.default_rng(0).normal(0, 0.1, (int(np.prod(shape)), 3)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["input"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *shape])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph(nodes, "linear", [taken], [given], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), scratch / "graph.onnx")
    return store.put(scratch)


def alone(folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """The artifact's own predict.py in a process that knows no paredown of the environment."""
    code = "import runpy, sys; sys.modules['paredown'] = None; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", f"import sys; sys.argv.pop(0); {code}", str(folder / "predict.py"), str(file)]
    return subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packed artifact: log-mel spectrograms, one linear layer."""
    root = tmp_path_factory.mktemp("heard")
    task, options = AudioClassification(), {"features": "log_mel", "sample_rate": 8000, "n_mels": 9, "mean": "train", "std": "train"}
    encode = task.encoder(Rows(inputs=SOUNDS, labels=None), options)
    store = FolderStore(root / "store")
    given = Candidate(digest=linear(store, audio_shape(encode)), form="onnx", parameters=1)
    (root / "artifact").mkdir()
    label = Label(
        name="heard",
        task="audio-classification",
        recipe="as_given @ onnxruntime(threads=1)",
        lineage=["a" * 64],
        encode=encode,
        decode=task.decoder(("low", "middle", "high"), encode),
        labels=["low", "middle", "high"],
        isa="avx2",
    )
    pack(label, given, "onnxruntime", {"threads": 1}, task.probe(encode, 0), store, root / "artifact")
    return root / "artifact"


def test_files_of_any_kind_and_rate_are_answered_as_their_samples(heard: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", SOUNDS.astype(np.float32))
    with load(heard) as model:
        expected = model.predict(SOUNDS)
        assert len({*expected}) > 1
        for at, sound in enumerate(SOUNDS[:3]):
            path = tmp_path / f"{at}.wav"
            path.write_bytes(wav(sound, kind="24"))
            assert model.predict(path) == model.predict([path.read_bytes()]) == expected[at : at + 1]
            path.write_bytes(wav(np.stack([tone((200, 500, 900)[at], 0.25, 44100)] * 2, axis=1), 44100))
            np.testing.assert_allclose(model.answers(path), model.answers(sound), atol=0.05)
            assert alone(heard, path).stdout.splitlines() == expected[at : at + 1]
    assert alone(heard, tmp_path / "a.npy").stdout.splitlines() == expected


def test_a_damaged_file_is_told_by_both(heard: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav(SOUNDS[0])[:-9])
    done = alone(heard, path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a.wav: sound 0 is cut short: it announces 4,000 bytes of sound and holds 3,991." in done.stderr
    with load(heard) as model, pytest.raises(BadData, match=rf"^{re.escape(str(path))} is cut short"):
        model.predict(path)


def test_what_serves_it_needs_soundfile_only_where_it_learned_from_such_files(heard: Path) -> None:
    manifest = json.loads((heard / "artifact.json").read_text())
    assert [package.partition(">")[0] for package in manifest["requires"]["packages"]] == ["numpy", "onnxruntime"]


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("sample_rate", 1, "has encode.sample_rate 1; it has to be a whole number from 100"),
        ("samples", 1 << 30, "has encode.samples 1073741824; it has to be"),
        ("samples", 9, "has a frame of 256 samples in encode that does not lie within 9"),
        ("win_length", 300, "has a frame of 256 samples in encode"),
        ("f_max", 5000, "has a frame of 256 samples in encode that does not lie within 2000, or no frequencies"),
        ("hop_length", 0, "has encode.hop_length 0"),
        ("mel_scale", "bark", "has encode.mel_scale 'bark'; it has to be slaney or htk"),
        ("std", [1.0] * 8 + [0.0], "has encode.std"),
        ("mean", [1.0] * 8, "has 8 numbers in encode.mean; 9 bands are encoded"),
        ("pad", None, "has encode.pad None"),
    ],
)
def test_what_an_artifact_cannot_say_of_sounds(heard: Path, entry: str, value: object, said: str) -> None:
    manifest = json.loads((heard / "artifact.json").read_text())
    manifest["encode"][entry] = value
    with pytest.raises(ValueError, match=re.escape(said)):
        check_manifest(manifest)


def test_a_spectrogram_beyond_measure_is_refused_before_it_is_made(heard: Path) -> None:
    manifest = json.loads((heard / "artifact.json").read_text())
    manifest["encode"] |= {"samples": 1 << 24, "hop_length": 1}
    with pytest.raises(ValueError, match=r"has 16777217 frames of 9 bands in encode; 67108864 numbers are the most"):
        check_manifest(manifest)
