"""A number with how it was obtained, and its honest absence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from paredown.core.errors import CoverageMismatch, MissingValue
from paredown.core.quantity import quantity


class How(StrEnum):
    """How a number was obtained, strongest first."""

    COUNTED = "counted"
    MEASURED = "measured"
    ESTIMATED = "estimated"
    MODELLED = "modelled"

    def at_least(self, other: How) -> bool:
        """True when this way is as strong as `other` or stronger."""
        order = list(How)
        return order.index(self) <= order.index(other)


def weakest(ways: Iterable[How]) -> How:
    """The weakest of some ways that numbers were obtained."""
    return max(ways, key=list(How).index)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number with unit, interval, count and origin.

    Args:
        quantity: A name of quantities.csv.
        value: In `unit`.
        low, high: Ends of the two-sided 95 % interval in `unit`; None when there is no spread to speak of (a file's size).
        unit: SI base unit; taken from the table when empty.
        how: counted, measured, estimated or modelled.
        n: Number of windows, rows or files behind it.
        covers: The hardware it covers, as ("cpu",); sums over different coverage raise.
        source: Where coefficients come from, with date; empty for a plain measurement.
    """

    quantity: str
    value: float
    how: How
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | None = None
    covers: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if not self.unit:
            object.__setattr__(self, "unit", quantity(self.quantity).unit)

    def __add__(self, other: Reading) -> Reading:
        """Sum of two readings of one quantity over the same hardware; the weaker origin is kept.

        Raises:
            CoverageMismatch: The two cover different hardware or differ in quantity or unit.
        """
        mine, yours = (self.quantity, self.unit, self.covers), (other.quantity, other.unit, other.covers)
        if mine != yours:
            raise CoverageMismatch(f"cannot add {yours} to {mine}: quantity, unit and covered hardware must be the same.")
        low = None if self.low is None or other.low is None else self.low + other.low
        high = None if self.high is None or other.high is None else self.high + other.high
        return replace(self, value=self.value + other.value, low=low, high=high, how=weakest((self.how, other.how)))

    def times(self, factor: float) -> Reading:
        """All three multiplied by a factor of 0 or more, in the same unit."""
        low, high = (None if end is None else end * factor for end in (self.low, self.high))
        return replace(self, value=self.value * factor, low=low, high=high)

    def json(self) -> dict[str, Any]:
        """As written to result.json."""
        out: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "unit": self.unit, "how": str(self.how)}
        out |= {"n": self.n} if self.n is not None else {}
        out |= {"covers": list(self.covers)} if self.covers else {}
        out |= {"source": self.source} if self.source else {}
        return out


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A number that could not be had, and why. Never 0, and refuses arithmetic."""

    quantity: str
    reason: str

    def _refuse(self, *_: object) -> Any:
        raise MissingValue(f"{self.quantity} is missing ({self.reason}); it cannot be used in arithmetic.")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __float__ = __bool__ = _refuse

    def json(self) -> dict[str, Any]:
        """As written to result.json."""
        return {"missing": self.reason}


def reading_from_json(name: str, data: dict[str, Any]) -> Reading | Missing:
    """The inverse of `json()`.

    Raises:
        KeyError, TypeError, ValueError: It is not what that wrote.
    """
    texts = [data[key] for key in ("missing", "unit", "source") if key in data]
    covers = data.get("covers", ())
    if not isinstance(covers, list | tuple) or not all(isinstance(text, str) for text in (*texts, *covers)):
        raise ValueError(f"{name} has a unit, a source, a reason or what it covers that is no text")
    if "missing" in data:
        return Missing(quantity=name, reason=data["missing"])
    return Reading(
        quantity=name,
        value=data["value"],
        low=data.get("low"),
        high=data.get("high"),
        unit=data["unit"],
        how=How(data["how"]),
        n=data.get("n"),
        covers=tuple(covers),
        source=data.get("source", ""),
    )
