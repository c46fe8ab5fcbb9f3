"""What a graph declares of its feed and no other encoder cares about: whole numbers only, and a fixed number of rows at once.

This file stands alone but for numpy. Its source is copied into an artifact's `predict.py` before that of `feed`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np


def first_fraction(values: np.ndarray) -> int | None:
    """The first row of numbers (N, ...) in which one is not whole, or no number at all; None where all are whole."""
    if values.dtype.kind in "biu" or (fine := values == np.floor(values)).all():
        return None
    return int(np.argmax((~fine).reshape(len(values), -1).any(axis=1)))


def refuse_fractions(values: np.ndarray, whole: Sequence[int], what: str = "") -> None:
    """Refuse numbers (N, ...) that a graph of whole numbers would cut off or wrap around.

    Args:
        whole: The least and the largest that it takes.
        what: Where they stand, as "the column 'age'".

    Raises:
        ValueError: Says the first row, what it holds and what is taken.
    """
    fine = (values == np.rint(values)) & (values >= whole[0]) & (values <= whole[1])
    if not fine.all():
        at = tuple(int(place[0]) for place in np.nonzero(~fine))
        holds = f"{what} holds {values[at]:g} in row {at[0]}" if what else f"row {at[0]} holds {values[at]:g}"
        raise ValueError(f"{holds}; the model takes whole numbers from {whole[0]} to {whole[1]}.")


def in_batches(run: Callable[[Mapping[str, Any]], dict[str, Any]], batch: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A graph that takes `batch` rows at once, no more and no less, as one that takes any: the last are filled up with copies of a row."""

    def answer(feed: Mapping[str, Any]) -> dict[str, Any]:
        count = len(next(iter(feed.values())))
        if count == batch:
            return run(feed)
        parts = []
        for start in range(0, count, batch):
            part = {name: array[start : start + batch] for name, array in feed.items()}
            rows = min(batch, count - start)
            if rows < batch:
                part = {name: np.concatenate([array, np.repeat(array[-1:], batch - rows, axis=0)]) for name, array in part.items()}
            parts.append({name: array[:rows] for name, array in run(part).items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return answer
