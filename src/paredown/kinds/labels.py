"""Any number of labels is right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED
from paredown.kinds.decode import sureness
from paredown.kinds.kind import Kind

HALF = 0.5
"""The probability from which on a label is answered."""
_LEAST = 1e-9
_QUOTES = "[](){}'\" "


class Labels(Kind):
    """Answers are probabilities (N, labels), each by itself; targets are 0 or 1 in the same form, float64."""

    name = "labels"
    graph_outputs = ("label_logits", "label_probabilities")
    named = "labels"
    metrics = ("micro_f1", "macro_f1", "average_precision")

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """Logits, one per label."""
        return {"kind": "sigmoid", "output": "label_logits", "classes": len(names)}

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """A cell lists labels, or says 0 or 1 of each; whole numbers stand in their order, words in that of the alphabet.

        Labels are parted by the first of |, ; and , that any cell of the column has, or else by spaces. With `names`, whole numbers of
        which none is a name are places in these, from 0.

        Raises:
            BadData: Fewer than two labels occur, or one that is not among the names; cells say 0 or 1 of different numbers of labels.
        """
        by = separator_of(words)
        raw = [parted(word, by) for word in words]
        if are_marks(raw):
            return _marked(raw, column, names)
        listed = [list(dict.fromkeys(each)) for each in raw]
        found = {label for each in listed for label in each}
        whole = all(re.fullmatch(r"0|[1-9]\d*", label) for label in found)
        if names:
            if whole and not found & {*names} and all(int(label) < len(names) for label in found):
                listed = [[names[int(label)] for label in each] for each in listed]
            elif unknown := sorted(found - {*names}):
                raise BadData(
                    f"the column {column!r} has the label {unknown[0]!r}, which is not one of the {len(names)} that are known "
                    f"({', '.join([*names][:5])}{', ...' if len(names) > 5 else ''}).\n"
                    "  Correct the label, or name the labels in the model's order with `data: {labels: [...]}`."
                )
        names = tuple(names) or tuple(sorted(found, key=int) if whole else sorted(found))
        if len(names) < 2:
            raise BadData(
                f"the column {column!r} has {len(names)} label ({', '.join(names)}).\n"
                "  Several labels per row are written `a|b`; with one label per row it is a classification."
            )
        place = {name: at for at, name in enumerate(names)}
        out = np.zeros((len(words), len(names)))
        for row, each in enumerate(listed):
            out[row, [place[label] for label in each]] = 1.0
        return out, names

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """0 or 1, float32."""
        return np.asarray(targets, np.float32)

    def undecoded(self, answers: Any, decode: Mapping[str, Any]) -> Any:
        """Their log odds."""
        within = np.clip(answers, _LEAST, 1 - _LEAST)
        return (np.log(within) - np.log1p(-within)).astype(np.float32)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Any label that is answered by one alone."""
        differs: np.ndarray = ((before >= HALF) != (after >= HALF)).any(axis=1)
        return differs

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean difference of the probabilities."""
        return {"distance": float(abs(before - after).mean())}

    def sureness(self, answers: Any) -> np.ndarray:
        """The least, over the labels, of the greater of p and 1 - p."""
        return sureness(self.decoder(()), answers)

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """The share of labels that are told rightly."""
        found: np.ndarray = ((answers >= HALF) == (targets >= HALF)).mean(axis=1)
        return found

    def as_targets(self, answers: Any) -> Any:
        """1 where a label is answered."""
        return np.asarray(answers >= HALF, np.float64)

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """The labels that are right and those that the model says."""

        def listed(row: Any) -> str:
            return ", ".join(names[at] for at in np.flatnonzero(row).tolist()) or "none"

        return [f"labels {listed(target >= HALF)}; the model says {listed(answer >= HALF)}" for target, answer in zip(targets, answers)]

    def blind(self, targets: Any) -> str:
        """The shares in which labels occur."""
        return "always answering how frequent each label is"


def separator_of(words: Sequence[str]) -> str:
    """What parts labels within the cells of a column: the first of |, ; and , that any of them has; else a space."""
    cells = [word for word in words if not word.startswith(LISTED)]
    return next((mark for mark in "|;," if any(mark in cell for cell in cells)), " ")


def parted(word: str, by: str) -> list[str]:
    """The labels in a cell, as they stand: a list, or `a|b`, `['a', 'b']`; [] has none."""
    if word.startswith(LISTED):
        return [label for label in word.split(LISTED) if label]
    cell = word.strip().strip(_QUOTES)
    return cell.split() if by == " " else [label for each in cell.split(by) if (label := each.strip(_QUOTES))]


def are_marks(raw: Sequence[Sequence[str]]) -> bool:
    """Whether cells say 0 or 1 of each label: nothing else stands in them, and one of the two more than once in a cell."""
    return all({*each} <= {"0", "1"} for each in raw) and any(len({*each}) < len(each) for each in raw)


def _marked(raw: Sequence[Sequence[str]], column: str, names: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    sizes = {len(each) for each in raw}
    wanted = len(names) or max(sizes)
    if sizes != {wanted}:
        said = ", ".join(map(str, sorted(sizes)))
        raise BadData(
            f"the column {column!r} says 0 or 1 of {said} labels{f', and {wanted} are known' if names else ''}.\n"
            "  Each row needs as many as there are labels."
        )
    return np.array([[float(mark) for mark in each] for each in raw]), tuple(names) or tuple(map(str, range(wanted)))
