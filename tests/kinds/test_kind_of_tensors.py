"""All outputs of a model as one row of numbers: how far apart they are, output by output."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.kinds.decode import answer, make_decoder
from paredown.kinds.known import kind_of
from paredown.kinds.tensors import Tensors, spread_of

PARTS = [{"name": "score", "shape": [], "spread": 2.0}, {"name": "map", "shape": [10, 10], "spread": 100.0}]
DECODE = {"kind": "values", "output": "tensors", "width": 101, "parts": PARTS}


def test_a_large_output_does_not_hide_a_small_one() -> None:
    kind, before = kind_of(DECODE), np.zeros((3, 101), np.float32)
    after = before.copy()
    after[1, 0] = 1.0  # half of the spread of one number among 101
    after[2] = 1e9
    np.testing.assert_allclose(kind.credit(before, after), [1.0, 1 - 0.5 / 2, 0.0])
    assert kind.changed(before, after).tolist() == [False, True, True]
    assert kind.moved(before, before, after) == {"distance": pytest.approx((0 + 0.25 + 1) / 3)}
    assert kind.said(before, after, [])[1] == "score is 50 % of its spread away, map is 0 % of its spread away"
    after[1, 1:] = 50.0
    np.testing.assert_allclose(kind.credit(before, after)[1], 1 - (0.5 + 0.5) / 2)


def test_the_means_of_a_model_are_about_one_spread_away() -> None:
    answers = np.random.default_rng(0).normal(5, 3, (400, 50))
    spread = spread_of(answers)
    assert spread == pytest.approx(3, rel=0.02)
    kind = Tensors(({"name": "y", "shape": [50], "spread": spread},))
    assert kind.credit(answers, np.tile(answers.mean(0), (400, 1))).mean() < 0.1


def test_a_spread_is_never_zero() -> None:
    assert spread_of(np.full((5, 3), 4.0)) == 4.0
    assert spread_of(np.zeros((5, 3))) == 1.0
    assert spread_of(np.full((1, 1), 1e-30)) == 1e-30
    assert np.isfinite(Tensors().credit(np.zeros((4, 2)), np.ones((4, 2)))).all()


def test_learning_weighs_each_output_alike_in_units_of_its_spread() -> None:
    kind, draw = kind_of(DECODE), np.random.default_rng(0)
    before, after = draw.normal(size=(2, 30, 101)) * np.array([2.0] + [100.0] * 100)
    mine, goal = (kind.undecoded(answers, DECODE) for answers in (before, after))
    away = (before - after) ** 2
    wanted = (away[:, 0].mean() / 2.0**2 + away[:, 1:].mean() / 100.0**2) / 2
    assert ((mine - goal) ** 2).mean() == pytest.approx(wanted, rel=1e-5)


def test_answers_are_told_by_name_and_keep_their_shape() -> None:
    found = make_decoder(DECODE)({"tensors": np.arange(202, dtype=np.float32).reshape(2, 101)})
    assert found.dtype == np.float32
    said = answer(DECODE, ["score", "map"], found)
    assert [row["score"] for row in said] == [0.0, 101.0]
    assert said[1]["map"].shape == (10, 10)
    assert said[1]["map"][0, 0] == 102.0


def test_there_are_no_labels() -> None:
    with pytest.raises(BadData, match=r"the column 'y' holds labels, and tensors have none: .*\n  Write `metric: agreement`"):
        Tensors().targets(["1"], "y")
