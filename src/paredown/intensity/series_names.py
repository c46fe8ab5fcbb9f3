"""What the names of columns and fields of a series say: unit, whether its times are ends, which signal it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from paredown.core.errors import BadData
from paredown.ground.amounts import SPELLINGS, UNITS

_MASSES = {spelling: unit for unit in ("g", "mg", "kg", "t", "lb") for spelling in (unit, *SPELLINGS[unit])}
_ENERGIES = {name.lower(): name for name in ("Wh", "kWh", "MWh", "GWh", "TWh", "kJ", "MJ", "GJ", "TJ")}
_OTHER = ("Mg", "MG", "mWh", "mJ")
"""A thousand million times mg, and as little of MWh and MJ: written with care or not, they are not guessed."""
_LETTER, _APART = r"[^\W\d_]", r"(?:(?!/)[\W_])*"
_WORD = rf"(?<!{_LETTER})"
_PER = re.compile(
    rf"{_WORD}(metric tons?|{_LETTER}+?){_APART}(?:(?:co\W?2?|ghg)\W?(?:equivalents?|eq|e)?)?{_APART}/\W*({_LETTER}+)", re.IGNORECASE
)
_AMOUNT = re.compile(rf"{_WORD}(mg|kgs?|g|lbs?|[kmgt]?wh|tonn?e?s?|(kilo|milli)?grams?|pounds?)(?!{_LETTER})|/", re.IGNORECASE)
_BEGIN = r"(date|time|from|start|begin|utc|hour|period|interval)"
_END = rf"{_WORD}(end|ends|ending|ended|to|until|till)(?!{_LETTER})"
_SIGNALS = {"marginal": "marginal", "moer": "marginal", "average": "average", "aoer": "average"}
SAYS_SIGNAL = r"(emissions?.?|signal.?)?(type|kind|signal)|marginal"
"""A column's or a field's name, in lower case, under which a signal stands."""


def factor(name: str) -> float | None:
    """g/kWh in one of the unit that a column's name says; None where it says none that is known."""
    found = _PER.search(_spaced(name))
    if found is None or found[1] in _OTHER or found[2] in _OTHER:
        return None
    return UNITS["g/kWh"].get(f"{_MASSES.get(found[1].lower())}/{_ENERGIES.get(found[2].lower())}")


def has_unit(name: str) -> bool:
    """Whether a column's name says an amount, or something per something, known or not."""
    return _AMOUNT.search(_spaced(name)) is not None


def times(names: Sequence[str]) -> tuple[int, bool] | None:
    """The column of times, and whether it holds ends: where there are beginnings too, those are taken. None without any."""
    plain = [_spaced(name).lower() for name in names]
    ends = [at for at, name in enumerate(plain) if re.match(rf"{_BEGIN}|{_END}", name) and re.search(_END, name)]
    begins = [at for at, name in enumerate(plain) if re.match(_BEGIN, name) and at not in ends]
    return (begins[0], False) if begins else (ends[0], True) if ends else None


def in_utc(name: str) -> bool:
    """Whether a column of times says that they are UTC, and not so many hours beside it."""
    return re.search(r"utc(?!\s*[+\-−]\s*0*[1-9])", name.lower()) is not None


def signal(file: str, texts: Iterable[Any]) -> str | None:
    """Which signal some texts of a file say; None where they say nothing of it.

    Raises:
        BadData: They say both.
    """
    said = {meant for text in texts for word, meant in _SIGNALS.items() if word in str(text).lower()}
    if len(said) > 1:
        raise BadData(f"{file} mixes average and marginal intensity.\n  Give one file per signal; the two are in no sum together.")
    return next(iter(said), None)


def _spaced(name: str) -> str:
    """A name with spaces between its words and "/" for per: `intervalEnd`, `g_per_kwh`."""
    apart = re.sub(r"(?<=[a-z]{2})(?=[A-Z][a-z])", " ", name.replace("₂", "2").replace("_", " "))
    short = re.sub(r"\b([kmg])(?:ilo|ega|iga)watt.?hours?", r"\1wh", apart, flags=re.IGNORECASE)
    return re.sub(r"\s+per\s+", "/", short, flags=re.IGNORECASE)
