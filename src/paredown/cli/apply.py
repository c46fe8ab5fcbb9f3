"""`paredown apply`: one recipe, built and screened inside the job's study."""

from __future__ import annotations

import click

from paredown.cli import COMMANDS, screen

_SHOWN = ("cpu_time", "energy", "latency_p50", "latency_p95", "size", "peak_rss", "cold_start", "parameters", "multiply_adds")


@click.command(
    help=COMMANDS["apply"][1]
    + '\n\nRECIPE is a recipe in quotes, as "quantize_static() @ onnxruntime(threads=1)"; JOB is a job file. The artifact is screened on'
    " validation and not confirmed on test: `paredown run` does that."
)
@click.argument("recipe")
@click.argument("job")
@click.option("--study", metavar="DIR", help="The study folder; runs/NAME when left out.")
@click.option("--out", metavar="DIR", help="Where the artifact goes; STUDY/applied when left out.")
@screen.trust_option
@screen.json_flag
def command(recipe: str, job: str, study: str | None, out: str | None, as_json: bool) -> None:
    """Build one recipe."""
    from paredown.report.progress import Progress
    from paredown.running.apply import NOT_CONFIRMED, apply

    read = screen.read_own_job(job)
    with Progress() as progress:
        done = apply(recipe, read, study, out, listener=progress)
    if as_json:
        screen.dump(done)
        return
    from paredown.core.task import CONTINUOUS
    from paredown.report.format import at_most, kind_of, number, quality, style_of
    from paredown.report.words import load

    words, trial, baseline = load(), done.trial, done.baseline

    def share(value: float) -> str:
        return style_of(value, "share").write(value)

    screen.say(trial.recipe)
    screen.say(f"  {NOT_CONFIRMED}")
    screen.say()
    rows = []
    if trial.quality is not None and baseline.quality is not None:
        mine, theirs = quality(trial.quality, done.unit), quality(baseline.quality, done.unit)
        rows.append(("quality", mine, theirs, f"{done.metric} on {done.rows} validation rows"))
    if trial.drop:
        sure = f"at most {at_most(trial.drop['upper'], 'share')} with {100 * done.confidence:g} % confidence"
        rows.append(
            ("drop", share(trial.drop["drop"]), "", sure if done.kind in CONTINUOUS else f"{sure}; {share(trial.drop['flips'])} flips")
        )
    for name in _SHOWN:
        if name in trial.readings or name in trial.ratios:
            kind = kind_of(name)
            mine, theirs = (number(_plain(side.readings.get(name)), kind, words, origin=True) for side in (trial, baseline))
            rows.append((words.name("quantity", name), mine, theirs, number(_plain(trial.ratios.get(name)), "ratio", words, interval=True)))
    screen.table(rows, ("", "this recipe", "as given", "times less, in screening"))
    for note in trial.notes:
        screen.say(f"  {note}")
    screen.say()
    screen.say(f"artifact: {done.folder}; `paredown measure {done.folder} --against {done.study}` measures it at length")


def _plain(reading: object) -> dict[str, object]:
    found: dict[str, object] = reading.json() if hasattr(reading, "json") else {"missing": "not measured"}
    return found
