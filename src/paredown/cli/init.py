"""`paredown init`: a job file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from paredown.cli import COMMANDS, screen

EXAMPLES = ("digits",)


@click.command(
    help=COMMANDS["init"][1] + "\n\nFOLDER is where it goes; it is made when it is not there. An existing job.yaml is never overwritten."
)
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--example", type=click.Choice(EXAMPLES), required=True, help="A job whose model and data come with paredown.")
@screen.json_flag
def command(folder: Path, example: str, as_json: bool) -> None:
    """Write the example."""
    from importlib import resources

    from paredown.core.errors import UsageError

    target = folder / "job.yaml"
    if target.exists():
        raise UsageError(
            f"{target} exists already and is kept as it is.\n  Give another folder: `paredown init --example {example} FOLDER`."
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder.\n  Give a folder: `paredown init --example {example} FOLDER`.")
    folder.mkdir(parents=True, exist_ok=True)
    text = resources.files("paredown.cli").joinpath("starters", f"{example}.yaml").read_text("utf-8")
    target.write_text(text, "utf-8")
    if as_json:
        screen.dump({"written": target, "example": example})
        return
    screen.say(f"wrote {target}")
    screen.say(f"  Read it, then run `paredown run {target}`; it needs the extra: pip install 'paredown[compress]'.")
