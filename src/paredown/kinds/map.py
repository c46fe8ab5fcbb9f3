"""Each pixel of an image has a class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.kinds.decode import shape_of
from paredown.kinds.places import NOTHING, Places, classes_at

_ENOUGH = 0.01
_SHOWN = 3


class Map(Places):
    """Answers are probabilities (N, classes, H, W), targets class indices (N, H, W), int16; see `places`.

    A module may give the logits of all classes, their probabilities, or one number per pixel where there are two classes: the logit or the
    probability of the second. Targets come from masks: `rows.masks`.
    """

    name = "map"
    graph_outputs = ("map_logits", "map_probabilities", "map_logit", "map_probability")
    metrics = ("miou", "dice")

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """Class indices (N, pixels), int16, NOTHING where there are none."""
        return np.asarray(targets, np.int16).reshape(len(targets), -1)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Another class at more than one in a hundred pixels."""
        share = [float((one.argmax(axis=0) != other.argmax(axis=0)).mean()) for one, other in zip(before, after)]
        return np.array(share) > _ENOUGH

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean total variation distance of the probabilities of all pixels."""
        return {"distance": float(np.mean([abs(one - other).sum(axis=0).mean() / 2 for one, other in zip(before, after)]))}

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """How much of each class is told otherwise."""
        phrases = []
        for target, answer in zip(targets, classes_at(targets, answers)):
            there = target != NOTHING
            wrong = (target != answer) & there
            parts = [
                f"{names[at]!r} is told otherwise at {wrong[target == at].sum()} of its {(target == at).sum()} pixels"
                for at in np.unique(target[wrong]).tolist()[:_SHOWN]
            ]
            phrases.append("; ".join(parts) or "all pixels are right")
        return phrases

    def blind(self, targets: Any) -> str:
        """One class everywhere."""
        return "always answering one class for all pixels"


def planes(shape: Sequence[int], decode: Mapping[str, Any]) -> str:
    """How a module or graph lays out its answer to a batch.

    Args:
        shape: Of the answer.
        decode: The declaration that decodes logits.

    Returns:
        "classes": (N, C, H, W), or flat in that order; "one": one number per pixel, of two classes; "classes last": (N, H, W, C); "" for
        anything else.
    """
    classes, *size = shape_of(decode)
    found = [*shape[1:]]
    if found in ([classes, *size], [classes * math.prod(size)]):
        return "classes"
    if classes == 2 and found in ([1, *size], size, [*size, 1], [math.prod(size)]):
        return "one"
    return "classes last" if found == [*size, classes] else ""
