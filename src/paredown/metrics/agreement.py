"""How near answers are to those of the model as given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from paredown.core.task import KINDS, Metric
from paredown.kinds.known import kind_named, kind_of


@dataclass(frozen=True)
class Agreement(Metric):
    """1 minus the mean difference from what the model as given answers: 0 as far as can be, 1 the same. It needs no labels.

    A row differs by 1 where another class is answered; by the share of labels that are on the other side of 0.5; of numbers by their mean
    distance in units of the spread of the given model's answers, cut at 1; of tensors by the root of the mean squared difference in such
    units, the mean over outputs (see `kinds.tensors`); of vectors by (1 - cosine) / 2. It says nothing about which of
    both is right.

    Args:
        kind: Of the answers.
        decode: The declaration by which they are decoded, where it is known.
    """

    kind: str = "class"
    decode: Mapping[str, Any] = field(default_factory=dict)

    kinds = KINDS
    by_baseline = True

    def decoded(self, decode: Mapping[str, Any]) -> Metric:
        """The same, which knows the outputs."""
        return replace(self, decode=decode)

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The mean, 0..1."""
        return float(self.per_item(targets, answers).mean())

    def per_item(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """1 minus the difference of each row, shape (N,)."""
        return (kind_of(self.decode) if self.decode else kind_named(self.kind)).credit(targets, answers)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """0: who answers without looking agrees by accident alone."""
        return 0.0
