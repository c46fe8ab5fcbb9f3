"""One of several classes at each of many places of a row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.kinds.decode import ABSENT, sureness
from paredown.kinds.kind import Kind

NOTHING = -1
"""Stands in targets where a row has no such place, or nothing is right at it."""
_LEAST = 1e-9


class Places(Kind):
    """Answers are probabilities (N, classes, *size), all 0 at a place that a model was not given; targets are class indices (N, *size),
    NOTHING where a row has no such place.

    Both may have room for more places than the other: what a target has and an answer has not is answered wrongly.
    """

    by_place = True
    named = "classes"

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """Logits, one per class and place."""
        return {"kind": "softmax", "output": self.graph_outputs[0], "classes": len(names), "size": [*size]}

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """Class indices (N, places) in the size that is decoded, int64, NOTHING where there are none."""
        return sized(np.asarray(targets, np.int64), decode["size"], NOTHING).reshape(len(targets), -1)

    def undecoded(self, answers: Any, decode: Mapping[str, Any]) -> Any:
        """Logarithms of the probabilities, whose softmax they are, (N, classes * places)."""
        found = np.log(np.clip(answers, _LEAST, None))
        there = answers.max(axis=1, keepdims=True) > 0
        found = np.where(there, found, 0.0)
        found[:, 0] = np.where(there[:, 0], found[:, 0], ABSENT)
        return found.reshape(len(found), -1).astype(np.float32)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Another class at any place."""
        differs: np.ndarray = (before.argmax(axis=1) != after.argmax(axis=1)).reshape(len(before), -1).any(axis=1)
        return differs

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean total variation distance of the probabilities at the places that there are."""
        there = before.max(axis=1) > 0
        apart = abs(before - after).sum(axis=1) / 2
        return {"distance": float(apart[there].mean()) if there.any() else 0.0}

    def sureness(self, answers: Any) -> np.ndarray:
        """As `decode.sureness` has it by the number of axes that places have."""
        return sureness({"kind": "softmax"}, answers)

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """The share of the places that are told rightly; 1 for a row that has none."""
        there = targets != NOTHING
        right = (classes_at(targets, answers) == targets) & there
        count = there.reshape(len(there), -1).sum(axis=1)
        found: np.ndarray = np.where(count > 0, right.reshape(len(right), -1).sum(axis=1) / np.maximum(count, 1), 1.0)
        return found

    def as_targets(self, answers: Any) -> Any:
        """The class with the highest probability at each place that there is."""
        return np.where(answers.max(axis=1) > 0, answers.argmax(axis=1), NOTHING)

    @abstractmethod
    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """One phrase for each row."""


def classes_at(targets: Any, answers: Any) -> np.ndarray:
    """The class that is answered at each place of targets (N, *size), NOTHING at one that has no answer.

    Args:
        targets: Class indices, whose size is taken.
        answers: Probabilities (N, classes, *size) of any size.
    """
    found = np.where(answers.max(axis=1) > 0, answers.argmax(axis=1), NOTHING)
    return sized(found, targets.shape[1:], NOTHING)


def sized(array: Any, size: Sequence[int], fill: int) -> np.ndarray:
    """An array (N, *any) cut or filled up at the end of each axis to (N, *size)."""
    kept = array[(slice(None), *(slice(0, int(most)) for most in size))]
    pads = [(0, 0), *((0, int(most) - has) for most, has in zip(size, kept.shape[1:]))]
    made: np.ndarray = np.pad(kept, pads, constant_values=fill)
    return made
