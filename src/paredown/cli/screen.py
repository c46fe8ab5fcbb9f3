"""What all commands share: JSON on request, tables, messages, errors without a traceback."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from paredown.core.errors import BadDocument, ParedownError
from paredown.ground.files import PICKLES
from paredown.ground.trust import trusting
from paredown.ground.untrusted import escaped_json, visible

if TYPE_CHECKING:
    from paredown.core.job import Job

F = TypeVar("F", bound=Callable[..., Any])
GIVEN, JOB = "given", "job.yaml"
"""Where `paredown.shrink` keeps the job of a study."""


def json_flag(function: F) -> F:
    """Give a command `--json`; it arrives as `as_json: bool`. With it stdout holds one JSON document and nothing else."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(function)


def trust_option(function: F) -> F:
    """Give a command `--trust`, which may be repeated: while it runs, artifacts and studies may name these functions."""

    @click.option(
        "--trust",
        multiple=True,
        metavar="PKG.MOD:FUNCTION",
        help="Let an artifact or a study name this function to build a model: code of yours or of whom you trust; may be repeated.",
    )
    @wraps(function)
    def trusting_command(*arguments: Any, trust: tuple[str, ...], **more: Any) -> Any:
        with trusting(trust):
            return function(*arguments, **more)

    return cast(F, trusting_command)


def job_and_study(job: str, study: str | None) -> tuple[str, str | None]:
    """The job file and the study folder, where `job` is a folder that `paredown.shrink` made."""
    given = Path(job) / GIVEN / JOB
    return (str(given), study or job) if given.is_file() else (job, study)


def forgiving() -> None:
    """From here on, what a terminal's encoding lacks is written as its escape instead of an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def say(text: str = "") -> None:
    """A line of the answer, to stdout; what a terminal would obey is shown."""
    click.echo(visible(text))


def note(text: str) -> None:
    """A line beside the answer (progress, advice), to stderr, so that stdout stays the answer; shown as by `say`."""
    click.echo(visible(text), err=True)


def read_own_job(path: str) -> Job:
    """A job, after a line to stderr that says which code of the job is about to be imported and called."""
    from paredown.study.jobfile import read_job

    job = read_job(path)
    _say_code(job.code, job.folder.resolve())
    return job


def say_code(**named: str | None) -> None:
    """The same of what stands on a command line: code is what follows `python:`, a metric `pkg.mod:function`, and a pickle."""
    code = {
        what: name
        for what, name in named.items()
        if name and (name.startswith("python:") or (what == "metric" and ":" in name) or name.lower().endswith(PICKLES))
    }
    _say_code([f"{what} {name.removeprefix('python:')}" for what, name in code.items()], Path.cwd())


def _say_code(code: Sequence[str], folder: Path) -> None:
    if code:
        note(f"runs code that is not paredown's, with your rights: {', '.join(code)} (looked up in {folder} first)")


def plain(value: Any) -> Any:
    """Data that JSON can hold: `.json()` of our nouns, words of enums, paths as text; a number that is not finite becomes null."""
    if hasattr(value, "json") and callable(value.json):
        return plain(value.json())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | int | bool | None):
        return value
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def dump(value: Any) -> None:
    """One JSON document to stdout, as text that every terminal takes: what it would obey or cannot show is escaped as JSON does it."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(plain(value), indent=2, allow_nan=False)
    click.echo(escaped_json(text))


def table(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> None:
    """Rows in aligned columns; the last column wraps on a terminal and is never cut in a pipe."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=bool(heads), pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    rows = [tuple(map(str, row)) for row in rows]
    width = max([len(heads), *map(len, rows)], default=0)
    for at in range(width):
        last = at == width - 1
        grid.add_column(heads[at] if heads else "", no_wrap=not last, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(visible(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    with Console(width=None if terminal else 10_000, highlight=False) as console, console.capture() as taken:
        console.print(grid)
    for line in taken.get().splitlines():
        click.echo(line.rstrip() if not terminal else line)


def show_error(error: ParedownError | click.ClickException, as_json: bool = False) -> int:
    """Print an error without a traceback; returns the exit code.

    With `as_json` stdout gets {"error": {"kind", "message", "exit_code"}}, and "problems" for a document with several.
    """
    usage = isinstance(error, click.ClickException)
    code = error.exit_code
    message = error.format_message() if isinstance(error, click.ClickException) else str(error)
    if as_json:
        found: dict[str, Any] = {"kind": "UsageError" if usage else type(error).__name__, "message": message, "exit_code": code}
        if isinstance(error, BadDocument):
            found["problems"] = [{"where": item.where, "found": item.found, "do": item.do} for item in error.problems]
        dump({"error": found})
        return code
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message += f"\n  `{error.ctx.command_path} --help` shows what is allowed."
    note(message)
    return code
