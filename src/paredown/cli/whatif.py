"""`paredown whatif`: a study's models on other machines, and how many machines a load needs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paredown.cli import COMMANDS, screen
from paredown.ground.amounts import is_finite

if TYPE_CHECKING:
    from paredown.core.reading import Missing, Reading
    from paredown.planning.whatif import Answer, Row

WIDTH = 100
_NONE = "–"
MOST_RATE = 1e15
_PERIOD = r"/\s*(second|minute|hour|day|week|month|year)\s*$"


@click.command(
    help=COMMANDS["whatif"][1]
    + "\n\nSTUDY is the folder of a study. Its released model and its model as given are carried from the machine that they were measured"
    " on to others, by roofline and clock: all numbers are modelled, with the interval that such a step deserves. `paredown list machines`"
    " shows the catalogue."
    "\n\nAt a rate, machines come in whole numbers and draw power while they wait: a faster model saves little until fewer are needed."
)
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--machine", "names", metavar="NAME", multiple=True, help="A machine of the catalogue; may be repeated. All when left out.")
@click.option("--rate", metavar="RATE", help="Inferences asked, as `200 /s` or `2e6 / month`; the job's volume when left out.")
@click.option("--utilization", metavar="SHARE", help="How busy a machine may be, as `60 %`; the job's, or 60 %, when left out.")
@click.option("--price", metavar="PRICE", help="What the one --machine costs, as `0.05 EUR/h`; the list price when left out.")
@click.option("--transfer", metavar="DATA", help="What an answer that is not made on the device moves, as `12 kB x 0.06 kWh/GB`.")
@screen.json_flag
def command(
    study: Path, names: tuple[str, ...], rate: str | None, utilization: str | None, price: str | None, transfer: str | None, as_json: bool
) -> None:
    """Answer what-if."""
    from paredown.core.errors import UsageError
    from paredown.ground import amounts
    from paredown.planning.whatif import Asked, elsewhere

    if price is not None and len(names) != 1:
        raise UsageError(f"--price is the price of one machine, and {len(names) or 'no'} --machine is given.\n  Give one `--machine NAME`.")
    payload_b, transfer_j_per_b = _read("transfer", transfer, _transfer) or (0.0, None)
    answer = elsewhere(
        study,
        Asked(
            names=names,
            rate=_read("rate", rate, rate_of),
            utilization=_read("utilization", utilization, lambda text: amounts.part(text, "`60 %`")),
            price=_read("price", price, lambda text: amounts.money(text, "h")),
            payload_b=payload_b,
            transfer_j_per_b=transfer_j_per_b,
        ),
    )
    if as_json:
        screen.dump(answer)
        return
    _show(answer)


def _read(option: str, text: str | None, parse: Callable[[str], Any]) -> Any:
    """An option's amount; None when it was not given."""
    from paredown.core.errors import UsageError
    from paredown.ground.amounts import BadAmount

    if text is None:
        return None
    try:
        return parse(text)
    except BadAmount as error:
        raise UsageError(f"--{option} is {text!r}; {error.found}\n  {error.do}") from None


def rate_of(text: str) -> float:
    """`200 /s` or `2e6 / month` -> inferences per second.

    Raises:
        BadAmount: In another form, or 0.
    """
    from paredown.ground import amounts

    do = "Write `200 /s` or `2e6 / month`."
    try:
        if re.search(_PERIOD, text):
            count, period_s = amounts.volume(f"{text} for 1 year")
            rate = count / (period_s or 1.0)
        else:
            rate = amounts.amount(text, "1/s")
    except amounts.BadAmount as error:
        raise amounts.BadAmount(error.found, do) from None
    if not rate:
        raise amounts.BadAmount("it needs to be above 0.", do)
    if rate > MOST_RATE:
        raise amounts.BadAmount(f"it may be {MOST_RATE:g} /s at most.", do)
    return rate


def _transfer(text: str) -> tuple[float, float]:
    """`12 kB x 0.06 kWh/GB` -> bytes, joules per byte."""
    from paredown.ground import amounts

    payload, by, factor = re.sub(r"\s+(?:×|\*|at)\s+", " x ", text).partition(" x ")
    if not by:
        raise amounts.BadAmount("it needs bytes and what moving them takes.", "Write `12 kB x 0.06 kWh/GB`.")
    return amounts.bytes_of(payload), amounts.amount(factor, "J/B")


def _show(answer: Answer) -> None:
    model = "the model as given" if all(row.sides["given"] == row.sides["model"] for row in answer.rows) else answer.recipe
    screen.say(f"{answer.name}: {model}")
    if answer.rate is not None:
        screen.say(f"at {_two(answer.rate)} inferences per second, machines busy at most {answer.utilization:.0%} of the time")
    screen.say()
    if answer.rate is None:
        heads: tuple[str, ...] = ("machine", "chip", "latency", "energy above idle", "as given")
        screen.table([_alone(row) for row in answer.rows], heads)
    else:
        units = sorted({row.currency for row in answer.rows if row.currency})
        heads = ("machine", "latency", "machines", "idle", "kWh/month", f"{' or '.join(units) or 'cost'}/month")
        screen.table([_loaded(row, len(units) > 1) for row in answer.rows], heads)
        screen.say("as given → this model [its interval], where they differ; idle: its share of this model's energy")
    screen.say()
    for line in (*_saving(answer), *_edge(answer), *_basis(answer)):
        screen.say(textwrap.fill(line, WIDTH, subsequent_indent="  " if line.startswith("· ") else "", break_on_hyphens=False))


def _alone(row: Row) -> tuple[str, ...]:
    given, model = row.sides["given"], row.sides["model"]
    return (row.name, row.chip, _latency(row), _number(model["energy"], "energy"), _number(given["energy"], "energy", interval=False))


def _loaded(row: Row, named: bool) -> tuple[str, ...]:
    """One machine at a load; its currency is named where there is more than one."""
    from paredown.impact.carbon import KWH_J

    cost = _pair(row, "month_cost", "month_cost")
    return (
        row.name,
        _latency(row),
        _ranged(_pair(row, "machines", "machines"), row, "machines"),
        _idle_share(row),
        _ranged(_pair(row, "month_energy", "month_energy_j", KWH_J), row, "month_energy", KWH_J),
        f"{cost} {row.currency}" if named and cost != _NONE else cost,
    )


def _latency(row: Row) -> str:
    floor = row.floor.get("model")
    return _number(row.sides["model"]["latency_p50"], "time") if floor is None else f"≥{_number(floor['latency_s'], 'time')}"


def _pair(row: Row, name: str, floor: str, factor: float = 1.0) -> str:
    """As given → this model; one number where both print the same; at least so much on an accelerator."""
    shown, least = [], ""
    for side in ("given", "model"):
        bound = row.floor.get(side, {}).get(floor)
        value = _value(row.sides[side].get(name)) if bound is None else bound
        least = least if bound is None else "≥"
        shown.append(_NONE if value is None else _two(value / factor))
    return least + (shown[1] if shown[0] == shown[1] else "→".join(shown))


def _ranged(text: str, row: Row, name: str, factor: float = 1.0) -> str:
    """With the interval of this model's where its ends print as something else."""
    found = row.sides["model"].get(name)
    if found is None or _value(found) is None:
        return text
    low, value, high = (_two(getattr(found, end) / factor) for end in ("low", "value", "high"))
    return text if low == value == high else f"{text} [{low}, {high}]"


def _idle_share(row: Row) -> str:
    model = row.sides["model"]
    idle, whole = _value(model.get("idle_energy")), _value(model.get("whole_energy"))
    if idle is None or not whole:
        return _NONE
    return "> 99%" if idle / whole > 0.99 else f"{idle / whole:.0%}"


def _saving(answer: Answer) -> Iterator[str]:
    """What a faster model saves at the load, on the server that draws least."""
    from paredown.planning.whatif import MEASURED

    for row in answer.rows:
        given, model = row.sides["given"], row.sides["model"]
        numbers = [_value(side.get(name)) for name in ("energy", "whole_energy", "machines") for side in (given, model)]
        if row.source == MEASURED or row.kind != "cpu" or any(number is None for number in numbers) or given == model:
            continue
        work, work_now, whole, whole_now, machines, machines_now = (number or 0.0 for number in numbers)
        if machines == machines_now:
            many = "one machine there, which draws" if machines == 1 else f"{_two(machines)} machines there, which draw"
            why = f"both models need {many} power while waiting"
        else:
            why = f"it needs {_two(machines_now)} instead of {_two(machines)} machines there"
        yield (
            f"On {row.name}, the server that draws least, the model {_saves(work, work_now)} of the energy above idle per inference, and "
            f"{_saves(whole, whole_now)} of the whole: {why}."
        )
        return


def _saves(before: float, after: float) -> str:
    return f"saves {1 - after / before:.0%}" if after <= before else f"takes {after / before - 1:.0%} more"


def _edge(answer: Answer) -> Iterator[str]:
    """The best device against the best server, where the data's way is declared."""
    from paredown.planning.whatif import MEASURED

    server = next((row for row in answer.rows if row.kind == "cpu" and row.source != MEASURED and _has(row, "whole_energy")), None)
    device = next((row for row in answer.rows if row.kind == "board" and _has(row, "energy")), None)
    if server is None or device is None or not _has(server, "data_energy"):
        return
    near, far = device.sides["model"]["energy"], server.sides["model"]["whole_energy"]
    parts = server.sides["model"]
    yield (
        f"Edge against cloud, per inference: {_number(near, 'energy')} on {device.name} above idle (a device that is on anyway); "
        f"{_number(far, 'energy')} on {server.name}, of it {_number(parts['data_energy'], 'energy', interval=False)} to move the data and "
        f"{_number(parts['idle_energy'], 'energy', interval=False)} idle. {_less(near, far)}"
    )


def _less(near: Any, far: Any) -> str:
    if near.high < far.low:
        return f"The device takes {_two(far.value / near.value)} times less."
    if near.low > far.high:
        return f"The server takes {_two(near.value / far.value)} times less."
    return "The intervals overlap: it cannot be told which takes less."


def _basis(answer: Answer) -> Iterator[str]:
    for note in answer.notes:
        yield f"· {note[:1].upper()}{note[1:]}"
    if answer.efficiency:
        told = {name: f"{share:.2g}" if share < 0.001 else f"{share:.1%}" for name, share in answer.efficiency.items()}
        yield f"· Of the peak there, the model as given reached {told.get('given', _NONE)} and this one {told.get('model', _NONE)}."
    reasons: dict[str, list[str]] = {}
    for row in answer.rows:
        found = row.sides["model"].get("energy")
        if found is not None and _value(found) is None and row.floor.get("model") is None:
            reasons.setdefault(getattr(found, "reason", "").replace(row.name, "it"), []).append(row.name)
    for reason, names in reasons.items():
        yield f"· Energy missing, {', '.join(names)}: {reason}."
    if any(row.floor for row in answer.rows):
        yield (
            "· ≥: of an accelerator only the least is known, a launch per layer and its idle power; the share of a card that a small model"
            " fills, copies to the card and its host are not modelled."
        )
    yield "· Nothing here was measured on the other machines: time them before you buy. `--json` has every figure with its source."


def _has(row: Row, name: str) -> bool:
    return _value(row.sides["model"].get(name)) is not None


def _value(found: Reading | Missing | None) -> float | None:
    value = getattr(found, "value", None)
    return value if is_finite(value) else None


def _number(found: Any, kind: str, interval: bool = True) -> str:
    """Two digits, of the ends too, all in the value's unit."""
    from paredown.report.format import style_of

    value = found if isinstance(found, float) else _value(found)
    if value is None:
        return _NONE
    style = style_of(value, kind, 2, exact=False)
    ends = [getattr(found, end, None) for end in ("low", "high")] if interval else [None]
    if None in ends:
        return style.write(value)
    return f"{style.write(value)} [{', '.join(style.write(float(f'{end:.1e}'), suffix=False) for end in ends)}]"


def _two(value: float) -> str:
    """Two digits, whole numbers below 100 as they are; thousands and millions by their letter: 1.3k."""
    from paredown.report.format import style_of

    value = float(f"{value:.1e}") if value >= 100 or value != int(value) else value
    factor, letter = next(((size, name) for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= size), (1.0, ""))
    value /= factor
    return (f"{value:.0f}" if value == int(value) and not letter else style_of(value, "plain", 2).write(value)) + letter
