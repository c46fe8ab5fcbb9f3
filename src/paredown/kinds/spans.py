"""The answer is a part of the row's text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.kinds.decode import ABSENT, best_spans
from paredown.kinds.kind import Kind
from paredown.kinds.places import NOTHING

_LEAST = 1e-9


class Spans(Kind):
    """Answers are probabilities (N, 2, words) that the part begins, and that it ends, at a word; each of the two adds up to 1.

    Targets (N, 1 + parts, M), int64, hold numbers of words in place of words, of each row its own: those of the row's text first, then for
    each part that is right its first and its last word in it and the numbers of its words; 0 is a word that does not count, NOTHING fills
    up. What is written and what counts is for whoever reads the rows.
    """

    name = "spans"
    graph_outputs = ("span_logits",)
    named = "ends"
    metrics = ("answer_f1", "exact_match")
    by_place = True

    def decoder(self, names: Sequence[str], size: Sequence[int] = ()) -> dict[str, Any]:
        """Logits of the first and of the last word at each word."""
        return {"kind": "spans", "output": "span_logits", "classes": 2, "size": [*size]}

    def targets(self, words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Any, tuple[str, ...]]:
        """What the reader of the rows wrote: JSON {"text": numbers, "parts": [[first, last, numbers], ...]}.

        Raises:
            BadData: A row's label is something else.
        """
        try:
            rows = [_lines(json.loads(word)) for word in words]
        except (ValueError, KeyError, TypeError) as error:
            raise BadData(
                f"the column {column!r} holds no parts of a text ({type(error).__name__}).\n  Give rows in the format of SQuAD, as .json."
            ) from None
        most, longest = max(map(len, rows)), max(len(line) for row in rows for line in row)
        out = np.full((len(rows), most, longest), NOTHING, np.int64)
        for row, lines in zip(out, rows):
            for at, line in enumerate(lines):
                row[at, : len(line)] = line
        return out, ("begin", "end")

    def goals(self, targets: Any, decode: Mapping[str, Any]) -> Any:
        """First and last word (N, 2) of the first right part, NOTHING where it lies behind the words that are decoded."""
        ends = np.asarray(targets)[:, 1, :2]
        return np.where(ends < decode["size"][0], ends, NOTHING).astype(np.int64)

    def undecoded(self, answers: Any, decode: Mapping[str, Any]) -> Any:
        """Logarithms of the probabilities (N, 2 * words)."""
        found = np.where(answers > 0, np.log(np.clip(answers, _LEAST, None)), -ABSENT)
        return found.reshape(len(found), -1).astype(np.float32)

    def changed(self, before: Any, after: Any) -> np.ndarray:
        """Another part."""
        differs: np.ndarray = (best_spans(before)[0] != best_spans(after)[0]).any(axis=1)
        return differs

    def moved(self, targets: Any, before: Any, after: Any) -> dict[str, float]:
        """The mean total variation distance of both ends' probabilities."""
        return {"distance": float(abs(before - after).sum(axis=2).mean() / 2)}

    def sureness(self, answers: Any) -> np.ndarray:
        """The probability of the part: that of its first word times that of its last."""
        return best_spans(answers)[1]

    def credit(self, targets: Any, answers: Any) -> np.ndarray:
        """The F1 of the words with those of the right part that fits best."""
        return overlaps(targets, answers)[1]

    def as_targets(self, answers: Any) -> Any:
        """The part that is answered, every word of its own."""
        count, words = len(answers), answers.shape[2]
        out = np.full((count, 2, words + 2), NOTHING, np.int64)
        out[:, 0, :words] = np.arange(1, words + 1)
        for row, (first, last) in zip(out, best_spans(answers)[0].tolist()):
            row[1, : 4 + last - first - 1] = [first, last, *range(first + 1, last + 2)]
        return out

    def said(self, targets: Any, answers: Any, names: Sequence[str]) -> list[str]:
        """First and last word of what is right and of what the model says, counted from 1."""
        return [
            f"words {first + 1} to {last + 1} are right; the model says {begin + 1} to {end + 1}"
            for (first, last), (begin, end) in zip(targets[:, 1, :2].tolist(), best_spans(answers)[0].tolist())
        ]

    def blind(self, targets: Any) -> str:
        """The first word."""
        return "always answering the first word"


def overlaps(targets: Any, answers: Any) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, whether the words that are answered are those of a right part, and the F1 with the best of these, both (N,).

    Source: the evaluation script of SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250): bags of words for the F1, in their order for the
    match.
    """
    exact, f1 = np.zeros(len(answers)), np.zeros(len(answers))
    for at, (row, (first, last)) in enumerate(zip(targets, best_spans(answers)[0].tolist())):
        said = [number for number in row[0, first : last + 1].tolist() if number > 0]
        for line in row[1:]:
            if line[0] == NOTHING:
                continue
            right = [number for number in line[2:].tolist() if number > 0]
            exact[at] = max(exact[at], said == right)
            both = sum((Counter(said) & Counter(right)).values())
            f1[at] = max(f1[at], 2 * both / (len(said) + len(right)) if both else 0.0)
    return exact, f1


def first_word(count: int) -> np.ndarray:
    """Answers (count, 2, 1) that are the first word."""
    return np.ones((count, 2, 1))


def _lines(row: Mapping[str, Any]) -> list[list[int]]:
    return [[int(number) for number in row["text"]], *([int(first), int(last), *map(int, own)] for first, last, own in row["parts"])]
