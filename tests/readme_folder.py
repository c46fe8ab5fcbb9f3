"""What a reader of the README has before its blocks: files by the names that it uses, made small and offline."""

from __future__ import annotations

import csv
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from paredown.testing import tiny
from tiny_study import NAMES, TinyStudy, tiny_rows, write_tiny_job

MODULE = """
import numpy as np
import torch

class Net(torch.nn.Module):
    "Passes the first three numbers on as logits; large enough for 8-bit numbers to pay."
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(*sizes, bias=False) for sizes in ((8, 1024), (1024, 1024), (1024, 3))])
        for layer in self.layers:
            torch.nn.init.eye_(layer.weight)

    def forward(self, x):
        first, second, last = self.layers
        return last(second(torch.relu(first(x))))

model = Net()
held = np.load("rows.npz")
X_train, y_train, X_test, y_test = (held[name] for name in ("X_train", "y_train", "X_test", "y_test"))
"""


def write_hugging_face(folder: Path) -> None:
    """my-model/, train.csv and test.csv with text and label, and new.txt; the model was trained for a second on other texts."""
    import torch
    import transformers

    rows = tiny.texts(480, 1)
    model = tiny.pretrained(folder / "my-model", rows.names)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    net = transformers.AutoModelForSequenceClassification.from_pretrained(model)
    feed, labels = tokenizer([*rows.inputs], padding=True, return_tensors="pt"), torch.from_numpy(rows.labels)
    stepper = torch.optim.AdamW(net.parameters(), 5e-3)
    for at in 2 * [*range(0, len(labels), 32)]:
        stepper.zero_grad()
        net(**{key: part[at : at + 32] for key, part in feed.items()}, labels=labels[at : at + 32]).loss.backward()
        stepper.step()
    net.save_pretrained(model)
    for split, count, seed in (("train", 300, 2), ("test", 900, 3)):
        rows = tiny.texts(count, seed)
        texts = [f"{text} no {at + 1000 * seed}" for at, text in enumerate(rows.inputs)]  # a number is an unknown word: no two are the same
        _write_table(folder / f"{split}.csv", ["text", "label"], zip(texts, (rows.names[label] for label in rows.labels)))
    (folder / "new.txt").write_text("lost card\nmoney rate\n")


def write_onnx(folder: Path) -> None:
    """model.onnx, and train.csv and test.csv with eight columns of numbers and one of words."""
    write_tiny_job(folder)
    (folder / "given.onnx").rename(folder / "model.onnx")
    for split, count, seed in (("train", 300, 1), ("test", 900, 2)):
        inputs, labels = tiny_rows(count, seed)
        header = [*(f"reading_{at}" for at in range(inputs.shape[1])), "side"]
        _write_table(folder / f"{split}.csv", header, ([*map(float, row), NAMES[label]] for row, label in zip(inputs, labels)))


def write_torch(folder: Path) -> None:
    """my_training.py with a module and rows, which lie beside it."""
    (train, train_labels), (test, test_labels) = tiny_rows(300, 1), tiny_rows(900, 2)
    np.savez(folder / "rows.npz", X_train=train, y_train=train_labels, X_test=test, y_test=test_labels)
    (folder / "my_training.py").write_text(MODULE)


def write_instrument(folder: Path, study: TinyStudy) -> None:
    """runs/my-model and its job.yaml, train.py and my_training.py, and ES.csv: a sunny grid until this hour."""
    shutil.copytree(study.folder, folder / "runs" / "my-model")
    for name in ("given.onnx", "rows.npz"):
        shutil.copy(study.job.with_name(name), folder)
    (folder / "job.yaml").write_text(study.job.read_text().replace("search: {", "search: {budget: 20 min, "))
    for name in ("train.py", "my_training.py"):
        (folder / name).write_text("sum(range(10**6))\n")
    hours = [datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=back) for back in range(24 * 40, -1, -1)]
    _write_table(folder / "ES.csv", ["time", "g_per_kwh"], ((f"{at:%Y-%m-%dT%H:%MZ}", 100 + 10 * abs(at.hour - 12)) for at in hours))


def _write_table(file: Path, header: list[str], rows: Any) -> None:
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)


def words_of(shell: str) -> list[list[str]]:
    """The commands of a block, one list of words each, without comments."""
    found = [shlex.split(line, comments=True) for line in shell.splitlines()]
    return [words for words in found if words]
