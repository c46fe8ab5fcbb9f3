"""`paredown when`: the time, and the place, of least carbon for a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from paredown.cli import COMMANDS, screen

if TYPE_CHECKING:
    from paredown.intensity.foresee import Record
    from paredown.intensity.when import Choice
    from paredown.planning.when import Answer
    from paredown.report.progress import Progress

DEADLINE = "24h"
_SIGNALS = {"unknown": "whether average or marginal is not said"}
BARS, HOLE, MOST_BARS = "▁▂▃▄▅▆▇█", "·", 72


@click.command(
    help=COMMANDS["when"][1]
    + "\n\nJOB is a job file, or the folder of a study that `paredown.shrink` made; without it give --series and --duration."
    "\n\nA series is a file: CSV of Electricity Maps or of the British system operator, CSV with two columns as `time,g_per_kwh`, or JSON"
    " of Electricity Maps v3, the Carbon Aware SDK, the UK Carbon Intensity API or WattTime v3; `.gz` too. Nothing is fetched. Where the"
    " file holds a forecast of the next hours, that is used; else they are expected from the past 28 days in it, and what this saved in the"
    " year before is said."
    "\n\nFiles of one zone are joined; several zones are compared."
)
@click.argument("job", required=False)
@click.option("--series", "files", metavar="FILE", multiple=True, help="An intensity series; again for more. The job's own when left out.")
@click.option("--column", metavar="NAME", help="The column of the values, or a part of its name, as `direct`.")
@click.option("--duration", metavar="TIME", help="How long the job takes, as `4h`; the job's budget or its last run when left out.")
@click.option("--deadline", metavar="TIME", default=DEADLINE, show_default=True, help="The job has to end within so long from now.")
@click.option("--interruptible", is_flag=True, help="Work in pieces, in the lowest hours; what stopping costs is not counted.")
@click.option("--piece", metavar="TIME", default="1h", show_default=True, help="With --interruptible, the shortest piece.")
@click.option("--at", metavar="TIME", help="Try a past time in place of now, as `2023-06-01T08:00Z`, and see what would have happened.")
@screen.json_flag
def command(
    job: str | None,
    files: tuple[str, ...],
    column: str | None,
    duration: str | None,
    deadline: str,
    interruptible: bool,
    piece: str,
    at: str | None,
    as_json: bool,
) -> None:
    """Find the time."""
    from pathlib import Path

    from paredown.planning.when import when

    read, study = None, None
    if job is not None:
        from paredown.study.jobfile import read_job

        path, folder = screen.job_and_study(job, None)
        read, study = read_job(path), None if folder is None else Path(folder)
    answer = when(
        read, files, column=column, duration=duration, deadline=deadline, piece=piece if interruptible else None, at=at, study=study
    )
    screen.dump(document(answer)) if as_json else show(answer)


def wait_for(job: str, study: str | None, deadline: str, progress: Progress) -> str:
    """Wait until the time of least carbon, after job and data have been read whole.

    Args:
        job: The job file; it names its series.
        study: The study folder; runs/NAME when None.
        deadline: The job has to end within so long from now.
        progress: Told what is waited for.

    Returns:
        A sentence for the report.
    """
    from pathlib import Path

    from paredown.planning.dry_run import plan
    from paredown.planning.when import two, wait, when
    from paredown.study.jobfile import read_job

    plan(job)
    best = when(read_job(job), deadline=deadline, study=None if study is None else Path(study)).best
    if best.waits:
        expected = f"{two(best.then_g_per_kwh)} g CO2e/kWh in {best.zone} in place of {two(best.now_g_per_kwh)}"
        progress.stage(f"waiting until {clock(best.start_s)}: {expected}, {percent(best.saving)} less; Ctrl-C ends it")
    else:
        progress.stage(f"not waiting: no time until the deadline saves much ({percent(best.saving)})")
    return wait(best, progress.step)


def show(answer: Answer) -> None:
    """The places in a table where there are several, then the best one."""
    from paredown.planning.when import two

    if len(answer.choices) > 1:
        rows = [
            (
                each.zone,
                two(each.now_g_per_kwh),
                two(each.then_g_per_kwh),
                clock(each.pieces[0][0]),
                percent(each.saving) if each.waits else "not worth it",
                _kept(each.record),
            )
            for each in answer.choices
        ]
        screen.table(rows, ("place", "now, g CO2e/kWh", "at best", "from", "waiting saves", "of what could be saved, last year"))
        screen.say()
    for line in lines(answer):
        screen.say(line)


def lines(answer: Answer) -> Iterator[str]:
    """The best choice in words."""
    from paredown.intensity.when import WORTH, span
    from paredown.planning.when import two

    best = answer.best
    yield f"{span(answer.duration_s)} of work ({answer.duration_from}), to end within {span(best.deadline_s)} from {clock(best.now_s)}"
    wait = span(best.start_s - best.now_s)
    if best.waits:
        yield f"{best.zone}: wait {wait}, start at {clock(best.start_s)}"
        if len(best.pieces) > 1:
            yield f"  in {len(best.pieces)} pieces: " + "; ".join(f"{clock(start)} for {span(end - start)}" for start, end in best.pieces)
    else:
        yield f"{best.zone}: start now; waiting is expected to save {percent(best.saving)}, and below {percent(WORTH)} it is not worth it"
    yield ""
    yield f"  now        {two(best.now_g_per_kwh)} g CO2e/kWh expected over the job, {_SIGNALS.get(best.signal, best.signal)}"
    if best.waits:
        yield f"  then       {two(best.then_g_per_kwh)} g CO2e/kWh expected, {percent(best.saving)} less"
    if best.happened is not None:
        now, then = best.happened
        chosen = f", {then:.0f} as chosen{_less(now, then)}" if best.waits else ""
        yield f"  it came    {now:.0f} g CO2e/kWh when started at once{chosen}"
    yield from sketch(best)
    yield from _how(best)
    yield f"  source     {best.source}"
    for note in best.notes:
        yield f"  note       {note}"


def sketch(chosen: Choice) -> Iterator[str]:
    """The time until the deadline as bars, one for an hour at most, with the work below it."""
    from paredown.ground.hours import HOUR_S

    until_s = chosen.now_s + chosen.deadline_s
    known = {hour * HOUR_S: value for hour, value in chosen.ahead.hours().items() if hour * HOUR_S < until_s}
    if len(known) < 2:
        return
    times = range(min(known), max(known) + 1, HOUR_S)
    more = f", the first {MOST_BARS} of {len(times)}" if len(times) > MOST_BARS else ""
    hours = [(time, known.get(time)) for time in times[:MOST_BARS]]
    values = [value for _, value in hours if value is not None]
    low, high = min(values), max(values)
    bars = "".join(
        HOLE if value is None else BARS[round((value - low) / (high - low) * (len(BARS) - 1)) if high > low else 0] for _, value in hours
    )
    work = chosen.pieces if chosen.waits else ((chosen.now_s, chosen.now_s + chosen.duration_s),)
    marks = "".join("^" if any(start < time + HOUR_S and end > time for start, end in work) else " " for time, _ in hours)
    yield f"  ahead      {bars}  {low:.0f} to {high:.0f} g CO2e/kWh, hour by hour from {clock(hours[0][0])}{more}"
    yield f"             {marks}".rstrip()


def clock(time_s: float) -> str:
    """A time where the machine is, and in UTC: `Thu 2 Jun 14:00 CEST (12:00 UTC)`."""
    from paredown.intensity.series import moment

    utc = moment(time_s)
    local = utc.astimezone()
    if local.utcoffset() == utc.utcoffset():
        return f"{utc:%a} {utc.day} {utc:%b %H:%M} UTC"
    other_day = f"{utc:%a} " if local.date() != utc.date() else ""
    return f"{local:%a} {local.day} {local:%b %H:%M} {local.tzname()} ({other_day}{utc:%H:%M} UTC)"


def percent(share: float) -> str:
    """A share with two leading digits, to a hundredth of a percent."""
    from paredown.planning.when import two

    return f"{two(round(100 * share, 2) + 0.0)} %"  # + 0.0: a share that rounds to nothing has no sign


def _less(now: float, then: float) -> str:
    if now <= 0:
        return ""
    return f": {percent(1 - then / now)} less" if then <= now else f": {percent(then / now - 1)} more"


def _kept(record: Record | None) -> str:
    return "not known" if record is None else percent(record.of_possible)


def _how(chosen: Choice) -> Iterator[str]:
    from paredown.intensity.series import moment

    if chosen.foreseen == "file":
        yield "  how        the forecast in the file; how good it is, the file does not say"
        return
    record = chosen.record
    yield "  how        expected from the same hours of the past 28 days and the present level"
    if record is None:
        yield "  how good   not known: the series holds too little past"
        return
    if record.possible <= 0:
        yield "  how good   nothing could have been saved in the year before: the deadline leaves no choice"
        return
    interval = "" if record.low is None or record.high is None else f" [{percent(record.low)}, {percent(record.high)}]"
    yield (
        f"  how good   {moment(record.start_s):%Y-%m-%d} to {moment(record.end_s):%Y-%m-%d}, {record.starts} starts: this rule saved"
        f" {percent(record.saved)} of the carbon, {percent(record.of_possible)}{interval} of what a perfect forecast would have"
    )
    yield (
        f"             8 of 10 starts saved between {percent(record.low_saved)} and {percent(record.high_saved)};"
        f" {percent(record.worse)} came out worse than starting at once"
    )


def document(answer: Answer) -> dict[str, Any]:
    """The answer as JSON."""
    return {
        "duration_s": answer.duration_s,
        "duration_from": answer.duration_from,
        "best": answer.best.zone,
        "choices": [_json(each) for each in answer.choices],
    }


def _json(chosen: Choice) -> dict[str, Any]:
    from dataclasses import asdict

    from paredown.intensity.series import stamp

    record = None if chosen.record is None else asdict(chosen.record)
    if record is not None:
        record["start"], record["end"] = stamp(record.pop("start_s")), stamp(record.pop("end_s"))
    return {
        "zone": chosen.zone,
        "signal": chosen.signal,
        "source": chosen.source,
        "now": stamp(chosen.now_s),
        "deadline_s": chosen.deadline_s,
        "waits": chosen.waits,
        "start": stamp(chosen.start_s),
        "pieces": [[stamp(start), stamp(end)] for start, end in chosen.pieces],
        "now_g_per_kwh": chosen.now_g_per_kwh,
        "then_g_per_kwh": chosen.then_g_per_kwh,
        "saving": chosen.saving,
        "foreseen": chosen.foreseen,
        "record": record,
        "happened": None if chosen.happened is None else {"now_g_per_kwh": chosen.happened[0], "then_g_per_kwh": chosen.happened[1]},
        "ahead": {stamp(time): value for time, value in zip(chosen.ahead.times_s, chosen.ahead.values)},
        "notes": chosen.notes,
    }
