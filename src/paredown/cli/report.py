"""`paredown report`: the report of a study, written and shown again from its result.json."""

from __future__ import annotations

from pathlib import Path

import click

from paredown.cli import COMMANDS, screen


@click.command(
    help=COMMANDS["report"][1]
    + "\n\nSTUDY is the folder of a study. Its report.html, or report.zh.html, is written again from its result.json."
)
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--lang", "language", default="en", show_default=True, help="The report's language: en or zh.")
@screen.json_flag
def command(study: Path, language: str, as_json: bool) -> None:
    """Write and show the report."""
    from paredown.cli.run import show_result
    from paredown.ground.files import writable
    from paredown.pipeline.targets import result_of
    from paredown.report import report_file, write_report

    result = result_of(study)
    with writable(report_file(study, language)):
        file = write_report(result, study, language)
    show_result(result, file, as_json, language)
