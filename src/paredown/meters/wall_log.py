"""Energy at the plug, from the CSV file that a wall meter's program writes while we work: times and watts, or times and summed energy.

Watts are added up between the window's edges by trapezoids; summed energy is the difference. At the edges both lie on the straight line
between two samples, so that a window needs a sample before it, some in it and one after it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import sleep, time

from paredown.core.meter import Meter, Window
from paredown.core.reading import How, Missing, Reading
from paredown.core.runtime import Host
from paredown.ground.clock import STEP_S, SteadyClock

VARIABLE = "PAREDOWN_WALL_LOG"

# column names in lower case, with "_" for everything but letters and digits: "Power (W)" is power_w
TIMES = ("timestamp", "time", "datetime", "date_time", "utc", "ts", "timestamp_utc", "time_utc", "epoch", "unix_time")
TIMES_WITH_UNIT = ("time_s", "timestamp_s", "epoch_s", "time_ms", "timestamp_ms", "epoch_ms")
WATTS = {"watts": 1, "watt": 1, "w": 1, "power_w": 1, "power_watts": 1, "active_power_w": 1, "power": 1, "apower": 1, "power_kw": 1000}
JOULES = {"joules": 1, "energy_j": 1, "j": 1, "wh": 3600, "energy_wh": 3600, "total_wh": 3600, "kwh": 3.6e6, "energy_kwh": 3.6e6}

_LEAST = 5  # sample periods in a window; with fewer its edges decide
_GAP = 5  # sample periods without a sample
_STEPS = 20  # steps of the meter's last digit in a window; with fewer it is known to worse than 5 %
_STALE_S = 60.0
_WAIT_S = 15.0
_LOOK_S = 0.05
_BEFORE_B = 4096  # of the log before a window, to hold the sample before it and the usual period


class WallLog(Meter):
    """Joules of the whole machine as a wall meter's log tells them, per item; idle, power supply and all other parts are in it.

    Args:
        path: The log; None is the file that the environment variable PAREDOWN_WALL_LOG names.
    """

    quantities = ("wall_energy",)
    waits = True

    def __init__(self, path: Path | None = None) -> None:
        named = os.environ.get(VARIABLE, "")
        self._path = path or (Path(named) if named else None)
        self._began_s, self._clock = 0.0, SteadyClock()
        self._tail: _Tail | str = ""

    def ready(self, host: Host) -> str | None:
        """None when the log has a time and an energy column and a sample of the last minute."""
        if self._path is None:
            return f"no wall meter's log. Set {VARIABLE} to the CSV file that the meter's program writes."
        tail = _open(self._path)
        if isinstance(tail, str):
            return f"{tail}."
        samples = tail.more()
        if not samples and tail.unread:
            return f"{self._path} has the line {tail.unread!r}, in which no time (ISO 8601, or seconds since 1970) and number stand."
        if not samples:
            return f"{self._path} holds no sample yet."
        age_s = time() - samples[-1].at_s
        if abs(age_s) > _STALE_S:
            return (
                f"the newest sample of {self._path} is {abs(age_s):.0f} s {'old' if age_s > 0 else 'ahead of this machine'}. "
                "Start the meter's program, and have it write UTC; a time without a zone is taken as this machine's."
            )
        self.least_s = (_LEAST + 1) * _period_s(samples)
        return None

    def wanted(self) -> bool:
        """True when a log is named."""
        return self._path is not None

    def found(self) -> Sequence[str]:
        """The log and its column."""
        tail = "" if self._path is None else _open(self._path)
        return () if isinstance(tail, str) else (f"{self._path} ({tail.layout.column})",)

    def start(self) -> None:
        """Note the time and how far the log is."""
        self._tail = f"{VARIABLE} names no log" if self._path is None else _open(self._path)
        self._began_s, self._clock = time(), SteadyClock()

    def stop(self, window: Window) -> tuple[Reading | Missing, ...]:
        """The energy of the window; waits up to some seconds for the sample after it."""
        if not window.items:
            return (Missing(quantity="wall_energy", reason="no inference was answered in the window"),)
        tail, moved = self._tail, self._moved(window.wall_s)
        found = tail if isinstance(tail, str) else _energy_j(tail, self._began_s, self._began_s + window.wall_s)
        if isinstance(found, str) or isinstance(tail, str) or moved:
            return (Missing(quantity="wall_energy", reason=found if isinstance(found, str) else moved),)
        reading = Reading(
            quantity="wall_energy",
            value=found / window.items,
            how=How.COUNTED if tail.layout.summed else How.MEASURED,
            n=window.items,
            covers=("wall",),
            source=f"wall meter's log, column {tail.layout.column!r}",
        )
        return (reading,)

    def _moved(self, wall_s: float) -> str:
        """Why the log's times cannot be laid beside the window; empty when they can."""
        set_s, slept_s = time() - self._began_s - max(wall_s, self._clock.passed_s()), self._clock.slept_s()
        if abs(set_s) > STEP_S:
            return f"this machine's clock was set by {set_s:+.0f} s in the window, so that the times of the log do not fit it"
        return f"this machine slept for {slept_s:.0f} s in the window" if slept_s else ""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where the numbers stand.

    Args:
        separator: Between two cells; with ";" or a tab a comma is a decimal point.
        time, value: Places of the two columns.
        factor: To watts or joules.
        width: Columns of the header; a line of more has a comma in a number.
        summed: True for energy since some beginning, false for power.
        column: The header of the value.
        head_b: Bytes up to the first sample.
    """

    separator: str
    time: int
    value: int
    factor: float
    width: int
    summed: bool
    column: str
    head_b: int


@dataclass(frozen=True, kw_only=True)
class _Sample:
    """One line: UTC seconds since 1970, watts or joules, and what one step of the last digit is."""

    at_s: float
    value: float
    step: float


class _Tail:
    """The end of a log that grows, from shortly before this moment. `unread` is the last line that holds no sample."""

    def __init__(self, path: Path, layout: _Layout) -> None:
        self.path, self.layout = path, layout
        self.unread = ""
        self._samples: list[_Sample] = []
        self._at_b = max(layout.head_b, path.stat().st_size - _BEFORE_B)
        self._cut = self._at_b > layout.head_b  # then the first line begins somewhere before
        self._file = path.stat().st_ino

    def more(self) -> list[_Sample]:
        """All samples so far; the last line counts once its end is written.

        Raises:
            OSError: The file cannot be read, or is another or a shorter one than before.
        """
        with self.path.open("rb") as file:
            now = os.fstat(file.fileno())
            if now.st_ino != self._file or now.st_size < self._at_b:
                raise OSError("it was replaced or cut while it was read")
            file.seek(self._at_b)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._at_b += len(whole)
        lines = whole.decode("utf-8", errors="replace").splitlines()
        if self._cut and whole:
            self._cut, lines = False, lines[1:]
        for line in lines:
            sample = _sample(line, self.layout)
            if sample is None:
                self.unread = line
            else:
                self._samples.append(sample)
        return self._samples


def _open(path: Path) -> _Tail | str:
    """The log's end, or what is wrong with the file."""
    try:
        layout = _layout(path)
        return layout if isinstance(layout, str) else _Tail(path, layout)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"


def _layout(path: Path) -> _Layout | str:
    """The columns by the first line that is no comment, or what was found instead."""
    head_b = 0
    with path.open("rb") as file:
        for line in file:
            head_b += len(line)
            if line.strip() and not line.startswith(b"#"):
                break
        else:
            return f"{path} has no header yet"
    text = line.decode("utf-8-sig", errors="replace").strip()
    separator = max(",;\t", key=text.count)
    cells = [cell.strip().strip('"') for cell in text.split(separator)]
    names = ["_".join("".join(sign if sign.isalnum() else " " for sign in cell.lower()).split()) for cell in cells]
    times = [at for at, name in enumerate(names) if name in (*TIMES, *TIMES_WITH_UNIT)]
    for table, summed in ((WATTS, False), (JOULES, True)):
        places = [at for at, name in enumerate(names) if name in table]
        if times and places:
            at = places[0]
            return _Layout(
                separator=separator,
                time=times[0],
                value=at,
                factor=table[names[at]],
                width=len(cells),
                summed=summed,
                column=cells[at],
                head_b=head_b,
            )
    return (
        f"{path} has the columns {', '.join(cells)}; it needs a time ({', '.join(TIMES)}) "
        f"and watts ({', '.join(WATTS)}) or summed energy ({', '.join(JOULES)})"
    )


def _sample(line: str, layout: _Layout) -> _Sample | None:
    """A line's sample; None for one that holds none, as while a sensor fails."""
    cells = [cell.strip().strip('"') for cell in line.split(layout.separator)]
    if layout.separator != ",":
        cells = [cell.replace(",", ".") for cell in cells]
    try:
        at_s, value = _seconds(cells[layout.time]), float(cells[layout.value])
    except (IndexError, ValueError):
        return None
    if not (math.isfinite(at_s) and math.isfinite(value)) or any(cells[layout.width :]):
        return None
    digits = len(cells[layout.value].partition(".")[2])
    return _Sample(at_s=at_s, value=value * layout.factor, step=layout.factor * 10.0**-digits)


def _seconds(text: str) -> float:
    """UTC seconds since 1970 of ISO 8601 or of a number in s, ms, us or ns, told by its size."""
    try:
        number = float(text)
    except ValueError:
        return datetime.fromisoformat(text).timestamp()
    while 1e11 < number < math.inf:  # in seconds the year 5138
        number /= 1000
    return number


def _energy_j(tail: _Tail, began_s: float, ended_s: float) -> float | str:
    """Joules between two moments, or why the log does not tell."""
    try:
        short = _too_short(tail.more(), ended_s - began_s)
        if short:
            return f"{tail.path.name}: {short}"
        looks = round(_WAIT_S / _LOOK_S)  # counted, as a clock may be set meanwhile
        while (not (samples := tail.more()) or samples[-1].at_s < ended_s) and (looks := looks - 1) >= 0:
            sleep(_LOOK_S)
    except OSError as error:
        return f"{tail.path} cannot be read any more ({error.strerror or error})"
    before = [sample for sample in samples if sample.at_s <= began_s][-1:]
    inside = [sample for sample in samples if began_s < sample.at_s < ended_s]
    after = [sample for sample in samples if sample.at_s >= ended_s][:1]
    if not after:
        late = f"its newest sample is {ended_s - samples[-1].at_s:.3g} s older than the window's end" if samples else "it holds no sample"
        return f"{tail.path.name}: {late}, {_WAIT_S:g} s after it; the meter's program has to write each sample at once"
    if not before:
        return f"{tail.path.name} begins {samples[0].at_s - began_s:.3g} s after the window"
    points = [*before, *inside, *after]
    wrong = _too_short(points, ended_s - began_s) or _broken(points, tail.layout.summed)
    if wrong:
        return f"{tail.path.name}: {wrong}"
    first, last = _between(points[0], points[1], began_s), _between(points[-2], points[-1], ended_s)
    if not tail.layout.summed:
        line = [(began_s, first), *((sample.at_s, sample.value) for sample in inside), (ended_s, last)]
        return sum((right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in pairwise(line))
    step_j = min(sample.step for sample in points)
    if last - first < _STEPS * step_j:
        return f"{tail.path.name} goes in steps of {step_j:.3g} J; a window needs {_STEPS} of them and has {(last - first) / step_j:.2g}"
    return last - first


def _too_short(samples: Sequence[_Sample], wall_s: float) -> str:
    """Why a window cannot be told from its neighbors; empty when it can, or when there are not two samples yet."""
    period_s = _period_s(samples)
    if wall_s >= _LEAST * period_s:
        return ""
    return f"a window of {wall_s:.3g} s is too short for a sample every {period_s:.3g} s; it needs {_LEAST} of them"


def _period_s(samples: Sequence[_Sample]) -> float:
    """Seconds from one sample to the next; 0 as long as there are not two."""
    steps_s = [right.at_s - left.at_s for left, right in pairwise(samples)]
    return median(steps_s) if steps_s else 0.0


def _broken(points: Sequence[_Sample], summed: bool) -> str:
    """Why the samples of a window do not hang together; empty when they do."""
    steps_s = [right.at_s - left.at_s for left, right in pairwise(points)]
    if min(steps_s) < 0:
        return f"the times go back by {-min(steps_s):.3g} s"
    if max(steps_s) > _GAP * median(steps_s):
        return f"no sample for {max(steps_s):.3g} s; one comes every {median(steps_s):.3g} s"
    if not summed and min(point.value for point in points) < 0:
        return f"a power of {min(point.value for point in points):.3g} W is below 0"
    if summed and any(right.value < left.value for left, right in pairwise(points)):
        return "the summed energy goes back in the window"
    return ""


def _between(left: _Sample, right: _Sample, at_s: float) -> float:
    """The straight line between two samples."""
    wide_s = right.at_s - left.at_s
    share = (at_s - left.at_s) / wide_s if wide_s else 1.0
    return left.value + share * (right.value - left.value)
