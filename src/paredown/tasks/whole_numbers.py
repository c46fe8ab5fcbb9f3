"""Arrays for models that take whole numbers, as tokens and codes. Not a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.encoders.declared_feed import first_fraction

KINDS = ("float32", "int64")


def entry(rows: np.ndarray, options: Mapping[str, Any]) -> dict[str, str]:
    """The entry of an encoder of arrays for the kind of number that the model takes; empty for float32.

    Args:
        rows: (N, ...), any kind of number.
        options: May hold `numbers`, one of KINDS.

    Raises:
        BadData: Another kind; fractions where whole numbers are taken.
    """
    kind = options.get("numbers", KINDS[0])
    if kind not in KINDS:
        raise BadData(f"preprocess: numbers is {kind!r}.\n  Write float32, or int64 for a model that takes whole numbers.")
    if kind == KINDS[0]:
        return {}
    if (row := first_fraction(rows)) is not None:
        raise BadData(f"preprocess: numbers is int64, and row {row} holds a fraction.\n  Leave it out: rows are then fed as float32.")
    return {"numbers": kind}


def probe(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Made-up rows of zeros and ones, which name something that every model of whole numbers knows."""
    return np.random.default_rng(seed).integers(0, 2, shape)
