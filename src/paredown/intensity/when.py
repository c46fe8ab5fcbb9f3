"""When to run, and where: the span of least carbon within a deadline, from a forecast in the series or from its past alone."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from paredown.core.errors import BadData
from paredown.ground.amounts import MOST
from paredown.ground.hours import HOUR_S
from paredown.intensity.foresee import YEAR_H, Record, backtest, choose, foresee
from paredown.intensity.series import Series, stamp

WORTH = 0.03
"""Share of the carbon that waiting has to save; what is less is within the error of any grid's figures."""
MOST_S = 28 * 24 * HOUR_S
"""The furthest deadline: as long as the past that the hours are expected from."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The best time in one series, against starting at once.

    Args:
        zone, signal, source: Of the series.
        now_s: When it was asked, in seconds since 1970 UTC.
        duration_s, deadline_s: Of the job, in seconds; it ends at most `deadline_s` after `now_s`.
        pieces: (start, end) of the work in seconds since 1970 UTC; one piece unless the work can be interrupted.
        now_g_per_kwh: Expected mean over the job when it starts at once; over the known part of it where hours are missing.
        then_g_per_kwh: Expected mean over `pieces`.
        ahead: What is expected of the time until the deadline.
        foreseen: "file" where the series holds a forecast, "past" where it was made from past values.
        record: What this rule would have saved in the year before; None where the past is too short, or the forecast is the file's.
        happened: (now, then) in g CO2e per kWh as it came, where the past was tried and the series holds what followed; None otherwise.
        notes: What a reader has to know.
    """

    zone: str
    signal: str
    source: str
    now_s: float
    duration_s: float
    deadline_s: float
    pieces: tuple[tuple[float, float], ...]
    now_g_per_kwh: float
    then_g_per_kwh: float
    ahead: Series
    foreseen: str
    record: Record | None
    happened: tuple[float, float] | None
    notes: tuple[str, ...]

    @property
    def saving(self) -> float:
        """Expected share of the carbon that waiting saves."""
        return 1 - self.then_g_per_kwh / self.now_g_per_kwh if self.now_g_per_kwh > 0 else 0.0

    @property
    def waits(self) -> bool:
        """Whether waiting is worth it: at least WORTH of the carbon is expected to be saved."""
        return self.saving >= WORTH

    @property
    def start_s(self) -> float:
        """When to start: the first piece where waiting is worth it, else now."""
        return self.pieces[0][0] if self.waits else self.now_s


def choice(
    series: Series, now_s: float, duration_s: float, deadline_s: float, piece_s: float | None = None, hindsight: bool = False
) -> Choice:
    """Find the best time for a job in one series.

    The job may start at once, or at the beginning of any of the series' steps from which it ends before the deadline. Interruptible work is
    done in whole steps, of which the last piece may be cut short.

    Args:
        series: Where the job would run.
        now_s: Seconds since 1970 UTC.
        duration_s: How long the job takes.
        deadline_s: Within how many seconds from now it has to end.
        piece_s: The shortest piece of work that can be interrupted; None for work in one piece.
        hindsight: True where `now_s` lies in the past: what was measured later is kept apart and says what would have happened.

    Raises:
        BadData: The job takes no time or does not fit, or the series says nothing about the time asked.
    """
    if duration_s <= 0 or deadline_s < duration_s:
        raise BadData(
            f"a job of {span(duration_s)} does not end within a deadline of {span(deadline_s)}.\n"
            "  Give a duration above 0 and a deadline that is as long or longer."
        )
    if deadline_s > MOST_S:
        raise BadData(
            f"a deadline of {span(deadline_s)} is more than {span(MOST_S)}; no grid is foreseen so far.\n  Give a nearer deadline."
        )
    ahead, foreseen, record, notes = _ahead(series, now_s, duration_s, deadline_s, piece_s, hindsight)
    at_once = _partly(ahead, now_s, now_s + duration_s)
    pieces, then = _least(ahead, now_s, duration_s, deadline_s, piece_s)
    if then >= at_once:
        pieces, then = ((now_s, now_s + duration_s),), at_once
    if ahead.known(now_s, now_s + duration_s) is None:
        notes.append("hours of a job that starts at once are missing; what it takes is the mean of those that are known.")
    happened = None
    if hindsight and foreseen == "past":
        try:
            measured = _measured(series)
            happened = measured.mean(now_s, now_s + duration_s), _mean(measured, pieces)
        except BadData:
            notes.append("what happened then is not in the series.")
    if series.estimated:
        notes.append(f"{series.estimated:.1%} of the values are estimated, says the file.")
    return Choice(
        zone=series.zone,
        signal=series.signal,
        source=series.source,
        now_s=now_s,
        duration_s=duration_s,
        deadline_s=deadline_s,
        pieces=pieces,
        now_g_per_kwh=at_once,
        then_g_per_kwh=then,
        ahead=ahead,
        foreseen=foreseen,
        record=record,
        happened=happened,
        notes=(*notes, *series.notes),
    )


def best(choices: Sequence[Choice]) -> Choice:
    """The place and time with the least carbon, of several places.

    Raises:
        BadData: Average and marginal intensity stand beside each other, which are not comparable.
    """
    signals = sorted({each.signal for each in choices})
    if len(signals) > 1:
        raise BadData(
            f"{' and '.join(f'{each.zone} ({each.signal})' for each in choices)} cannot be compared: the signals differ.\n"
            "  Give series of one signal, all average or all marginal."
        )
    return min(choices, key=lambda each: each.then_g_per_kwh if each.waits else each.now_g_per_kwh)


def span(time_s: float) -> str:
    """A length of time in words: `4 h`, `1 h 30 min`, `90 s`."""
    if time_s < 60:
        return f"{time_s:g} s"
    minutes = round(time_s / 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes else "") if part)


def _ahead(
    series: Series, now_s: float, duration_s: float, deadline_s: float, piece_s: float | None, hindsight: bool
) -> tuple[Series, str, Record | None, list[str]]:
    """What is expected until the deadline, how it is known, and how good that was."""
    given = _given(series, now_s, duration_s, hindsight)
    if given is not None and given.end_s >= now_s + deadline_s / 2:
        return _from_file(given, now_s + deadline_s)
    work_h, deadline_h = math.ceil(duration_s / HOUR_S), max(math.floor(deadline_s / HOUR_S), math.ceil(duration_s / HOUR_S))
    piece_h = work_h if piece_s is None else min(work_h, max(1, math.ceil(piece_s / HOUR_S)))
    try:
        record, share = backtest(series, now_s - YEAR_H * HOUR_S, now_s, work_h, deadline_h, piece_h)
        return foresee(series, now_s, math.ceil((now_s % HOUR_S + deadline_s) / HOUR_S), share), "past", record, []
    except BadData:
        if given is None:
            raise
        return _from_file(given, now_s + deadline_s)


def _from_file(given: Series, until_s: float) -> tuple[Series, str, None, list[str]]:
    notes = []
    if given.end_s < until_s:
        notes.append(f"the forecast ends at {stamp(given.end_s)}; later times within the deadline are not looked at.")
    pairs = zip(given.times_s, given.times_s[1:])
    holes = [(time + given.step_s, later) for time, later in pairs if later - time > given.step_s and time + given.step_s < until_s]
    if holes:
        hours = sum(min(end, until_s) - begin for begin, end in holes) / HOUR_S
        notes.append(f"{hours:.3g} h of the forecast are missing, the first from {stamp(holes[0][0])}; no work is planned into them.")
    return given, "file", None, notes


def _given(series: Series, now_s: float, duration_s: float, hindsight: bool) -> Series | None:
    """The series where it holds a forecast of the next hours; what a live series holds beyond now can be nothing else."""
    if hindsight and (series.forecast_s is None or series.forecast_s > now_s + series.step_s):
        return None
    kept = [(time, value) for time, value in zip(series.times_s, series.values) if time + series.step_s > now_s]
    if not kept or kept[0][0] >= now_s + duration_s:  # not one step of a job that starts at once: what waiting saves cannot be told
        return None
    return replace(series, times_s=tuple(time for time, _ in kept), values=tuple(value for _, value in kept))


def _measured(series: Series) -> Series:
    """The series without what is a forecast in it."""
    count = len(series.times_s) if series.forecast_s is None else bisect_left(series.times_s, series.forecast_s)
    return replace(series, times_s=series.times_s[:count], values=series.values[:count])


def _least(
    ahead: Series, now_s: float, duration_s: float, deadline_s: float, piece_s: float | None
) -> tuple[tuple[tuple[float, float], ...], float]:
    """The cheapest of the times allowed, with its mean; infinity where there is none beside starting at once."""
    end_s = min(now_s + deadline_s, ahead.end_s)
    if piece_s is None:
        starts = [time for time in ahead.times_s if now_s <= time and time + duration_s <= end_s]
        means = [(ahead.known(time, time + duration_s), time) for time in starts]
        mean, start = min([(round(mean, 9), time) for mean, time in means if mean is not None], default=(math.inf, now_s))
        return ((start, start + duration_s),), mean
    step_s = ahead.step_s
    known = dict(zip(ahead.times_s, ahead.values))
    first = next((time for time in ahead.times_s if time >= now_s), ahead.end_s)
    count = math.ceil(duration_s / step_s)
    hole = 4 * MOST["g/kWh"] * count  # dearer than any hours could save: only taken where the known ones are too few
    cells = [(time, known.get(time, hole)) for time in range(first, math.floor(end_s) - step_s + 1, step_s)]
    if count > len(cells):
        return ((now_s, now_s + duration_s),), math.inf
    piece = min(count, max(1, math.ceil(piece_s / step_s)))
    chosen = choose(np.array([[value for _, value in cells]]), count, piece)[0]
    if any(on and value == hole for on, (_, value) in zip(chosen, cells)):
        return ((now_s, now_s + duration_s),), math.inf
    pieces: list[tuple[float, float]] = []
    left_s = duration_s
    for on, group in groupby(zip(chosen, cells), key=lambda pair: pair[0]):
        times = [cell[0] for _, cell in group]
        if on and left_s > 0:
            until_s = min(times[-1] + step_s, times[0] + left_s)
            pieces.append((times[0], until_s))
            left_s -= until_s - times[0]
    return tuple(pieces), _mean(ahead, pieces)


def _partly(series: Series, start_s: float, end_s: float) -> float:
    """The mean over what is known of a span, of which some part is."""
    whole = series.known(start_s, end_s)
    steps = ((max(time, start_s), min(time + series.step_s, end_s)) for time in series.times_s)
    return _mean(series, [(begin, end) for begin, end in steps if begin < end]) if whole is None else whole


def _mean(series: Series, pieces: Sequence[tuple[float, float]]) -> float:
    """The mean over all pieces, each by its length."""
    return sum(series.mean(start, end) * (end - start) for start, end in pieces) / sum(end - start for start, end in pieces)
