"""A cascade's threshold keeps its promise: brute force over all thresholds finds none lower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.kinds.one_class import OneClass
from paredown.techniques.cascade import Cascade
from paredown.testing.contracts import check_technique


def test_contract(tmp_path: Path) -> None:
    check_technique(Cascade, tmp_path)


def pair(seed: int, rows: int, sharpness: float, skill: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of two models of some skill, and labels; sharp ones are close to 1, where thresholds lie close together."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 4, rows)
    out = []
    for knows in skill:
        logits = draw.normal(size=(rows, 4))
        logits[np.arange(rows), labels] += knows
        powers = np.exp(sharpness * logits)
        out.append(powers / powers.sum(1, keepdims=True))
    return out[0], out[1], labels


def routed(first: np.ndarray, second: np.ndarray, labels: np.ndarray, at: float) -> tuple[int, int]:
    """Right answers of the pair at a threshold, and rows that the first answers."""
    sure = first.max(1) >= at
    answers = np.where(sure, first.argmax(1), second.argmax(1))
    return int((answers == labels).sum()), int(sure.sum())


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 8.0, 30.0])
@pytest.mark.parametrize("seed", range(12))
def test_the_threshold_is_the_lowest_that_loses_nothing(seed: int, sharpness: float) -> None:
    rows = 300 if seed % 2 else 40
    first, second, labels = pair(seed, rows, sharpness, (1.0 + seed / 4, 2.5))
    alone = int((second.argmax(1) == labels).sum())
    allowed = []
    for step in range(1001):
        right, answered = routed(first, second, labels, step / 1000)
        if right >= alone and answered >= rows / 4:
            allowed.append(step / 1000)
    found = Cascade().settings(first, second, labels, OneClass())
    assert bool(found) == bool(allowed)
    if found:
        (setting,) = found
        # thresholds that route alike are one: none may be cheaper
        assert routed(first, second, labels, setting["at"]) == routed(first, second, labels, min(allowed))
        assert routed(first, second, labels, setting["at"])[0] >= alone
        assert Cascade(at=setting["at"]).program() == {"kind": "cascade", "at": setting["at"]}


def test_rows_of_nearly_one_certainty_are_not_pulled_apart() -> None:
    # a threshold of three digits cannot let 0.9008 pass and stop 0.9002
    sure = np.array([0.9008, 0.9002, 0.95, 0.96])
    first = np.stack([sure, 1 - sure], 1)
    second = np.array([[0.1, 0.9], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]])
    labels = np.array([0, 1, 0, 0])
    assert Cascade().settings(first, second, labels, OneClass()) == [{"at": 0.9}]
    assert Cascade().settings(first, second, np.array([1, 1, 0, 0]), OneClass()) == [{"at": 0.95}]


def test_a_first_model_that_is_seldom_sure_is_no_help() -> None:
    labels = np.zeros(8, int)
    good = np.tile([0.9, 0.1], (8, 1))
    bad = np.tile([0.4, 0.6], (8, 1))
    assert Cascade().settings(bad, good, labels, OneClass()) == []
    bad[0] = [0.99, 0.01]
    assert Cascade().settings(bad, good, labels, OneClass()) == []
    bad[:2] = [0.99, 0.01]
    assert Cascade().settings(bad, good, labels, OneClass()) == [{"at": 0.99}]
    assert Cascade().settings(good, good, labels, OneClass()) == [{"at": 0.9}]
