"""`paredown compare`: two models measured interleaved, and their answers beside each other."""

from __future__ import annotations

import click

from paredown.cli import COMMANDS, screen
from paredown.cli.measure import asking, show


@click.command(
    help=COMMANDS["compare"][1]
    + "\n\nA and B are each the folder of an artifact or of a study (what it released), an .onnx file, a Hugging Face folder, or"
    " `kind:value` as in a job's `model:`. One of both has to be an artifact or a study, which says how raw input becomes the other's."
)
@click.argument("a")
@click.argument("b")
@asking
@screen.trust_option
@screen.json_flag
def command(a: str, b: str, data: str | None, label: str | None, metric: str, seconds: float, batch: int, as_json: bool) -> None:
    """Compare."""
    from paredown.measuring.side_by_side import compare
    from paredown.report.progress import Progress

    screen.say_code(A=a, B=b, data=data, metric=metric)
    with Progress() as progress:
        progress.stage(f"measuring {a} and {b} in turn")
        found = compare(a, b, data=data, label=label, metric=metric, seconds=seconds, batch=batch, tick=progress.step)
    screen.dump(found) if as_json else show(found, ("A", "B"))
    for warning in found.warnings:
        screen.note(f"warning: {warning}")
