"""The class names of a job: what the data, the job and the model call the classes, made one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import LISTED, MASK, PART_ROWS, Rows
from paredown.core.task import Task
from paredown.core.unsupported import PIXELS, REGRESSION, SEVERAL, refusal
from paredown.ingest.number_labels import are_numbers, one_set_of_numbers, refuse_numbers
from paredown.ingest.sources import nearest
from paredown.kinds.kind import Kind
from paredown.kinds.labels import Labels, parted, separator_of
from paredown.kinds.map import Map
from paredown.kinds.numbers import Numbers
from paredown.kinds.one_class import OneClass
from paredown.rows.columns import made
from paredown.rows.masks import Masks, class_masks

_MANY = 50
_NAMELESS = re.compile(r"LABEL_\d+")


def nameless(names: Sequence[str]) -> bool:
    """True when a model calls its classes LABEL_0, LABEL_1, ..., which transformers writes where nobody gave names."""
    return all(_NAMELESS.fullmatch(name) for name in names)


def one_set_of_classes(
    parts: Mapping[str, Rows], given: Sequence[str], model: Sequence[str] = ()
) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """The same class names in all splits: as the job gives them, else the model's, else those of train, else all that occur.

    Labels are matched with the model's names exactly. Where none of them is a name and all are whole numbers from 0, they are the model's
    indices. A model that calls its classes LABEL_0, LABEL_1, ... has no names: then words need `labels:` in the job.

    Args:
        parts: Split -> rows, read with the names in `given` where there are any.
        given: The job's `labels`, in the model's order, or empty.
        model: The model's own names, in its order, or empty.

    Returns:
        The splits with indices into one set of names, and the names.

    Raises:
        BadData: There is one class or none; a label is not among the names; `given` and `model` differ in number or order.
    """
    refuse_numbers(parts)
    if model and given:
        _check_given(given, model)
    elif model:
        parts, given = _as_the_model_says(parts, tuple(model)), model
    refuse_no_classes(parts, given)
    labeled = [rows for rows in parts.values() if rows.labels is not None]
    source = parts.get("all", parts.get("train"))
    names = tuple(given) or (source.names if source is not None else _sorted({name for rows in labeled for name in rows.names}))
    if len(names) < 2:
        raise BadData(
            f"the data have {len(names)} class ({', '.join(names)}).\n  Classification needs two or more; is `label:` the right column?"
        )
    place, out = {name: at for at, name in enumerate(names)}, dict[str, Rows]()
    for split, rows in parts.items():
        index = None
        if rows.labels is not None:
            new = next((name for name in _occurring(rows) if name not in place), None)
            if new is not None:
                raise BadData(
                    f"{split} has the label {new!r} in {_count(rows, new)} rows; train never had it.\n"
                    f"  Add such rows to train, or remove them from {split}."
                    + (" If it is a number write `task: ...-regression`." if are_many_numbers(names) else "")
                )
            index = _mapped(rows.labels, np.array([place.get(name, -1) for name in rows.names], np.int64))
        out[split] = replace(rows, labels=index, names=names)
    return out, names


def one_set_of_words(parts: Mapping[str, Rows]) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """The splits with labels that index one set of words, and the words: what is written in the column of labels, whatever it means."""
    words = tuple(dict.fromkeys(name for rows in parts.values() if rows.labels is not None for name in rows.names))
    place, out = {word: at for at, word in enumerate(words)}, dict[str, Rows]()
    for split, rows in parts.items():
        index = None
        if rows.labels is not None:
            index = _mapped(rows.labels, np.array([place[name] for name in rows.names], np.int64))
        out[split] = replace(rows, labels=index, names=())
    return out, words


def one_set_of_targets(
    parts: Mapping[str, Rows], kind: Kind, column: str, known: Sequence[str], trains: bool
) -> tuple[dict[str, Rows], Any, tuple[str, ...]]:
    """The splits with labels that index one set of words, the target of each word, and the names of the outputs.

    Args:
        parts: Split -> rows.
        kind: What the answers are; other than classes.
        column: What the column of labels is called.
        known: The names as the job or the model gives them.
        trains: True when the job itself trains the model.

    Raises:
        BadData: A word is none of the kind; a trained model does not say the order of its labels.
    """
    if kind.name == Numbers.name and nameless(known):
        known = ()
    if any(map(are_numbers, parts.values())):
        parts, names = one_set_of_numbers(parts, kind, known)
        return parts, None, names
    parts, words = one_set_of_words(parts)
    if not kind.by_place and words and words[0].startswith(MASK):
        raise BadData(refusal(PIXELS, f"{column!r} has a mask for each row"))
    if kind.name == Map.name:
        return parts, *class_masks(words, column, known)
    if kind.name == Labels.name and not trains and not known:
        refuse_unordered(words)
    return parts, *kind.targets(words, column, known)


def with_targets(rows: Rows, targets: Any, names: tuple[str, ...]) -> Rows:
    """Rows with what is right of each in place of the word that says it.

    Args:
        rows: With labels that index words, or without.
        targets: The target of each word.
        names: Of the outputs.
    """
    labels = None if rows.labels is None else _mapped(rows.labels, targets) if not isinstance(targets, Masks) else _opened(rows, targets)
    return replace(rows, labels=labels, names=names)


def _opened(rows: Rows, masks: Masks) -> Any:
    """The masks of rows as an array, on disk where they are many."""
    index, each_b = np.asarray(rows.labels), math.prod(masks.size) * masks.dtype.itemsize
    return made(lambda part: masks[index[part]], len(rows), each_b)


def refuse_misfits(task: Task, parts: Mapping[str, Rows]) -> None:
    """Refuse rows whose targets do not fit their inputs.

    Raises:
        BadData: Says which split, and which row.
    """
    for split, rows in parts.items():
        try:
            task.refuse_misfits(rows)
        except BadData as error:
            raise BadData(f"{split}: {error}") from error


def refuse_unordered(words: Sequence[str]) -> None:
    """Refuse words as labels of a model that arrives trained and does not name its outputs: which is which is not guessed.

    Raises:
        BadData: Whole numbers are places of the outputs; words are not.
    """
    by = separator_of(words)
    labels = sorted({label for word in words for label in parted(word, by)})
    if not all(re.fullmatch(r"0|[1-9]\d*", label) for label in labels):
        raise BadData(
            f"the labels are words ({_few(labels)}), and the model does not name its outputs; which is which is not guessed.\n"
            "  Name the labels in the order of the outputs: `data: {labels: [...]}`."
        )


def refuse_unseen(parts: Mapping[str, Rows], names: Sequence[str]) -> None:
    """Refuse a label that is judged and that train never has.

    Raises:
        BadData: Says which, and in how many rows.
    """
    if "train" not in parts or parts["train"].labels is None:
        return
    seen = {split: sum(part.labels.sum(axis=0) for part in parts[split].parts()) for split in ("train", "validation", "test")}
    for split in ("validation", "test"):
        new = np.flatnonzero((seen[split] > 0) & (seen["train"] == 0)).tolist()
        if new:
            raise BadData(
                f"{split} has the label {names[new[0]]!r} in {seen[split][new[0]]:.0f} rows; train never had it.\n"
                f"  Add such rows to train, or remove the label from {split}."
            )


def refuse_untrained(parts: Mapping[str, Rows], names: Sequence[str], when: str, kind: Kind) -> None:
    """Refuse a class that is judged and was not trained on, where the job has train.

    Raises:
        BadData: Says which, and in how many rows.
    """
    if "train" not in parts or kind.name != OneClass.name or parts["train"].labels is None:
        return
    trained = {*present(parts["train"])}
    for split in ("validation", "test"):
        seen = present(parts[split])
        new = sorted({*seen} - trained)
        if new:
            count = seen[new[0]]
            raise BadData(
                f"{split} has the label {names[new[0]]!r} in {count} rows; train never had it{when}.\n"
                f"  Add such rows to train, or remove them from {split}."
                + (" If it is a number write `task: ...-regression`." if are_many_numbers(names) else "")
            )


def refuse_one_answer(rows: Rows, split: str) -> None:
    """Refuse rows of which all have one answer.

    Raises:
        BadData: No model can be judged by them.
    """
    if rows.labels.ndim > 1:
        first = rows.labels[:1]
        if all((part.labels == first).all() for part in rows.parts()):
            raise BadData(f"all {len(rows)} rows of {split} have the same answer; no model can be judged by them.\n  Give {split} others.")
        return
    found = present(rows)
    if len(found) == 1:
        [(only, count)] = found.items()
        raise BadData(
            f"all {count} rows of {split} have the label {rows.names[only]!r}; no model can be judged by them.\n"
            f"  Give {split} rows of two classes or more."
        )


def refuse_no_classes(parts: Mapping[str, Rows], given: Sequence[str]) -> None:
    """Refuse labels that are lists, or numbers of which some have a fraction, where classes are wanted.

    Args:
        parts: Split -> rows.
        given: Names of classes; such a number may be one.

    Raises:
        BadData: Says which, and which task takes numbers.
    """
    for split, rows in parts.items():
        names = _occurring(rows)
        if any(name.startswith(MASK) for name in names[:1]):
            raise BadData(refusal(PIXELS, f"{split} has a mask for each row"))
        if several := next((name for name in names if name.startswith(LISTED)), None):
            raise BadData(refusal(SEVERAL, f"{split} has a list of labels in one row ({', '.join(several.split(LISTED)[1:]) or 'none'})"))
        if not {*names} & {*given} and has_fractions(names):
            fraction = next(filter(_is_fraction, names))
            raise BadData(refusal(REGRESSION, f"{split} has the label {fraction!r} in {_count(rows, fraction)} rows, a fraction"))


def are_many_numbers(names: Sequence[str]) -> bool:
    """Whether there are so many classes, and all of them numbers, that they may be no classes."""
    return len(names) > _MANY and all(map(_is_number, names))


def has_fractions(names: Sequence[str]) -> bool:
    """Whether labels are numbers, and some of them have a fraction."""
    return any(map(_is_fraction, names)) and all(map(_is_number, names))


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False


def _is_fraction(name: str) -> bool:
    return _is_number(name) and not float(name).is_integer()


def _check_given(given: Sequence[str], model: Sequence[str]) -> None:
    if len(given) != len(model):
        raise BadData(
            f"`labels:` has {len(given)} names ({_few(given)}); the model has {len(model)} classes ({_few(model)}).\n"
            "  Give the data's names in the model's order, one per class."
        )
    if set(given) == set(model) and tuple(given) != tuple(model):
        raise BadData(
            f"`labels:` has the model's names in another order ({_few(given)}); the model has {_few(model)}.\n"
            "  Leave `labels:` out; labels are matched by name."
        )


def _as_the_model_says(parts: Mapping[str, Rows], model: tuple[str, ...]) -> dict[str, Rows]:
    """The splits with the model's names in place of whole numbers, after a check that the model knows all labels."""
    found: dict[str, str] = {}
    for split, rows in parts.items():
        for name in _occurring(rows):
            found.setdefault(name, split)
    unknown = next((name for name in found if name not in model), None)
    if unknown is None:
        return dict(parts)
    numbers = all(re.fullmatch(r"0|[1-9]\d*", name) for name in found)
    if numbers and not found.keys() & set(model) and all(int(name) < len(model) for name in found):
        known = {str(at): name for at, name in enumerate(model)}
        return {split: replace(rows, names=tuple(known.get(name, name) for name in rows.names)) for split, rows in parts.items()}
    if nameless(model):
        raise BadData(
            f"the model calls its {len(model)} classes {_few(model)}; the data have {_few(_sorted({*found}))}.\n"
            "  Set `labels:` to the data's names in the model's order; it is never guessed."
        )
    split, hint = found[unknown], f" Whole numbers are indices from 0 to {len(model) - 1}." if numbers else ""
    raise BadData(
        f"{split} has the label {unknown!r} in {_count(parts[split], unknown)} rows; the model does not have it.{nearest(unknown, model)}\n"
        f"  The data have {_few(_sorted({*found}))}; the model has {_few(model)}. Correct the labels, or set `labels:` to the data's names"
        f" in the model's order.{hint}"
    )


def _occurring(rows: Rows) -> list[str]:
    """The names that a row has."""
    return [] if rows.labels is None else [rows.names[at] for at in present(rows)]


def present(rows: Rows) -> dict[int, int]:
    """Class index -> rows, in order, of the classes that a row has."""
    counts = Counter[int]()
    for start in range(0, len(rows), PART_ROWS):
        counts.update(dict(zip(*(found.tolist() for found in np.unique(rows.labels[start : start + PART_ROWS], return_counts=True)))))
    return dict(sorted(counts.items()))


def _mapped(labels: Any, index: Any) -> Any:
    """Labels that index other names: now, or when they are read."""
    return labels.mapped(index) if hasattr(labels, "mapped") else index[labels]


def _count(rows: Rows, name: str) -> int:
    return present(rows)[rows.names.index(name)]


def _few(names: Sequence[str]) -> str:
    return ", ".join(list(names)[:6]) + (f", ... ({len(names)} in all)" if len(names) > 6 else "")


def _sorted(names: set[str]) -> tuple[str, ...]:
    """Whole numbers in their order, words in alphabetical order."""
    return tuple(sorted(names, key=int) if all(re.fullmatch(r"-?\d+", name) for name in names) else sorted(names))
