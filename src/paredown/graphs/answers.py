"""What a model answers with, logits, probabilities or numbers: one check, for every way in. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from paredown.core.technique import Context
from paredown.graphs.graphs import TOKENS
from paredown.kinds.known import kind_of
from paredown.kinds.labels import Labels
from paredown.kinds.map import Map, planes
from paredown.kinds.one_class import OneClass

LOGITS, PROBABILITIES = OneClass.graph_outputs
"""Also the names of a graph's output, which say what it holds."""

_FEW = 16
"""Rows that are asked, at most."""

_MADE_UP = 4
_LINEAR = ("Gemm", "Addmm", "MatMul", "Mm", "Add")
_SPREADS = (1.0, 10.0)
_NEGATIVE = 1e-6
_OFF, _OFF_IN_8_BITS = 0.02, 0.25
"""How far a row of probabilities may be from 1 in all: rounding, of half precision or to two digits; where the graph ends in a softmax, of
8 bits. Logits of many rows, some of them far from all data, are not all shares of nearly 1."""


def held(answers: np.ndarray, ending: str = "") -> str:
    """What the numbers are: "probabilities" where all rows are shares of 1, else "logits".

    Args:
        answers: (N, classes), to rows that differ: by accident logits of a row may look like shares, those of many rows do not.
        ending: The operator that the model ends in, where that is known: after a softmax rows may be off by what 8 bits change; after
            one sigmoid per class each number is a probability by itself, and its share is what decoding makes of it. Logarithms of
            probabilities are logits.
    """
    rows = answers[np.isfinite(answers).all(axis=1) & answers.any(axis=1)]  # all zeros are no answer
    if not len(rows) or rows.shape[1] < 2 or rows.min() < -_NEGATIVE or rows.max() > 1 + _OFF:
        return LOGITS
    off = np.abs(rows.sum(axis=1) - 1).max()
    return PROBABILITIES if ending == "Sigmoid" or off < (_OFF_IN_8_BITS if ending == "Softmax" else _OFF) else LOGITS


def by_ending(ending: str) -> str:
    """What a model answers with that cannot be asked, as its last operator says."""
    return PROBABILITIES if ending in ("Softmax", "Sigmoid") else LOGITS


def detect(ask: Callable[[Mapping[str, Any]], Any], inputs: Mapping[str, Sequence[int | str]], context: Context, ending: str = "") -> str:
    """What a model answers with, asked some rows of the job and made-up ones far from them.

    Args:
        ask: A feed -> answers (N, classes); what it raises for rows that a model does not take is no answer.
        inputs: Input name -> shape of one item; a free axis is named.
        context: Its rows are asked, where it has some.
        ending: As for `held`; where no row is answered it decides alone.

    Returns:
        A name of an output of the kind of answers that the job has.
    """
    kind = kind_of(context.decode)
    if kind.name == Map.name:
        return _of_pixels(ask, inputs, context, ending)
    if kind.name not in (OneClass.name, Labels.name):
        return kind.graph_outputs[0]
    split = next(iter(context.data), None)
    feed = _blank(inputs) if split is None else context.encode(context.rows(split).spread(_FEW).inputs)
    found = [answers for some in (feed, *_made_up(feed)) if (answers := _answers(ask, some)) is not None]
    if kind.name == Labels.name:
        return kind.graph_outputs[_are_chances(found, ending)]
    return held(np.concatenate(found), ending) if found else by_ending(ending)


def _of_pixels(ask: Callable[[Mapping[str, Any]], Any], inputs: Mapping[str, Sequence[int | str]], context: Context, ending: str) -> str:
    """What the numbers of each pixel are: logits or shares of 1, of all classes or of the second of two."""
    split = next(iter(context.data), None)
    feed = _blank(inputs, _MADE_UP) if split is None else context.encode(context.rows(split).spread(_MADE_UP).inputs)
    found = [answers for some in (feed, *_made_up(feed)) if (answers := _answers(ask, some, any_shape=True)) is not None]
    all_logits, all_shares, logit, share = Map.graph_outputs
    if found and planes(found[0].shape, context.decode) == "one":
        return share if _are_chances(found, ending) else logit
    rows = [
        np.moveaxis(some.reshape(len(some), context.decode["classes"], -1), 1, 2).reshape(-1, context.decode["classes"]) for some in found
    ]
    told = held(np.concatenate(rows), ending) if rows else by_ending(ending)
    return all_shares if told == PROBABILITIES else all_logits


def _are_chances(found: Sequence[np.ndarray], ending: str) -> bool:
    """Whether answers are probabilities of labels, each by itself: all lie within 0 and 1, as after a sigmoid, and not on one side of 0."""
    if not found:
        return ending == "Sigmoid"
    numbers = np.concatenate(found)
    within = np.isfinite(numbers).all() and numbers.min() >= 0 and numbers.max() <= 1
    return bool(within) and ending not in _LINEAR


def some_rows(inputs: Mapping[str, Sequence[int | str]], context: Context) -> dict[str, Any]:
    """A feed of some rows of the job, and made-up ones beside them where they are floats: rows that differ."""
    split = next(iter(context.data), None)
    few = _MADE_UP if kind_of(context.decode).name == Map.name else _FEW
    feed = {} if split is None else context.encode(context.rows(split).spread(few).inputs)
    if {name: len(array.shape) - 1 for name, array in feed.items()} != {name: len(shape) for name, shape in inputs.items()}:
        feed = _blank(inputs, few)
    parts = [feed, *_made_up(feed)]
    return {name: np.concatenate([part[name] for part in parts]) for name in feed}


def _blank(inputs: Mapping[str, Sequence[int | str]], count: int = _FEW) -> dict[str, Any]:
    """A feed of zeros, or of ones where an axis is free, which is where tokens stand."""
    shapes = {name: [TOKENS if isinstance(axis, str) else axis for axis in shape] for name, shape in inputs.items()}
    tokens = any(isinstance(axis, str) for shape in inputs.values() for axis in shape)
    return {name: np.ones((count, *shape), np.int64) if tokens else np.zeros((count, *shape), np.float32) for name, shape in shapes.items()}


def _made_up(feed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Normal numbers of the feed's shapes, also large ones; none where whole numbers are fed, which name something, as tokens do."""
    if all(array.dtype.kind == "f" for array in feed.values()):
        draw = np.random.default_rng(0)
        for spread in _SPREADS:
            yield {name: (spread * draw.standard_normal((_MADE_UP, *array.shape[1:]))).astype(array.dtype) for name, array in feed.items()}


def _answers(ask: Callable[[Mapping[str, Any]], Any], feed: Mapping[str, Any], any_shape: bool = False) -> np.ndarray | None:
    """Answers to all rows at once, else one by one, as a graph of a fixed batch has it; None where they are no numbers per class."""
    count = len(next(iter(feed.values())))
    one_by_one = [{name: array[at : at + 1] for name, array in feed.items()} for at in range(count)]
    for parts in ([feed], one_by_one):
        with suppress(Exception):  # models and engines raise what they like; that a row cannot be answered is said where it is needed
            found = np.concatenate([np.asarray(ask(part), np.float64) for part in parts])
            if (found.ndim == 2 or any_shape) and len(found) == count:
                return found
    return None
