"""Rows that are not independent, as windows that overlap: bounds over blocks of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from paredown.core.policy import Scale
from paredown.metrics.mae import Mae
from paredown.metrics.rmse import Rmse
from paredown.policy.quality import compare, contest, level
from paredown.stats import bootstrap
from paredown.stats.intervals import student

ROWS, SPAN = 1200, 30


def answers(draw: np.random.Generator, rows: int = ROWS) -> tuple[Any, Any, Any]:
    """Targets of 0; errors whose sizes go on from row to row (AR(1) of 0.8), those of the candidate 2 % larger in the mean."""
    sizes = []
    for _ in range(2):
        noise = np.zeros(rows)
        for at, step in enumerate(draw.normal(size=rows)):
            noise[at] = 0.8 * noise[at - 1] + 0.6 * step
        sizes.append(1 + 0.2 * noise)
    return np.zeros((rows, 1)), sizes[0][:, None], (1.02 * sizes[1])[:, None]


BLOCKS = np.arange(ROWS) // SPAN


def test_blocks_of_equal_size_are_averaged_and_compared_by_students_t() -> None:
    targets, before, after = answers(np.random.default_rng(0))
    found = compare(Mae(), targets, before, after, Scale.POINTS, kind="numbers", blocks=BLOCKS)
    harm = (abs(after) - abs(before))[:, 0].reshape(-1, SPAN).mean(axis=1)
    far = student(0.95, len(harm) - 1) * harm.std(ddof=1) / math.sqrt(len(harm))
    assert (found.n, found.drop) == (len(harm), pytest.approx(harm.mean()))
    assert (found.low, found.upper) == (pytest.approx(harm.mean() - far), pytest.approx(harm.mean() + far))
    shuffled = np.random.default_rng(1).permutation(ROWS)
    again = compare(Mae(), targets, before[shuffled], after[shuffled], Scale.POINTS, kind="numbers", blocks=BLOCKS[shuffled])
    assert again.upper == pytest.approx(found.upper)


def test_each_row_in_a_block_of_its_own_is_a_row() -> None:
    sides = answers(np.random.default_rng(2))
    for scale in (Scale.POINTS, Scale.RELATIVE):
        one, other = (compare(Mae(), *sides, scale, kind="numbers", blocks=blocks) for blocks in (None, np.arange(ROWS)[::-1]))
        assert (one.low, one.upper) == (pytest.approx(other.low), pytest.approx(other.upper))
    one, other = (level(Mae(), sides[0], sides[1], 0.95, kind="numbers", blocks=blocks) for blocks in (None, np.arange(ROWS)))
    assert one == pytest.approx(other)


def test_whole_blocks_are_drawn_for_a_metric_over_the_set(monkeypatch: pytest.MonkeyPatch) -> None:
    targets, before, after = answers(np.random.default_rng(3), 60)
    sizes = []
    real = bootstrap.resampled
    monkeypatch.setattr(bootstrap, "resampled", lambda ask, n, seed=0: sizes.append(n) or real(ask, n, 50, seed))
    found = contest(Rmse(), targets, before, after, Scale.RELATIVE, kind="numbers", blocks=np.arange(60) // 20)
    assert sizes == [3]
    values = {round(value, 9) for value in found.values}  # type: ignore[attr-defined]
    rows = [np.arange(20) + 20 * block for block in range(3)]
    drops = {
        round(float(np.sqrt((after[at] ** 2).mean()) / np.sqrt((before[at] ** 2).mean()) - 1), 9)
        for first in range(3)
        for second in range(3)
        for third in range(3)
        for at in [np.concatenate([rows[first], rows[second], rows[third]])]
    }
    assert values <= drops
    assert level(Rmse(), targets, before, 0.95, kind="numbers", blocks=np.arange(60) // 20)[0] == Rmse().over_set(targets, before)


def test_two_blocks_bound_little_and_one_nothing() -> None:
    sides = answers(np.random.default_rng(4))
    assert compare(Mae(), *sides, Scale.RELATIVE, kind="numbers", blocks=np.zeros(ROWS)).upper == math.inf
    assert contest(Mae(), *sides, Scale.RELATIVE, kind="numbers", blocks=np.zeros(ROWS)).chance(0.0) == 1.0
    two = compare(Mae(), *sides, Scale.RELATIVE, kind="numbers", blocks=np.arange(ROWS) % 2)
    assert two.upper > compare(Mae(), *sides, Scale.RELATIVE, kind="numbers").upper


@pytest.mark.slow
def test_bounds_over_blocks_hold_the_true_drop_as_often_as_they_promise() -> None:
    """Where each row is taken by itself the upper bound at 95 % holds far less often."""
    draw, held = np.random.default_rng(5), {"rows": 0, "blocks": 0}
    for _ in range(600):
        sides = answers(draw)
        for name, blocks in (("rows", None), ("blocks", BLOCKS)):
            held[name] += compare(Mae(), *sides, Scale.RELATIVE, kind="numbers", blocks=blocks).upper >= 0.02
    assert held["rows"] < 0.80 * 600
    assert held["blocks"] > 0.92 * 600
