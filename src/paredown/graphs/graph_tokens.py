"""How many tokens a row may have in a model of texts, found by trying lengths. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import numpy as np

_SHORT = (4, 5, 7)
_USUAL = (
    8,
    10,
    12,
    16,
    20,
    24,
    25,
    30,
    32,
    40,
    48,
    50,
    60,
    64,
    80,
    96,
    100,
    120,
    128,
    160,
    192,
    200,
    250,
    256,
    300,
    320,
    384,
    400,
    500,
    512,
)
"""Lengths that a model written for one length has."""


def limits(ask: Callable[[Mapping[str, Any]], Any], inputs: Mapping[str, str], most: int) -> dict[str, Any]:
    """What to change in a declaration of rows of up to `most` tokens: nothing, a lower `max_length`, or the one `length` that is taken.

    Args:
        ask: A feed -> answers; what it raises for a row that is too long is no answer.
        inputs: The model's input -> "ids", "mask" or "types".
    """

    @cache
    def takes(length: int) -> bool:
        with suppress(Exception):  # engines and modules raise what they like
            return len(ask({name: np.full((1, length), role != "types", np.int64) for name, role in inputs.items()})) == 1
        return False

    if all(takes(length) for length in sorted({*_SHORT, most}) if length <= most):
        return {}
    known = {length: takes(length) for length in sorted({*_SHORT, *_USUAL, most}) if length <= most}
    taken = [length for length, fits in known.items() if fits]
    if not taken:
        return {}
    low, high = taken[-1], min(length for length, fits in known.items() if not fits)
    if high < low:  # shorter ones are refused: all rows get the longest that is taken
        return {"length": low, "max_length": low}
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(middle) else (low, middle)
    return {"max_length": low}
