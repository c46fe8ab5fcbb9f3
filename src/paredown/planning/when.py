"""When a job should run: how long it takes, by when, on which grids; and waiting for that time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from paredown.core.errors import UsageError
from paredown.core.job import Job
from paredown.ground.amounts import BadAmount, is_finite, seconds
from paredown.ground.clock import STEP_S, SteadyClock
from paredown.ground.untrusted import read_json
from paredown.impact.declared import signalled
from paredown.intensity.series import Series, joined, read_series
from paredown.intensity.when import Choice, best, choice, span

PATIENCE_S = 300.0
"""Waiting looks at the clock again after so many seconds, so that a machine that slept does not oversleep."""
RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The best time in each place, and the best of all.

    Args:
        choices: One per place, in the order they were given.
        best: The one with the least carbon.
        duration_s: How long the job takes, in seconds.
        duration_from: Where that was taken from.
    """

    choices: tuple[Choice, ...]
    best: Choice
    duration_s: float
    duration_from: str


def when(
    job: Job | None,
    files: Sequence[str | Path] = (),
    *,
    deadline: str,
    column: str | None = None,
    duration: str | None = None,
    piece: str | None = None,
    at: str | None = None,
    study: Path | None = None,
) -> Answer:
    """Find the time of least carbon for a job.

    Args:
        job: Says its series and its length where they are not given here; None where they are.
        files: Intensity series; files of one zone are joined, others are places to compare. The job's own when empty.
        deadline: The job has to end within so long from now, as "24 h".
        column: The column of the values, where the files have several.
        duration: As "4 h"; else the job's search budget, else what its last run took.
        piece: The shortest piece of work that can be interrupted, as "1 h"; None for work in one piece.
        at: A past time to try in place of now, as "2023-06-01T08:00Z"; what the series hold after it is not used.
        study: The study folder; runs/<name> when None.

    Raises:
        UsageError: No series or length is known, a file cannot be used, or it says nothing about the time asked.
    """
    duration_s, said = _duration(job, duration, study)
    deadline_s = _seconds("--deadline", deadline)
    piece_s = None if piece is None else _seconds("--piece", piece)
    now_s = time.time() if at is None else _moment(at)
    choices = tuple(choice(each, now_s, duration_s, deadline_s, piece_s, at is not None) for each in _series(job, files, column))
    return Answer(choices=choices, best=best(choices), duration_s=duration_s, duration_from=said)


def wait(chosen: Choice, tell: Callable[[str, int, int], None]) -> str:
    """Wait until a chosen time.

    Args:
        chosen: What to wait for; where it is not worth it, nothing is waited for.
        tell: Called again and again with what is counted, how many are over and how many there are.

    Returns:
        A sentence for the report.
    """
    expected = f"{chosen.zone}, {two(chosen.now_g_per_kwh)} g CO2e/kWh when started at once"
    if not chosen.waits:
        return f"Started without waiting for low carbon, because nothing much lower was expected: {expected}."
    began_s, clock, slept_s = time.time(), SteadyClock(), 0.0
    planned_s = chosen.start_s - began_s
    while (left_s := min(chosen.start_s - time.time(), planned_s - slept_s)) > 0:  # a clock that is set back holds nothing up
        tell("minutes waited", round(slept_s / 60), round((slept_s + left_s) / 60))
        nap_s = min(left_s, PATIENCE_S)
        time.sleep(nap_s)
        slept_s = max(slept_s + nap_s, clock.passed_s())
    origin = "the forecast in the series" if chosen.foreseen == "file" else "past values"
    then = f"{two(chosen.then_g_per_kwh)} then, {two(100 * chosen.saving)} % less"
    set_s = time.time() - began_s - slept_s
    was_set = f" This machine's clock was set by {set_s:+.0f} s meanwhile." if abs(set_s) > STEP_S else ""
    return f"Waited {span(slept_s)} for low carbon: {expected}, {then}; expected from {origin} ({chosen.source}).{was_set}"


def two(value: float) -> str:
    """An estimate with its two leading digits: 247 -> 250."""
    return f"{float(f'{value:.1e}'):g}"


def _series(job: Job | None, files: Sequence[str | Path], column: str | None) -> list[Series]:
    """What was given, else what the job declares; files of one zone and kind as one."""
    if not files:
        grid = job.deploy.grid if job is not None else None
        if job is None or grid is None or not grid.series:
            raise UsageError(
                "no intensity series is known.\n"
                "  Give `--series FILE`, or write `deploy: {grid: {series: FILE}}` in the job; `paredown when --help` names the formats."
            )
        found = read_series(job.folder / grid.series, column or grid.column or None)
        return [signalled(found, grid.signal)]
    groups: dict[tuple[str, str], list[Series]] = {}
    for file in files:
        found = read_series(file, column)
        groups.setdefault((found.zone, found.signal), []).append(found)
    return [joined(parts) for parts in groups.values()]


def _duration(job: Job | None, duration: str | None, study: Path | None) -> tuple[float, str]:
    if duration is not None:
        return _seconds("--duration", duration), "as given"
    if job is not None and job.search.budget_s is not None:
        return job.search.budget_s, "the search budget of the job"
    if job is not None:
        took_s = _took(study or Path("runs") / job.name)
        if took_s is not None:
            return took_s, "what the last run of the study took"
    raise UsageError(
        "how long the job takes is not known.\n  Give `--duration 2h`, or a `search: {budget: 2 h}` in the job, or run it once."
    )


def _took(study: Path) -> float | None:
    """Wall seconds of the search that ended in this study."""
    try:
        found = read_json(study / RESULT)["search"]["wall_s"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return float(found) if is_finite(found) and found > 0 else None


def _seconds(option: str, text: str) -> float:
    try:
        return seconds(text)
    except BadAmount as error:
        raise UsageError(f"{option} is {text!r}; {error.found}\n  {error.do}") from None


def _moment(text: str) -> float:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        wrong = "is no time" if found is None else "does not say its offset from UTC"
        raise UsageError(f"--at is {text!r}; it {wrong}.\n  Write `2023-06-01T08:00Z`, or `+02:00` for another offset.")
    return found.timestamp()
