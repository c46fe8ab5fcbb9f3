"""A forward that changes its inputs in place answers, learns and is cut like the one that does not; the caller's arrays stay."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from paredown.modelkit import memory
from paredown.modelkit.blueprint import Blueprint, detect_answers
from paredown.pruning import calibrate, couple
from paredown.runtimes.torch import _Module
from paredown.testing import tiny
from paredown.training.train import Training, fit, predict

X, Y = np.random.default_rng(0).normal(3, 2, (40, 1, 6, 6)).astype("float32"), np.arange(40) % 3


class Net(nn.Module):
    """Scales its images first, in place or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.layers, self.in_place = tiny.conv_net(), in_place

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.sub_(3).div_(2) if self.in_place else (images - 3) / 2)


@pytest.fixture
def pair() -> tuple[Net, Net]:
    one, other = Net(True).eval(), Net(False).eval()
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    return one, other


def test_training_and_its_teacher_see_what_was_fed(pair: tuple[Net, Net]) -> None:
    feed, teachers, how = {"input": X.copy()}, copy.deepcopy(pair), Training(epochs=2, alpha=0.5, batch=16)
    for module, teacher in zip(pair, teachers):
        fit(module, feed, Y, how, kind="class", seed=0, teacher=teacher)
    assert np.array_equal(feed["input"], X)
    torch.testing.assert_close(*(predict(module, feed) for module in pair))


def test_cuts_and_norms_see_what_was_fed(pair: tuple[Net, Net]) -> None:
    feed, found = {"input": X.copy()}, []
    for module in pair:
        groups = couple.groups(module, (torch.zeros(1, 1, 6, 6),))
        scores = calibrate.fisher(module, groups, feed, seed=0)
        calibrate.refresh_norms(module, feed)
        found.append([*scores, predict(module, feed)])
    assert np.array_equal(feed["input"], X)
    torch.testing.assert_close(*found)


def test_answers_leave_the_arrays_of_the_caller_as_they_are(pair: tuple[Net, Net], tmp_path: Path) -> None:
    expected = predict(pair[1], {"input": X}).numpy()
    session, own = _Module(torch, pair[0], "logits"), X.copy()
    for _ in range(3):
        np.testing.assert_allclose(session.run({"input": own})["logits"], expected, atol=1e-5)
    np.testing.assert_allclose(memory.logits(pair[0], [own]), expected, atol=1e-5)
    detect_answers(pair[0], Blueprint(factory="a:b", inputs={"input": (1, 6, 6)}), tiny.context(tmp_path))
    assert np.array_equal(own, X)
    plain = _Module(torch, pair[1], "logits")
    plain.run({"input": own})
    assert (session._changes, plain._changes) == (True, False)


def test_arrays_in_another_order_of_memory_are_fed_in_the_usual_one() -> None:
    class Viewed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.view(len(images), -1)[:, :3]

    turned = np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)[:, :, ::-1]
    np.testing.assert_array_equal(memory.logits(Viewed(), [turned]), turned.reshape(40, -1)[:, :3])
