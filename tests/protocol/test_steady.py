"""Warm-up ends when windows come to rest."""

from __future__ import annotations

import random

import pytest

from paredown.protocol.steady import State, spread_of, state_of


def test_five_windows_within_two_percent_are_steady() -> None:
    assert state_of([9.0, 3.0, 1.010, 1.000, 1.005, 0.995, 1.002]) is State.STEADY


def test_a_series_that_still_falls_is_not_however_little() -> None:
    assert state_of([1.010, 1.008, 1.006, 1.004, 1.002]) is State.MOVING
    assert state_of([2 - 0.1 * at for at in range(10)]) is State.MOVING


def test_a_noisy_machine_is_level_after_ten_windows_without_a_trend() -> None:
    draw = random.Random(3)
    noisy = [draw.uniform(1, 1.5) for _ in range(10)]
    assert state_of(noisy[:9]) is State.MOVING
    assert state_of(noisy) is State.LEVEL
    assert state_of([9.0, 8.0, 7.0, *noisy]) is State.LEVEL  # what was slow at first is no longer looked at


def test_one_disturbed_window_of_five_does_not_hide_that_it_is_steady() -> None:
    assert state_of([1.0, 1.001, 5.0, 1.002, 0.999]) is State.STEADY
    assert spread_of([1.0, 1.1, 1.2, 1.3, 1.4]) == pytest.approx(1.4826 * 0.1 / 1.2)
