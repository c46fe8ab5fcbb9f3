"""`paredown measure`: an artifact alone, against another one, or any command."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from paredown.cli import COMMANDS, screen

if TYPE_CHECKING:
    from paredown.core.reading import Missing, Reading
    from paredown.pipeline.command import Ran
    from paredown.pipeline.side_by_side import Measured

_COMMAND = "paredown.command"
_SHOWN = (
    "cpu_time", "energy", "latency_p50", "latency_p95", "latency_p99", "throughput", "size", "peak_rss", "cold_start", "parameters",
    "multiply_adds",
)  # fmt: skip


class _WithCommand(click.Command):
    """Keeps what follows `--` apart, which click would mix with the other words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


def asking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what is asked, and for how long."""
    options = (
        click.option("--data", metavar="FILE", help="Rows to ask; the artifact's own probe rows when left out. Answers are compared too."),
        click.option("--label", metavar="COLUMN", help="The column of FILE with the right answers, to compare quality."),
        click.option("--metric", default="accuracy", show_default=True, help="What quality is; `paredown list metrics` shows all."),
        click.option("--seconds", type=float, default=60.0, show_default=True, help="Wall time of all windows together."),
        click.option("--batch", type=int, default=1, show_default=True, help="Rows per call."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command(
    cls=_WithCommand,
    help=COMMANDS["measure"][1]
    + "\n\nTARGET is the folder of an artifact, or of a study: what it released. With `--against` both are measured in turn, in processes"
    " of their own, and their ratios come with intervals."
    "\n\n`paredown measure -- COMMAND ...` runs a command and says what it took; the exit code is the command's own.",
)
@click.argument("target", required=False)
@click.option(
    "--against",
    metavar="MODEL",
    help="An artifact, a study (its model as given), `baseline` (that of the target's study), an .onnx file or a Hugging Face folder.",
)
@asking
@screen.json_flag
@click.pass_context
def command(
    ctx: click.Context,
    target: str | None,
    against: str | None,
    data: str | None,
    label: str | None,
    metric: str,
    seconds: float,
    batch: int,
    as_json: bool,
) -> int | None:
    """Measure."""
    from paredown.core.errors import UsageError

    words = ctx.meta.get(_COMMAND)
    if (target is None) == (words is None) or words == ():
        raise UsageError(
            "measure needs either TARGET or a command.\n  Write `paredown measure runs/digits` or `paredown measure -- COMMAND ...`."
        )
    if words is not None:
        if against is not None or data is not None or label is not None:
            raise UsageError("--against, --data and --label go with an artifact, not with a command.\n  Leave them out, or give TARGET.")
        return _command(words, as_json)
    from paredown.pipeline.progress import Progress
    from paredown.pipeline.side_by_side import measure

    assert target is not None
    with Progress() as progress:
        progress.stage(f"measuring {target}" + (f" against {against}" if against else ""))
        found = measure(target, against, data=data, label=label, metric=metric, seconds=seconds, batch=batch, tick=progress.step)
    screen.dump(found) if as_json else show(found)
    for warning in found.warnings:
        screen.note(f"warning: {warning}")
    return None


def show(found: Measured, sides: tuple[str, str] = ("target", "against")) -> None:
    """The table of readings and ratios, the answers, and what the numbers are.

    Args:
        found: The measurement.
        sides: What the target and the other side are called.
    """
    from paredown.report.format import kind_of, number, style_of
    from paredown.report.words import load

    words = load()
    heads = [f"{name}: " if sides[0] != "target" else "" for name in sides]
    screen.say(f"{heads[0]}{found.artifact}: {found.recipe}")
    if found.other is not None:
        screen.say(f"{heads[1] or 'against '}{found.other}: {found.other_recipe}")
    screen.say()

    def cell(reading: Any, kind: str) -> str:
        plain = reading.json() if reading is not None else {"missing": "not measured"}
        return number(plain, kind, words, interval=True, origin=True)

    rows = []
    for name in _SHOWN:
        if name not in found.readings:
            continue
        row = [words.name("quantity", name), cell(found.readings[name], kind_of(name))]
        if found.other is not None:
            ratio = found.ratios.get(name)
            row += [cell(found.other_readings.get(name), kind_of(name)), _ratio(found, ratio, cell) if name in found.ratios else ""]
        rows.append(row)
    less = "times less" if sides[0] == "target" else f"{sides[0]} takes times less"
    screen.table(rows, ("", *sides, less) if found.other is not None else ("", sides[0]))
    screen.say()
    for line in _answers(found, sides):
        screen.say(line)
    all_s = found.windows * found.window_s * (1 if found.other is None else 2)
    screen.say(f"{found.windows} windows of {found.window_s:g} s per side, {all_s:g} s in all; batch {found.batch}; {found.asked}")
    screen.say("one inference is raw input to decoded answer, in a process of its own, at the thread count of each recipe")
    for line in _energy(found.readings):
        screen.say(line)
    if found.noise_floor is not None:
        floor = style_of(found.noise_floor, "share").write(found.noise_floor)
        screen.say(f"noise floor of CPU time: {floor}, the other side against its twin; a difference below it is not claimed")
    if found.quick:
        screen.say(f"this is a quick measurement: {all_s:g} s of windows where a claim needs 60 s; leave `--seconds` out for it")


def _energy(readings: Mapping[str, Reading | Missing]) -> list[str]:
    """What the estimators say of the energy, how far they are apart and what it covers; nothing where a counter was read."""
    from paredown.core.reading import How, Reading
    from paredown.ground.host import host
    from paredown.impact.energy import active_energies, cpu_curve, curve_json
    from paredown.report.outline import energy_sentences
    from paredown.report.words import load

    cpu, energy = readings.get("cpu_time"), readings.get("energy")
    if not isinstance(cpu, Reading) or not isinstance(energy, Reading) or energy.how is not How.ESTIMATED:
        return []
    machine = host()
    curve = cpu_curve(machine)
    energies = {name: one.json() for name, one in active_energies(curve, cpu.value).items()}
    return energy_sentences(curve_json(curve, machine), energies, load(), machine.virtual)


def _answers(found: Measured, sides: tuple[str, str]) -> Iterator[str]:
    """The answers of both sides beside each other, in words."""
    from paredown.report.format import at_most, style_of

    answers = found.answers
    if answers is None:
        return

    def share(value: float) -> str:
        return style_of(value, "share").write(value)

    yield f"answers: {share(answers.flips.value)} of {answers.rows} rows are answered otherwise"
    if answers.drop is not None and answers.quality is not None and answers.other_quality is not None:
        drop = answers.drop
        yield f"{answers.metric}: {sides[0]} {share(answers.quality)}, {sides[1]} {share(answers.other_quality)}"
        bound = at_most(drop.upper, "share") if math.isfinite(drop.upper) else "not known: too few rows"
        sure = f"at most {bound} with {100 * drop.confidence:g} % confidence"
        yield f"  relative drop from {sides[1]} to {sides[0]}: {share(drop.drop)}, {sure}"
    yield ""


def _ratio(found: Measured, ratio: Any, cell: Any) -> str:
    """The ratio, or that none is shown where its interval with the noise floor holds 1."""
    from paredown.core.reading import Reading

    text = cell(ratio, "ratio")
    noisy = isinstance(ratio, Reading) and ratio.quantity in ("cpu_time", "energy", "latency_p50", "latency_p95", "latency_p99")
    if not noisy or ratio.low is None or ratio.high is None:
        return str(text)
    floor = 1 + (found.noise_floor or 0.0)
    return f"{text}: no difference shown" if ratio.low / floor <= 1 <= ratio.high * floor else str(text)


def _command(words: tuple[str, ...], as_json: bool) -> int:
    """Run a command; its stdout stays its own, so that what it took goes to stderr."""
    from paredown.pipeline.command import measure_command

    ran = measure_command(words, output=2 if as_json else None)
    if as_json:
        screen.dump(ran)
    else:
        for line in _lines(ran):
            screen.note(line)
    return ran.exit_code


def _lines(ran: Ran) -> list[str]:
    from paredown.pipeline.command import BOUNDARY, signal_name
    from paredown.report.format import kind_of, number
    from paredown.report.words import load

    words = load()
    ended = f"ended by {signal_name(ran.exit_code)}" if signal_name(ran.exit_code) else f"exit code {ran.exit_code}"
    lines = [f"{ended} after {number({'value': ran.wall_s, 'how': 'measured'}, 'time', words)} of wall time"]
    for name, reading in ran.readings.items():
        lines.append(f"  {words.name('quantity', name):<12} {number(reading.json(), kind_of(name), words, interval=True, origin=True)}")
    return [*lines, *(f"  {line}" for line in _energy(ran.readings)), f"  {BOUNDARY}"]
