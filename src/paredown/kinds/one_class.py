"""One of several classes is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.kinds.decode import sureness
from paredown.kinds.kind import Kind

_LEAST = 1e-9


class OneClass(Kind):
    """Answers are probabilities (N, classes) that add up to 1; targets are class indices (N,)."""

    name = "class"
    graph_outputs = ("logits", "probabilities")
    named = "classes"
    metrics = ("accuracy", "macro_f1", "loss")

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """Logits, one per class."""
        return {"kind": "softmax", "output": "logits", "classes": len(names)}

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """Class indices, int64."""
        return np.asarray(targets, np.int64)

    def undecoded(self, answers: Any, decode: Mapping[str, Any]) -> Any:
        """Logarithms of the probabilities, whose softmax they are."""
        return np.log(np.clip(answers, _LEAST, None)).astype(np.float32)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Another class."""
        differs: np.ndarray = before.argmax(axis=1) != after.argmax(axis=1)
        return differs

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """Rows lost and gained, and the mean total variation distance of the probabilities."""
        right, now = before.argmax(axis=1) == targets, after.argmax(axis=1) == targets
        distance = abs(before - after).sum(axis=1).mean() / 2
        return {"lost": float((right & ~now).mean()), "gained": float((~right & now).mean()), "distance": float(distance)}

    def sureness(self, answers: Any) -> np.ndarray:
        """The highest probability."""
        return sureness(self.decoder(()), answers)

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """1 where the class is right."""
        return np.asarray(answers.argmax(axis=1) == targets, np.float64)

    def as_targets(self, answers: Any) -> Any:
        """The class with the highest probability."""
        return answers.argmax(axis=1)

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """The class that is right and the one that the model says."""
        return [f"label {names[target]!r}, the model says {names[at]!r}" for target, at in zip(targets, answers.argmax(axis=1))]

    def blind(self, targets: Any) -> str:
        """The most frequent class."""
        return "always answering the most frequent class"
