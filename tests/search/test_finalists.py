"""Finalists, chances and the front against brute force."""

from __future__ import annotations

import math
import random
from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.trial import Trial
from paredown.search.finalists import MOST, Contender, chance_from_bound, chance_to_pass, choose, front


def contender(number: int, gain: float, chance: float) -> Contender:
    return Contender(trial=Trial(id=number, recipe="x @ y"), gain=gain, chance=chance)


def worth(order: tuple[Contender, ...]) -> float:
    """Expected logarithm of the gain of what ships: the last that passed before the first that did not. All outcomes are gone through."""
    total = 0.0
    for outcomes in product((True, False), repeat=len(order)):
        chance, shipped, stopped = 1.0, 0.0, False
        for item, passed in zip(order, outcomes):
            chance *= item.chance if passed else 1 - item.chance
            stopped = stopped or not passed
            shipped = shipped if stopped else math.log(item.gain)
        total += chance * shipped
    return total


def allowed(order: tuple[Contender, ...]) -> bool:
    return all(one.chance >= two.chance and one.gain < two.gain for one, two in pairwise(order))


@given(st.lists(st.tuples(st.floats(0.5, 30), st.floats(0, 1)), max_size=6))
def test_the_sequence_with_the_largest_expected_saving_is_chosen(pairs: list[tuple[float, float]]) -> None:
    contenders = [contender(number, *pair) for number, pair in enumerate(pairs)]
    found = choose(contenders)
    orders = [order for size in range(1, MOST + 1) for order in permutations([one for one in contenders if one.gain > 1], size)]
    best = max([worth(order) for order in orders if allowed(order)], default=0.0)
    assert worth(tuple(found)) == pytest.approx(best, abs=1e-9)
    assert allowed(tuple(found))
    assert len(found) <= MOST
    assert all(one.gain > 1 for one in found)


def test_safest_first_and_no_more_than_asked_for() -> None:
    safe, middle, bold = contender(1, 2.0, 0.99), contender(2, 4.0, 0.9), contender(3, 12.0, 0.5)
    assert choose([bold, safe, middle]) == [safe, middle, bold]
    assert len(choose([bold, safe, middle], most=1)) == 1
    assert choose([]) == []
    assert choose([contender(1, 0.9, 1.0), contender(2, 3.0, 0.0)]) == []
    # what is worse in both is of no use
    assert choose([safe, contender(4, 1.5, 0.9)]) == [safe]


START = {"lost": 0.02, "gained": 0.01, "distance": 0.03, "rows": 500, "test_rows": 1000, "margin": 0.03}


@pytest.mark.parametrize(
    ("name", "values", "sign"),
    [
        ("lost", np.linspace(0, 0.2, 15), -1),
        ("gained", np.linspace(0, 0.01, 15), 1),
        ("distance", np.linspace(0, 1, 15), -1),
        ("test_rows", [100, 300, 1000, 3000, 10_000], 1),
        ("margin", np.linspace(0, 0.2, 15), 1),
        ("confidence", [0.5, 0.8, 0.9, 0.95, 0.99], -1),
    ],
)
def test_the_chance_rises_and_falls_with_each_argument(name: str, values: list[float], sign: int) -> None:
    chances = [chance_to_pass(**START | {name: value}) for value in values]  # type: ignore[arg-type]
    assert all(0 <= chance <= 1 for chance in chances)
    steps = sign * np.diff(chances)
    assert (steps >= -1e-12).all(), chances
    assert chances[0] != chances[-1]


def test_more_validation_rows_with_the_same_good_news_raise_the_chance() -> None:
    few, many = (chance_to_pass(lost=0.0, gained=0.0, distance=0.02, rows=rows, test_rows=2000, margin=0.02) for rows in (50, 5000))
    assert many > few


def test_extremes_of_the_chance() -> None:
    assert chance_to_pass(lost=0.5, gained=0.0, distance=0.5, rows=10, test_rows=10, margin=None) == 1.0
    assert chance_to_pass(lost=0.0, gained=0.0, distance=0.0, rows=2000, test_rows=100_000, margin=0.05) > 0.999
    assert chance_to_pass(lost=0.3, gained=0.0, distance=0.3, rows=2000, test_rows=100_000, margin=0.05) < 0.001


points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(points)
def test_the_front_is_what_nothing_beats(pairs: list[tuple[int, int]]) -> None:
    trials = [Trial(id=10 + number, recipe="x @ y") for number in range(len(pairs))]
    found = front(trials, [float(gain) for gain, _ in pairs], [float(quality) for _, quality in pairs])
    expected = []
    for trial, (gain, quality) in zip(trials, pairs):
        better = [pair for pair in pairs if pair[0] >= gain and pair[1] >= quality and pair != (gain, quality)]
        if not better:
            expected.append(trial.id)
    assert found == expected
    assert bool(found) == bool(pairs)


def test_a_bound_of_validation_predicts_the_bound_of_test() -> None:
    """Simulated: draws of a true drop around what validation saw, then a bound on test of the size that its rows give."""
    draw, seen, rows, test_rows, margin = random.Random(0), 0.004, 400, 900, 0.02
    upper = 0.005 + 1.6449 * seen
    passed = sum(
        draw.gauss(draw.gauss(0.005, seen), own := seen * (rows / test_rows) ** 0.5) + 1.6449 * own <= margin for _ in range(20_000)
    )
    assert chance_from_bound(0.005, upper, rows, test_rows, margin) == pytest.approx(passed / 20_000, abs=0.01)
    assert chance_from_bound(0.005, upper, rows, test_rows, None) == 1.0
