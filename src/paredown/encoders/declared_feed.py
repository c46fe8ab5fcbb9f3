"""What a graph declares of its feed and no other encoder cares about: whole numbers only, a fixed number of rows at once, 8-bit ends.

This file stands alone but for numpy. Its source is copied into an artifact's `predict.py` before that of `feed`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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


def interpreted(model: Any) -> Callable[[Mapping[str, Any]], np.ndarray]:
    """A TF Lite interpreter as a function feed -> its first output, float32 where that is in 8 bits.

    Args:
        model: The interpreter, with one input. Where its file leaves the number of rows free, it is given as many as there are, unless it
            then answers otherwise than one row for each; else one by one.
    """
    taken, given = model.get_input_details()[0], model.get_output_details()[0]
    kind, (gain, zero), (scale, shift) = taken["dtype"], taken["quantization"], given["quantization"]
    sizes = taken["shape_signature"] if len(taken["shape_signature"]) else taken["shape"]
    now = [*taken["shape"].tolist()]

    def whole(feed: Mapping[str, Any]) -> np.ndarray:
        (rows,) = feed.values()
        if [*rows.shape] != now:
            now[:] = rows.shape
            model.resize_tensor_input(taken["index"], now)
            model.allocate_tensors()
        if gain:
            bounds = np.iinfo(kind)
            rows = np.clip(np.rint(rows / gain) + zero, bounds.min, bounds.max)
        model.set_tensor(taken["index"], np.ascontiguousarray(rows, kind))
        model.invoke()
        found: np.ndarray = model.get_tensor(given["index"])
        if scale:
            found = (found.astype(np.float32) - np.float32(shift)) * np.float32(scale)
        return found

    parts, free = in_batches(lambda feed: {"": whole(feed)}, max(1, int(sizes[0]))), [sizes[0] < 0]

    def answer(feed: Mapping[str, Any]) -> np.ndarray:
        if free[0]:
            with suppress(RuntimeError):  # a shape inside may be fixed for one row
                if len(found := whole(feed)) == len(next(iter(feed.values()))):
                    return found
            free[0] = len(next(iter(feed.values()))) == 1
        last: np.ndarray = parts(feed)[""]
        return last

    model.allocate_tensors()
    return answer
