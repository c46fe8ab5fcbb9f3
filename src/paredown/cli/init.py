"""`paredown init`: a job file to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from paredown.cli import COMMANDS, screen

EXAMPLES = ("digits",)


@click.command(
    help=COMMANDS["init"][1]
    + "\n\nTARGET is the model: a Hugging Face folder or id, an .onnx file, a fitted estimator of scikit-learn's kind"
    " (.joblib, .pkl; the files of XGBoost and LightGBM), a function `pkg.mod:build` that returns a module, a file"
    " of weights with `--build`, or a built-in network. It and the data are looked at; what cannot be seen is left as a line to fill in."
    "\n\nWith `--example` TARGET is the folder where the example goes. An existing file is never overwritten."
)
@click.argument("target", required=False)
@click.option("--train", metavar="FILE", default="", help="Rows that the model was or will be trained on.")
@click.option("--validation", metavar="FILE", default="", help="Rows to rank candidates by.")
@click.option("--test", metavar="FILE", default="", help="Rows that the model has never seen.")
@click.option("--label", metavar="COLUMN", default="", help="The column of labels; found when left out.")
@click.option("--text", metavar="COLUMN[,COLUMN]", default="", help="The column of text, or two for pairs; found when left out.")
@click.option("--groups", metavar="COLUMN,...", default="", help="Columns to judge by, as sex,region; suggested when left out.")
@click.option("--build", metavar="PKG.MOD:FUNCTION", default="", help="What builds the module that a file of weights belongs to.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), default=Path("job.yaml"), help="The job file; job.yaml by default.")
@click.option("--example", type=click.Choice(EXAMPLES), help="A job whose model and data come with paredown.")
@screen.json_flag
def command(
    target: str | None,
    train: str,
    validation: str,
    test: str,
    label: str,
    text: str,
    groups: str,
    build: str,
    out: Path,
    example: str | None,
    as_json: bool,
) -> None:
    """Write a job about a model, or the example."""
    if example is not None:
        _write_example(Path(target or "."), example, as_json)
        return
    if target is None or not (test or train):
        lacks = "no model" if target is None else "no `--test`"
        raise click.UsageError(f"there is {lacks}. Give `paredown init MODEL --test rows.csv`, or `paredown init --example digits`.")
    from paredown.core.errors import UsageError
    from paredown.planning.init import starter
    from paredown.planning.model_entry import FUNCTION

    if out.exists():
        raise UsageError(f"{out} exists already and is kept as it is.\n  Give another file: `--out other.yaml`.")
    new = not out.parent.exists()
    out.parent.mkdir(parents=True, exist_ok=True)  # a path that goes up from there needs it
    made_by = build or (target if FUNCTION.fullmatch(target) else "")
    screen.say_code(model=f"python:{made_by}" if made_by else target, train=train, validation=validation, test=test)
    try:
        names = {"text": _names(text), "groups": _names(groups)}
        found = starter(target, test, train, validation=validation, label=label, build=build, out=out, **names)
    except UsageError:
        if new:
            out.parent.rmdir()
        raise
    out.write_text(found.text, "utf-8")
    if as_json:
        screen.dump({"written": out, "seen": found.seen, "open": found.open, "rows": None if found.plan is None else found.plan["rows"]})
        return
    screen.say(f"wrote {out}")
    for line in found.seen:
        screen.say(f"  {line}")
    for line in found.open:
        screen.say(f"  to fill in: {line}")
    screen.say(f"  Read it, then run `{shlex.join(['paredown', 'run', str(out), '--dry-run'])}`.")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _write_example(folder: Path, example: str, as_json: bool) -> None:
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
