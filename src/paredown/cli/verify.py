"""`paredown verify`: are an artifact and its evidence what was written, and does its engine still give the packed answers?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from paredown.cli import COMMANDS, screen


@click.command(
    help=COMMANDS["verify"][1]
    + "\n\nTARGET is the folder of an artifact, or of a study: its artifact and its evidence. The base install is enough."
    "\n\nExit codes: 0 whole, 5 damaged; all problems are listed."
)
@click.argument("target", type=click.Path(path_type=Path))
@screen.json_flag
def command(target: Path, as_json: bool) -> None:
    """Verify."""
    from paredown.pipeline.proof import verify

    found = verify(target)
    if as_json:
        screen.dump(asdict(found))
        return
    screen.say(f"{found.artifact} is what was written")
    screen.table(
        [
            ("  recipe", found.recipe),
            ("  files", f"{found.files} with {found.size_b / 1e3:.1f} kB, all as listed"),
            (
                "  probe",
                "not asked again: see the warning"
                if found.difference is None
                else f"{found.probe_rows} rows answered again; largest difference {found.difference:.1g}, allowed {found.tolerance:g}",
            ),
            (
                "  evidence",
                "not looked at: give the study's folder" if found.evidence is None else f"{found.evidence} files, all as listed",
            ),
            ("  digest", found.digest),
        ]
    )
    for warning in found.warnings:
        screen.note(f"warning: {warning}")
