"""Amounts as people write them, with units: `20 ms`, `1.5 GiB`, `0.5 x baseline`, `2e6 / month for 12 months`."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from typing import Any

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SMALL = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}
_BINARY = {f"{prefix}iB": 1024.0 ** (place + 1) for place, prefix in enumerate("KMGT")}
_HOUR_S, _DAY_S = 3600.0, 86400.0

UNITS: dict[str, dict[str, float]] = {
    "s": {f"{prefix}s": factor for prefix, factor in _SMALL.items()} | {"min": 60.0, "h": _HOUR_S, "d": _DAY_S},
    "B": {f"{prefix}B": factor for prefix, factor in _DECIMAL.items()} | _BINARY,
    "J": {f"{prefix}J": factor for prefix, factor in (_SMALL | _DECIMAL).items()}
    | {f"{prefix}Wh": 3600.0 * factor for prefix, factor in ({"m": 1e-3} | _DECIMAL).items()},
    "1/s": {"/s": 1.0, "/ s": 1.0, "1/s": 1.0},
    "g": {f"{prefix}g": factor for prefix, factor in (_SMALL | {"k": 1e3}).items()} | {"t": 1e6},
    "L": {f"{prefix}L": factor for prefix, factor in _SMALL.items()} | {"m3": 1e3},
    "g/kWh": {"g/kWh": 1.0, "kg/kWh": 1e3, "kg/MWh": 1.0, "t/MWh": 1e3, "lb/MWh": 0.45359237},
    "L/kWh": {"L/kWh": 1.0, "l/kWh": 1.0, "m3/MWh": 1.0},
    "J/B": {"J/B": 1.0, "kWh/GB": 3.6e6 / 1e9, "Wh/GB": 3600.0 / 1e9, "kWh/TB": 3.6e6 / 1e12},
    "W/B": {"W/B": 1.0, "W/GB": 1e-9, "W/TB": 1e-12},
    "1": {"": 1.0},
    "": {"": 1.0, "%": 0.01},
}
_EXAMPLES = {
    "s": "`20 ms`, `2 s` or `20 min`",
    "B": "`50 MB` or `1.5 GiB`",
    "J": "`300 kJ` or `0.1 Wh`",
    "1/s": "`100 /s`",
    "g": "`1000 kg`",
    "L": "`2 mL`",
    "g/kWh": "`34 g/kWh`",
    "L/kWh": "`1.8 L/kWh`",
    "J/B": "`0.03 kWh/GB`",
    "W/B": "`1.2 W/TB`",
    "1": "`60000`",
    "": "`0.9` or `90 %`",
}
_NAMES = {
    "s": "a time",
    "B": "an amount of bytes",
    "J": "an energy",
    "1/s": "a rate",
    "g": "a mass",
    "L": "a volume",
    "g/kWh": "a mass per energy",
    "L/kWh": "a volume per energy",
    "J/B": "an energy per byte",
    "W/B": "a power per byte",
    "1": "a count",
    "": "a share or a plain number",
}
_PRICES = {"h": "0.045 EUR/h", "kWh": "0.20 EUR/kWh", "t": "90 EUR/t", "": "900 EUR"}
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_YEAR_D = 365.25
_PERIOD_D = {"second": 1 / _DAY_S, "minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": _YEAR_D / 12, "year": _YEAR_D}


class BadAmount(ValueError):
    """An amount that cannot be read.

    Args:
        found: What is wrong, to follow "x is 1.5; ".
        do: What to write.
    """

    def __init__(self, found: str, do: str) -> None:
        self.found, self.do = found, do
        super().__init__(f"{found}\n  {do}")


@dataclass(frozen=True)
class Ratio:
    """A multiple of what the baseline needs; `as_found` is the baseline at the user's own settings."""

    factor: float
    as_found: bool


def is_number(value: Any) -> bool:
    """True for an int or a float, false for true and false."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """True for a number that is neither infinite nor NaN."""
    return is_number(value) and math.isfinite(value)


def _split(value: Any, do: str) -> tuple[float, str]:
    """A number and what follows it."""
    if is_number(value):
        number, rest = float(value), ""
    else:
        match = re.fullmatch(rf"\s*({_NUMBER})\s*(.*?)\s*", value) if isinstance(value, str) else None
        if match is None:
            raise BadAmount("it needs a number with its unit.", do)
        number, rest = float(match[1]), match[2]
        if re.match(r"[,_'’]\d|\d{3}", rest):
            raise BadAmount("it needs a decimal point, and no other mark between digits.", do)
    if not math.isfinite(number):
        raise BadAmount("it needs a finite number.", do)
    if number < 0:
        raise BadAmount("it needs a number of 0 or more.", do)
    return number, rest


def amount(value: Any, unit: str) -> float:
    """An amount in the SI unit of its quantity.

    Args:
        value: A number with its unit, as `20 ms`; a bare number only where the quantity has no unit.
        unit: A unit of quantities.csv or of a coefficient: "s", "B", "J", "g", "L", "g/kWh", ..., "¤" for money in any currency, "1", or ""
            for a share or a plain number.

    Raises:
        BadAmount: It is no number, is below 0, has no unit, or one that does not fit.
    """
    if unit == "¤":
        return money(value)[0]
    do = f"Write {_EXAMPLES[unit]}."
    number, rest = _split(value, do)
    table = UNITS[unit]
    if rest in table:
        return number * table[rest]
    if not rest:
        raise BadAmount("it needs a unit.", do)
    other = next((key for key, names in UNITS.items() if rest in names), None)
    if other is not None:
        raise BadAmount(f"that is {_NAMES[other]}, not {_NAMES[unit]}.", do)
    near = difflib.get_close_matches(rest.lower(), [name.lower() for name in table if name], n=1, cutoff=0.6)
    right = next((name for name in table if near and name.lower() == near[0]), "")
    raise BadAmount(f"there is no unit {rest!r} for {_NAMES[unit]}.", f"Did you mean `{number:g} {right}`?" if right else do)


def seconds(value: Any) -> float:
    """`20 ms`, `2 h` -> seconds."""
    return amount(value, "s")


def bytes_of(value: Any) -> float:
    """`50 MB`, `1.5 GiB` -> bytes."""
    return amount(value, "B")


def joules(value: Any) -> float:
    """`300 kJ`, `0.1 Wh` -> joules."""
    return amount(value, "J")


def percent(value: Any, example: str = "`95 %`") -> float:
    """`1 %` -> 0.01.

    Raises:
        BadAmount: No number, no `%`, or outside 0 to 100 %.
    """
    number, rest = _split(value, f"Write {example}.")
    if rest != "%":
        raise BadAmount("it needs a unit." if not rest else f"{rest!r} is not `%`.", f"Write {example}.")
    if number > 100:
        raise BadAmount("that is more than 100 %.", f"Write {example}.")
    return number / 100


def drop(value: Any) -> tuple[float, bool]:
    """`1 %` -> (0.01, True), relative; `1 pp` -> (0.01, False), points.

    Raises:
        BadAmount: No number, no unit, another unit, or above 100.
    """
    number, rest = _split(value, "Write `1 %` (relative) or `1 pp` (points).")
    do = f"Write `{number:g} %` (relative) or `{number:g} pp` (points)."
    if rest not in ("%", "pp"):
        raise BadAmount("it needs a unit." if not rest else f"{rest!r} is no unit of a drop.", do)
    if number > 100:
        raise BadAmount("a drop of more than 100 cannot be.", "Write `1 %` (relative) or `1 pp` (points).")
    return number / 100, rest == "%"


def ratio(value: Any) -> Ratio | None:
    """`0.5 x baseline`, `1 x baseline as found`; None when the text does not speak of a baseline.

    Raises:
        BadAmount: It does, but in another way.
    """
    if not isinstance(value, str) or "baseline" not in value.lower():
        return None
    match = re.fullmatch(rf"\s*({_NUMBER})\s*[x×*]\s*baseline(\s+as\s+found)?\s*", value)
    do = "Write `0.5 x baseline` (each at its best thread count) or `1 x baseline as found` (at its own settings)."
    if match is None:
        raise BadAmount("that is no multiple of the baseline.", do)
    factor, _ = _split(match[1], do)
    if factor == 0:
        raise BadAmount("no model can need 0 times the baseline.", do)
    return Ratio(factor, match[2] is not None)


def part(value: Any, example: str = "`2/64` or `3 %`") -> float:
    """`2/64` or `3 %` -> a share above 0 and up to 1.

    Raises:
        BadAmount: In another form, or outside of that.
    """
    do = f"Write {example}."
    pair = re.fullmatch(rf"\s*({_NUMBER})\s*/\s*({_NUMBER})\s*", value) if isinstance(value, str) else None
    if pair is None:
        found = amount(value, "")
    else:
        (top, _), (bottom, _) = _split(pair[1], do), _split(pair[2], do)
        found = top / bottom if bottom else math.inf
    if not 0 < found <= 1:
        raise BadAmount("it needs a share above 0 and up to 100 %.", do)
    return found


def lifetime(value: Any) -> float:
    """`4 years`, `35040 h` -> seconds; a year has 365 days, as in the SCI specification's example of 4 years.

    Raises:
        BadAmount: No time, or 0.
    """
    do = "Write `4 years` or `35040 h`."
    number, rest = _split(value, do)
    factor = 365 * _DAY_S if rest in ("y", "year", "years") else UNITS["s"].get(rest)
    if factor is None:
        raise BadAmount(f"there is no unit {rest!r} for a life." if rest else "it needs a unit.", do)
    if number == 0:
        raise BadAmount("it needs a time above 0.", do)
    return number * factor


def money(value: Any, per: str = "") -> tuple[float, str]:
    """`0.20 EUR/kWh` -> (0.2, "EUR"); `900 EUR` where it is per nothing.

    Args:
        value: An amount with the ISO 4217 code of its currency.
        per: "h", "kWh", "t" or nothing.

    Raises:
        BadAmount: No number, no code of three capitals, or per something else.
    """
    do = f"Write `{_PRICES[per]}`."
    number, rest = _split(value, do)
    match = re.fullmatch(r"([A-Z]{3})(?:\s*/\s*(\w+))?", rest)
    if match is None:
        raise BadAmount("it needs a currency of three capitals." if not rest else f"{rest!r} is no currency of three capitals.", do)
    if (match[2] or "") != per:
        raise BadAmount(f"it needs to be {'per ' + per if per else 'an amount alone'}.", do)
    return number, match[1]


def volume(value: Any) -> tuple[float, float | None]:
    """`2e6 / month for 12 months` -> 24 million inferences and the seconds of a year; a bare number is the total, over no known time.

    Raises:
        BadAmount: In any other form.
    """
    do = "Write `2e6 / month for 12 months`, or the total as a number."
    if is_number(value):
        return _split(value, do)[0], None
    period = "(second|minute|hour|day|week|month|year)"
    match = re.fullmatch(rf"\s*({_NUMBER})\s*/\s*{period}\s+for\s+({_NUMBER})\s*{period}s?\s*", value) if isinstance(value, str) else None
    if match is None:
        raise BadAmount("it needs a number per period and for how long.", do)
    (rate, _), (length, _) = _split(match[1], do), _split(match[3], do)
    length_d = length * _PERIOD_D[match[4]]
    total = rate * length_d / _PERIOD_D[match[2]]
    if not math.isfinite(total):
        raise BadAmount("it needs a finite number.", do)
    return total, length_d * _DAY_S or None


def show(value: float, like: str, up: bool | None = None) -> str:
    """An SI amount in the unit of another text: 0.0231 like `20 ms` is `23.1 ms`.

    Args:
        value: In SI base units; a factor where `like` speaks of a baseline, a share where it is a drop.
        like: The limit as the user wrote it.
        up: True rounds up to two digits and False down, so that a limit of that text holds the value; None rounds to three digits.
    """
    match = re.fullmatch(rf"\s*(?:{_NUMBER})(\s*)(.*?)\s*", like)
    gap, unit = (match[1], match[2]) if match else (" ", "")
    factor = 0.01 if unit in ("%", "pp") else next((names[unit] for names in UNITS.values() if unit in names), 1.0)
    number = value / factor
    return f"{number:.3g}{gap}{unit}" if up is None else f"{_rounded(number, up)}{gap}{unit}"


def _rounded(number: float, up: bool) -> str:
    """Two digits, never on the wrong side of the number."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    step = 10.0 ** (math.floor(math.log10(abs(number))) - 1)
    whole = number / step
    whole = math.ceil(whole - 1e-9) if up else math.floor(whole + 1e-9)
    return f"{whole * step:.12g}"
