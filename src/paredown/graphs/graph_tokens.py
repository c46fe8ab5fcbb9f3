"""How many tokens a row may have in a graph of texts, found by trying lengths. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

_SHORT = 4
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
"""Lengths that a graph written for one length has."""


def limits(ask: Callable[[Mapping[str, Any]], Any], inputs: Mapping[str, str], most: int) -> dict[str, Any]:
    """What to change in a declaration of rows of up to `most` tokens: nothing, a lower `max_length`, or the one `length` that is taken.

    Args:
        ask: A feed -> answers; what it raises for a row that is too long is no answer.
        inputs: The graph's input -> "ids", "mask" or "types".
    """

    def takes(length: int) -> bool:
        with suppress(Exception):  # engines raise what they like
            return len(ask({name: np.full((1, length), role != "types", np.int64) for name, role in inputs.items()})) == 1
        return False

    if not takes(_SHORT):
        only = [length for length in sorted({*_USUAL, most}) if length <= most and takes(length)]
        return {"length": only[0], "max_length": only[0]} if len(only) == 1 else {}
    if takes(most):
        return {}
    low, high = _SHORT, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if takes(middle) else (low, middle)
    return {"max_length": low}
