"""Booked joules by hour of the clock."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.study.hours import hourly_j
from paredown.study.ledger import Ledger, SpanEntry


def span(started: str, ended: str | None, energy_j: float | None, wall_s: float = 0.0, state: str = "done") -> SpanEntry:
    where = {"pid": 1, "host": "h", "boot_id": "b", "reason": "", "cpu_s": None}
    return SpanEntry(id=1, kind="build", key="k", started=started, ended=ended, state=state, wall_s=wall_s, energy_j=energy_j, **where)


def test_work_across_midnight_is_parted_by_its_time_on_either_side() -> None:
    found = hourly_j([span("2026-11-24T23:50:00.000+00:00", "2026-11-25T00:30:00.000+00:00", 40.0)], 0.0)
    assert found == pytest.approx({"2026-11-24T23": 10.0, "2026-11-25T00": 30.0})


def test_work_of_three_hours_fills_the_ones_between_whole() -> None:
    found = hourly_j([span("2026-11-24T21:30:00.000+00:00", "2026-11-24T23:15:00.000+00:00", 105.0)], 0.0)
    assert found == pytest.approx({"2026-11-24T21": 30.0, "2026-11-24T22": 60.0, "2026-11-24T23": 15.0})


def test_a_clock_of_another_zone_is_told_in_utc() -> None:
    found = hourly_j([span("2026-11-25T05:40:00.000+05:30", "2026-11-25T05:50:00.000+05:30", 7.0)], 0.0)
    assert found == {"2026-11-25T00": 7.0}


def test_lost_and_failed_work_counts_and_running_or_unmetered_work_does_not() -> None:
    first, last = "2026-11-24T21:00:00.000+00:00", "2026-11-24T21:10:00.000+00:00"
    found = hourly_j(
        [
            span(first, last, 1.0, state="lost"),
            span(first, last, 2.0, state="failed"),
            span(first, None, 4.0, state="running"),
            span(first, last, None),
        ],
        0.0,
    )
    assert found == {"2026-11-24T21": 3.0}


@pytest.mark.parametrize("ended", ["2026-11-24T21:59:59.999+00:00", "2026-11-24T20:30:00.000+00:00"])
def test_work_whose_clock_stood_or_was_set_back_stays_in_its_first_hour(ended: str) -> None:
    assert hourly_j([span("2026-11-24T21:59:59.999+00:00", ended, 5.0)], 0.0) == {"2026-11-24T21": 5.0}


def test_idle_watts_count_for_each_spans_own_wall_time() -> None:
    outer = span("2026-11-24T21:30:00.000+00:00", "2026-11-24T22:30:00.000+00:00", None, wall_s=10.0)
    inner = replace(outer, wall_s=20.0, energy_j=100.0)
    assert hourly_j([outer, inner], 2.0) == pytest.approx({"2026-11-24T21": 80.0, "2026-11-24T22": 80.0})


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**8), st.floats(0, 1e9), st.floats(0, 1e6)), max_size=20), st.floats(0, 100)
)
def test_the_hours_add_up_to_the_whole(work: list[tuple[int, int, float, float]], idle_w: float) -> None:
    zero = datetime(2026, 1, 1, tzinfo=UTC)
    spans = [
        span(
            (zero + timedelta(milliseconds=began)).isoformat(), (zero + timedelta(milliseconds=began + lasted)).isoformat(), joules, wall_s
        )
        for began, lasted, joules, wall_s in work
    ]
    whole = math.fsum(joules + idle_w * wall_s for _, _, joules, wall_s in work)
    assert math.fsum(hourly_j(spans, idle_w).values()) == pytest.approx(whole, rel=1e-9)


def test_spans_inside_each_other_are_counted_once_and_what_was_before_the_baseline_is_not(tmp_path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.once("baseline", "given", lambda inside: inside.beat(energy_j=1000.0))
        with ledger.span("trial", "t") as outer:
            with ledger.span("build", "b") as inner:
                inner.finish(1, wall_s=3.0, energy_j=30.0)
            outer.finish(1, wall_s=4.0, energy_j=31.0)
        booked = ledger.spans(since_baseline=True)
        assert math.fsum(hourly_j(booked, 0.0).values()) == ledger.spent().energy_j == 31.0
        assert math.fsum(hourly_j(booked, 5.0).values()) == 31.0 + 5.0 * ledger.spent().wall_s


def test_a_span_may_book_what_began_before_it(tmp_path) -> None:
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        began = datetime.now(UTC) - timedelta(hours=2)
        with ledger.span("own", "o", began) as inside:
            inside.finish(None, energy_j=120.0)
        (entry,) = ledger.spans()
        assert entry.wall_s < 60, "its wall time is its own; that of the work beside it is booked there"
        hours = hourly_j([entry], 0.0)
        assert max(hours.values()) == pytest.approx(60.0, rel=0.01)


def test_a_clock_that_is_set_inside_a_span_moves_its_end_nowhere(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        with ledger.span("build", "b") as inside:
            monkeypatch.setattr(time, "time", lambda: real() + 5 * 3600)
            inside.finish(None, energy_j=6.0)
        (entry,) = ledger.spans()
    assert entry.ended is not None
    assert datetime.fromisoformat(entry.ended) - datetime.fromisoformat(entry.started) < timedelta(minutes=1)


def test_a_span_from_1970_to_now_is_a_clock_that_was_set() -> None:
    assert hourly_j([span("1970-01-01T00:10:00.000+00:00", "2026-11-24T21:00:00.000+00:00", 5.0)], 0.0) == {"1970-01-01T00": 5.0}
