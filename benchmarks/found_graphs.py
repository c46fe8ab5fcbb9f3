"""Graphs that nobody here wrote, without labels: what each engine and technique makes of them, held against the model as given.

    pip install --no-deps --target models magika rapidocr-onnxruntime silero-vad basic-pitch nudenet torchcrepe
    python benchmarks/found_graphs.py models [NAME ...] [--results FILE] [--dry] [--write]

Rows are made up, and of the kind that each is for: rendered text, chirps in noise, cut-outs of photographs, files of this machine. Each
is built, packed and measured with each recipe, as `task: tensors` with `metric: agreement`; `--dry` only opens and asks it; `--write` makes
docs/found_graphs.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

RATE = 16_000
CREPE = '''
import importlib.util
from pathlib import Path


def build():
    """The small one of two networks for pitch."""
    spec = importlib.util.spec_from_file_location("crepe_model", Path(__file__).with_name("crepe_model.py"))
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found.Crepe("tiny")
'''


def files(models: Path, count: int) -> dict[str, Any]:
    """The first and last 1024 bytes of files of this machine, as magika cuts them; 256 stands where there is none."""
    root = Path(sys.prefix)
    found = sorted(path for path in (root / "lib").rglob("*") if path.is_file() and path.stat().st_size > 64)
    draw = np.random.default_rng(0)
    out = np.full((count, 2048), 256, np.int32)
    for row, at in zip(out, draw.permutation(len(found))[:count]):
        data = found[at].read_bytes()
        first, last = data[:4096].lstrip()[:1024], data[-4096:].rstrip()[-1024:]
        row[: len(first)] = list(first)
        row[2048 - len(last) :] = list(last)
    return {"bytes": out}


@cache
def words() -> list[str]:
    """Words to render."""
    return sorted({word for word in (__doc__ or "").replace("\n", " ").split(" ") if len(word) > 2})


def lines(count: int, height: int, width: int, most: int) -> np.ndarray:
    """Rendered text (N, 3, H, W) from -1 to 1: some words on paper of some gray."""
    from PIL import Image, ImageDraw, ImageFont

    draw, out = np.random.default_rng(1), np.empty((count, 3, height, width), np.float32)
    for at in range(count):
        paper = int(draw.integers(150, 256))
        picture = Image.new("RGB", (width, height), (paper, paper, int(draw.integers(120, 256))))
        pen = ImageDraw.Draw(picture)
        for _ in range(int(draw.integers(1, most + 1))):
            text = " ".join(draw.choice(words(), 2))
            size = int(draw.integers(14, min(34, height - 8)))
            place = int(draw.integers(0, max(1, width // 3))), int(draw.integers(0, max(1, height - size - 4)))
            pen.text(place, text, fill=tuple(draw.integers(0, 110, 3).tolist()), font=ImageFont.load_default(size))
        noisy = np.asarray(picture, np.float32) + draw.normal(0, 6, (height, width, 1))
        out[at] = (np.clip(noisy, 0, 255) / 127.5 - 1).transpose(2, 0, 1)
    return out


def sounds(count: int, length: int, rate: int = RATE) -> np.ndarray:
    """Chirps with overtones in noise (N, length), some of them silent for a while."""
    draw, time = np.random.default_rng(2), np.arange(length) / rate
    out = np.empty((count, length), np.float32)
    for at in range(count):
        low, high = np.exp(draw.uniform(np.log(80), np.log(900), 2))
        phase = 2 * np.pi * np.cumsum(np.linspace(low, high, length)) / rate
        tone = sum(np.sin(order * phase) / order for order in range(1, int(draw.integers(2, 7))))
        loud = np.clip(np.sin(2 * np.pi * draw.uniform(0.3, 4) * time + draw.uniform(0, 6)) + draw.uniform(-0.5, 1), 0, 1)
        out[at] = 0.3 * loud * tone * draw.uniform(0.05, 1) + draw.normal(0, draw.uniform(0.001, 0.05), length)
    return out


def photographs(count: int, side: int) -> np.ndarray:
    """Cut-outs of two photographs (N, 3, side, side) from 0 to 1."""
    from sklearn.datasets import load_sample_images

    draw, out = np.random.default_rng(3), np.empty((count, 3, side, side), np.float32)
    pictures = load_sample_images().images
    for at in range(count):
        picture = pictures[int(draw.integers(len(pictures)))]
        top, left = (int(draw.integers(0, size - side)) for size in picture.shape[:2])
        out[at] = picture[top : top + side, left : left + side].transpose(2, 0, 1) * draw.uniform(0.6, 1) / 255
    return out


def speech(models: Path, count: int) -> dict[str, Any]:
    """Pieces of sound with the 64 samples before each, and the state in which the model itself comes to each."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(models / "silero_vad/data/silero_vad.onnx"), providers=["CPUExecutionProvider"])
    sound = sounds(1 + count // 50, 512 * 50 + 64)
    inputs, states = [], []
    for whole in sound:
        state = np.zeros((2, 1, 128), np.float32)
        for start in range(0, len(whole) - 575, 512):
            piece = whole[None, start : start + 576]
            inputs.append(piece[0])
            states.append(state[:, 0])
            state = session.run(None, {"input": piece, "state": state, "sr": np.array(RATE)})[1]
    return {"input": np.stack(inputs)[:count], "state": np.stack(states)[:count]}


RECIPES = (
    "as_given @ onnxruntime",
    "as_given @ openvino",
    "quantize_dynamic() @ onnxruntime",
    "quantize_static() @ onnxruntime",
    "quantize_static() @ openvino",
)
OF_MODULES = ("prune_channels(keep=0.5) > recover() @ onnxruntime", "distill() @ onnxruntime", "drop_layers() > recover() @ onnxruntime")

Rows = Callable[[Path, int], dict[str, Any]]
ROWS: Mapping[str, tuple[dict[str, Any], int, Rows]] = {
    "magika": ({"onnx": "magika/models/standard_v3_3/model.onnx"}, 600, files),
    "silero-vad": ({"onnx": "silero_vad/data/silero_vad.onnx", "constants": {"sr": RATE}}, 600, speech),
    "silero-vad-sequence": (
        {"onnx": "silero_vad/data/silero_vad_16k_sequence.onnx", "constants": {"h": 0, "c": 0}},
        200,
        lambda models, count: {"input": sounds(count, 576 * 8).reshape(count, 8, 576)},
    ),
    "basic-pitch": (
        {"onnx": "basic_pitch/saved_models/icassp_2022/nmp.onnx"},
        160,
        lambda models, count: {"sound": sounds(count, 43_844, 22_050)[..., None]},
    ),
    "ocr-detector": (
        {"onnx": "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"},
        200,
        lambda models, count: {"x": lines(count, 128, 256, 4)},
    ),
    "ocr-recognizer": (
        {"onnx": "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"},
        200,
        lambda models, count: {"x": lines(count, 48, 160, 1)},
    ),
    "nudenet": ({"onnx": "nudenet/320n.onnx"}, 200, lambda models, count: {"images": photographs(count, 320)}),
    "torchcrepe": (
        {"python": "crepe:build", "weights": "torchcrepe/assets/tiny.pth"},
        1500,
        lambda models, count: {"frames": normed(sounds(count, 1024))},
    ),
}
"""Name -> the entry of the model, rows, and what makes them."""


def normed(sound: np.ndarray) -> np.ndarray:
    """Each row with mean 0 and deviation 1."""
    away: np.ndarray = sound - sound.mean(axis=1, keepdims=True)
    return away / np.maximum(away.std(axis=1, keepdims=True), 1e-6)


def job(name: str, models: Path, folder: Path) -> dict[str, Any]:
    """Writes the rows into a folder; returns the job."""
    entry, count, make = ROWS[name]
    rows = make(models, count)
    half = count // 2
    for split, some in (("train", slice(0, half)), ("test", slice(half, count))):
        np.savez(folder / f"{split}.npz", **{key: array[some] for key, array in rows.items()})
    entry = {key: str((models / value).resolve()) if key in ("onnx", "weights") else value for key, value in entry.items()}
    if "python" in entry:
        (folder / "crepe.py").write_text(CREPE, "utf-8")
        (folder / "crepe_model.py").write_bytes(
            (models / "torchcrepe/model.py").read_bytes().replace(b"import torchcrepe", b"class torchcrepe:\n    PITCH_BINS = 360")
        )
    return {
        "name": name,
        "model": entry,
        "task": "tensors",
        "data": {"train": "train.npz", "test": "test.npz"},
        "metric": "agreement",
        "policy": {"minimize": "cpu_time", "rules": [{"quality": {"drop": "5 %"}}]},
    }


def tried(name: str, models: Path, dry: bool) -> dict[str, Any]:
    """One graph with every recipe; what came of it as plain data."""
    from paredown.core.errors import ParedownError
    from paredown.planning.dry_run import plan
    from paredown.running.apply import apply
    from paredown.study.jobfile import read_job

    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        try:
            given = read_job(job(name, models, folder), folder)
            if dry:
                return {"name": name, "notes": plan(given, timed=True)["notes"]}
        except ParedownError as error:
            return {"name": name, "trials": [{"recipe": "", "reason": str(error)}]}
        trials = []
        for recipe in (*RECIPES, *(OF_MODULES if "python" in ROWS[name][0] else ())):
            try:
                trial = apply(recipe, given, folder / "study").trial
            except ParedownError as error:
                trials.append({"recipe": recipe, "reason": str(error).rpartition("could not be built: ")[2]})
                continue
            ratio = trial.ratios["cpu_time"].json().get("value")
            trials.append({"recipe": recipe, "quality": trial.quality, "cpu_time": ratio, "reason": "", "notes": list(trial.notes)})
        return {"name": name, "trials": trials}


def table(found: list[dict[str, Any]]) -> str:
    """The rows of all graphs."""
    rows = ["| graph | recipe | agreement | CPU time, times less | refused, or how |", "|---|---|---|---|---|"]
    for item in found:
        for trial in item["trials"]:
            agreed = f"{100 * trial['quality']:.2f} %" if "quality" in trial else ""
            ratio = f"{trial['cpu_time']:.2f}" if trial.get("cpu_time") is not None else ""
            said = " ".join((trial["reason"] or " ".join(trial["notes"])).split()).replace("|", "/")
            rows.append(f"| {item['name']} | `{trial['recipe']}` | {agreed} | {ratio} | {said} |")
    return "\n".join(rows)


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", type=Path, help="the folder into which the packages were installed")
    parser.add_argument(
        "names", nargs="*", help=f"all when empty: {', '.join(ROWS)}; those that the file of results holds are not run again"
    )
    parser.add_argument("--results", type=Path, default=Path("found_graphs.jsonl"), help="one line per graph; runs may come in pieces")
    parser.add_argument("--dry", action="store_true", help="open and ask each, measure nothing")
    parser.add_argument("--write", action="store_true", help="write docs/found_graphs.md from the file of results")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    known = [json.loads(line) for line in asked.results.read_text("utf-8").splitlines()] if asked.results.exists() else []
    rows = {item["name"]: item for item in known}
    for name in asked.names or ROWS:
        if asked.dry:
            print(name, tried(name, asked.models, dry=True), flush=True)
        elif name not in rows:
            rows[name] = tried(name, asked.models, dry=False)
            asked.results.write_text("".join(json.dumps(item) + "\n" for item in rows.values()), "utf-8")
    found = [rows[name] for name in ROWS if name in rows]
    print(table(found))
    if asked.write:
        head = (
            "# Graphs that others made\n\n`python benchmarks/found_graphs.py models --write` makes this table: models out of packages, "
            "without labels, as `task: tensors` with `metric: agreement`. Agreement is 1 minus the distance from the model as given, in "
            "units of each output's spread (`kinds/tensors.py`), on the rows of validation; CPU time is that of the model as given over "
            "the recipe's, one row at a time, in short windows on a machine that did other work beside it.\n\n"
        )
        Path(__file__).resolve().parents[1].joinpath("docs", "found_graphs.md").write_text(f"{head}{table(found)}\n", "utf-8")


if __name__ == "__main__":
    main()
