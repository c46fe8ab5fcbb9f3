"""UTC that is read once goes on by the steady clock, and a clock that is set is noticed."""

from __future__ import annotations

import time

import pytest

from paredown.ground import clock
from paredown.ground.clock import SteadyClock

HOUR_S = 3600.0


@pytest.mark.parametrize("moved_s", [5 * HOUR_S, -5 * HOUR_S, 56 * 365.25 * 24 * HOUR_S])
def test_a_clock_that_is_set_moves_nothing_and_is_said(monkeypatch: pytest.MonkeyPatch, moved_s: float) -> None:
    found, real = SteadyClock(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + moved_s)
    assert abs(found.utc_s() - real()) < 1
    assert found.set_s() == pytest.approx(moved_s, abs=1)
    assert found.slept_s() == 0


def test_what_a_time_server_corrects_bit_by_bit_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    found, real, steady = SteadyClock(), time.time, clock.steady_s
    monkeypatch.setattr(time, "time", lambda: real() + 1.5)
    assert found.set_s() == 0
    monkeypatch.setattr(clock, "steady_s", lambda: steady() + 24 * HOUR_S)
    monkeypatch.setattr(time, "time", lambda: real() + 24 * HOUR_S + 40)
    assert found.set_s() == 0


def test_sleep_of_the_machine_is_in_utc_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found, real, steady = SteadyClock(), time.time, clock.steady_s
    monkeypatch.setattr(clock, "steady_s", lambda: steady() + 8 * HOUR_S)
    monkeypatch.setattr(time, "time", lambda: real() + 8 * HOUR_S)
    assert found.slept_s() == pytest.approx(8 * HOUR_S, abs=1)
    assert found.set_s() == 0
    assert abs(found.utc_s() - time.time()) < 1
