"""Amounts as people write them, with units: `20 ms`, `1.5 GiB`, `0.5 x baseline`, `2e6 / month for 12 months`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DECIMAL = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SMALL = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}
_BINARY = {f"{prefix}iB": 1024.0 ** (place + 1) for place, prefix in enumerate("KMGT")}
_HOUR_S, _DAY_S = 3600.0, 86400.0

_TIME = {f"{prefix}s": factor for prefix, factor in _SMALL.items()} | {"min": 60.0, "h": _HOUR_S, "d": _DAY_S}
_BYTES = {f"{prefix}B": factor for prefix, factor in _DECIMAL.items()} | _BINARY
_HOURS = {f"{prefix}Wh": 3600.0 * factor for prefix, factor in ({"m": 1e-3} | _DECIMAL).items()}
_ENERGY = {f"{prefix}J": factor for prefix, factor in (_SMALL | _DECIMAL).items()} | _HOURS
_MASS = {f"{prefix}g": factor for prefix, factor in (_SMALL | {"k": 1e3}).items()} | {"t": 1e6, "lb": 453.59237}
_VOLUME = {f"{prefix}L": factor for prefix, factor in _SMALL.items()} | {"l": 1.0, "m3": 1e3}
_POWER = {f"{prefix}W": factor for prefix, factor in ({"m": 1e-3} | _DECIMAL).items()}


def _per(tops: Mapping[str, float], bottoms: Mapping[str, float], one: float = 1.0) -> dict[str, float]:
    """Every unit of one table over every unit of another; `one` is the size of the lower one that the SI unit is per."""
    return {f"{top}/{bottom}": size / (per / one) for top, size in tops.items() for bottom, per in bottoms.items()}


_KWH_J = 3.6e6
_SOLD = {name: size for name, size in _ENERGY.items() if size >= _HOUR_S}
"""Energies that electricity is sold in: Wh to TWh, kJ to TJ."""

UNITS: dict[str, dict[str, float]] = {
    "s": _TIME,
    "B": _BYTES,
    "J": _ENERGY,
    "1/s": {"/s": 1.0, "/ s": 1.0, "1/s": 1.0},
    "g": _MASS,
    "L": _VOLUME,
    "g/kWh": _per(_MASS, _SOLD, _KWH_J),
    "L/kWh": _per(_VOLUME, _SOLD, _KWH_J),
    "J/B": _per(_ENERGY, _BYTES),
    "W/B": _per(_POWER, _BYTES),
    "1": {"": 1.0},
    "": {"": 1.0, "%": 0.01},
}
"""SI unit -> spelling -> how many of the SI unit it is. Every one is exact, and upper and lower case count: `mJ` is no `MJ`."""
MOST = {"g/kWh": 3000.0}
"""The largest amount that can be, where nature sets one: no power station emits more, so that a larger one is in another unit."""
SPELLINGS = {
    "s": ("sec", "secs", "second", "seconds"),
    "ms": ("msec", "millisecond", "milliseconds"),
    "min": ("mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "B": ("byte", "bytes"),
    "J": ("joule", "joules"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "kg": ("kgs", "kilo", "kilogram", "kilograms"),
    "t": ("tonne", "tonnes", "metric ton", "metric tons"),
    "lb": ("lbs", "pound", "pounds"),
    "L": ("liter", "liters", "litre", "litres"),
    "m3": ("m^3", "m³"),
}
"""Unit -> how else people write that very unit."""
_BITS = ("b", "kb", "Mb", "Gb", "Tb")
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
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # a whole number of more than 308 digits
        return False


def _split(value: Any, do: str) -> tuple[float, str]:
    """A number and what follows it."""
    if is_number(value):
        number, rest = float(value) if is_finite(value) else math.inf, ""
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
        BadAmount: It is no number, is below 0, has no unit, one that does not fit, or is more than there can be.
    """
    if unit == "¤":
        return money(value)[0]
    do = f"Write {_EXAMPLES[unit]}."
    number, rest = _split(value, do)
    table = UNITS[unit]
    if rest in table:
        return checked(number * table[rest], unit)
    if not rest:
        raise BadAmount("it needs a unit.", do)
    other = next((key for key, names in UNITS.items() if rest in names), None)
    if other is not None:
        raise BadAmount(f"that is {_NAMES[other]}, not {_NAMES[unit]}.", do)
    right = _same(rest, table)
    raise BadAmount(f"there is no unit {rest!r} for {_NAMES[unit]}.", f"Did you mean `{number:g} {right}`?" if right else do)


def checked(number: float, unit: str) -> float:
    """The number itself.

    Raises:
        BadAmount: It is more than there can be of that unit.
    """
    if not math.isfinite(number):
        raise BadAmount("it needs a finite number.", f"Write {_EXAMPLES[unit]}.")
    if number > MOST.get(unit, math.inf):
        raise BadAmount(
            f"that is {number:g} {unit}, more than any power station emits ({MOST[unit]:g} {unit}).", f"Write {_EXAMPLES[unit]}."
        )
    return number


def _same(text: str, table: Mapping[str, float]) -> str:
    """The one unit of a table that a text is another spelling of; empty where it may be another unit, as `mj`, `Ms` or `Mb`."""
    folded = _folded(text)
    near = [name for name in table if name and _folded(name).lower() == folded.lower()]
    alike = len({table[name] for name in near}) == 1
    return next((name for name in near if alike and _folded(name) == folded), "")


def _folded(text: str) -> str:
    """What all spellings of one unit have in common: no case but that of m and M, which are a billion apart, no gas, no spaces."""
    words = re.sub(r"\s*/\s*|\s+per\s+|_per_", "/", text.strip()).split("/")
    plain = [re.sub(r"[\s_-]*CO[2₂]?([\s-]*e(q|quiv)?)?$", "", word.strip(), flags=re.IGNORECASE) for word in words]
    return "/".join(_plain(word) for word in plain)


def _plain(word: str) -> str:
    if word in _BITS:
        return "bits"
    unit = next((unit for unit, others in SPELLINGS.items() if word.lower() in others), word)
    if unit.lower().endswith("b") and unit.lower() not in ("lb", "b"):
        return unit.lower()  # there are no thousandths of a byte, so that `mb` is `MB`
    return unit[:1] + unit[1:].lower() if unit[:1] in "mM" and len(unit) > 1 else unit.lower()


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
    return checked(number * factor, "s")


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
        return _above_0(_split(value, do)[0], do), None
    period = "(second|minute|hour|day|week|month|year)"
    match = re.fullmatch(rf"\s*({_NUMBER})\s*/\s*{period}\s+for\s+({_NUMBER})\s*{period}s?\s*", value) if isinstance(value, str) else None
    if match is None:
        raise BadAmount("it needs a number per period and for how long.", do)
    (rate, _), (length, _) = _split(match[1], do), _split(match[3], do)
    length_d = length * _PERIOD_D[match[4]]
    total = rate * length_d / _PERIOD_D[match[2]]
    if not math.isfinite(total):
        raise BadAmount("it needs a finite number.", do)
    return _above_0(total, do), length_d * _DAY_S


def _above_0(total: float, do: str) -> float:
    if total == 0:
        raise BadAmount("it needs to be above 0.", do)
    return total


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
