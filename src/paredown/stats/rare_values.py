"""What of a value that stands in somebody's row may be shown or shipped: only what enough rows share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

FEWEST = 20
"""Rows that share what may be told of them; a value of fewer is told apart from no other rare one."""


def shared(values: Iterable[Any]) -> dict[Any, int]:
    """Value -> rows, in sorted order, of the values that FEWEST rows or more have; of each row, or value -> rows as a mapping."""
    return {value: count for value, count in sorted(Counter(values).items()) if count >= FEWEST}


def identifies(values: Iterable[str]) -> bool:
    """Whether a column of words says who a row is: most of the rows that have a value share it with fewer than FEWEST.

    E-mail addresses, names and free text are of this kind, and in a small table any words are.
    """
    counts = {value: count for value, count in Counter(values).items() if value.strip()}
    return 2 * sum(shared(counts).values()) < sum(counts.values())


def merged(values: Iterable[str]) -> Mapping[str, str]:
    """Value -> what it may be called: itself, or together with the other rare ones "other values"."""
    counts = Counter(values)
    return {value: value if count >= FEWEST else "other values" for value, count in counts.items()}
