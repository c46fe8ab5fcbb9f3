"""The forecast on closed forms, the choice against brute force, and four recorded grids."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.core.errors import BadData
from paredown.ground.hours import HOUR_S
from paredown.intensity.foresee import Hours, backtest, choose, foresee
from paredown.intensity.series import Series, joined, moment, read_series, stamp
from paredown.intensity.when import best, choice, span

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "carbon_electricitymaps"
START_S = 1_672_531_200  # 2023-01-01T00:00Z
DAY_S = 24 * HOUR_S


def made(value: Callable[[int], float], hours: int, *, start_s: int = START_S, zone: str = "x", forecast_s: int | None = None) -> Series:
    times = tuple(start_s + HOUR_S * hour for hour in range(hours))
    values = tuple(value(hour) for hour in range(hours))
    return Series(zone=zone, times_s=times, step_s=HOUR_S, values=values, source=f"{zone}.csv", forecast_s=forecast_s)


def sine(hour: int) -> float:
    """A grid of sun: least at 12, most at 0."""
    return 200 + 100 * math.cos(2 * math.pi * hour / 24)


def test_a_daily_curve_is_expected_to_go_on_and_its_trough_is_chosen() -> None:
    series, now_s = made(sine, 40 * 24), START_S + 30 * DAY_S + 2 * HOUR_S
    assert foresee(series, now_s, 24, share=1.0).values == pytest.approx([sine(hour) for hour in range(2, 26)])
    found = choice(series, now_s, 4 * HOUR_S, DAY_S, hindsight=True)
    assert [stamp(time) for time in found.pieces[0]] == ["2023-01-31T10:00Z", "2023-01-31T14:00Z"]
    at_once, then = (sum(sine(hour) for hour in hours) / 4 for hours in (range(2, 6), range(10, 14)))
    assert (found.now_g_per_kwh, found.then_g_per_kwh, found.saving) == pytest.approx((at_once, then, 1 - then / at_once))
    assert found.happened == pytest.approx((at_once, then))
    assert found.waits
    assert found.start_s == found.pieces[0][0]
    assert found.record is not None
    assert (found.record.of_possible, found.record.worse) == pytest.approx((1, 0))


def test_a_level_that_stays_is_kept_and_fades() -> None:
    series = made(lambda hour: 100 if hour < 30 * 24 - 3 else 148, 30 * 24)
    ahead = foresee(series, series.end_s, 48, share=0.5)
    assert ahead.values[:24] == pytest.approx(
        [100 + 0.5 * 48 * math.exp(-(hour + 1) / 24) for hour in range(21)] + [ahead.values[21]] * 3, abs=8
    )
    assert ahead.values[30] == pytest.approx(100 + 24 * math.exp(-31 / 24))


def test_days_alike_weigh_twice() -> None:
    weekend = made(lambda hour: 50 if moment(START_S + hour * HOUR_S).weekday() >= 5 else 100, 28 * 24)
    ahead = foresee(weekend, weekend.end_s, 24, share=0.0)  # a Sunday
    weights = [(math.exp(-age / 14), moment(weekend.end_s - (age + 1) * DAY_S).weekday() >= 5) for age in range(28)]
    alike, other = (sum(weight for weight, off in weights if off is kind) for kind in (True, False))
    assert ahead.values[0] == pytest.approx((2 * alike * 50 + other * 100) / (2 * alike + other))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=2, max_size=9), st.data())
def test_the_choice_is_the_least_of_all_that_are_allowed(costs: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(costs)))
    piece = data.draw(st.integers(1, count))
    chosen = choose(np.array([costs], float), count, piece)[0]

    def runs(cells: tuple[int, ...]) -> list[int]:
        return [len(list(group)) for on, group in itertools.groupby(range(len(costs)), key=lambda at: at in cells) if on]

    allowed = [cells for cells in itertools.combinations(range(len(costs)), count) if min(runs(cells)) >= piece]
    assert tuple(np.flatnonzero(chosen)) in allowed
    assert sum(np.array(costs)[chosen]) == min(sum(costs[at] for at in cells) for cells in allowed)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 500), min_size=30, max_size=30), st.integers(1, 40), st.integers(0, 3599), st.integers(1, 80))
def test_no_start_on_the_hour_before_the_deadline_is_better(values: list[int], quarters: int, into_s: int, spare: int) -> None:
    series = made(lambda hour: values[hour % 30], 60, forecast_s=START_S)
    now_s, work_s, deadline_s = START_S + into_s, quarters * 900, (quarters + spare) * 900
    found = choice(series, now_s, work_s, deadline_s)
    last_s = now_s + deadline_s - work_s
    starts = [now_s, *(time for time in series.times_s if now_s <= time <= last_s)]
    assert found.foreseen == "file"
    assert found.then_g_per_kwh == pytest.approx(min(series.mean(time, time + work_s) for time in starts))
    assert now_s <= found.pieces[0][0]
    assert found.pieces[-1][1] <= now_s + deadline_s


def test_interruptible_work_takes_the_lowest_hours() -> None:
    values = [300, 100, 300, 100, 300, 300, 120, 130, 300, 300]
    series = made(lambda hour: values[hour % 10], 60, forecast_s=START_S)
    found = choice(series, START_S, 2 * HOUR_S, 10 * HOUR_S, piece_s=HOUR_S)
    assert found.pieces == ((START_S + HOUR_S, START_S + 2 * HOUR_S), (START_S + 3 * HOUR_S, START_S + 4 * HOUR_S))
    assert found.then_g_per_kwh == 100
    assert choice(series, START_S, 2 * HOUR_S, 10 * HOUR_S, piece_s=2 * HOUR_S).then_g_per_kwh == 125
    half = choice(series, START_S, 1.5 * HOUR_S, 10 * HOUR_S, piece_s=HOUR_S)
    assert sum(end - start for start, end in half.pieces) == 1.5 * HOUR_S


def test_a_flat_grid_is_not_worth_waiting_for() -> None:
    found = choice(made(lambda hour: 100 + hour % 2, 40 * 24), START_S + 30 * DAY_S, HOUR_S, DAY_S)
    assert not found.waits
    assert found.start_s == found.now_s
    tight = choice(made(sine, 40 * 24), START_S + 30 * DAY_S + 60, 4 * HOUR_S, 4 * HOUR_S)
    assert tight.pieces == ((tight.now_s, tight.now_s + 4 * HOUR_S),)
    assert tight.saving == 0


def test_only_the_past_is_used_when_a_past_time_is_tried() -> None:
    now_s = START_S + 30 * DAY_S
    other = made(lambda hour: sine(hour) if hour < 30 * 24 else 1000 - sine(hour), 40 * 24)
    one, two = (choice(series, now_s, 4 * HOUR_S, DAY_S, hindsight=True) for series in (made(sine, 40 * 24), other))
    assert (one.pieces, one.then_g_per_kwh, one.record) == (two.pieces, two.then_g_per_kwh, two.record)
    assert one.happened != two.happened
    assert choice(other, now_s, 4 * HOUR_S, DAY_S).pieces != two.pieces  # live, what lies ahead can only be a forecast


def test_a_forecast_is_not_taken_for_what_happened() -> None:
    now_s = START_S + 30 * DAY_S
    ahead = choice(made(sine, 40 * 24, forecast_s=now_s), now_s, 4 * HOUR_S, DAY_S, hindsight=True)
    assert (ahead.foreseen, ahead.happened) == ("file", None)
    before = choice(made(sine, 40 * 24, forecast_s=now_s + 8 * HOUR_S), now_s, 4 * HOUR_S, DAY_S, hindsight=True)
    assert (before.foreseen, before.happened) == ("past", None)
    assert "what happened then is not in the series." in before.notes


def test_a_forecast_that_ends_early_is_used_as_far_as_it_goes() -> None:
    series = made(sine, 10, forecast_s=START_S)
    found = choice(series, START_S, 2 * HOUR_S, DAY_S)
    assert found.pieces[0][0] == START_S + 8 * HOUR_S
    assert any("the forecast ends at 2023-01-01T10:00Z" in note for note in found.notes)


def without(series: Series, hours: set[int]) -> Series:
    kept = [(time, value) for time, value in zip(series.times_s, series.values) if (time - START_S) // HOUR_S not in hours]
    return replace(series, times_s=tuple(time for time, _ in kept), values=tuple(value for _, value in kept))


def test_a_hole_in_a_forecast_is_a_hole_and_the_rest_is_used() -> None:
    values = [300, 290, 280, 295, *[100] * 6, *[270] * 6, *[130] * 8]
    series = without(made(lambda hour: values[hour], 24, forecast_s=START_S), set(range(4, 10)))
    found = choice(series, START_S, 3 * HOUR_S, DAY_S)
    assert ([stamp(time) for time in found.pieces[0]], found.then_g_per_kwh) == (["2023-01-01T16:00Z", "2023-01-01T19:00Z"], 130)
    assert found.notes[0] == "6 h of the forecast are missing, the first from 2023-01-01T04:00Z; no work is planned into them."
    apart = choice(series, START_S, 10 * HOUR_S, DAY_S, piece_s=2 * HOUR_S)
    assert [stamp(time) for piece in apart.pieces for time in piece] == [*("2023-01-01T14:00Z", "2023-01-02T00:00Z")]
    near = choice(series, START_S + 2 * HOUR_S, 4 * HOUR_S, 6 * HOUR_S)
    assert (near.now_g_per_kwh, near.then_g_per_kwh, near.waits) == (287.5, 287.5, False)
    assert "hours of a job that starts at once are missing" in " ".join(near.notes)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 500), min_size=24, max_size=24),
    st.sets(st.integers(1, 23), max_size=16),
    st.integers(1, 5),
    st.integers(0, 3599),
    st.sampled_from([None, 1, 2, 3]),
)
def test_no_hole_is_chosen_and_nothing_known_is_better(
    values: list[int], hours: set[int], work_h: int, into_s: int, piece_h: int | None
) -> None:
    series = without(made(lambda hour: values[hour], 24, forecast_s=START_S), hours)
    now_s = START_S + into_s
    found = choice(series, now_s, work_h * HOUR_S, DAY_S - into_s, piece_s=piece_h and piece_h * HOUR_S)
    if found.pieces[0][0] == now_s:
        return
    assert all(series.known(start, end) is not None for start, end in found.pieces)
    whole = [series.known(time, time + work_h * HOUR_S) for time in series.times_s if time >= now_s]
    assert found.then_g_per_kwh <= min([mean for mean in whole if mean is not None], default=math.inf) + 1e-9


def test_a_short_look_ahead_does_not_replace_the_past() -> None:
    now_s = START_S + 30 * DAY_S
    series = made(sine, 30 * 24 + 1)  # the hour that has just begun is known already
    found = choice(series, now_s, 600, DAY_S)
    assert (found.foreseen, stamp(found.pieces[0][0])) == ("past", "2023-01-31T12:00Z")


def test_a_series_that_comes_late_is_used_all_the_same() -> None:
    now_s = START_S + 30 * DAY_S
    late = choice(made(sine, 30 * 24 - 7), now_s, 4 * HOUR_S, DAY_S)
    assert late.pieces == choice(made(sine, 30 * 24), now_s, 4 * HOUR_S, DAY_S).pieces
    assert late.record is not None
    assert late.record.of_possible == pytest.approx(1)


def test_hours_of_a_half_hour_offset_keep_their_place() -> None:
    values = tuple(100.0 if hour % 24 == 12 else 300.0 for hour in range(30 * 24))
    times = tuple(START_S + 1800 + hour * HOUR_S for hour in range(30 * 24))
    india = Series(zone="IN", times_s=times, step_s=HOUR_S, values=values, source="in.csv")
    assert india.at("2023-01-01T12") == india.at("2023-01-01T13") == 200
    found = choice(india, india.end_s, 2 * HOUR_S, DAY_S)
    assert stamp(found.pieces[0][0]) == "2023-01-31T12:00Z"


def test_what_cannot_be_foreseen_is_refused() -> None:
    series = made(sine, 40 * 24)
    with pytest.raises(BadData, match=r"x\.csv ends at 2023-02-10T00:00Z; 2023-03-02T00:00Z is expected from the 28 days before it"):
        choice(series, START_S + 60 * DAY_S, HOUR_S, DAY_S)
    with pytest.raises(BadData, match=r"x\.csv holds too little before 2023-01-04T00:00Z: .* 7 days"):
        choice(series, START_S + 3 * DAY_S, HOUR_S, DAY_S, hindsight=True)
    with pytest.raises(BadData, match=r"a job of 4 h does not end within a deadline of 1 h 30 min"):
        choice(series, START_S, 4 * HOUR_S, 1.5 * HOUR_S)
    with pytest.raises(BadData, match=r"a deadline of 696 h is more than 672 h; no grid is foreseen so far\.\n  Give a nearer deadline"):
        choice(series, START_S, 4 * HOUR_S, 29 * DAY_S)


def test_a_series_without_one_whole_hour_has_no_past() -> None:
    """Its hours would begin in 1970: half a million of them, of which none is known."""
    minutes = Series(zone="x", times_s=(START_S, START_S + 300), step_s=300, values=(400.0, 300.0), source="x.csv")
    assert not len(Hours.of(minutes, math.inf).values)
    assert choice(minutes, START_S, 300, HOUR_S).then_g_per_kwh == 300


def test_places_are_compared_by_one_signal() -> None:
    now_s = START_S + 30 * DAY_S
    low = choice(made(lambda hour: 40, 40 * 24, zone="low"), now_s, HOUR_S, DAY_S)
    high = choice(made(sine, 40 * 24, zone="high"), now_s, HOUR_S, DAY_S)
    assert best([high, low]).zone == "low"
    marginal = Series(
        zone="m", times_s=low.ahead.times_s, step_s=HOUR_S, values=low.ahead.values, source="m.csv", signal="marginal", forecast_s=START_S
    )
    with pytest.raises(BadData, match=r"low \(average\) and m \(marginal\) cannot be compared"):
        best([low, choice(marginal, now_s, HOUR_S, DAY_S)])


def test_a_marginal_grid_with_nothing_to_save_is_no_trouble() -> None:
    series = made(lambda hour: 0.0, 40 * 24)
    found = choice(series, START_S + 30 * DAY_S, HOUR_S, DAY_S, hindsight=True)
    assert (found.saving, found.waits, found.happened) == (0, False, (0, 0))
    assert found.record is not None
    assert (found.record.saved, found.record.of_possible) == (0, 0)


def test_lengths_of_time_in_words() -> None:
    assert [span(time) for time in (45, 90 * 60, 4 * HOUR_S, 600)] == ["45 s", "1 h 30 min", "4 h", "10 min"]


def test_a_backtest_does_what_would_have_been_chosen_each_time() -> None:
    draw = np.random.default_rng(1)
    series = made(lambda hour: sine(hour) + float(draw.uniform(0, 150)), 100 * 24)
    start_s = START_S + 90 * DAY_S
    found = [choice(series, start_s + hour * HOUR_S, 4 * HOUR_S, DAY_S, hindsight=True) for hour in range(20)]
    pairs = [each.happened for each in found if each.happened is not None]
    record, _ = backtest(series, start_s, start_s + 19 * HOUR_S + DAY_S, 4, 24, 4)
    assert record is not None
    assert record.starts == len(pairs) == 20
    assert record.saved == pytest.approx(1 - sum(then for _, then in pairs) / sum(now for now, _ in pairs))


def test_nothing_is_saved_in_noise() -> None:
    draw = np.random.default_rng(0)
    noise = made(lambda hour: float(draw.uniform(50, 150)), 800 * 24)
    record, _ = backtest(noise, START_S + 60 * DAY_S, noise.end_s, 1, 24, 1)
    assert record is not None
    assert record.low is not None
    assert record.high is not None
    assert record.low < 0 < record.high < 0.1
    assert record.possible > 0.4


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recorded series are not here")
@pytest.mark.parametrize("year", [2022, 2023])
def test_most_of_what_can_be_saved_is_saved_on_recorded_grids(year: int) -> None:
    shares = []
    for zone in ("BR", "ES", "US-CAL-CISO", "NO"):
        series = joined([read_series(SHARED / f"{zone}_{each}_hourly.csv.gz") for each in (year - 1, year)])
        record, _ = backtest(series, datetime(year, 1, 1, tzinfo=UTC).timestamp(), series.end_s, 4, 24, 4)
        assert record is not None
        assert record.starts == 8760 - 23
        shares.append(record.of_possible)
    assert min(shares) >= 0.6
    assert sum(shares) / 4 >= 0.8
