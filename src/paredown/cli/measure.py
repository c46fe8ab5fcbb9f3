"""`paredown measure`: an artifact alone, against another one, or any command."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paredown.cli import COMMANDS, screen

if TYPE_CHECKING:
    from paredown.core.reading import Missing, Reading
    from paredown.measuring.command import Ran
    from paredown.measuring.gate import Gated
    from paredown.measuring.measured import Measured

_COMMAND = "paredown.command"
_SHOWN = (
    "cpu_time", "energy", "package_energy", "dram_energy", "platform_energy", "gpu_energy", "wall_energy", "latency_p50", "latency_p95",
    "latency_p99", "throughput", "size", "peak_rss", "cold_start", "parameters", "multiply_adds",
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
        click.option(
            "--metric", default="", help="What quality is; `paredown list metrics` shows all. By default the usual one of the answers."
        ),
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
    help="An artifact, a study (its model as given), `baseline` (that of the target's study), an .onnx file, a Hugging Face folder, or"
    " the .json that `--save` wrote.",
)
@click.option("--save", metavar="FILE", help="Keep the measurement as a baseline for `--against FILE`.")
@click.option(
    "--max-regression",
    "most",
    multiple=True,
    metavar="[QUANTITY=]SHARE",
    help="How much more than `--against` it may take, as 5%; exits with 1 above it and with 3 when that cannot be told.",
)
@click.option("--scenario", type=click.Choice(["single-stream", "server"]), help="server: requests arrive at random, at each `--rate`.")
@click.option("--rate", "rates", multiple=True, metavar="RATE", help="Requests per second of a server, as `50 /s`; may be repeated.")
@click.option("--grid", metavar="PLACE", help="With a command: where its electricity comes from, as NO, `380 g/kWh` or a series.csv.")
@asking
@screen.trust_option
@screen.json_flag
@click.pass_context
def command(
    ctx: click.Context,
    target: str | None,
    against: str | None,
    save: str | None,
    most: tuple[str, ...],
    scenario: str | None,
    rates: tuple[str, ...],
    grid: str | None,
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
        if any((against, data, label, save, most, scenario, rates)):
            raise UsageError(
                "only --json and --grid go with a command; the other options are about an artifact.\n  Leave them out, or give TARGET."
            )
        return _command(words, as_json, grid)
    if grid is not None:
        raise UsageError(
            f"--grid is {grid!r}, which goes with a command.\n  Declare the place of an artifact under `deploy.grid` of its job."
        )
    from paredown.measuring.gate import against_recorded, artifact_at_hand, limits_of, read_baseline, side_by_side
    from paredown.measuring.side_by_side import measure
    from paredown.report.progress import Progress

    assert target is not None
    limits, baseline, other = limits_of(most), None, against
    if limits and against is None:
        raise UsageError("--max-regression needs something to hold against.\n  Give `--against baseline.json`, or an artifact.")
    if against is not None and against.endswith(".json"):
        baseline = read_baseline(Path(against))
        at_hand = artifact_at_hand(baseline, Path(against))
        other = None if at_hand is None else str(at_hand)
        if other is None and label is not None:
            raise UsageError(f"the artifact of {against} is not at hand, so that its answers cannot be compared.\n  Leave `--label` out.")
    screen.say_code(data=data, metric=metric)
    with Progress() as progress:
        progress.stage(f"measuring {target}" + (f" against {other}" if other else ""))
        asked: dict[str, Any] = {"data": data, "label": label, "metric": metric, "seconds": seconds, "batch": batch}
        found = measure(target, other, **asked, rates=_rates(scenario, rates), tick=progress.step)
    gated = []
    if limits or baseline is not None:
        limits = limits or {"": 0.05}
        gated = side_by_side(found, limits) if other is not None or baseline is None else against_recorded(found, baseline, limits)
    if save is not None:
        _keep(found, Path(save))
    if as_json:
        screen.dump(found.json() | {"gate": [item.json() for item in gated]})
    else:
        show(found)
        how = "measured in turn" if other is not None else "from another session: its artifact is not at hand"
        _gate(gated, against or "", how)
    for warning in found.warnings:
        screen.note(f"warning: {warning}")
    changes = {str(item.change) for item in gated}
    return 1 if "regression" in changes else 3 if "unclear" in changes else None


def _rates(scenario: str | None, texts: tuple[str, ...]) -> tuple[float, ...]:
    from paredown.core.errors import UsageError
    from paredown.ground.amounts import BadAmount, amount

    if (scenario == "server") != bool(texts):
        raise UsageError(
            "a server needs the rate at which requests arrive, and only it has one.\n  Write `--scenario server --rate '50 /s'`."
        )
    try:
        return tuple(amount(text, "1/s") for text in texts)
    except BadAmount as error:
        raise UsageError(f"--rate is {', '.join(texts)}; {error}") from None


def _keep(found: Measured, file: Path) -> None:
    from paredown.ground.files import write_atomic

    text = json.dumps(screen.plain(found), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(file, f"{text}\n".encode())


def _gate(gated: Sequence[Gated], against: str, how: str) -> None:
    """One line per quantity at the gate, and what it comes to."""
    from paredown.report.words import load

    if not gated:
        return
    words = load()
    screen.say()
    screen.say(f"against {against}, {how}:")
    screen.table([("  " + words.name("quantity", item.quantity), str(item.change), item.reason) for item in gated])


def show(found: Measured, sides: tuple[str, str] = ("target", "against")) -> None:
    """The table of readings and ratios, the answers, and what the numbers are.

    Args:
        found: The measurement.
        sides: What the target and the other side are called.
    """
    from paredown.report.format import at_most, kind_of, number
    from paredown.report.words import load

    words = load()
    heads = [f"{name}: " if sides[0] != "target" else "" for name in sides]
    screen.say(f"{heads[0]}{found.artifact}: {found.recipe}")
    if found.other is not None:
        screen.say(f"{heads[1] or 'against '}{found.other}: {found.other_recipe}")
    if found.noise_floor is not None and found.detectable is not None:
        floor, least = (at_most(share, "share") for share in (found.noise_floor, found.detectable))
        screen.say(f"noise floor of CPU time: {floor}, the other side against its twin; a difference below it is not claimed")
        screen.say(f"a saving of {least} or more of CPU time shows nine times out of ten in a measurement like this")
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
    for line in _loads(found, sides):
        screen.say(line)
    started = f", in {found.sittings} starts of the processes" if found.sittings > 1 else ""
    screen.say(
        f"{found.windows} windows of about {found.window_s:.2g} s per side{started}, {found.seconds:g} s in all; "
        f"batch {found.batch}; {found.asked}"
    )
    screen.say(f"warm-up: {', '.join(f'{name} {_warmed(state)}' for name, state in zip(sides, _states(found)))}")
    screen.say("one inference is raw input to decoded answer, in a process of its own, at the thread count of each recipe")
    for line in _energy(found.readings):
        screen.say(line)
    if found.quick:
        screen.say(f"this is a quick measurement: {found.seconds:g} s of windows where a claim needs 60 s; leave `--seconds` out for it")


def _states(found: Measured) -> list[Any]:
    return [found.steady[name] for name in ("target", "against") if name in found.steady]


def _warmed(state: Any) -> str:
    words = {"steady": "to within 2 %, without a trend", "level": "until there was no trend", "moving": "ended before it was steady"}
    return f"{words[state['state']]} (varies by {100 * state['spread']:.2g} %)"


def _loads(found: Measured, sides: tuple[str, str]) -> Iterator[str]:
    """The scenario `server`: what a request takes at each load."""
    from paredown.report.format import kind_of, number
    from paredown.report.words import load as words_of

    words = words_of()

    def cell(reading: Any, quantity: str) -> str:
        return number(reading.json() if reading is not None else {"missing": "not measured"}, kind_of(quantity), words)

    for loads in found.loads:
        for name, shown in zip(("target", "against"), sides):
            if name not in loads:
                continue
            load = loads[name]
            if load.overloaded:
                yield f"{load.rate:g} /s, {shown}: overloaded; it serves at most {load.most:.2g} /s in one process"
                continue
            got = load.readings
            yield (
                f"{load.rate:g} /s, {shown}: busy {cell(got.get('busy'), 'busy')}; latency "
                + ", ".join(f"p{at} {cell(got.get(f'latency_p{at}'), f'latency_p{at}')}" for at in (50, 95, 99))
                + f"; CPU time {cell(got.get('cpu_time'), 'cpu_time')}, energy {cell(got.get('energy'), 'energy')} above idle and "
                + f"{cell(load.energy_with_idle(), 'energy')} with the idle share per request"
            )
    if found.loads:
        yield ""


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
    from paredown.core.task import CONTINUOUS
    from paredown.report.format import at_most, quality, style_of

    answers = found.answers
    if answers is None:
        return

    def share(value: float) -> str:
        return style_of(value, "share").write(value)

    if answers.kind not in CONTINUOUS:
        yield f"answers: {share(answers.flips.value)} of {answers.rows} rows are answered otherwise"
    if answers.drop is not None and answers.quality is not None and answers.other_quality is not None:
        drop = answers.drop
        mine, theirs = (quality(value, answers.unit) for value in (answers.quality, answers.other_quality))
        yield f"{answers.metric}: {sides[0]} {mine}, {sides[1]} {theirs}"
        bound = at_most(drop.upper, "share") if math.isfinite(drop.upper) else "not known: too few rows"
        sure = f"at most {bound} with {100 * drop.confidence:g} % confidence"
        yield f"  relative drop from {sides[1]} to {sides[0]}: {share(drop.drop)}, {sure}"
    yield ""


def _ratio(found: Measured, ratio: Any, cell: Any) -> str:
    """The ratio, or that none is shown where its interval with the noise floor holds 1."""
    from paredown.core.reading import Reading
    from paredown.protocol.readings import TIMED

    text = cell(ratio, "ratio")
    noisy = isinstance(ratio, Reading) and ratio.quantity in TIMED
    if not noisy or ratio.low is None or ratio.high is None:
        return str(text)
    floor = 1 + (found.noise_floor or 0.0)
    return f"{text}: no difference shown" if ratio.low / floor <= 1 <= ratio.high * floor else str(text)


def _command(words: tuple[str, ...], as_json: bool, grid: str | None) -> int:
    """Run a command; its stdout stays its own, so that what it took goes to stderr."""
    from paredown.measuring.command import measure_command

    ran = measure_command(words, output=2 if as_json else None, grid=grid)
    if as_json:
        screen.dump(ran)
    else:
        for line in _lines(ran):
            screen.note(line)
    return ran.exit_code


def _lines(ran: Ran) -> list[str]:
    from paredown.core.quantity import COUNTED
    from paredown.core.reading import Reading
    from paredown.measuring.command import signal_name
    from paredown.report.format import kind_of, number
    from paredown.report.words import load

    words = load()
    ended = f"ended by {signal_name(ran.exit_code)}" if signal_name(ran.exit_code) else f"exit code {ran.exit_code}"
    lines = [f"{ended} after {number({'value': ran.wall_s, 'how': 'measured'}, 'time', words)} of wall time"]
    shown = {name: item for name, item in ran.readings.items() if isinstance(item, Reading) or name not in COUNTED}
    width = max(len(words.name("quantity", name)) for name in shown)
    for name, item in shown.items():
        lines.append(f"  {words.name('quantity', name):<{width}}  {number(item.json(), kind_of(name), words, interval=True, origin=True)}")
    return [*lines, *(f"  {line}" for line in (*_energy(ran.readings), ran.record.boundary, *ran.record.notes))]
