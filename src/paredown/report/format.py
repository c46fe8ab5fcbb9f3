"""How numbers are printed: SI prefixes, honest digits, intervals, and absences with their reason."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paredown.core.quantity import quantities
from paredown.core.task import OWN
from paredown.ground.amounts import is_finite
from paredown.ground.untrusted import visible
from paredown.report.words import Words

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_SYMBOLS = {"time": "s", "energy": "J", "bytes": "B", "power": "W", "mass": "g", "volume": "L"}
_SMALLEST = {"time": 1e-9, "energy": 1e-9, "power": 1e-3, "mass": 1e-9, "volume": 1e-9, "bytes": 1.0, "count": 1.0}
_LARGEST = {"time": 1.0, "volume": 1.0}
_KINDS = {
    "s": "time",
    "J": "energy",
    "B": "bytes",
    "W": "power",
    "g": "mass",
    "L": "volume",
    "1/s": "rate",
    "1/J": "per_joule",
    "1": "count",
    "share": "share",
    "points": "points",
    "pp": "points",
    "x": "ratio",
}
FIRM = ("counted", "measured", "")

Number = Mapping[str, Any] | float | int | None


@dataclass(frozen=True)
class Style:
    """How one value is written: divided by `factor`, rounded to `decimals` (below zero: to tens, hundreds), followed by `suffix`."""

    factor: float = 1.0
    decimals: int = 0
    suffix: str = ""

    def write(self, value: float, suffix: bool = True) -> str:
        """The value in this style; thousands are parted by a space."""
        rounded = round(value / self.factor, self.decimals)
        text = f"{abs(rounded):,.{max(0, self.decimals)}f}".replace(",", " ")
        return ("−" if rounded < 0 else "") + text + (self.suffix if suffix else "")


def kind_of(quantity: str, unit: str | None = "") -> str:
    """How a quantity in that unit is printed: time, energy, mass, share, ... as in quantities.csv, or points, ratio, per_joule, plain."""
    if unit:
        return _KINDS.get(unit, "plain")
    return quantities()[quantity].print if quantity in quantities() else "share"


def value_of(num: Number) -> float | None:
    """The finite value of a number of result.json, or None when it is missing."""
    value = num.get("value") if isinstance(num, Mapping) else num
    return float(value) if value is not None and is_finite(value) else None


def bounds_of(num: Number) -> tuple[float, float] | None:
    """Both ends of its interval, or None when it has none."""
    if not isinstance(num, Mapping):
        return None
    low, high = value_of(num.get("low")), value_of(num.get("high"))
    return None if low is None or high is None else (low, high)


def how_of(num: Number) -> str:
    """counted, measured, estimated, modelled, or empty when it does not say."""
    return str(num.get("how") or "") if isinstance(num, Mapping) else ""


def _power(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def _digits(num: Number, value: float) -> int:
    """Three where it was counted or measured, else two; fewer when the interval is wide, never below two."""
    most = 3 if how_of(num) in FIRM else 2
    ends = bounds_of(num)
    if ends and value and ends[1] > ends[0]:
        return min(most, max(2, _power(value) - _power((ends[1] - ends[0]) / 2) + 1))
    return most


def _percent(value: float, suffix: str) -> Style:
    percent = abs(value) * 100
    decimals = 0 if percent in (0, 100) else 1 if percent >= 10 else 2 if percent >= 1 else 1 - _power(percent)
    while percent < 100 <= round(percent, decimals) and decimals < 9:
        decimals += 1
    return Style(0.01, decimals, suffix)


def style_of(value: float, kind: str, digits: int = 3, exact: bool = True) -> Style:
    """The style in which a value of that kind is printed.

    Args:
        value: In SI base units.
        kind: As `kind_of` says.
        digits: Significant digits.
        exact: Whole counts below a million keep all their digits.
    """
    if kind in ("share", "points"):
        return _percent(value, " %" if kind == "share" else " pp")
    value = float(f"{value:.{digits - 1}e}") if not (exact and kind == "count" and abs(value) < 1e6 and value == int(value)) else value
    if kind == "count" and exact and abs(value) < 1e6 and value == int(value):
        return Style()
    factor, prefix = 1.0, ""
    if kind in _SMALLEST and value and not (kind == "count" and abs(value) < 1e6):
        fits = [(size, name) for size, name in _PREFIXES if _SMALLEST[kind] <= size <= _LARGEST.get(kind, 1e9)]
        factor, prefix = next(((size, name) for size, name in fits if abs(value) >= size), fits[-1])
    decimals = digits - 1 - _power(value / factor) if value else 0
    unit = prefix + _SYMBOLS.get(kind, "")
    suffix = {"ratio": "x", "rate": "/s", "per_joule": "/J"}.get(kind, f" {unit}" if unit else "")
    return Style(factor, 0 if kind == "bytes" and factor == 1 else decimals, suffix)


def number(num: Number, kind: str, words: Words, interval: bool = False, origin: bool = False) -> str:
    """A number of result.json in words: "13.7 µs", "12.4x [11.8, 13.1]", "missing: no energy counter".

    Args:
        num: The number, a bare float, or None.
        kind: As `kind_of` says.
        words: The language.
        interval: Also write the interval when there is one.
        origin: Also say so when it was neither counted nor measured.
    """
    value = value_of(num)
    if value is None:
        reason = num.get("missing") if isinstance(num, Mapping) else None
        return words("number.missing", reason=clean(reason or words("number.no_record")))
    style = style_of(value, kind, _digits(num, value), exact=how_of(num) in FIRM)
    if kind == "plain" and isinstance(num, Mapping) and num.get("unit") not in ("", None, OWN):
        style = Style(style.factor, style.decimals, f" {clean(num['unit'])}")
    ends = bounds_of(num) if interval else None
    ends = None if ends and ends[0] == ends[1] else ends
    text = style.write(value)
    text += f" [{', '.join(_end(end, num, style) for end in ends)}]" if ends else ""
    return text + weakness(num, words) if origin else text


def quality(value: float, unit: str) -> str:
    """A metric's value: in per cent where it has no unit of its own, else with its unit, as "0.821 nat"."""
    kind = kind_of("quality", unit)
    return style_of(value, kind).write(value) + (f" {clean(unit)}" if kind == "plain" and unit != OWN else "")


def _end(end: float, num: Number, style: Style) -> str:
    """One end of an interval in the value's unit: to its last digit, or to two digits of its own where it was not counted or measured."""
    if how_of(num) in FIRM or not end:
        return style.write(end, suffix=False)
    rounded = float(f"{end:.1e}")
    return Style(style.factor, 1 - _power(rounded / style.factor)).write(rounded)


def weakness(num: Number, words: Words) -> str:
    """(estimated) where a number was neither counted nor measured, else nothing."""
    return "" if how_of(num) in FIRM else words("number.weak", how=words.name("how", how_of(num)))


def at_most(value: float, kind: str) -> str:
    """An upper bound, never rounded down: 0.01312 is "1.32 %"."""
    style = style_of(value, kind)
    step = style.factor * 10.0**-style.decimals
    return style.write(math.ceil(value / step - 1e-9) * step)


def short(value: float, kind: str) -> str:
    """A limit or an axis tick: as few digits as it needs ("2 %", "50 µs")."""
    style = style_of(value, kind)
    scaled = value / style.factor
    decimals = next(places for places in range(12) if places == 11 or abs(round(scaled, places) - scaled) <= 1e-3 * abs(scaled))
    return Style(style.factor, decimals, style.suffix).write(value)


def duration(seconds: float | None, words: Words) -> str:
    """A span of work in words: "48 s", "3 min 32 s", "2 h 5 min"."""
    if seconds is None or value_of(seconds) is None:
        return words("number.missing", reason=words("number.no_record"))
    whole = round(seconds)
    if whole < 10:
        return number(seconds, "time", words)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def clean(text: object) -> str:
    """A user's text on one line: control characters and lone surrogates become a visible mark, changes of direction their escapes."""
    plain = " ".join(str(text).split())
    return visible("".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in plain))
