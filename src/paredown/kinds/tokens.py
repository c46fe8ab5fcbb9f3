"""Each word of a row has a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED
from paredown.kinds.places import NOTHING, Places, classes_at

OUTSIDE = "O"
"""The class of a word that belongs to nothing."""
_SHOWN = 6


class Tokens(Places):
    """Answers are probabilities (N, classes, words), targets class indices (N, words); see `places`."""

    name = "tokens"
    graph_outputs = ("token_logits",)
    metrics = ("entity_f1", "token_accuracy")

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """A cell lists the tag of each word. Tags stand in the order of the alphabet by what they are of, O first; B- before I-.

        Raises:
            BadData: Fewer than two tags occur, or one that is not among the names.
        """
        listed = [word.split(LISTED)[1:] if word.startswith(LISTED) else word.split() for word in words]
        found = {tag for tags in listed for tag in tags}
        if names and (unknown := sorted(found - {*names})):
            whole = all(tag.isdigit() and int(tag) < len(names) for tag in found)
            if not whole or found & {*names}:
                raise BadData(
                    f"the column {column!r} has the tag {unknown[0]!r}, which is not one of the {len(names)} that are known "
                    f"({', '.join([*names][:5])}{', ...' if len(names) > 5 else ''}).\n"
                    "  Correct the tag, or name the tags in the model's order with `data: {labels: [...]}`."
                )
            listed = [[names[int(tag)] for tag in tags] for tags in listed]
        names = tuple(names) or tuple(sorted(found, key=lambda tag: (tag != OUTSIDE, tag.partition("-")[2], tag)))
        if len(names) < 2:
            raise BadData(
                f"the column {column!r} has {len(names)} tag ({', '.join(names)}).\n"
                "  Each row needs a list with one tag per word, and two tags or more in all."
            )
        place = {name: at for at, name in enumerate(names)}
        out = np.full((len(words), max(1, *map(len, listed))), NOTHING, np.int64)
        for row, tags in zip(out, listed):
            row[: len(tags)] = [place[tag] for tag in tags]
        return out, names

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """The words, by place, whose tag is another."""
        phrases = []
        for target, answer in zip(targets, classes_at(targets, answers)):
            wrong = np.flatnonzero((target != NOTHING) & (target != answer)).tolist()
            parts = [f"word {at + 1} is {names[target[at]]!r}, the model says {_name(names, answer[at])}" for at in wrong[:_SHOWN]]
            phrases.append("; ".join(parts) + ("; ..." if len(wrong) > _SHOWN else "") if wrong else "all tags are right")
        return phrases

    def blind(self, targets: Any) -> str:
        """The most frequent tag."""
        return "always answering the most frequent tag"


def _name(names: Sequence[str], at: int) -> str:
    return "nothing" if at == NOTHING else repr(names[at])
