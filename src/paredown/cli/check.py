"""`paredown check`: what a study recorded, held against a policy."""

from __future__ import annotations

from pathlib import Path

import click

from paredown.cli import COMMANDS, screen

EXIT_CODES = {"pass": 0, "fail": 1, "inconclusive": 3}


@click.command(
    help=COMMANDS["check"][1]
    + "\n\nTARGET is the folder of a study. Its final readings and its answers on test are judged again; nothing is"
    " run, and test is not opened again.\n\nExit codes: 0 pass, 1 a must failed, 3 inconclusive only."
)
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--policy", help="A policy file or a built-in name; the policy of the study's last run when left out.")
@screen.json_flag
def command(target: Path, policy: str | None, as_json: bool) -> int:
    """Judge a study again."""
    from paredown.measuring.check import check

    checked = check(target, policy)
    code = EXIT_CODES[str(checked.outcome)]
    if as_json:
        screen.dump(checked)
        return code
    screen.say(f"{checked.outcome}: {checked.recipe}")
    screen.say(f"  held against the policy {checked.policy}; quality on {checked.split}")
    screen.say()
    rows = [(f"  {_said(finding.outcome, finding.blocks)}", str(finding.level), _reason(finding)) for finding in checked.findings]
    screen.table(rows or [("  the policy has no rules",)])
    for note in checked.notes:
        screen.note(note)
    return code


def _said(outcome: str, blocks: bool) -> str:
    return f"{outcome}, blocks" if blocks else str(outcome)


def _reason(finding: object) -> str:
    waived = getattr(finding, "waived", "")
    return f"{getattr(finding, 'reason', '')}{f' Waived: {waived}.' if waived else ''}"
