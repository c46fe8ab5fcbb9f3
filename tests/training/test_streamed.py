"""Rows encoded while they are used teach what rows in memory teach; each is used once in a pass, and a teacher answers it once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paredown.core.rows import Rows
from paredown.modelkit.nets import digits_cnn
from paredown.testing import tiny
from paredown.training import streamed
from paredown.training.streamed import Streamed, feed_of
from paredown.training.train import Kept, Training, answered, fit, predict

ROWS = tiny.rows()


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return digits_cnn(classes=3, widths=(4, 8, 8)).eval()


def tokens(inputs: Any) -> dict[str, np.ndarray]:
    """Row k is k + 1 times in k % 5 + 2 places."""
    sizes = inputs[:, 0].astype(int) % 5 + 2
    mask = (np.arange(sizes.max()) < sizes[:, None]).astype(np.int64)
    return {"ids": mask * (inputs[:, :1].astype(np.int64) + 1), "mask": mask}


NUMBERED = Rows(inputs=np.arange(100, dtype=np.float32)[:, None], labels=np.arange(100, dtype=np.int64) % 7, names=tuple("abcdefg"))


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_the_same_seed_gives_the_same_weights_as_rows_in_memory(alpha: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "_POOL_B", 5000)
    how, found = Training(epochs=2, batch=16, lr=0.01, alpha=alpha), []
    for feed in (Kept(tiny.encode(ROWS.inputs), ROWS.labels), Streamed(ROWS, tiny.encode, each_b=144, goals=np.asarray)):
        module = network(1)
        last = fit(module, feed, None, how, kind="class", seed=5, teacher=network(2))
        found.append((last, [item.tolist() for item in module.state_dict().values()]))
    assert found[0] == found[1]


@pytest.mark.parametrize("which", [None, np.arange(3, 99)])
@pytest.mark.parametrize("many", [False, True])
def test_each_row_is_used_once_in_a_pass_with_its_label(which: Any, many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if many:
        monkeypatch.setattr(streamed, "_SHUFFLED", 10)
        monkeypatch.setattr(streamed, "_BLOCK", 7)
        monkeypatch.setattr(streamed, "_BLOCKS", 3)
    monkeypatch.setattr(streamed, "_POOL_B", 2000)
    feed = Streamed(NUMBERED, tokens, each_b=100, which=which, goals=np.asarray)
    generator, passes = torch.Generator().manual_seed(0), []
    for _ in range(2):
        used = list[int]()
        for rows, (ids, mask), labels in feed.steps(8, generator):
            own = ids[:, 0] - 1
            expected = rows if which is None else torch.from_numpy(which)[rows]
            assert own.tolist() == expected.tolist()
            assert labels is not None
            assert labels.tolist() == (own % 7).tolist()
            assert mask.shape[1] == max(2, int((own % 5 + 2).max()))
            used += rows.tolist()
        assert len(used) == len({*used}) == len(feed) // 8 * 8
        passes.append(used)
    assert passes[0] != passes[1]


class Teacher:
    """Answers with the sum of a row's tokens; counts how many rows it was asked."""

    asked = 0

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.asked += len(ids)
        return torch.stack([ids.sum(1), mask.sum(1)], 1).float()


@pytest.mark.parametrize("kept", [True, False])
def test_a_teacher_answers_rows_once_and_is_read_back(kept: bool, tmp_path: Path) -> None:
    feed = Kept(tokens(NUMBERED.inputs)) if kept else Streamed(NUMBERED, tokens, each_b=100, goals=None)
    teacher, expected = Teacher(), predict(Teacher(), tokens(NUMBERED.inputs)).numpy()
    for _ in range(2):
        np.testing.assert_array_equal(answered(teacher, feed, tmp_path / "taught.npy", batch=9), expected)
    assert teacher.asked == 100
    np.testing.assert_array_equal(answered(teacher, feed, None), expected)
    (tmp_path / "taught.npy").write_bytes((tmp_path / "taught.npy").read_bytes()[:300])
    np.testing.assert_array_equal(answered(teacher, feed, tmp_path / "taught.npy"), expected)
    assert teacher.asked == 300


def test_what_fits_is_kept_and_more_is_streamed_or_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = tiny.context(tmp_path)
    assert isinstance(feed_of(context, "train"), Kept)
    monkeypatch.setattr(streamed, "KEPT_B", 96 * 144 - 1)
    assert isinstance(feed_of(context, "train"), Streamed)
    drawn = [feed_of(replace(context, seed=seed), "train", most=20) for seed in (0, 0, 1)]
    inputs = [next(iter(feed.parts(32)))[0].numpy().tolist() for feed in drawn]
    assert [len(feed) for feed in drawn] == [20, 20, 20]
    assert inputs[0] == inputs[1] != inputs[2]
