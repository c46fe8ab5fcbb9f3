"""How many entities are found, and found rightly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from paredown.core.task import Metric
from paredown.kinds.places import NOTHING, classes_at
from paredown.kinds.tokens import OUTSIDE

_PREFIXES = {"B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}


@dataclass(frozen=True)
class EntityF1(Metric):
    """Micro-averaged F1 of entities: 0 none is found, 1 all are, and nothing else.

    F1 = 2 |found and right| / (|found| + |right|). An entity is a type, a first and a last word; it is right where all three are. Tags are
    `B-type`, `I-type` and `O`, also `E-` or `L-` for the last word, `S-` or `U-` for the only one; a tag without a dash is a type whose
    neighbours belong together. An entity also begins where a type follows another one, or nothing, without its B-.

    Args:
        names: The tags in the order of the outputs.

    Source: the rules of conlleval (Tjong Kim Sang, CoNLL-2000), as `seqeval` has them in its default mode.
    """

    names: Sequence[str] = ()

    kinds = ("tokens",)
    per_item_scores = False

    def named(self, names: Sequence[str]) -> Metric:
        """For tags of these names."""
        return replace(self, names=tuple(names))

    def over_set(self, targets: np.ndarray, answers: np.ndarray) -> float:
        """The F1 over all entities of all rows; NaN where there is none and none is found."""
        said = np.where(targets == NOTHING, NOTHING, classes_at(targets, answers))
        right = found = both = 0
        for mine, goal in zip(said, targets):
            told, known = set(self.entities(mine)), set(self.entities(goal))
            right, found, both = right + len(known), found + len(told), both + len(told & known)
        return 2 * both / (right + found) if right + found else math.nan

    def entities(self, row: np.ndarray) -> Iterator[tuple[str, int, int]]:
        """Type, first and last word of each entity of a row of class indices; NOTHING counts as outside.

        Raises:
            IndexError: The metric was given no name for a class.
        """
        begun, before, of = 0, "O", ""
        for at, index in enumerate((*row.tolist(), NOTHING)):
            prefix, kind = _parted(self.names[index] if index != NOTHING else OUTSIDE)
            ends = before != "O" and (before in "ES" or prefix in "BSO" or kind != of)
            if ends:
                yield of, begun, at - 1
            if prefix in "BS" or (prefix != "O" and (ends or before == "O")):
                begun = at
            before, of = prefix, kind

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """0: who answers without looking finds no entity."""
        return 0.0


def _parted(tag: str) -> tuple[str, str]:
    """Prefix and type: `B-PER` is B of PER, `PER` is I of PER."""
    if tag == OUTSIDE:
        return "O", ""
    prefix, dash, kind = tag.partition("-")
    return (_PREFIXES[prefix], kind) if dash and prefix in _PREFIXES else ("I", tag)
