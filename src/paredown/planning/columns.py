"""Which column of a table is the label, which hold text, which tell groups of people apart: guesses that say why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paredown.kinds.labels import Labels
from paredown.stats.rare_values import identifies

_LABELS = ("label", "labels", "target", "class", "category", "intent", "sentiment", "outcome", "y")
_TEXTS = ("text", "sentence", "query", "question", "utterance", "review", "comment", "premise", "hypothesis", "content", "body", "title")
_GROUPS = {
    *("sex", "gender", "age", "age_band", "age_group", "race", "ethnicity", "religion", "disability", "nationality", "native_country"),
    *("country", "region", "state", "language", "dialect", "skin_type", "site", "hospital"),
}
_MOST_CLASSES = 1000
MOST_GROUPS = 20
_WORDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Label:
    """The column of labels.

    Args:
        name: Its name.
        why: Why it is thought to be that.
        counts: Class -> rows, the most frequent first; empty where it is a number.
    """

    name: str
    why: str
    counts: Mapping[str, int]


def find_label(columns: Mapping[str, Any], outputs: Sequence[str] = (), width: int = 0) -> Label | None:
    """The label among a table's columns; None when nothing speaks for one.

    Args:
        columns: Column -> values.
        outputs: The names that the model gives its outputs; a column that holds them is the label.
        width: How many numbers the model answers per row; the only column of words with as many values is the label. 0: not known.
    """
    counts = {name: counted(values) for name, values in columns.items()}
    few = {name: found for name, found in counts.items() if 2 <= len(found) <= min(_MOST_CLASSES, max(2, len(columns[name]) // 2))}
    for name, found in few.items():
        if outputs and set(found) <= set(outputs):
            return Label(name=name, why=f"its {len(found)} values are classes of the model", counts=found)
    for usual in _LABELS:
        for name, found in few.items():
            if name.lower() == usual:
                return Label(name=name, why=f"it is named so and has {len(found)} different values", counts=found)
    parted = [name for name in few if set(_parts(name)) & set(_LABELS[:-1])]
    if len(parted) == 1:
        return Label(name=parted[0], why=f"its name says so and it has {len(few[parted[0]])} different values", counts=few[parted[0]])
    wide = [name for name, found in few.items() if len(found) == width and columns[name].dtype.kind in "OU"]
    if len(wide) == 1:
        return Label(
            name=wide[0],
            why=f"the model answers {width} classes, and of the columns of words only it has {width} values",
            counts=few[wide[0]],
        )
    return None


def are_lists(words: Iterable[str]) -> bool:
    """Whether cells list labels beyond doubt: some are parted by |, or stand in brackets."""
    return any("|" in word or (word.startswith("[") and word.endswith("]")) for word in words)


def by_label(label: Label) -> Label:
    """The same column with the rows of each label, where cells list several."""
    words = list(label.counts)
    targets, names = Labels().targets(words, label.name)
    rows = (targets.T @ list(label.counts.values())).astype(int).tolist()
    return replace(label, counts=dict(sorted(zip(names, rows), key=lambda item: -item[1])))


def number(columns: Mapping[str, Any], label: Label | None) -> Label | None:
    """The label as the column of numbers that it is, or, where none was found, a column of fractions that is named as labels are."""
    named = [name for name in columns if name.lower() in _LABELS] if label is None else [] if label.counts else [label.name]
    name = next((name for name in named if _is_fractional(columns[name])), None)
    return None if name is None else Label(name=name, why="it holds numbers with fractions", counts={})


def candidates(columns: Mapping[str, Any]) -> list[str]:
    """Columns with few values, for the reader to choose from."""
    return [name for name, values in columns.items() if 2 <= len(counted(values)) <= MOST_GROUPS]


def find_text(columns: Mapping[str, Any], label: str) -> tuple[str, ...]:
    """One column of texts, or two that make a pair; empty when the table has none."""
    found = [name for name, values in columns.items() if name != label and _is_text(values)]
    usual = [name for name in found if name.lower() in _TEXTS or set(_parts(name)) & set(_TEXTS)]
    pairs = [
        pair for pair in (("premise", "hypothesis"), ("sentence1", "sentence2"), ("question1", "question2")) if set(pair) <= {*columns}
    ]
    return pairs[0] if pairs else tuple(found) if len(found) == 1 else tuple(usual[:1])


def group_columns(columns: Mapping[str, Any], label: str) -> dict[str, int]:
    """Columns that may tell groups of people apart -> how many values each has."""
    named = [name for name in columns if name != label and (name.lower().replace("-", "_") in _GROUPS or set(_parts(name)) & _GROUPS)]
    sizes = {name: len(counted(columns[name])) for name in named}
    return {name: size for name, size in sizes.items() if size}


def identifiers(columns: Mapping[str, Any], label: str) -> list[str]:
    """Columns of words that tell who a row is, as names and addresses do."""
    return [
        name
        for name, values in columns.items()
        if name != label and values.dtype.kind in "OU" and identifies("" if cell is None else str(cell) for cell in values.tolist())
    ]


def counted(values: Any) -> dict[str, int]:
    """Value -> rows, the most frequent first, without what is missing; fractions are no classes: then it is empty."""
    cells = Counter(values.tolist())
    known = {cell: count for cell, count in cells.items() if cell == cell and cell not in (None, "")}
    if _is_fractional(values):
        return {}
    words = {str(int(cell)) if isinstance(cell, float) else str(cell): count for cell, count in known.items()}
    return dict(sorted(words.items(), key=lambda item: -item[1]))


def _is_fractional(values: Any) -> bool:
    """Whether a column holds numbers, and a fraction among them."""
    return values.dtype.kind == "f" and any(cell == cell and not cell.is_integer() for cell in values.tolist())


def _is_text(values: Any) -> bool:
    """Words that mostly differ and stand in sentences; a language without spaces counts by its length."""
    if values.dtype.kind not in "OU":
        return False
    cells = [str(cell) for cell in values[:2000].tolist()]
    words, letters = sum(len(cell.split()) for cell in cells) / len(cells), sum(map(len, cells)) / len(cells)
    return len(set(cells)) > len(cells) / 2 and (words >= _WORDS or letters >= 12)


def _parts(name: str) -> list[str]:
    """`ageBand`, `age-band` and `age_band` -> age, band."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_").split("_")
