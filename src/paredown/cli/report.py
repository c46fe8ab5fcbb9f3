"""`paredown report`: the report of a study, written and shown again from its result.json."""

from __future__ import annotations

from pathlib import Path

import click

from paredown.cli import COMMANDS, screen


@click.command(
    help=COMMANDS["report"][1]
    + "\n\nSTUDY is the folder of a study. Its report.html, or report.zh.html, is written again from its result.json; a page that is the"
    " one of its evidence stays as it is."
    + "\n\nWith --grid the carbon is worked out with the electricity of another place or time, from the energy by the hour that the study"
    " kept: nothing is measured, the page says which factors it uses and stands beside the study's own, as report.NO.html;"
    " result.json and evidence stay as they are."
)
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--lang", "language", default="en", show_default=True, help="The report's language: en or zh.")
@click.option("--grid", metavar="FILE|ZONE", help="An hourly series, or a zone of `paredown list zones`.")
@click.option("--column", help="The column of g CO2e per kWh, or a part of its name, where the file has several.")
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="The folder that the page goes to; the study when left out.")
@screen.json_flag
def command(study: Path, language: str, grid: str | None, column: str | None, out: Path | None, as_json: bool) -> None:
    """Write and show the report."""
    from paredown.cli.run import show_result
    from paredown.evidence.bound import REPORT, RESULT, differs
    from paredown.evidence.bundle import bound_by, uncovered
    from paredown.ground.files import writable
    from paredown.measuring.targets import result_of
    from paredown.report import report_file, write_report

    result, variant, folder = result_of(study), "", out or study
    if grid is not None:
        from paredown.impact.before_after import grid_named, reaccounted

        other = grid_named(grid, column)
        result, variant = reaccounted(result, other), other.zone
    file, bound = report_file(folder, language, variant), bound_by(study)
    if bound is None or file != study / REPORT or REPORT not in bound.files or differs(study, bound, [REPORT]):
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
        file = write_report(result, folder, language, variant)
    if without := uncovered(study):
        screen.note(f"{RESULT} is {without}")
        result = result | {"not_covered": without} if as_json else result
    show_result(result, file, as_json, language)
