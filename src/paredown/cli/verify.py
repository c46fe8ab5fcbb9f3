"""`paredown verify`: are an artifact and its evidence what was written, and does its engine still give the packed answers?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paredown.cli import COMMANDS, screen

if TYPE_CHECKING:
    from paredown.measuring.verify import Verified


@click.command(
    help=COMMANDS["verify"][1]
    + "\n\nTARGET is the folder of an artifact, or of a study: then also its evidence, and that artifact, result.json, report.html, ledger,"
    " job.lock.yaml and the answers that quality was judged by are those that the evidence binds. The base install is enough."
    "\n\nWhoever can write a whole study can write its evidence too: compare the evidence's digest with the one that was published."
    "\n\nExit codes: 0 whole, 2 a study without evidence, 5 damaged; all problems are listed."
)
@click.argument("target", type=click.Path(path_type=Path))
@screen.json_flag
def command(target: Path, as_json: bool) -> None:
    """Verify."""
    from paredown.measuring.verify import verify

    found = verify(target)
    if as_json:
        screen.dump(asdict(found))
        return
    screen.say(f"{found.artifact or target} is what was written")
    screen.table(_rows(found))
    if found.evidence is not None:
        screen.note(
            "The evidence covers what it is compared with, not itself: compare its digest with the one that was published with the study."
        )
    for warning in found.warnings:
        screen.note(f"warning: {warning}")


def _rows(found: Verified) -> Iterator[tuple[str, str]]:
    if found.artifact is not None:
        kind = {True: " (released)", False: " (nearest miss; nothing was released)", None: ""}[found.released]
        yield "  recipe", found.recipe + kind
        yield "  files", f"{found.files} with {found.size_b / 1e3:.1f} kB, all as listed"
        again = f"{found.probe_rows} rows answered again; largest difference {found.difference or 0:.1g}, allowed {found.tolerance:g}"
        yield "  probe", "not asked again: see the warning" if found.difference is None else again
        yield "  digest", found.digest
    if found.evidence is None:
        yield "  evidence", "not looked at: give the study's folder"
        return
    yield "  evidence", f"{found.evidence} files, all as listed; digest {found.evidence_digest}"
    yield (
        "  covered by it",
        ", ".join([*(["the artifact"] if found.released is not None and found.artifact else []), *found.covered]) or "nothing",
    )
    yield "  not covered", ", ".join(found.not_covered) or "nothing"
