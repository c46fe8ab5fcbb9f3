"""`paredown predict`: an artifact's answers to the rows of a file. Light: no training framework, no database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from paredown.cli import COMMANDS, screen


@click.command(
    help=COMMANDS["predict"][1]
    + "\n\nARTIFACT is the folder of an artifact, or of a study: what it released. INPUT is a .npy or .npz file with an array (N, ...),"
    " a .csv or .tsv file with a header, a .txt file with one text per line, a .json file with a list of rows, or an image."
    " One answer per line, in the order of the rows."
)
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("input_", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("--proba", is_flag=True, help="The probabilities of all classes instead, as comma-separated numbers.")
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write the answers to a file.")
@screen.trust_option
@screen.json_flag
def command(artifact: Path, input_: Path, proba: bool, out: Path | None, as_json: bool) -> None:
    """Answer a file."""
    import json

    from paredown.artifact.load import load
    from paredown.artifact.predict_main import answered, one_line
    from paredown.core.errors import BadData
    from paredown.pipeline.targets import artifact_of

    with load(artifact_of(artifact)) as model:
        inputs = _inputs(input_)
        try:
            answers = answered(model.program.probabilities if proba else model.program.answers, inputs)
        except ValueError as error:
            raise BadData(f"{input_}: {error}") from error
        labels = model.labels
    if as_json:
        given = {"labels": labels, "probabilities" if proba else "answers": screen.plain(answers)}
        text = json.dumps(given, ensure_ascii=False, indent=2)
    else:
        text = "\n".join(",".join(f"{value:.6f}" for value in row) for row in answers) if proba else "\n".join(map(one_line, answers))
    if out is None:
        screen.dump(given) if as_json else screen.say(text)
        return
    from paredown.ground.files import write_atomic

    write_atomic(out, f"{text}\n".encode())
    screen.note(f"wrote {len(answers)} rows to {out}")


def _inputs(path: Path) -> Any:
    """Raw inputs, read as the artifact's own predict.py reads them.

    Raises:
        BadData: There is no such file, or it is not what its ending says.
    """
    from paredown.artifact.predict_main import BAD_FILE, read_inputs
    from paredown.core.errors import BadData

    if not path.is_file():
        raise BadData(f"{path} does not exist.\n  Give a file of rows; `paredown predict --help` lists the kinds.")
    try:
        return read_inputs(path)
    except BAD_FILE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise BadData(f"{path} cannot be read: {said[:200]}\n  `paredown predict --help` says what can be.") from None
