"""Does the memory of a run grow with the rows?

    python benchmarks/many_rows.py table --rows 500000      # Parquet of 20 columns
    python benchmarks/many_rows.py text --rows 200000       # CSV of sentences
    python benchmarks/many_rows.py images --rows 12000      # a folder of JPEGs, 96 x 96 x 3

Makes rows that a small network can learn, from a seed, and runs `paredown run` on as many as said and on ten times as many. While a run
goes on, the largest resident memory of each of its processes is read from /proc (Linux); a process above the limit ends the run. Printed
are the peaks of three kinds of process: the run itself, those that loaded torch, and those that did not. Exits with 1 when a peak with ten
times the rows is more than a tenth above the other, or above the limit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LIMIT_B, GROWTH, TIMES = 2.5e9, 1.10, 10
TICK_S, PIECE = 0.05, 50_000
COLUMNS, CLASSES, SIDE = 20, 4, 96

NETWORKS = """
import torch
from torch import nn


def table():
    return nn.Sequential(nn.Linear(22, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 4))


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.wide, self.head = nn.Embedding(2100, 64), nn.Linear(64, 256), nn.Linear(256, 4)

    def forward(self, ids, mask):
        share = mask.unsqueeze(-1).to(torch.float32)
        mean = (self.words(ids) * share).sum(1) / share.sum(1).clamp_min(1.0)
        return self.head(torch.relu(self.wide(mean)))


def text():
    return Text()


def images():
    layers = [nn.Conv2d(3, 16, 5, 4, 2), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 4))
"""
SHARED = """
model: {{python: "networks:{kind}", train: {{epochs: 1, batch: {batch}}}{more}}}
task: {task}-classification
data: {data}
metric: accuracy
deploy: {{runtimes: [onnxruntime]}}
search: {{strategy: ladder, seed: 0, budget: {budget}}}
policy: {{minimize: cpu_time, rules: [{{quality: {{drop: 3 %}}}}]}}
"""


def pieces(rows: int) -> Iterator[tuple[int, np.random.Generator]]:
    """Sizes of the pieces that rows are made in, each with its own random numbers."""
    for number, start in enumerate(range(0, rows, PIECE)):
        yield min(PIECE, rows - start), np.random.default_rng([7, number])


def make_table(folder: Path, rows: int) -> str:
    """`rows.parquet`: 20 columns of numbers, a column of words, and a label that a few of them decide."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for count, draw in pieces(rows):
        numbers = draw.normal(size=(count, COLUMNS)).astype(np.float32)
        label = (numbers[:, 0] + numbers[:, 1] * numbers[:, 2] > 0) * 2 + (numbers[:, 3] > 0.3)
        columns: dict[str, object] = {f"x{at}": numbers[:, at] for at in range(COLUMNS)}
        columns["kind"] = np.array(["calm", "loud"])[draw.integers(0, 2, count)]
        part = pa.table(columns | {"label": np.array(["a", "b", "c", "d"])[label]})
        writer = writer or pq.ParquetWriter(folder / "rows.parquet", part.schema)
        writer.write_table(part)
    assert writer is not None
    writer.close()
    return "{all: rows.parquet}"


def make_text(folder: Path, rows: int) -> str:
    """`rows.csv`: sentences of 8 to 24 words out of 2000, of which some tell the label; and a tokenizer of words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = np.array([f"w{at}" for at in range(2000)], object)
    held = {"[PAD]": 0, "[UNK]": 1} | {word: at + 2 for at, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(held, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    with (folder / "rows.csv").open("w") as file:
        file.write("text,label\n")
        for count, draw in pieces(rows):
            label, size = draw.integers(0, CLASSES, count), draw.integers(8, 25, count)
            drawn = draw.integers(0, 2000, (count, 24))
            drawn[:, :3] = draw.integers(0, 200, (count, 3)) + 500 * label[:, None]
            file.writelines(f"{' '.join(words[line[:end]])},{'abcd'[at]}\n" for line, end, at in zip(drawn, size, label))
    return "{all: rows.csv, text: text}"


def make_images(folder: Path, rows: int) -> str:
    """`photos/a/0.jpg` and so on: noise with more red, green or blue, or with none of them."""
    from PIL import Image

    names = "abcd"
    for name in names:
        (folder / "photos" / name).mkdir(parents=True)
    made = 0
    for count, draw in pieces(rows):
        for at in range(count):
            small, label = draw.integers(0, 120, (12, 12, 3)).astype(np.uint8), int(draw.integers(0, CLASSES))
            small[..., label : label + 1] += 60  # of the fourth class nothing
            path = folder / "photos" / names[label] / f"{made + at}.jpg"
            Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BILINEAR).save(path, quality=85)
        made += count
    return "{all: photos}"


TASKS = {
    "table": ("tabular", make_table, 256, ""),
    "text": ("text", make_text, 64, ", tokenizer: tokenizer.json"),
    "images": ("image", make_images, 64, ""),
}


def job(kind: str, folder: Path, rows: int, budget: str) -> Path:
    """Rows, networks and job file in a folder; returns the job file."""
    folder.mkdir(parents=True)
    task, make, batch, more = TASKS[kind]
    data = make(folder, rows)
    (folder / "networks.py").write_text(NETWORKS)
    path = folder / f"{kind}.yaml"
    path.write_text(f"name: {kind}\n" + SHARED.format(kind=kind, batch=batch, more=more, task=task, data=data, budget=budget))
    return path


def look(root: int, peaks: dict[int, int], torch: set[int]) -> None:
    """Note the peaks of a process and of all below it, in bytes, and which of them loaded torch."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        try:
            status = Path(f"/proc/{pid}/status").read_text()
            if "VmHWM" in status:
                peaks[pid] = max(peaks.get(pid, 0), 1024 * int(status.split("VmHWM:")[1].split()[0]))
            if pid not in torch and "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text():
                torch.add(pid)
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, ValueError):
            continue


def run(path: Path) -> tuple[dict[str, int], float, int]:
    """Run a job: peak bytes by kind of process, seconds, exit code."""
    began = time.monotonic()
    command = [sys.executable, "-m", "paredown", "run", str(path), "--study", str(path.parent / "study")]
    peaks, torch = dict[int, int](), set[int]()
    with (path.parent / "run.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as process:
        while process.poll() is None:
            look(process.pid, peaks, torch)
            if max(peaks.values(), default=0) > LIMIT_B:
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(TICK_S)
    kinds = {"the run": [process.pid], "with torch": torch - {process.pid}, "without": peaks.keys() - torch - {process.pid}}
    found = {kind: max((peaks[pid] for pid in pids if pid in peaks), default=0) for kind, pids in kinds.items()}
    return found, time.monotonic() - began, process.returncode


def main() -> int:
    """Make, run, print; 1 where memory grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=list(TASKS))
    parser.add_argument("--rows", type=int, required=True, help="as many, and ten times as many")
    parser.add_argument("--budget", default="2 min", help="of each search")
    parser.add_argument("--only", choices=("few", "many"), help="one of the two runs")
    parser.add_argument("--folder", type=Path, help="where rows and studies go, kept; a temporary folder, deleted, by default")
    given = parser.parse_args()
    root = given.folder or Path(tempfile.mkdtemp(prefix="many-rows-"))
    found = []
    try:
        for times in (1, TIMES) if given.only is None else (1 if given.only == "few" else TIMES,):
            path = root / f"{given.kind}-{given.rows * times}" / f"{given.kind}.yaml"
            if not path.exists():
                job(given.kind, path.parent, given.rows * times, given.budget)
            shutil.rmtree(path.parent / "study", ignore_errors=True)
            peaks, wall_s, code = run(path)
            found.append(peaks)
            said = ", ".join(f"{kind} {peak / 1e6:.0f} MB" for kind, peak in peaks.items())
            print(f"{given.kind} {given.rows * times} rows: {said}; {wall_s:.0f} s, exit code {code}", flush=True)
            if code not in (0, 1, 3, 4) or max(peaks.values()) > LIMIT_B:
                print((path.parent / "run.log").read_text(errors="replace")[-2000:])
                return 1
    finally:
        if given.folder is None:
            shutil.rmtree(root)
    grown = [kind for kind in found[0] if found[-1][kind] > GROWTH * found[0][kind]]
    if grown:
        print(f"memory grew with the rows: {', '.join(grown)}")
    return 1 if grown else 0


if __name__ == "__main__":
    raise SystemExit(main())
