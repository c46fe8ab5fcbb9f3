"""The next hours of a grid from its past alone, and what following that forecast would have saved.

An hour is expected to be as the same hour was in the last 28 days: a day weighs exp(-age / 14 days), twice when both are work days or both
are weekend days (UTC). Added is a share of how far the last three hours were from that, which fades by exp(-hours / 24). The share, 0, 1/3,
2/3 or 1, is the one that would have saved most on this very series in the 56 days before: a grid of wind keeps its level for hours, a grid
of sun does not.

Source: profile with persistence, the usual reference forecasts of load and intensity.
Departs: the persistent share is chosen by what it saves, not by its error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from paredown.core.errors import BadData
from paredown.ground.hours import HOUR_S
from paredown.intensity.series import Series, moment, stamp
from paredown.stats.bootstrap import bound, resampled

DAYS = 28
RECENT_D = 14.0
ALIKE = 2.0
LEAST = 7
"""Values of the same hour that an hour's expectation needs."""
LEVEL_H = 3
FADE_H = 24.0
SHARES = (0.0, 1 / 3, 2 / 3, 1.0)
LEARN_H = 56 * 24
YEAR_H = 365 * 24
CELLS = 4_000_000
"""Choices weighed in one backtest; above it not every hour is a start."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Record:
    """What waiting for the chosen window would have saved on past data, against starting at once.

    Args:
        starts: Start times that were tried.
        start_s, end_s: The first of them and the end of the last, in seconds since 1970 UTC.
        saved: Share of the carbon that was saved: 0 nothing.
        possible: Share that a perfect forecast would have saved.
        of_possible: saved over possible; 1 is perfect, 0 is starting at once, below 0 is worse.
        low, high: 95 % interval of `of_possible` over calendar months; None with fewer than 3.
        worse: Share of starts that ended with more carbon than starting at once.
        low_saved, high_saved: The saving of a single start: 10 % of starts lie below and above.
    """

    starts: int
    start_s: int
    end_s: int
    saved: float
    possible: float
    of_possible: float
    low: float | None
    high: float | None
    worse: float
    low_saved: float
    high_saved: float


@dataclass(frozen=True, kw_only=True)
class Hours:
    """A series as whole hours in a row.

    Args:
        first: Hours since 1970 UTC of the first value.
        values: g CO2e per kWh; NaN where an hour is not known.
    """

    first: int
    values: Floats

    @classmethod
    def of(cls, series: Series, until_s: float = math.inf) -> Hours:
        """The hours of a series that are over at `until_s`."""
        known, end = series.hours(), math.floor(min(series.end_s, until_s) / HOUR_S)
        first = min(known, default=end)
        values = np.full(max(0, end - first), np.nan)
        for hour, value in known.items():
            if hour < first + len(values):
                values[hour - first] = value
        return cls(first=first, values=values)


def foresee(series: Series, now_s: float, ahead_h: int, share: float) -> Series:
    """The hours from `now_s` on, expected from what was over before.

    Args:
        series: The past; what it holds after `now_s` is not looked at.
        now_s: Seconds since 1970 UTC.
        ahead_h: Hours ahead, 1 or more.
        share: Of the present level that is kept, 0 to 1.

    Raises:
        BadData: The past does not reach to within a week of `now_s`, or is shorter than a week.
    """
    past = Hours.of(series, now_s)
    now = math.floor(now_s / HOUR_S)
    age_h = now - past.first - len(past.values)
    if not len(past.values) or age_h > LEAST * 24:
        ended = f"ends at {stamp(series.end_s)}" if series.end_s < now_s else f"begins at {stamp(series.start_s)}"
        raise BadData(
            f"{series.source} {ended}; {stamp(now_s)} is expected from the {DAYS} days before it, the last of them known.\n"
            "  Give a newer file, or try a time within the series with `--at`."
        )
    padded = np.concatenate([past.values, np.full(age_h, np.nan)])
    expected = _Expected.of(Hours(first=past.first, values=padded), ahead_h)
    row = expected.rows(np.array([len(padded)]), ahead_h, share)[0]
    if np.isnan(row).any():
        raise BadData(
            f"{series.source} holds too little before {stamp(now_s)}: an hour is expected from the same hour of {LEAST} days or more.\n"
            f"  Give a series of {DAYS} days."
        )
    return Series(
        zone=series.zone,
        times_s=tuple((now + hour) * HOUR_S for hour in range(ahead_h)),
        step_s=HOUR_S,
        values=tuple(float(value) for value in row),
        source=f"expected from the past: {series.source}",
        signal=series.signal,
        forecast_s=now * HOUR_S,
    )


def choose(costs: Floats, count: int, piece: int) -> Mask:
    """The cells with the least cost, in runs of at least `piece` cells; the earliest of equals.

    Args:
        costs: Shape (cases, cells).
        count: Cells to choose, 1 to cells.
        piece: The shortest run, 1 to count; `count` asks for one run.

    Returns:
        Shape (cases, cells), `count` of them true in each case.
    """
    cases, cells = costs.shape
    chosen = np.zeros((cases, cells), bool)
    sums = np.concatenate([np.zeros((cases, 1)), np.cumsum(costs, axis=1)], axis=1)
    if piece >= count:
        starts = np.argmin(np.round(sums[:, count:] - sums[:, :-count], 9), axis=1)
        after = np.arange(cells) - starts[:, None]
        return np.asarray((after >= 0) & (after < count))
    # rest[at, left, inside]: least cost of `left` cells from `at` on; inside a run that may go on, or outside
    rest = np.full((cells + piece + 1, count + 1, 2, cases), np.inf)
    rest[:, 0] = 0.0
    for at in range(cells - 1, -1, -1):
        for left in range(1, min(count, cells - at) + 1):
            skip = rest[at + 1, left, 0]
            begin = rest[at + piece, left - piece, 1] + sums[:, at + piece] - sums[:, at] if piece <= min(left, cells - at) else np.inf
            rest[at, left, 0] = np.minimum(skip, begin)
            rest[at, left, 1] = np.minimum(skip, rest[at + 1, left - 1, 1] + costs[:, at])
    for case in range(cases):
        at, left, inside = 0, count, 0
        while left:
            on = costs[case, at] + rest[at + 1, left - 1, 1, case] if inside else np.inf
            if inside and on <= rest[at + 1, left, 0, case]:
                chosen[case, at] = True
                at, left = at + 1, left - 1
            elif not inside and rest[at, left, 0, case] < rest[at + 1, left, 0, case]:
                chosen[case, at : at + piece] = True
                at, left, inside = at + piece, left - piece, 1
            else:
                at, inside = at + 1, 0
    return chosen


@dataclass(frozen=True, kw_only=True)
class _Expected:
    """Profiles by how many days ahead they are known, and how far the present is from the first."""

    profiles: Sequence[Floats]
    away: Floats

    @classmethod
    def of(cls, past: Hours, ahead_h: int) -> _Expected:
        """For all hours of `past` and `ahead_h` more."""
        values = np.concatenate([past.values, np.full(ahead_h, np.nan)])
        profiles = [_profile(values, past.first, days) for days in range(1, -(-ahead_h // 24) + 1)]
        return cls(profiles=profiles, away=_away(values - profiles[0]))

    def rows(self, starts: NDArray[np.int64], ahead_h: int, share: float) -> Floats:
        """The expectation from each start, shape (starts, ahead_h)."""
        columns = [
            self.profiles[hour // 24][starts + hour] + share * self.away[starts] * math.exp(-(hour + 1) / FADE_H) for hour in range(ahead_h)
        ]
        return np.stack(columns, axis=1)


def _profile(values: Floats, first: int, days: int) -> Floats:
    """Each hour as the same hour was `days` and more days before; NaN with fewer than LEAST of them."""
    place = np.arange(len(values))
    weekend = ((place + first) // 24 + 3) % 7 >= 5  # 1970 began on a Thursday
    total, weights, counts = np.zeros(len(values)), np.zeros(len(values)), np.zeros(len(values))
    for age in range(days, days + DAYS):
        back = slice(0, max(0, len(values) - 24 * age))
        here = slice(24 * age, len(values))
        if back.stop == 0:
            break
        known = ~np.isnan(values[back])
        weight = known * math.exp(-(age - days) / RECENT_D) * np.where(weekend[back] == weekend[here], ALIKE, 1.0)
        total[here] += weight * np.where(known, values[back], 0.0)
        weights[here] += weight
        counts[here] += known
    mean = np.full(len(values), np.nan)
    np.divide(total, weights, out=mean, where=counts >= LEAST)
    return mean


def _away(errors: Floats) -> Floats:
    """Before each hour, the mean error of the last LEVEL_H hours; it fades while nothing is known."""
    out = np.zeros(len(errors) + 1)
    for at in range(1, len(errors) + 1):
        last = errors[max(0, at - LEVEL_H) : at]
        known = last[~np.isnan(last)]
        out[at] = known.mean() if len(known) else out[at - 1] * math.exp(-1 / FADE_H)
    return out


def backtest(series: Series, start_s: float, end_s: float, work_h: int, deadline_h: int, piece_h: int) -> tuple[Record | None, float]:
    """Start the job at every full hour of a past span, each time with what was known by then.

    Args:
        series: What happened.
        start_s, end_s: The span in seconds since 1970 UTC; a start counts when its deadline is before `end_s`.
        work_h: Hours that the job takes.
        deadline_h: It has to end that many hours after its start time, at least `work_h`.
        piece_h: The shortest piece of interruptible work; `work_h` for work in one piece.

    Returns:
        The record, None where the past is too short for one; and the share of the present level to keep at `end_s`.
    """
    past = Hours.of(series, end_s)
    stride = max(1, math.ceil(YEAR_H * deadline_h * (work_h if piece_h < work_h else 1) / CELLS))
    begin = max(0, math.ceil(start_s / HOUR_S) - past.first)
    starts = np.arange(max(0, begin - LEARN_H - deadline_h), len(past.values) - deadline_h + 1, stride)
    if not len(starts):
        return None, SHARES[1]
    expected = _Expected.of(past, deadline_h)
    truth = np.lib.stride_tricks.sliding_window_view(past.values, deadline_h)[starts]
    known = ~np.isnan(truth).any(axis=1) & ~np.isnan(expected.rows(starts, deadline_h, 0.0)).any(axis=1)
    starts, truth = starts[known], truth[known]
    if not len(starts):
        return None, SHARES[1]
    now = truth[:, :work_h].mean(axis=1)
    gains = np.stack(
        [now - _cost(truth, choose(expected.rows(starts, deadline_h, share), work_h, piece_h), work_h) for share in SHARES], axis=1
    )
    best = now - _cost(truth, choose(truth, work_h, piece_h), work_h)
    kept, last = _kept(starts, gains, deadline_h, len(past.values))
    tried = starts >= begin
    if not tried.any():
        return None, last
    gained = gains[np.arange(len(starts)), kept][tried]
    return _record(past.first + starts[tried], now[tried], gained, best[tried], deadline_h), last


def _cost(truth: Floats, chosen: Mask, work_h: int) -> Floats:
    total: Floats = np.where(chosen, truth, 0.0).sum(axis=1)
    return total / work_h


def _kept(starts: NDArray[np.int64], gains: Floats, deadline_h: int, now: int) -> tuple[NDArray[np.int64], float]:
    """For each start the share that saved most in the LEARN_H before, among starts whose deadline had passed; and the one for `now`."""
    sums = np.concatenate([np.zeros((1, len(SHARES))), np.cumsum(gains, axis=0)])
    times = np.append(starts, now)
    upto = np.searchsorted(starts, times - deadline_h, side="right")
    since = np.searchsorted(starts, times - deadline_h - LEARN_H)
    scores = sums[upto] - sums[np.minimum(since, upto)]
    kept = np.where((upto > since), np.argmax(scores, axis=1), 1)
    return kept[:-1], SHARES[int(kept[-1])]


def _record(hours: NDArray[np.int64], now: Floats, gained: Floats, best: Floats, deadline_h: int) -> Record:
    months = [f"{moment(int(hour) * HOUR_S):%Y-%m}" for hour in hours]
    names = sorted(set(months))
    place = np.array([names.index(month) for month in months])
    got, could = (np.bincount(place, weights=what, minlength=len(names)) for what in (gained, best))
    low = high = None
    if len(names) >= 3 and could.min() > 0:
        shares = resampled(lambda rows: float(got[list(rows)].sum() / could[list(rows)].sum()), len(names))
        low, high = bound(shares, len(names), 0.025), bound(shares, len(names), 0.975)
    single = np.divide(gained, now, out=np.zeros(len(now)), where=now > 0)  # marginal intensity may be 0
    total = max(float(now.sum()), 1e-9)
    return Record(
        starts=len(hours),
        start_s=int(hours[0]) * HOUR_S,
        end_s=(int(hours[-1]) + deadline_h) * HOUR_S,
        saved=float(gained.sum()) / total,
        possible=float(best.sum()) / total,
        of_possible=float(gained.sum() / best.sum()) if best.sum() > 0 else 0.0,
        low=low,
        high=high,
        worse=float((gained < -1e-9).mean()),
        low_saved=float(np.quantile(single, 0.1)),
        high_saved=float(np.quantile(single, 0.9)),
    )
