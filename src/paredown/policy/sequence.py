"""The test of the finalists: fixed order, stop at the first miss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def fixed_sequence(ordered: Iterable[T], passes: Callable[[T], bool]) -> tuple[T | None, list[T]]:
    """The last that passed before the first that did not.

    As the order is fixed before the test rows are seen, a bad finalist can be chosen only if the first bad one passes its own test; so each
    may be tested at the full 5 % and the whole still errs in at most 5 %.

    Args:
        ordered: From the safest to the one that costs least.
        passes: Opens the test rows for one finalist; not called after the first that does not pass.

    Returns:
        The chosen one, None when the first does not pass; and all that were tested, in order.

    Source: Maurer, Hothorn & Lehmacher 1995; Wiens 2003, Pharmaceutical Statistics 2:211.
    """
    chosen, tested = None, []
    for one in ordered:
        tested.append(one)
        if not passes(one):
            break
        chosen = one
    return chosen, tested
