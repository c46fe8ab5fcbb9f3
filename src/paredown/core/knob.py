"""One declaration per knob: its default, check, message, search range, help and documentation row."""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any

from paredown.core.errors import BadKnob, UnknownName

_KEY = "paredown.knob"


@dataclass(frozen=True, kw_only=True)
class Knob:
    """What a knob accepts.

    Args:
        kind: share, number, count, choice, flag or text.
        low, high: Bounds, both included; None is open.
        options: The allowed words of a choice.
        help: One sentence.
    """

    kind: str
    default: Any
    low: float | None = None
    high: float | None = None
    options: tuple[str, ...] = ()
    help: str = ""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.options)
        if self.kind == "flag":
            return "true or false"
        if self.kind == "text":
            return "a text"
        noun = "a whole number" if self.kind == "count" else "a number"
        low = "" if self.low is None else f" from {self.low:g}"
        high = "" if self.high is None else f" up to {self.high:g}"
        return noun + low + high

    def problem(self, value: Any) -> str | None:
        """None when the value is allowed, else what was found."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind == "choice":
            ok = isinstance(value, str) and value in self.options
        elif self.kind == "flag":
            ok = isinstance(value, bool)
        elif self.kind == "text":
            ok = isinstance(value, str)
        elif self.kind == "count":
            ok = isinstance(value, int) and not isinstance(value, bool)
        else:
            ok = number and math.isfinite(value)
        if ok and self.kind in ("share", "number", "count"):
            ok = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return None if ok else f"{value!r}"


def _declare(knob: Knob) -> Any:
    return field(default=knob.default, metadata={_KEY: knob})


def share(default: float, *, low: float = 0.0, high: float = 1.0, help: str = "") -> Any:
    """A share between `low` and `high`, both included."""
    return _declare(Knob(kind="share", default=default, low=low, high=high, help=help))


def number(default: float, *, low: float | None = None, high: float | None = None, help: str = "") -> Any:
    """A finite number between `low` and `high`, both included."""
    return _declare(Knob(kind="number", default=default, low=low, high=high, help=help))


def count(default: int, *, low: int = 0, high: int | None = None, help: str = "") -> Any:
    """A whole number between `low` and `high`, both included."""
    return _declare(Knob(kind="count", default=default, low=low, high=high, help=help))


def choice(*options: str, help: str = "") -> Any:
    """One of the words; the first is the default."""
    return _declare(Knob(kind="choice", default=options[0], options=options, help=help))


def flag(default: bool, *, help: str = "") -> Any:
    """True or false."""
    return _declare(Knob(kind="flag", default=default, help=help))


def text(default: str, *, help: str = "") -> Any:
    """Any text."""
    return _declare(Knob(kind="text", default=default, help=help))


def knobs(unit: Any) -> dict[str, Knob]:
    """The knobs of a unit's class or instance, by name, in order."""
    own: tuple[Field[Any], ...] = fields(unit)
    return {item.name: item.metadata[_KEY] for item in own if _KEY in item.metadata}


def check_knobs(unit: Any, name: str) -> None:
    """Refuse an instance whose values are outside what its knobs declare.

    Raises:
        BadKnob: All wrong values at once, each with what is allowed.
    """
    lines = []
    for key, knob in knobs(unit).items():
        found = knob.problem(getattr(unit, key))
        if found is not None:
            lines.append(f"{name}: {key} is {found}; it needs {knob.allowed}.")
    if lines:
        raise BadKnob("\n".join(lines))


def make(cls: type[Any], name: str, values: dict[str, Any]) -> Any:
    """An instance of a unit's class from knob values.

    Raises:
        UnknownName: A knob does not exist; the nearest is suggested.
        BadKnob: A value is outside its bounds.
    """
    for key in values:
        if key not in knobs(cls):
            raise UnknownName(f"knob of {name}", key, knobs(cls))
    return cls(**values)
