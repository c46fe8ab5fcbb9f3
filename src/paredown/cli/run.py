"""`paredown run`: the whole story, from a job to a released artifact."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from paredown.cli import COMMANDS, screen
from paredown.cli.when import DEADLINE, wait_for


@click.command(
    help=COMMANDS["run"][1]
    + "\n\nJOB is a job file, or the folder of a study that `paredown.shrink` made. A study that was begun is continued: nothing "
    "recorded is done again."
    "\n\nExit codes: 0 released, 3 inconclusive, 4 nothing passes the policy."
)
@click.argument("job")
@click.option("--study", metavar="DIR", help="The study folder; runs/NAME when left out.")
@click.option("--fresh", is_flag=True, help="Give up what the study holds and start again.")
@click.option("--wait", "wait_s", metavar="SECONDS", type=click.FloatRange(min=0), default=0.0, help="Wait for another run of the study.")
@click.option(
    "--wait-for-low-carbon",
    "deadline",
    metavar="[TIME]",
    is_flag=False,
    flag_value=DEADLINE,
    help=f"After JOB: wait for the time of least carbon from which the job ends within TIME ({DEADLINE}), by the job's"
    " `deploy.grid.series`; see `paredown when`.",
)
@click.option("--dry-run", is_flag=True, help="Say what test can show, what would be tried and what it would take; no study is opened.")
@screen.trust_option
@screen.json_flag
def command(job: str, study: str | None, fresh: bool, wait_s: float, deadline: str | None, dry_run: bool, as_json: bool) -> int:
    """Run a job."""
    job, study = screen.job_and_study(job, study)
    read = screen.read_own_job(job)
    if dry_run:
        from paredown.planning.dry_run import plan

        found = plan(read, timed=True)
        screen.dump(found) if as_json else _show_plan(found)
        return 0
    from paredown.evidence.bundle import FOLDER
    from paredown.ground.digests import of_folder
    from paredown.report.progress import Progress
    from paredown.running.story import run

    try:
        with Progress() as progress:
            note = "" if deadline is None else wait_for(job, study, deadline, progress)
            result = run(read, study, fresh=fresh, wait_s=wait_s, listener=progress, note=note)
    except KeyboardInterrupt:
        words = ["paredown", "run", job, *(["--study", study] if study else [])]
        words += [] if deadline is None else ["--wait-for-low-carbon", deadline]
        screen.note(f"stopped. Nothing that was recorded is lost; go on with `{shlex.join(words)}`.")
        return 130
    show_result(result.data, result.report, as_json)
    line = f"evidence: {of_folder(result.folder / FOLDER)}, its digest: `paredown verify {shlex.quote(str(result.folder))}` says the same"
    screen.note(line) if as_json else screen.say(line)
    return result.exit_code


def show_result(result: Any, report: Path, as_json: bool, language: str = "en") -> None:
    """The result on stdout: the report for the terminal, or result.json; where the page is on stderr."""
    if as_json:
        screen.dump(result)
    else:
        from rich.console import Console

        from paredown.report.terminal import show

        show(result, Console(highlight=False), language)
        screen.say()
    where = f"report: {report}"
    screen.note(where) if as_json else screen.say(where)


def _show_plan(found: dict[str, Any]) -> None:
    screen.say(f"{found['name']}: a dry run; no study is opened and nothing is kept")
    screen.say()
    rows = ", ".join(f"{split} {count}" for split, count in found["rows"].items())
    screen.table(
        [
            ("task", f"{found['task']}, judged by {found['metric']}"),
            ("policy", f"{found['policy']}; of all that pass, the least {found['minimize'].replace('_', ' ')}"),
            ("rows", rows),
            ("proof", found["provable"]["text"]),
            ("cost", found["estimate"].get("text") or found["estimate"]["missing"]),
            *(("note", note) for note in found["notes"]),
        ]
    )
    for kind in ("techniques", "runtimes"):
        screen.say()
        screen.say(kind)
        screen.table([(f"  {entry['name']}", _tried(entry)) for entry in found[kind]])


def _tried(entry: dict[str, Any]) -> str:
    return "will be tried" if entry["tried"] else "not tried: " + " ".join(entry["reason"].split())
