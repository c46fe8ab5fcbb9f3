"""What a stranger wrote: JSON read within bounds, names that stay inside a folder, text shown and not obeyed.

This file stands alone: its source is copied into an artifact's `predict.py`.
"""

import json
import math
import re
from pathlib import Path, PurePosixPath
from typing import Any

MOST_B = 64 << 20
"""Bytes of a JSON file; a probe of four large images has 12 million."""
MOST_WEIGHT = 4_000_000
"""Values of a JSON text, where a list counts for two and an object for eight: what they take in memory is bounded with it."""
MOST_DEPTH = 64
MOST_DIGITS = 300
"""Digits of a whole number, so that each is also a float."""

_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_NO_CHARACTERS = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f" + _NO_CHARACTERS + "]"
)
"""What a terminal obeys or hides instead of showing it, and what a file cannot hold: control characters, line separators, changes of
direction, halves of characters, tags, and code points that are no characters."""
_LAYOUT = "\t\n"


def read_json(path: Path, most_b: int = MOST_B, *, finite: bool = True) -> Any:
    """The content of a JSON file that anybody may have written.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no plain file, is too large, or `parse_json` refuses it; the sentence lacks its subject, the file.
    """
    if path.exists() and not path.is_file():
        raise ValueError("is no plain file")
    with path.open("rb") as file:
        content = file.read(most_b + 1)
    if len(content) > most_b:
        raise ValueError(f"has more than {most_b} bytes")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not JSON: byte {error.start} is not UTF-8 text") from None
    return parse_json(text, finite=finite)


def parse_json(text: str, *, finite: bool = True, halves: bool = False, most_weight: int = MOST_WEIGHT) -> Any:
    """JSON as plain data with finite numbers, unique keys, and bounds on depth and size.

    Args:
        text: What was written.
        finite: False lets NaN and infinities through, for callers that look at each number themselves.
        halves: True lets halves of characters through, lone surrogates, for callers that escape each name themselves.
        most_weight: As `MOST_WEIGHT`, for callers whose honest files are larger.

    Raises:
        ValueError: It is not that; the sentence lacks its subject, the file.
    """
    if text.count(",") + 2 * text.count("[") + 8 * text.count("{") > most_weight:
        raise ValueError(f"holds more values than are read: {most_weight} at most, where a list counts for two and an object for eight")
    try:
        numbers: dict[str, Any] = {"parse_float": _number, "parse_constant": _constant} if finite else {}
        found = json.loads(text, object_pairs_hook=_object, parse_int=_whole, **numbers)
    except RecursionError:
        raise ValueError(f"is nested more than {MOST_DEPTH} deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    _refuse_deep(found)
    if not halves and _HALF.search(text):
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("holds half of a character, a lone surrogate") from None
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"has the key {name[:60]!r} twice")
        found[name] = value
    return found


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"holds a whole number of {len(digits)} digits; {MOST_DIGITS} are read")
    return int(digits)


def _number(digits: str) -> float:
    found = float(digits)
    if math.isinf(found):
        raise ValueError(f"holds the number {digits:.30}, which is beyond any that is read")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"holds {name}; numbers are finite")


def _refuse_deep(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError(f"is nested more than {MOST_DEPTH} deep")
        level = [
            item
            for outer in level
            if type(outer) in (dict, list)
            for item in (outer.values() if type(outer) is dict else outer)
            if type(item) in (dict, list)
        ]


def inside(name: Any) -> bool:
    """True for a relative posix path that stays below its folder, written in one way only."""
    if not isinstance(name, str) or "\\" in name or ":" in name or "\0" in name:
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and str(path) == name and name != "."


def visible(text: str, keep: str = _LAYOUT) -> str:
    """Text for a terminal, a log or another tool's file: what would be obeyed is shown, as `\\x1b`.

    Args:
        text: Whoever wrote it.
        keep: Control characters that stay as they are; without any, the text stays one line.
    """
    return _OBEYED.sub(lambda found: found[0] if found[0] in keep else ascii(found[0])[1:-1], text)


def escaped_json(text: str) -> str:
    """A JSON text in which what a terminal would obey is escaped; it reads back to the same."""
    return _OBEYED.sub(lambda found: found[0] if found[0] in _LAYOUT else json.dumps(found[0])[1:-1], text)
