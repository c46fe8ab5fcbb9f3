"""The examples whose answers are other than one class, and what goes in other than texts, images and tables: cut down like the others."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from example_jobs import ROOT, cut, real
from paredown.ground import registry
from paredown.ground.documents import read
from paredown.running.story import run
from paredown.study.jobfile import read_job
from sound_files import tone, wav, write_words
from tiny_study import shorten

# --- Speech Commands

SPEECH = ("train.zip", "val.zip", "test.zip")


@pytest.mark.slow
@pytest.mark.parametrize("made_up", [True, False], ids=["made-up", "real"])
def test_the_words_run_to_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_up: bool) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    files = [] if made_up else real("speech_commands", *SPEECH)
    for at, (name, each) in enumerate(zip(SPEECH, (40, 15, 50))):
        if made_up:
            write_words(tmp_path / name.removesuffix(".zip"), each, at)
            shutil.make_archive(str(tmp_path / "data" / name.removesuffix(".zip")), "zip", tmp_path / name.removesuffix(".zip"))
        else:
            (tmp_path / "data" / name).symlink_to(files[at])
    job = cut("speech_commands", tmp_path, [{"quality": {"drop": "90 %"}}], epochs=12 if made_up else 4)
    result = run(job, tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert "quantize_static" in result.chosen["recipe"]
    assert result.data["rows"]["test"] == (300 if made_up else 342)
    assert result.data["baseline"]["readings"]["parameters"]["value"] == pytest.approx(23_110, rel=0.001)
    sound = tmp_path / "a.wav"
    sound.write_bytes(wav(np.stack([tone(400, 2.0, 44100)] * 2, axis=1), 44100, "24"))
    script = [sys.executable, str(tmp_path / "study/artifact/predict.py"), str(sound)]
    alone = subprocess.run(script, capture_output=True, text=True, check=True)
    with result.load() as model:
        assert alone.stdout.splitlines() == model.predict(sound)


# --- Nuclei

LISTS = {"train": 24, "val": 8, "test": 16}
PACKED = ("images.zip", "labels.zip")


def made_up_nuclei(folder: Path) -> None:
    """Discs that are brighter than what is around them, numbered one by one, in zip files and lists as published."""
    draw, (down, right) = np.random.default_rng(0), np.mgrid[:32, :32]
    with zipfile.ZipFile(folder / PACKED[0], "w") as images, zipfile.ZipFile(folder / PACKED[1], "w") as labels:
        for split, count in LISTS.items():
            names = [f"{split}{at}.png" for at in range(count)]
            (folder / f"{split}.txt").write_text("\n".join(names))
            for name in names:
                mask = np.zeros((32, 32), np.uint16)
                for number, (top, left, radius) in enumerate(draw.integers((5, 5, 3), (27, 27, 7), (3, 3)), 1):
                    mask[(down - top) ** 2 + (right - left) ** 2 < radius**2] = number
                for packed, pixels in ((images, 40 + 120 * (mask > 0) + draw.integers(0, 40, mask.shape)), (labels, mask)):
                    file = io.BytesIO()
                    Image.fromarray(pixels.astype(np.uint8 if packed is images else np.uint16)).save(file, "png")
                    packed.writestr(name, file.getvalue())


@pytest.mark.slow
@pytest.mark.parametrize("made_up", [True, False], ids=["made-up", "real"])
def test_the_masks_run_to_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_up: bool) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    if made_up:
        made_up_nuclei(tmp_path / "data")
    else:
        lists = [f"{split}.txt" for split in LISTS]
        for file, count in zip(real("dsb2018_nuclei", *lists, *PACKED), [*LISTS.values(), 0, 0]):
            if count:
                (tmp_path / "data" / file.name).write_text("\n".join(file.read_text().split()[:count]))
            else:
                shutil.copy(file, tmp_path / "data" / file.name)
    job = cut("dsb2018_nuclei", tmp_path, [{"quality": {"drop": "90 %"}}])
    job.model.options["train"].update({"epochs": 30 if made_up else 8, "batch": 4})  # type: ignore[index]
    result = run(job, tmp_path / "study")
    assert result.verdict == "pass"
    assert result.data["rows"]["test"] == LISTS["test"]
    with result.load() as model:
        assert model.labels == ["background", "nucleus"]
        (found,) = model.predict(np.zeros((1, *((32, 32) if made_up else (256, 256))), np.uint8))
        assert set(np.unique(found)) <= {0, 1}
        assert found.shape == ((32, 32) if made_up else (256, 256))


# --- gradient boosting as it was fitted


@pytest.mark.slow
def test_boosting_is_fitted_and_cut_as_the_readme_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's own script on made-up hours, then its job with fewer trees as the only recipe."""
    example = ROOT / "examples" / "bike_sharing"
    for path in (*example.glob("*.yaml"), *example.glob("*.py")):
        shutil.copy(path, tmp_path)
    (tmp_path / "data").mkdir()
    draw = np.random.default_rng(0)
    hours = ["season,yr,mnth,hr,holiday,weekday,workingday,weathersit,temp,atemp,hum,windspeed,cnt"]
    for _ in range(1800):
        hour, warm = int(draw.integers(24)), float(draw.random())
        count = round(200 * warm + 100 * (hour in (8, 17, 18)) + 5 * hour + draw.normal(0, 3)) + 20
        numbers = [f"{value:.4f}" for value in (warm, warm, draw.random(), draw.random())]
        hours.append(",".join(map(str, [1, 0, 1, hour, 0, int(draw.integers(7)), 1, 1, *numbers, max(1, count)])))
    (tmp_path / "data" / "hour.csv").write_text("\n".join(hours) + "\n")
    subprocess.run([sys.executable, "train_boosting.py"], cwd=tmp_path, check=True)
    document = dict(read(tmp_path / "boosting.yaml").data)
    document["search"] = {"exclude": [name for name in registry.names("techniques") if name != "prune_trees"]}
    document["policy"] = {"minimize": "size", "rules": [{"quality": {"drop": "30 %"}}]}
    shorten(monkeypatch, tmp_path / "state")
    result = run(read_job(document, tmp_path), tmp_path / "study")
    assert result.verdict == "pass"
    assert "prune_trees" in result.chosen["recipe"]
    assert result.ratios["size"]["value"] > 2
