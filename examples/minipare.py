"""The whole idea of paredown in plain torch and onnxruntime, for reading: `python examples/minipare.py`, about a minute.

1. Train the model that somebody has: a small convolutional network for handwritten digits. Half of the rows are kept for one last test.
2. Shrink it: a student of half the width learns the teacher's answers; then 8-bit weights and activations.
3. Measure what would ship: the exported graph in its engine against the model as it is used today, in turns, from raw image to answer.
4. Confirm: on test rows that nothing has seen, bound the drop of accuracy by the rows on which the two disagree.

What paredown adds: a policy, a search over many such recipes, clean processes, evidence, and an honest "no" when it does not hold.
"""

from __future__ import annotations

import logging
import math
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reports to its maker from its import on

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

MARGIN = 0.02  # relative drop of accuracy that we may not exceed; 899 test rows can show no much smaller one
Z = 1.645  # one-sided 95 %


class Split(NamedTuple):
    """Images (N, 8, 8) from 0 to 16 and their digits (N,)."""

    images: np.ndarray
    labels: np.ndarray


def encode(images: np.ndarray) -> np.ndarray:
    """Raw pixels (N, 8, 8) -> the networks' input (N, 1, 8, 8) from 0 to 1. Part of every inference, so part of every measurement."""
    return (images[:, None] / 16).astype(np.float32)


def network(first: int, second: int, third: int) -> nn.Module:
    """Three convolutions with batch norm, a mean over the image, one linear layer."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    body = [*block(1, first), *block(first, second), nn.MaxPool2d(2), *block(second, third)]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(third, 10))


def jiggle(images: torch.Tensor) -> torch.Tensor:
    """Each image up to one pixel further in any direction, with a little noise: still the same digit."""
    places = functional.pad(images, (1, 1, 1, 1)).unfold(2, 8, 1).unfold(3, 8, 1)
    down, right = torch.randint(3, (2, len(images)))
    moved = places[torch.arange(len(images)), :, down, right]
    return moved + 0.05 * torch.randn_like(moved)


def train(model: nn.Module, data: Split, epochs: int, teacher: nn.Module | None = None, temperature: float = 2.0) -> nn.Module:
    """Learn the labels; with a teacher mostly its softened answers, which say more about an image than its label (Hinton et al. 2015)."""
    inputs, labels = torch.from_numpy(encode(data.images)), torch.from_numpy(data.labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    steps = epochs * math.ceil(len(inputs) / 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(inputs)).split(64):
            batch = jiggle(inputs[rows])
            logits = model(batch)
            loss = functional.cross_entropy(logits, labels[rows])
            if teacher is not None:
                with torch.no_grad():
                    goal = functional.softmax(teacher(batch) / temperature, dim=1)
                soft = functional.kl_div(functional.log_softmax(logits / temperature, dim=1), goal, reduction="batchmean")
                loss = 0.1 * loss + 0.9 * temperature**2 * soft
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


class Batches(CalibrationDataReader):
    """Gives the quantizer the images from which it reads each activation's range."""

    def __init__(self, images: np.ndarray) -> None:
        self.rest = iter(np.array_split(encode(images), 30))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(({"input": batch} for batch in self.rest), None)


def export_int8(model: nn.Module, calibration: Split, folder: Path) -> Path:
    """To ONNX, batch norms folded into the convolutions, weights and activations in 8 bits."""
    plain, small = folder / "fp32.onnx", folder / "int8.onnx"
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(action="ignore"):
        batch = torch.export.Dim("batch", min=1, max=4096)
        torch.onnx.export(
            model,
            (torch.zeros(2, 1, 8, 8),),
            str(plain),
            input_names=["input"],
            dynamic_shapes=({0: batch},),
            external_data=False,
            verbose=False,
        )
    quantize_static(
        plain, small, Batches(calibration.images), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
    )  # fmt: skip
    return small


def torch_answers(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Raw images -> digits, as the model is used today."""

    def answer(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(encode(images))).argmax(1).numpy()

    return answer


def engine_answers(file: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Raw images -> digits, as the small model would ship."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"input": encode(images)})[0].argmax(1)


def cpu_s_per_image(answer: Callable[[np.ndarray], np.ndarray], images: np.ndarray, wall_s: float = 0.2) -> float:
    """CPU seconds of all threads per image, one image at a time, over a window of `wall_s`."""
    count, before, end = 0, time.process_time(), time.perf_counter() + wall_s
    while time.perf_counter() < end:
        answer(images[count % len(images)][None])
        count += 1
    return (time.process_time() - before) / count


def upper_drop(before: np.ndarray, after: np.ndarray) -> float:
    """The largest drop of accuracy, relative to the baseline's, that the test rows do not rule out with 95 % confidence.

    Only rows on which one is right and the other wrong say anything: the score test for paired proportions (Tango 1998), tried for one
    drop after the other.
    """
    lost, gained, rows = int((before & ~after).sum()), int((~before & after).sum()), len(before)
    for drop in np.arange(max(lost - gained, 0) / rows + 1e-4, 1, 1e-4):
        linear = (2 * rows - lost + gained) * drop - lost - gained
        share = (math.sqrt(linear**2 + 8 * rows * gained * drop * (1 - drop)) - linear) / (4 * rows)
        if (rows * drop - (lost - gained)) / math.sqrt(rows * (2 * share + drop * (1 - drop))) > Z:
            return float(drop / before.mean())
    return 1.0


def main() -> None:
    """Shrink, measure, confirm."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    digits = load_digits()
    rest, test_images, labels, test_labels = train_test_split(
        digits.images, digits.target, test_size=0.5, stratify=digits.target, random_state=0
    )
    known, test = Split(rest, labels), Split(test_images, test_labels)

    teacher = train(network(32, 64, 64), known, epochs=40)
    student = train(network(16, 32, 32), known, epochs=80, teacher=teacher)
    with tempfile.TemporaryDirectory() as folder:
        file = export_int8(student, known, Path(folder))
        big, small = torch_answers(teacher), engine_answers(file)
        windows = [(cpu_s_per_image(big, known.images), cpu_s_per_image(small, known.images)) for _ in range(10)]
        size_b = file.stat().st_size
    ratios = [baseline / candidate for baseline, candidate in windows[1:]]  # the first pair warms up
    parameters = [sum(weight.numel() for weight in model.parameters()) for model in (teacher, student)]
    print(f"parameters {parameters[0]} -> {parameters[1]}, file {size_b / 1e3:.0f} kB")
    print(f"CPU time per image: {statistics.median(ratios):.1f} times less (windows from {min(ratios):.1f} to {max(ratios):.1f})")

    before, after = big(test.images) == test.labels, small(test.images) == test.labels
    bound = upper_drop(before, after)
    print(f"accuracy on {len(test.labels)} test rows: {before.mean():.2%} -> {after.mean():.2%}")
    print(f"with 95 % confidence it dropped by less than {bound:.2%}: {'pass' if bound <= MARGIN else 'not shown'} (margin {MARGIN:.0%})")


if __name__ == "__main__":
    main()
