"""A gate for continuous integration: has a model become dearer than a baseline that was measured before?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from paredown.core.errors import Damaged, UsageError
from paredown.core.quantity import COUNTED
from paredown.core.reading import How, Missing, Reading, reading_from_json
from paredown.ground.amounts import BadAmount, amount, is_finite
from paredown.ground.digests import of_folder
from paredown.ground.untrusted import read_json
from paredown.measuring.measured import FORMAT, Measured
from paredown.protocol.readings import TIMED

GATED = ("cpu_time", "energy", *COUNTED, "latency_p50", "size", "peak_rss")
"""What a limit without a name holds for."""

_FROM_TIME = (How.ESTIMATED, How.MODELLED)
"""An energy of these origins is CPU time with the doubt of a model on top: it is at the gate only by its name."""

_EXAMPLE = "Write `--max-regression 5%`, or `--max-regression cpu_time=5%` for one quantity."


_UNREAD = Missing(quantity="", reason="this machine does not read it")


class Change(StrEnum):
    """What is known about a change of one quantity."""

    WITHIN = "within"
    REGRESSION = "regression"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True)
class Gated:
    """One quantity at the gate.

    Args:
        quantity: Its name.
        limit: How much more it may take, a share of the baseline's.
        more: How much more it takes, a share; None where that is not known.
        low, high: Ends of the 95 % interval of `more`.
        change: within: the whole interval is at or below the limit. regression: the whole interval is above it, and the change above the
            noise floor. unclear: neither.
        reason: One sentence.
    """

    quantity: str
    limit: float
    more: float | None
    low: float | None
    high: float | None
    change: Change
    reason: str

    def json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self) | {"change": str(self.change)}


def limits_of(texts: Sequence[str]) -> dict[str, float]:
    """Limits as shares by quantity, "" for all others: `5%`, `cpu_time=5%`.

    Raises:
        UsageError: A text is no share, or names no quantity that a gate can hold.
    """
    found = {}
    for text in texts:
        name, _, share = text.rpartition("=")
        if name and name not in GATED:
            raise UsageError(f"--max-regression names {name!r}; a gate holds {', '.join(GATED)}.\n  {_EXAMPLE}")
        try:
            found[name] = amount(share, "")
        except BadAmount as error:
            raise UsageError(f"--max-regression is {text!r}; {error.found}\n  {_EXAMPLE}") from None
        if found[name] > 1 and "%" not in share:
            meant = f"which is {100 * found[name]:g} %; above 100 % it needs the sign."
            raise UsageError(f"--max-regression is {text!r}, {meant}\n  {_EXAMPLE}")
    return found


def read_baseline(file: Path) -> dict[str, Any]:
    """What `measure --save` wrote.

    Raises:
        UsageError: The file cannot be read.
        Damaged: It holds something else, or part of it is missing or no number.
    """
    try:
        found = read_json(file, finite=False)  # which number is not finite is said below
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.\n  `paredown measure ARTIFACT --save {file}` writes it.") from None
    except ValueError as error:
        raise Damaged(f"{file} {error}.\n  `paredown measure ARTIFACT --save {file}` writes it.") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        seen = found.get("format") if isinstance(found, dict) else None
        raise Damaged(f"{file} has format {seen!r}; a baseline has {FORMAT!r}.\n  `paredown measure ARTIFACT --save {file}` writes it.")
    try:
        wrong = _wrong(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        wrong = f"has no whole measurement ({type(error).__name__}: {error})"
    if wrong:
        raise Damaged(f"{file} {wrong}.\n  `paredown measure ARTIFACT --save {file}` writes it again.")
    return found


def _wrong(baseline: Mapping[str, Any]) -> str:
    """What of a baseline cannot be used; empty when all can. A part that is not there, or of another kind, raises."""
    numbers = {"noise_floor": baseline["noise_floor"], "batch": baseline["batch"]}
    for name, data in {**baseline["target"]["readings"], "reference": baseline["reference"] or {"missing": ""}}.items():
        item = reading_from_json(name, dict(data))
        if isinstance(item, Reading):
            numbers |= {name: item.value, f"{name}.low": item.low, f"{name}.high": item.high}
    Path(baseline["target"]["folder"]), str(baseline["digest"]), _asked(baseline)
    _elsewhere(baseline["host"], baseline["host"])
    wrong = [name for name, value in numbers.items() if value is not None and not is_finite(value)]
    return f"has {wrong[0]} {numbers[wrong[0]]!r}, which is no finite number" if wrong else ""


def artifact_at_hand(baseline: Mapping[str, Any], file: Path) -> Path | None:
    """The very artifact that a baseline was measured of, where it still lies: as recorded, or beside the file; None elsewhere."""
    recorded = Path(baseline["target"]["folder"])
    places = (recorded, file.parent / recorded, file.parent / recorded.name)
    return next((place for place in places if place.is_dir() and of_folder(place) == baseline["digest"]), None)


def side_by_side(found: Measured, limits: Mapping[str, float]) -> list[Gated]:
    """The gate for two models that were measured in turn.

    Args:
        found: Measured against the baseline.
        limits: From `limits_of`.
    """
    out = []
    for name, limit in _limits(limits, found.readings):
        times = found.ratios.get(name)
        if not isinstance(times, Reading):
            read = found.readings.get(name, _UNREAD)
            missing = next((item.reason for item in (times, read) if isinstance(item, Missing)), "there is no ratio of it")
            out.append(_unclear(name, limit, missing))
            continue
        # the ratio is baseline over target
        low, high = (1 / (end or times.value) for end in (times.high, times.low))
        out.append(_judged(name, limit, 1 / times.value, low, high, found.noise_floor))
    return out


def against_recorded(found: Measured, baseline: Mapping[str, Any], limits: Mapping[str, float]) -> list[Gated]:
    """The gate against readings of another session, wider by what the machine's speed has drifted since.

    Both sessions timed the same small work between their windows. The interval holds the change as it was read and as it is when this drift
    is taken out.

    Args:
        found: Measured alone, now.
        baseline: From `read_baseline`.
        limits: From `limits_of`.

    Raises:
        UsageError: The two were not asked in the same way.
    """
    then, now = (_asked(data) for data in (baseline, found.json()))
    if then != now:
        raise UsageError(f"the baseline was measured with {then}, this with {now}.\n  Measure both in the same way.")
    elsewhere = _elsewhere(baseline["host"], found.host)
    drift = _drift(baseline.get("reference"), found.reference)
    out = []
    for name, limit in _limits(limits, found.readings):
        after = found.readings.get(name, _UNREAD)
        before = reading_from_json(name, baseline["target"]["readings"].get(name, {"missing": "the baseline has no such reading"}))
        missing = next((item.reason for item in (after, before) if isinstance(item, Missing)), None)
        timed = name in TIMED
        if timed and missing is None:
            missing = elsewhere or ("too few windows to time the reference work between them" if drift is None else None)
        if missing is not None:
            out.append(_unclear(name, limit, missing))
            continue
        assert isinstance(after, Reading)
        assert isinstance(before, Reading)
        if before.value <= 0:
            out.append(_unclear(name, limit, f"the baseline's value is {before.value:g}"))
            continue
        seen, half = after.value / before.value, math.hypot(_half(after), _half(before))
        if timed and drift is not None:
            half = math.hypot(half, drift[1])
            ends = sorted((seen, seen / drift[0]))
            floor = max((share for share in (found.noise_floor, baseline["noise_floor"]) if share is not None), default=None)
            out.append(_judged(name, limit, seen / drift[0], ends[0] * math.exp(-half), ends[1] * math.exp(half), floor))
        else:
            out.append(_judged(name, limit, seen, seen * math.exp(-half), seen * math.exp(half), None))
    return out


def _asked(data: Mapping[str, Any]) -> str:
    rates = ", ".join(f"{load['target']['rate']:g} /s" for load in data["loads"])
    return f"batch {data['batch']}" + (f" at {rates}" if rates else "")


def _limits(limits: Mapping[str, float], readings: Mapping[str, Reading | Missing]) -> Iterator[tuple[str, float]]:
    """Each quantity at the gate with its limit: all that are named; of a limit for all, those that were read and are their own number."""
    for name in GATED:
        if name in limits:
            yield name, limits[name]
        elif "" in limits and isinstance(item := readings.get(name), Reading) and not (name == "energy" and item.how in _FROM_TIME):
            yield name, limits[""]


def _judged(name: str, limit: float, times: float, low: float, high: float, floor: float | None) -> Gated:
    more = times - 1
    shown = f"{100 * more:+.2g} % ({100 * (low - 1):+.2g} to {100 * (high - 1):+.2g} %)" if low < high else f"{100 * more:+.2g} %"
    noise = floor if floor is not None and name in TIMED else 0.0
    if high - 1 <= limit + 1e-12:
        change, reason = Change.WITHIN, f"{shown} where at most {100 * limit:+g} % is allowed."
    elif low - 1 > limit and more > noise:
        change, reason = Change.REGRESSION, f"{shown} where at most {100 * limit:+g} % is allowed."
    elif low - 1 > limit:
        change, reason = Change.UNCLEAR, f"{shown} is above {100 * limit:+g} %, but within the noise floor of {100 * noise:.2g} %."
    else:
        change, reason = Change.UNCLEAR, f"{shown}: the interval holds the limit of {100 * limit:+g} %; measure longer, or allow more."
    return Gated(quantity=name, limit=limit, more=more, low=low - 1, high=high - 1, change=change, reason=reason)


def _unclear(name: str, limit: float, reason: str) -> Gated:
    return Gated(quantity=name, limit=limit, more=None, low=None, high=None, change=Change.UNCLEAR, reason=f"not known: {reason}.")


def _elsewhere(then: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """What is another machine about this one, for a number of seconds or joules; None on one of the same kind."""
    pairs = [("instruction set", then.get("isa"), now.get("isa")), ("number of cores", then.get("cores"), now.get("cores"))]
    pairs += [(f"CPU {key}", then.get("cpu", {}).get(key), now.get("cpu", {}).get(key)) for key in ("vendor", "family", "model")]
    other = [f"its {what} was {old}, here it is {new}" for what, old, new in pairs if old != new]
    return f"the baseline is from another kind of machine: {', '.join(other)}" if other else None


def _drift(then: Mapping[str, Any] | None, now: Reading | None) -> tuple[float, float] | None:
    """How many times longer the reference work takes now, and half the width of its log interval."""
    before = None if then is None else reading_from_json("cpu_time", dict(then))
    if not isinstance(before, Reading) or now is None:
        return None
    return now.value / before.value, math.hypot(_half(before), _half(now))


def _half(reading: Reading) -> float:
    """Half the width of a reading's interval on the log scale; an interval that reaches 0 is as wide as its upper half twice."""
    if reading.low is None or reading.high is None or reading.high <= 0 or reading.value <= 0:
        return 0.0
    return math.log(reading.high / reading.low) / 2 if reading.low > 0 else math.log(reading.high / reading.value)
