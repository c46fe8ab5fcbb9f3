"""`paredown export`: records of energy in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paredown.cli import COMMANDS, screen


@click.command(
    help=COMMANDS["export"][1]
    + "\n\nSOURCE is the folder of a study (one inference of the model as given and of the chosen one, and the search), a file that"
    " `paredown.track(to=...)` wrote, an export in JSON, or CodeCarbon's emissions.csv. `paredown list exports` shows all formats."
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--format", "name", default="json", show_default=True, help="One of `paredown list exports`.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; standard output when left out, or `-`.")
@screen.json_flag
def command(source: Path, name: str, out: Path | None, as_json: bool) -> None:
    """Export."""
    from paredown.evidence.bound import RESULT
    from paredown.evidence.bundle import uncovered
    from paredown.exports.records import read_records, study_records
    from paredown.ground import registry
    from paredown.ground.files import write_atomic
    from paredown.measuring.targets import result_of

    export = registry.get("exports", name)()
    records = study_records(result_of(source)) if source.is_dir() else read_records(source)
    said: dict[str, Any] = {"format": name, "records": len(records)}
    if source.is_dir() and (without := uncovered(source)):
        screen.note(f"{RESULT} is {without}")
        said["not_covered"] = without
    text = export.text(records)
    if out is None or str(out) == "-":
        screen.dump(said | {"text": text}) if as_json else click.echo(text, nl=False)
        return
    write_atomic(out, text.encode())
    if as_json:
        screen.dump(said | {"file": out})
    else:
        screen.note(f"{len(records)} {'record' if len(records) == 1 else 'records'} as {name} in {out}")
