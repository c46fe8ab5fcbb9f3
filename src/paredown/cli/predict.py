"""`paredown predict`: an artifact's answers to the rows of a file. Light: no training framework, no database."""

from __future__ import annotations

from pathlib import Path

import click

from paredown.cli import COMMANDS, screen


@click.command(
    help=COMMANDS["predict"][1]
    + "\n\nARTIFACT is the folder of an artifact, or of a study: what it released. INPUT is a .npy or .npz file with an array (N, ...),"
    " a .csv or .tsv file with a header, a .txt file with one text per line, a .json file with a list of rows, an image, or a sound."
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

    from paredown.artifact.predict_main import one_line
    from paredown.measuring.answer_file import answer_file
    from paredown.measuring.targets import artifact_of

    found = answer_file(artifact_of(artifact), input_, proba)
    answers = found.answers
    if as_json:
        given = {"labels": found.labels, "probabilities" if proba else "answers": screen.plain(answers)}
        text = json.dumps(given, ensure_ascii=False, indent=2)
    else:
        text = "\n".join(",".join(f"{value:.6f}" for value in row) for row in answers) if proba else "\n".join(map(one_line, answers))
    if out is None:
        screen.dump(given) if as_json else screen.say(text)
        return
    from paredown.ground.files import write_atomic

    write_atomic(out, f"{text}\n".encode())
    screen.note(f"wrote {len(answers)} rows to {out}")
