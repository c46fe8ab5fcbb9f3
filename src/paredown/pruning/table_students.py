"""Students for tables: a small network made from the columns that a black box is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from paredown.classical import tails
from paredown.core.errors import Unfit
from paredown.core.technique import Context
from paredown.ground.seeds import stream
from paredown.kinds.decode import decoding, make_decoder
from paredown.kinds.known import kind_of
from paredown.kinds.numbers import Numbers
from paredown.modelkit.blueprint import Blueprint
from paredown.pruning import students

_FACTORY = "paredown.modelkit.nets:table_net"
_BETWEEN = "numbers"
_MOST_COLUMNS, _MOST_STEPS = 20_000, 4096
"""Columns that are taken at most, and steps of all of them together, where each has more than one."""
_SEEN = 20_000
"""Rows that the steps of columns, and the spread of answers, are taken from."""


def taught(
    context: Context,
    *,
    hidden: Sequence[int],
    steps: int,
    passes: Callable[[int], int],
    most: int,
    alpha: float,
    lr: float,
    batch: int,
    seed: int,
) -> tuple[nn.Module, Blueprint, str]:
    """A network that has learned the teacher's answers, its blueprint, and one sentence for the report.

    Args:
        hidden: Widths of its hidden layers.
        steps: Of a column, at most.
        passes, most, alpha, lr, batch, seed: As for `students.learn`.

    Raises:
        Unfit: The teacher is not fed rows of numbers.
    """
    split = "train" if "train" in context.data else "unlabeled"
    feed = context.encode(context.rows(split).spread(_SEEN).inputs)
    name, rows = _numbers(feed)
    steps = min(steps, max(1, _MOST_STEPS // rows.shape[1]))
    edges = [_edges(column, steps) for column in rows.T]
    gaps = np.flatnonzero(np.isnan(rows).any(axis=0))
    answers = np.asarray(context.ask(feed))
    arguments: dict[str, Any] = {
        "steps": [len(edge) - 1 for edge in edges],
        "classes": int(answers.shape[1]),
        "hidden": [*hidden],
        "gaps": len(gaps),
    }
    blueprint = Blueprint(factory=_FACTORY, arguments=arguments, inputs={name: [rows.shape[1]]}, answers=context.decode["output"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "init"))
        module: Any = blueprint.build()
    start, end = (np.concatenate([edge[cut] for edge in edges]) for cut in (slice(None, -1), slice(1, None)))
    module.start.copy_(torch.from_numpy(start.astype(np.float32)))
    module.gain.copy_(torch.from_numpy((1 / (end - start)).astype(np.float32)))
    module.gaps.copy_(torch.from_numpy(gaps))
    narrow, mean, spread = _in_spreads(context, answers)
    said = students.learn(
        module, narrow, passes=passes, most=most, lr=lr, alpha=alpha, temperature=1.0, distillation="kl", batch=batch, seed=seed
    )
    module.scale.copy_(torch.from_numpy(spread))
    module.shift.copy_(torch.from_numpy(mean))
    widths = ", ".join(map(str, hidden))
    return module, blueprint, f"a network of {sum(arguments['steps'])} steps over {len(edges)} columns and layers of {widths} {said}"


def between(context: Context, parts: tails.Halves) -> Context:
    """The context of a student that takes the place of a graph's tail: it is fed what the front makes, and the tail is its teacher."""
    open_front, open_tail = (tails.opened(part, context.work / name, context.threads) for name, part in parts.both())
    answers_of = make_decoder(decoding(context.decode, [parts.tail.graph.output[0].name]))

    def encode(raw: Any) -> dict[str, Any]:
        (rows,) = open_front(context.encode(raw)).values()
        return {_BETWEEN: np.ascontiguousarray(rows, np.float32).reshape(len(rows), -1)}

    def ask(feed: Mapping[str, Any]) -> Any:
        (rows,) = feed.values()
        return kind_of(context.decode).undecoded(answers_of(open_tail({parts.between: np.asarray(rows)})), context.decode)

    return replace(context, encode=encode, ask=ask)


def _numbers(feed: Mapping[str, Any]) -> tuple[str, np.ndarray]:
    words = [key for key, array in feed.items() if array.dtype.kind not in "fiu"]
    if words:
        raise Unfit(f"a student takes numbers; the model as given takes words in its input {words[0]!r}, and encodes them itself.")
    ((name, rows), *more) = feed.items()
    if more or rows.ndim != 2 or rows.dtype.kind != "f":
        shape = ", ".join(f"{key} {array.shape[1:]} of {array.dtype}" for key, array in feed.items())
        raise Unfit(f"such a network is for rows of numbers, as of a table; the model as given is fed {shape}.")
    if rows.shape[1] > _MOST_COLUMNS:
        raise Unfit(f"its rows have {rows.shape[1]} numbers; such a network is for up to {_MOST_COLUMNS}.")
    return name, rows


def _edges(column: np.ndarray, steps: int) -> np.ndarray:
    """Where the steps of a column begin and end: between its values where these are few, else at its quantiles."""
    known = column[np.isfinite(column)].astype(np.float64)
    if not len(known):
        return np.array([0.0, 1.0])
    found = np.unique(known)
    if len(found) > steps + 1:
        found = np.unique(np.quantile(known, np.linspace(0, 1, steps + 1)))
    keep = [found[0]]
    for value in found[1:]:
        if value - keep[-1] > 1e-6 * max(1.0, abs(value)):  # what is one number in float32 is no step
            keep.append(value)
    return np.array(keep) if len(keep) > 1 else np.array([keep[0], keep[0] + max(1.0, abs(keep[0]))])


def _in_spreads(context: Context, answers: np.ndarray) -> tuple[Context, np.ndarray, np.ndarray]:
    """The context in which numbers are learned in units of their spread, with their mean and spread; of classes it stays as it is."""
    width = answers.shape[1]
    if kind_of(context.decode).name != Numbers.name:
        return replace(context, answers={}), np.zeros(width, np.float32), np.ones(width, np.float32)
    mean, spread = answers.mean(axis=0), answers.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    decode = {**context.decode, "mean": mean.tolist(), "std": spread.tolist()}

    def ask(feed: Mapping[str, Any]) -> Any:
        return ((np.asarray(context.ask(feed)) - mean) / spread).astype(np.float32)

    return replace(context, decode=decode, ask=ask, answers={}), mean.astype(np.float32), spread.astype(np.float32)
