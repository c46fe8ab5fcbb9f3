"""Techniques on models whose answers are tensors: each output counts alike, however large its numbers are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from paredown.core.candidate import Candidate
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.kinds.decode import make_decoder
from paredown.kinds.known import kind_of
from paredown.modelkit.blueprint import open_folder
from paredown.modelkit.lower import to_onnx
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.tensors import Tensors
from paredown.techniques.distill import Distill
from paredown.techniques.prune_channels import PruneChannels
from paredown.techniques.quantize_dynamic import QuantizeDynamic
from paredown.techniques.quantize_static import QuantizeStatic
from paredown.techniques.recover import Recover
from paredown.testing import tiny
from paredown.training import trainer

DRAW = np.random.default_rng(0)
ROWS = Rows(
    inputs={"sound": DRAW.normal(size=(640, 8)).astype(np.float32), "state": DRAW.normal(size=(640, 2, 2)).astype(np.float32)},
    labels=None,
    names=("0",),
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.deep = nn.Linear(12, 64), nn.Linear(64, 64)
        self.small, self.large = nn.Linear(64, 2), nn.Linear(64, 40)

    def forward(self, sound: Tensor, state: Tensor) -> Any:
        felt = self.deep(self.enter(torch.cat([sound, state.flatten(1)], 1)).relu()).relu()
        return {"small": self.small(felt) / 1000, "large": 1000 * self.large(felt).reshape(-1, 4, 10)}


def net() -> nn.Module:
    torch.manual_seed(0)
    return Net()


def given(folder: Path) -> tuple[Candidate, Context]:
    task = Tensors()
    encode = task.encoder(ROWS, {})
    context = replace(
        tiny.context(folder),
        data={"train": lambda: ROWS, "calibration": lambda: ROWS},
        encode=make_encoder(encode),
        decode=task.decoder(("0",), encode),
    )
    found = trainer.look("test_on_tensors:net", {}, encode, context)
    context = replace(context, decode=found["decode"])
    made = trainer.take_baseline("test_on_tensors:net", {}, feed_shapes(encode), context.decode["width"], context)
    return made, replace(context, teacher=made)


def apart(candidate: Candidate, teacher: Candidate, context: Context) -> list[float]:
    """How far each output of two candidates is apart, in torch, in units of its spread."""
    feed = [torch.from_numpy(array) for array in context.encode(ROWS.inputs).values()]
    with torch.inference_mode():
        mine, goal = (open_folder(context.store.folder(each.digest))(*feed).numpy() for each in (candidate, teacher))
    found = np.concatenate([*kind_of(context.decode)._apart(goal, mine)])  # type: ignore[attr-defined]
    return [float(value) for value in found.mean(axis=0)]


def stepped(context: Context, folder: Path) -> Context:
    folder.mkdir()
    return replace(context, work=folder)


def test_a_cut_module_gets_back_the_small_output_as_the_large_one(tmp_path: Path) -> None:
    teacher, context = given(tmp_path / "c")
    cut = PruneChannels(keep=0.5).apply(teacher, stepped(context, tmp_path / "cut"))
    back = Recover(epochs=30).apply(cut, stepped(context, tmp_path / "back"))
    before, after = apart(cut, teacher, context), apart(back, teacher, context)
    assert all(now < 0.6 * was for was, now in zip(before, after))
    assert max(after) < 0.5


def test_a_student_learns_all_outputs(tmp_path: Path) -> None:
    teacher, context = given(tmp_path / "c")
    student = Distill(epochs=25).apply(teacher, stepped(context, tmp_path / "student"))
    assert max(apart(student, teacher, context)) < 0.5


@pytest.mark.slow
def test_8_bits_are_held_against_the_spread_of_each_output(tmp_path: Path) -> None:
    teacher, context = given(tmp_path / "c")
    graph = to_onnx(teacher, context.store, tmp_path / "lowered")
    decode, kind = make_decoder(context.decode), kind_of(context.decode)
    answers = []
    for number, candidate in enumerate(
        [graph, *(unit.apply(graph, stepped(context, tmp_path / unit.name())) for unit in (QuantizeStatic(), QuantizeDynamic()))]
    ):
        out = tmp_path / f"packed{number}"
        out.mkdir()
        session = Onnxruntime().open(out, Onnxruntime().export(candidate, context.store, out)["file"], {"threads": 1})
        answers.append(decode(session.run(context.encode(ROWS.inputs))))
        session.close()
    for said in answers[1:]:
        assert 0.9 < kind.credit(answers[0], said).mean() < 1
