"""Kinds and bounds of plain data that a stranger wrote: a check takes a value and where it stands, and raises ValueError in
words that lack their subject, the file.

This file stands alone: its source is copied into an artifact's `predict.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]
LARGE = 1e30
"""Of any amount in SI units: nothing that is read holds more, and a thousand of them still have a sum."""
MOST_NUMBERS = 1 << 26
"""Numbers in one array that a description may ask for."""


def refuse(place: str, value: Any, wanted: str) -> None:
    """Say what stands where, and what has to.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"has {place} {value!r:.60}; it has to be {wanted}" if place else f"is {value!r:.60}; it has to be {wanted}")


def is_any(value: Any, place: str) -> None:
    """Whatever JSON can hold."""


def is_text(value: Any, place: str) -> None:
    """A text."""
    if not isinstance(value, str):
        refuse(place, value, "a text")


def is_one_of(*allowed: str) -> Check:
    """One of these words."""

    def look(value: Any, place: str) -> None:
        if not isinstance(value, str) or value not in allowed:
            refuse(place, value, " or ".join(allowed))

    return look


def is_whole(low: int, high: int) -> Check:
    """A whole number within bounds."""

    def look(value: Any, place: str) -> None:
        if type(value) is not int or not low <= value <= high:
            refuse(place, value, f"a whole number from {low} to {high}")

    return look


def is_number(low: float = -LARGE, high: float = LARGE, *, but: float | None = None) -> Check:
    """A finite number within bounds, other than `but`."""

    def look(value: Any, place: str) -> None:
        if type(value) not in (int, float) or not low <= value <= high or value == but:
            refuse(place, value, f"a number from {low:g} to {high:g}" + ("" if but is None else f" other than {but:g}"))

    return look


def is_list(item: Check, low: int = 0, high: int = 1_000_000) -> Check:
    """A list whose items pass."""

    def look(value: Any, place: str) -> None:
        if not isinstance(value, list):
            refuse(place, value, "a list")
        if not low <= len(value) <= high:
            raise ValueError(f"has {len(value)} entries in {place}; {low} to {high} are allowed")
        for at, one in enumerate(value):
            item(one, f"{place}[{at}]")

    return look


def is_mapping(item: Check) -> Check:
    """A mapping whose values pass."""

    def look(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            refuse(place, value, "a mapping")
        for key, one in value.items():
            item(one, f"{place}.{key:.60}")

    return look


def is_record(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None, *, closed: bool = False) -> Check:
    """A mapping with these entries; others are not looked at, or are refused where it is closed."""
    known = {**needed, **(optional or {})}

    def look(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            refuse(place, value, "a mapping")
        inner = f"{place}." if place else ""
        if absent := [f"{inner}{key}" for key in needed if key not in value]:
            raise ValueError(f"lacks {', '.join(absent)}")
        if closed and (strange := [key for key in value if key not in known]):
            raise ValueError(f"has {inner}{strange[0]:.60}; {', '.join(known)} may stand there")
        for key, item in known.items():
            if key in value:
                item(value[key], f"{inner}{key}")

    return look


def is_kind(kinds: Mapping[str, Check]) -> Check:
    """A mapping whose `kind` says what else it holds."""
    kind = is_one_of(*kinds)

    def look(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            refuse(place, value, "a mapping")
        kind(value.get("kind"), f"{place}.kind")
        kinds[value["kind"]](value, place)

    return look


def is_either(first: Check, second: Check, wanted: str) -> Check:
    """What passes one of two checks."""

    def look(value: Any, place: str) -> None:
        for one in (first, second):
            try:
                return one(value, place)
            except ValueError:
                continue
        refuse(place, value, wanted)

    return look


def is_none(value: Any, place: str) -> None:
    """Null."""
    if value is not None:
        refuse(place, value, "null")


def is_shape(low: int, high: int) -> Check:
    """The dimensions of an array, so many of them, that is not beyond measure."""
    dimensions = is_list(is_whole(1, MOST_NUMBERS), low, high)

    def look(value: Any, place: str) -> None:
        dimensions(value, place)
        numbers = 1
        for size in value:
            numbers *= size
        if numbers > MOST_NUMBERS:
            refuse(place, value, f"a shape of at most {MOST_NUMBERS} numbers")

    return look


def is_array(value: Any, place: str) -> None:
    """Numbers in lists of one length each."""
    level: list[Any] = [value]
    while type(level[0]) is list:
        sizes = {len(item) if type(item) is list else -1 for item in level}
        if len(sizes) > 1 or sizes & {0, -1}:
            raise ValueError(f"has ragged or empty {place}; it has to be an array of numbers")
        level = [item for outer in level for item in outer]
    if not {type(item) for item in level} <= {int, float, bool}:
        raise ValueError(f"holds something else than numbers in {place}")
