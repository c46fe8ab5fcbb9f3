"""Each row is answered with one tensor or several, whatever they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.kinds.kind import Kind

_PART = 64
"""Rows that are compared at a time: answers may be as large as pictures."""
_ROUNDING = 1e-6
"""Outputs that differ by no more than this share of their spread are the same."""
_NONE = {"name": "tensors", "shape": []}


@dataclass(frozen=True)
class Tensors(Kind):
    """Answers (N, numbers), float32: all outputs of a model one after the other, each in the order of its axes.

    How far an answer is from another one is the root of the mean squared difference in units of the output's spread, cut at 1, the mean
    over outputs: a large output does not hide a small one. The spread is how far the numbers of an output are from their mean over rows,
    as the model as given answered some of them; a model that says these means is about 1 away.

    Args:
        parts: {"name", "shape", "spread"} for each output in order, as the declaration that decodes has them; all numbers are one output
            where there are none, and the spread is that of what they are held against.
    """

    parts: Sequence[Mapping[str, Any]] = ()

    name = "tensors"
    graph_outputs = ("tensors",)
    named = "tensors"
    metrics = ("agreement",)
    unsure = "answers that are tensors do not say how sure a model is of them."

    def bound(self, decode: Mapping[str, Any]) -> Kind:
        """The kind for the outputs that a declaration lists."""
        return Tensors(tuple(decode["parts"])) if "parts" in decode else self

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """The numbers as they are; "parts" lists the outputs once the model has been asked."""
        return {"kind": "values", "output": "tensors", "width": len(names)}

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """There are none.

        Raises:
            BadData: Always.
        """
        raise BadData(
            f"the column {column!r} holds labels, and tensors have none: they are held against what the model as given says.\n"
            "  Write `metric: agreement`; a task with labels is that of their kind, as array-classification or array-regression."
        )

    def undecoded(self, answers: Any, decode: Mapping[str, Any]) -> Any:
        """Such that the mean squared difference of all numbers is that in units of the spread, the mean over outputs; float32."""
        divisors = np.concatenate([np.full(int(size), scale) for size, scale in scales(decode)])
        return np.asarray(answers / divisors, np.float32)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """More than rounding in any output."""
        return np.concatenate([(some > _ROUNDING).any(axis=1) for some in self._apart(before, after)])

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean distance, see the class."""
        return {"distance": float(np.concatenate([some.mean(axis=1) for some in self._apart(before, after)]).mean())}

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """1 minus the distance."""
        return 1.0 - np.concatenate([some.mean(axis=1) for some in self._apart(targets, answers)])

    def as_targets(self, answers: Any) -> Any:
        """The numbers themselves."""
        return answers

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """How far each output is away."""
        found = np.concatenate([*self._apart(targets, answers)])
        listed = [part["name"] for part in self.parts or [_NONE]]
        return [", ".join(f"{name} is {100 * away:.3g} % of its spread away" for name, away in zip(listed, row)) for row in found]

    def blind(self, targets: Any) -> str:
        """What it says of no row in particular."""
        return "always giving the mean of each output"

    def _apart(self, one: Any, other: Any) -> Iterator[np.ndarray]:
        """Distances (rows, outputs) of some rows after the other."""
        ends = np.cumsum([0, *(sizes_of(self.parts) or [one.shape[1]])])
        spreads = [part["spread"] for part in self.parts] or [spread_of(one)]
        for start in range(0, len(one), _PART):
            rows = slice(start, start + _PART)
            away = np.asarray(one[rows], np.float64) - np.asarray(other[rows], np.float64)
            parts = [np.sqrt((away[:, low:high] ** 2).mean(axis=1)) / spread for low, high, spread in zip(ends, ends[1:], spreads)]
            yield np.minimum(np.stack(parts, axis=1), 1.0)


def sizes_of(parts: Sequence[Mapping[str, Any]]) -> list[int]:
    """Numbers per row of each output."""
    return [prod(part["shape"]) for part in parts]


def spread_of(answers: Any) -> float:
    """How far the numbers of one output (N, K) are from their mean over rows, the root of the mean square; how far from 0 where all rows
    have the same; 1 where all are 0."""
    found = np.asarray(answers, np.float64)
    for away in (found - found.mean(axis=0), found):
        if (spread := sqrt(float((away**2).mean()))) > _ROUNDING * float(np.abs(found).max(initial=0)):
            return spread
    return 1.0


def scales(decode: Mapping[str, Any]) -> list[list[float]]:
    """For each output its numbers and what they are divided by where a model learns: its spread times the root of its share of all numbers
    and of how many outputs there are, so that each output weighs the same, whatever its size."""
    parts = decode.get("parts") or [{"shape": [decode["width"]], "spread": 1.0}]
    sizes = sizes_of(parts)
    return [[size, part["spread"] * sqrt(size * len(parts) / sum(sizes))] for size, part in zip(sizes, parts)]
