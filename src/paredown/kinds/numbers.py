"""Each row is answered with numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED
from paredown.kinds.kind import Kind

_SHOWN = 4
_ROUNDING = 1e-6
"""Numbers that differ by no more than this share of the larger one are the same: float32 holds seven digits."""


class Numbers(Kind):
    """Answers and targets are numbers (N, D), float64, in the unit of the data."""

    name = "numbers"
    graph_outputs = ("values",)
    named = "numbers"
    metrics = ("mae", "rmse", "r2")
    unsure = "answers that are numbers do not say how sure a model is of them."

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """The numbers as they are; where paredown trains the model, "mean" and "std" of train say what they stand for."""
        return {"kind": "values", "output": "values", "width": len(names)}

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """The numbers that the words are.

        Raises:
            BadData: One is no number, or not finite.
        """
        out = np.empty((len(words), 1))
        for at, word in enumerate(words):
            try:
                out[at, 0] = float(word)
            except ValueError:
                out[at, 0] = math.nan
            if not math.isfinite(out[at, 0]):
                comma = "; write decimals with a point" if re.fullmatch(r"\s*-?\d+,\d+\s*", word) else ""
                raise BadData(
                    f"the column {column!r} holds {word.replace(LISTED, ' ').strip()!r:.60}, which is no finite number.\n"
                    f"  A regression needs a number in every row{comma}; correct it, or remove the row."
                )
        if len(names) > 1:
            raise BadData(
                f"`labels:` names {len(names)} numbers ({', '.join([*names][:5])}); the column {column!r} holds one for each row.\n"
                "  Leave `labels:` out."
            )
        return out, tuple(names) or (column,)

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """In units of the spread of train, from its mean, where the declaration has them; float32."""
        scaled = (targets - np.asarray(decode.get("mean", 0.0))) / np.asarray(decode.get("std", 1.0))
        return np.asarray(scaled, np.float32)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Numbers that differ by more than rounding."""
        differs: np.ndarray = (abs(before - after) > _ROUNDING * np.maximum(abs(before), abs(after))).any(axis=1)
        return differs

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean difference in units of the targets' spread, each cut at 1."""
        return {"distance": float(_apart(before, after, targets).mean())}

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """1 minus the distance in units of the targets' spread, cut at 1."""
        found: np.ndarray = 1.0 - _apart(targets, answers, targets).mean(axis=1)
        return found

    def as_targets(self, answers: Any) -> Any:
        """The numbers themselves."""
        return np.asarray(answers, np.float64)

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """The numbers that are right and those that the model says."""

        def listed(row: Any) -> str:
            return ", ".join(f"{value:.4g}" for value in row[:_SHOWN]) + (", ..." if len(row) > _SHOWN else "")

        return [f"{listed(target)}; the model says {listed(answer)}" for target, answer in zip(targets, answers)]

    def blind(self, targets: Any) -> str:
        """One number, the mean or what the metric likes best."""
        return "always answering one number"


def _apart(one: Any, other: Any, targets: Any) -> np.ndarray:
    """The difference of two arrays (N, D) in units of the targets' spread, cut at 1."""
    spread = np.asarray(targets).std(axis=0)
    found: np.ndarray = np.minimum(abs(one - other) / np.where(spread > 0, spread, 1.0), 1.0)
    return found
