"""Greenhouse gases of a kilowatt hour over time, as grid operators and data services publish it.

Reads an export or a recorded answer; nothing is fetched. What the files look like is in `intensity/series_files.py`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import fmean

from paredown.core.errors import BadData
from paredown.ground.amounts import MOST
from paredown.ground.hours import HOUR, HOUR_S
from paredown.intensity.series_files import Rows, rows_of

SHORT_S = 3 * HOUR_S
"""A gap up to here is filled by a straight line; across a longer one nothing is said."""
FAULTS = 0.05
"""Share of values that may be no number or no intensity before a file is refused."""
NEAR_0 = 10.0
"""g CO2e per kWh; a zero beside a larger value is a fault of the service, because no whole grid moves so fast."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Grid intensity at one place, step by step.

    Args:
        zone: As the file names it, else the file's name.
        times_s: Beginnings of the steps as seconds since 1970 UTC, rising; a long gap in the data is a gap here.
        step_s: Seconds that one value stands for.
        values: g CO2e per kWh, one for each time.
        source: Where the values come from, with the file's name and column.
        signal: "average", "marginal", or "unknown" where nobody says; no two of them are mixed in one sum.
        estimated: Share of the values that the file calls estimated, 0 to 1; None where it does not say.
        forecast_s: The first time whose value is a forecast, in seconds since 1970 UTC; None where all were measured.
        notes: What was filled, dropped or assumed, in sentences.
    """

    zone: str
    times_s: tuple[int, ...]
    step_s: int
    values: tuple[float, ...]
    source: str
    signal: str = "average"
    estimated: float | None = None
    forecast_s: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def start_s(self) -> int:
        """Where the first step begins, in seconds since 1970 UTC."""
        return self.times_s[0]

    @property
    def end_s(self) -> int:
        """Where the last step ends, in seconds since 1970 UTC."""
        return self.times_s[-1] + self.step_s

    @property
    def average(self) -> float:
        """g CO2e per kWh, the mean over all steps."""
        return fmean(self.values)

    def at(self, hour: str) -> float:
        """The mean of one UTC hour, g CO2e per kWh.

        Args:
            hour: As "2023-01-01T00".

        Raises:
            BadData: The hour is not in the series.
        """
        if hour not in self._hourly:
            raise BadData(f"{self.source} has no value for the hour {hour}; it holds {self.span}.\n  Give a series of that time.")
        return self._hourly[hour]

    def hourly(self) -> dict[str, float]:
        """UTC hour ("2023-01-01T00") -> mean of the hour, g CO2e per kWh; an hour that is not wholly known is not in it."""
        return dict(self._hourly)

    def hours(self) -> dict[int, float]:
        """The same by hours since 1970 UTC."""
        begun = dict.fromkeys(time // HOUR_S for time in self.times_s)  # an hour that is known whole has a step that begins in it
        found = ((hour, self.known(hour * HOUR_S, (hour + 1) * HOUR_S)) for hour in begun)
        return {hour: value for hour, value in found if value is not None}

    def mean(self, start_s: float, end_s: float) -> float:
        """The mean over a span of time, g CO2e per kWh.

        Args:
            start_s, end_s: Seconds since 1970 UTC, start before end.

        Raises:
            BadData: Part of the span is outside of the series or in a long gap.
        """
        if end_s <= start_s:
            raise BadData(f"the span from {stamp(start_s)} to {stamp(end_s)} is empty.\n  Give an end after the start.")
        found = self.known(start_s, end_s)
        if found is None:
            raise BadData(
                f"{self.source} does not cover {stamp(start_s)} to {stamp(end_s)}; it holds {self.span}.\n"
                "  Give a series of that time; gaps of up to 3 hours are filled, longer ones are not."
            )
        return found

    def known(self, start_s: float, end_s: float) -> float | None:
        """The mean over a span; None where part of it is not known."""
        first = bisect_right(self.times_s, start_s) - 1
        last = bisect_left(self.times_s, end_s) - 1
        whole = first >= 0 and self.times_s[last] - self.times_s[first] == (last - first) * self.step_s
        if not whole or end_s > self.times_s[last] + self.step_s:
            return None
        if first == last:
            return self.values[first]
        total = math.fsum(self.values[first : last + 1]) * self.step_s
        total -= self.values[first] * (start_s - self.times_s[first])
        total -= self.values[last] * (self.times_s[last] + self.step_s - end_s)
        return total / (end_s - start_s)

    @property
    def span(self) -> str:
        """From when to when, for messages."""
        return f"{stamp(self.start_s)} to {stamp(self.end_s)}"

    @cached_property
    def _hourly(self) -> dict[str, float]:
        return {moment(hour * HOUR_S).strftime(HOUR): value for hour, value in self.hours().items()}


def moment(time_s: float) -> datetime:
    """Seconds since 1970 as a UTC date and time."""
    return datetime.fromtimestamp(time_s, UTC)


def stamp(time_s: float) -> str:
    """Seconds since 1970 as text, to the minute: 2023-01-01T00:00Z."""
    return f"{moment(time_s):%Y-%m-%dT%H:%MZ}"


def read_series(path: str | Path, column: str | None = None) -> Series:
    """Read an intensity series; `.gz` is unpacked.

    Formats: CSV of Electricity Maps (life cycle unless `column` says direct), of the British system operator, or with two columns as
    `time,g_per_kwh`; JSON of Electricity Maps v3, the Carbon Aware SDK, the UK Carbon Intensity API and WattTime v3.

    Where the times are called ends (`time_end`, `Hour Ending`), each value stands for the step before. The signal is average unless the
    file says marginal; of the Carbon Aware SDK, which gives either, it is unknown unless a field says it.

    A time has to say its offset (`Z`, `+01:00`), or its column has to say UTC: a time of day without a place is not guessed. Gaps up to 3
    hours are filled by a straight line, and counted; so are zeros beside values above 10 g/kWh and negative averages, which are faults of
    the service.

    Args:
        path: The file.
        column: The column of the values, or a part of its name, where a CSV file has several.

    Raises:
        BadData: No such file or format; a time without an offset, a value that is no number or in another unit, two values for one time,
            steps of more than an hour or of several lengths, several zones in one file.
    """
    return series_of(rows_of(Path(path), column))


def series_of(rows: Rows) -> Series:
    """Rows in time order, on one step, cleaned.

    Raises:
        BadData: Two values for one time, an uneven step or one above an hour, values in another unit, too many faults.
    """
    notes = list(rows.notes)
    found, twice = _once(rows)
    if twice:
        notes.append(f"{_times(twice)} stood there twice with one value; dropped.")
    times = sorted(found)
    if len(times) < 2:
        raise BadData(f"{rows.name} holds {_times(len(times))}; a series needs 2 or more.\n  Give a file with more hours.")
    step_s = rows.step_s or Counter(after - before for before, after in pairwise(times)).most_common(1)[0][0]
    _check_step(rows, times, step_s)
    early_s = step_s if rows.ends else 0
    if early_s:
        notes.append(f"the times are the ends of their steps; each value stands for the {step_s / 60:g} min before.")
    known = _without_faults(rows, {time - early_s: found[time] for time in times}, notes)
    values, filled = _filled(known, step_s)
    if filled:
        notes.append(f"{_times(filled)} of {len(values)} filled by a straight line.")
    gaps = [(before, after) for before, after in pairwise(values) if after - before > step_s]
    if gaps:
        longest = max(after - before - step_s for before, after in gaps)
        notes.append(f"{len(gaps)} gap{'s' * (len(gaps) > 1)} of more than 3 h left open, the longest {longest / HOUR_S:g} h.")
    estimated = None if rows.estimated is None else rows.estimated / len(rows.times_s)
    return Series(
        zone=rows.zone,
        times_s=tuple(values),
        step_s=step_s,
        values=tuple(values.values()),
        source=rows.source,
        signal=rows.signal,
        estimated=estimated,
        forecast_s=None if rows.forecast_s is None else rows.forecast_s - early_s,
        notes=tuple(notes),
    )


def joined(parts: Sequence[Series]) -> Series:
    """Files of one zone, as one per year, as one series.

    Args:
        parts: In any order; where two hold the same time, the one that is given later counts.

    Raises:
        BadData: They differ in zone, signal or step.
    """
    if len(parts) == 1:
        return parts[0]
    for name in ("zone", "signal", "step_s"):
        kinds = list(dict.fromkeys(str(getattr(part, name)) for part in parts))
        if len(kinds) > 1:
            raise BadData(f"series of {' and '.join(kinds)} cannot be joined: their {name} differs.\n  Join files of one zone and kind.")
    values = dict(pair for part in parts for pair in zip(part.times_s, part.values))
    values, _ = _filled(dict(sorted(values.items())), parts[0].step_s)
    shares = [(part.estimated, len(part.values)) for part in parts if part.estimated is not None]
    forecasts = [part.forecast_s for part in parts if part.forecast_s is not None]
    return replace(
        parts[0],
        times_s=tuple(values),
        values=tuple(values.values()),
        source="; ".join(part.source for part in parts),
        estimated=sum(share * count for share, count in shares) / sum(count for _, count in shares) if shares else None,
        forecast_s=max(forecasts) if forecasts else None,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _once(rows: Rows) -> tuple[dict[int, float | None], int]:
    """Time -> value, and how many times stood there twice with one value."""
    found: dict[int, float | None] = {}
    twice = 0
    for time, value, where in zip(rows.times_s, rows.values, rows.where):
        if time in found:
            twice += 1
            if found[time] != value:
                raise BadData(
                    f"{where}: {stamp(time)} stands here again, with {_shown(value)} instead of {_shown(found[time])}.\n"
                    "  One series has one value per time. Local times without an offset do this when clocks go back: write them in UTC."
                )
        found[time] = value
    return found, twice


def _check_step(rows: Rows, times: Iterable[int], step_s: int) -> None:
    if not 0 < step_s <= HOUR_S or HOUR_S % step_s:
        raise BadData(
            f"{rows.name} has one value per {step_s:g} s; a series has one per hour, or an even part of it.\n"
            "  Export hourly values; a mean of days or months cannot say when to run."
        )
    times = list(times)
    odd = next((time for time in times if (time - times[0]) % step_s), None)
    if odd is not None:
        raise BadData(
            f"{rows.name} has steps of {step_s:g} s, and {stamp(odd)} is not on one of them.\n  Export values with one step throughout."
        )


def _without_faults(rows: Rows, found: dict[int, float | None], notes: list[str]) -> dict[int, float]:
    """What can be believed; the rest counts as a gap."""
    known = {time: value for time, value in found.items() if value is not None}
    most = MOST["g/kWh"]
    huge = next((time for time, value in known.items() if abs(value) > most), None)
    if huge is not None:
        raise BadData(
            f"{rows.name}: {known[huge]:g} at {stamp(huge)} is more than any power station emits ({most:g} g/kWh).\n"
            "  Give g CO2e per kWh, or name the column with its unit, as `kg_per_mwh` or `lb_per_mwh`."
        )
    if not rows.unit_said and known and max(known.values()) < 2:
        raise BadData(
            f"{rows.name}: the largest value is {max(known.values()):g}, and no unit stands there; that looks like kg/kWh.\n"
            "  Name the column with its unit, as `kg_per_kwh` or `g_per_kwh`."
        )
    missing = len(found) - len(known)
    if missing:
        notes.append(f"{_times(missing)} without a value.")
    if rows.signal != "marginal":
        wrong = _faults(list(known.items()))
        for time in wrong:
            del known[time]
        if wrong:
            notes.append(f"{_times(len(wrong))} with a value of 0 or less that no whole grid has; taken as missing.")
        missing += len(wrong)
    if missing > FAULTS * len(found):
        raise BadData(
            f"{rows.name}: {missing} of {len(found)} values are missing or cannot be ({missing / len(found):.0%}); {FAULTS:.0%} may be.\n"
            "  Choose another column with `--column`, or another file."
        )
    return known


def _faults(known: list[tuple[int, float]]) -> list[int]:
    """Times with a negative value, or in a run of zeros that a value above NEAR_0 stands beside."""
    wrong: list[int] = []
    at = 0
    while at < len(known):
        end = at
        while end < len(known) and known[end][1] <= 0:
            end += 1
        run = known[at:end]
        beside = [known[place][1] for place in (at - 1, end) if 0 <= place < len(known)]
        wrong += [time for time, value in run if value < 0 or max(beside, default=0.0) > NEAR_0]
        at = max(end, at + 1)
    return wrong


def _filled(known: dict[int, float], step_s: int) -> tuple[dict[int, float], int]:
    """Time -> value with the short gaps on a straight line, and how many values that made."""
    values: dict[int, float] = {}
    filled, before = 0, None
    for time, value in known.items():
        if before is not None and step_s < time - before <= SHORT_S + step_s:
            for between in range(before + step_s, time, step_s):
                share = (between - before) / (time - before)
                values[between] = values[before] * (1 - share) + value * share
                filled += 1
        values[time] = value
        before = time
    return values, filled


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


def _shown(value: float | None) -> str:
    return "no value" if value is None or math.isnan(value) else f"{value:g}"
