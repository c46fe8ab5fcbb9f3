"""Whether a graph that was made of an estimator answers as the estimator itself does, on rows of the job. No torch here."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paredown.classical.estimators import NUMBERS, WORDS, Taken, converted, inner, keeps_missing_words, taken
from paredown.core.errors import BadModel
from paredown.graphs import declared, graph_asked, graphs
from paredown.ground.lazy import need
from paredown.tasks.graph_columns import alike

CLOSE = 1e-4
"""How far an answer of the graph may be from the estimator's: absolute, and of numbers above 1 as a share of them."""
_ALIKE = "The graph made of"
_FEW = 0.01
"""Share of rows up to which answers may differ: those that numbers cut to float32 send down another branch of a tree."""


def settled(estimator: Any, inputs: Any, name: str) -> tuple[Any, str]:
    """The graph of an estimator that answers as it does, and what is to be said of it.

    Columns are scaled before trees as float64, or as float32 where the estimator was given such: that it answers alike says which.

    Args:
        estimator, inputs, name: As for `compared`.

    Raises:
        BadModel: As `compared` and `estimators.converted` do.
    """
    found, first = list[tuple[Any, str]](), None
    for wide in (True, False):
        model = converted(estimator, name, wide=wide)
        try:
            found.append((model, compared(model, estimator, inputs, name)))
        except BadModel as error:
            first = first or error
            continue
        if found[-1][1].startswith(_ALIKE):
            return found[-1]
    if not found:
        assert first is not None
        raise first
    return found[0]


def compared(model: Any, estimator: Any, inputs: Any, name: str) -> str:
    """Ask both about the same rows; says in a sentence what came of it.

    Args:
        model: The graph, as `estimators.converted` makes it.
        estimator: What it was made of.
        inputs: Rows as the estimator was fitted on them: column -> values (N,), with the empty word where one is missing; or (N, D).
        name: Shown in messages.

    Raises:
        BadModel: More than one row in a hundred is answered otherwise; or the estimator does not take these rows; says what to do.
    """
    found, given = taken(inner(estimator)), inner(estimator)
    count = len(next(iter(inputs.values()))) if isinstance(inputs, Mapping) else len(inputs)
    own = _answers(given, _asked(given, found, inputs), name)
    made = _of_graph(model, _feed(found, inputs), name)
    off = _apart(own, made, getattr(given, "classes_", None))
    differ = int((off > CLOSE).sum())
    if not differ:
        return f"{_ALIKE} {name} answers as the {type(given).__name__} itself does in all of {count} rows that both were asked."
    cut = _answers(given, _asked(given, found, _in_float32(inputs)), name)  # what it says itself of the same numbers in float32
    in_float32 = 2 * int((_apart(cut, own, None) > CLOSE).sum() if own.ndim > 1 else (cut != own).sum()) > differ
    said = f"{differ} of {count} rows are answered otherwise by the graph made of {name} than by the {type(given).__name__} itself"
    reason = (
        "numbers are fed as float32, and its trees tell numbers apart that are one in float32; fitted on `X.astype('float32')` they do not"
        if in_float32
        else "sums in float32 end on the other side of a threshold"
    )
    if differ > _FEW * count:
        worst = int(off.argmax())
        raise BadModel(
            f"{said}: row {worst} {_shown(own[worst])} and {_shown(made[worst])}.\n"
            + (
                "  Numbers are fed as float32, and its trees tell apart what is one number there: fit it on `X.astype('float32')`."
                if in_float32
                else "  The converter reads a step of it otherwise: export the model to .onnx yourself, or put another step in its place."
            )
        )
    return f"{said}, by up to {off.max():.2g}: {reason}."


def _shown(answer: Any) -> str:
    return f"[{', '.join(f'{value:.4g}' for value in np.atleast_1d(answer)[:4])}]"


def _apart(own: Any, made: Any, classes: Any) -> np.ndarray:
    """How far each row's answers are apart (N,); where the estimator answers with classes alone, 1 for another class."""
    if own.ndim == 1:
        places = {str(name): at for at, name in enumerate(classes.tolist())}
        said = np.array([places[str(name)] for name in own.tolist()])
        chosen = made.argmax(axis=1) if made.shape[1] > 1 else (made[:, 0] > 0).astype(int)
        return np.asarray(chosen != said, np.float64)
    if own.shape != made.shape:
        return np.full(len(own), np.inf)
    with np.errstate(invalid="ignore"):
        off = abs(own - made) / np.maximum(1.0, abs(own))
    return np.asarray(np.nan_to_num(off, nan=np.inf).max(axis=1))


def _answers(estimator: Any, rows: Any, name: str) -> Any:
    """Probabilities (N, classes), numbers (N, D), or classes (N,) where the estimator has no more than these."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if hasattr(estimator, "predict_proba"):
                found = estimator.predict_proba(rows)
                found = np.stack([part[:, -1] for part in found], axis=1) if isinstance(found, list) else found
                return np.asarray(found, np.float64)
            found = np.asarray(estimator.predict(rows))
    except Exception as error:  # estimators raise what they like
        said = " ".join(str(error).split())[:300].rstrip(".")
        raise BadModel(
            f"{name} itself does not take rows of these data: {type(error).__name__}: {said}.\n"
            "  Give the columns that it was fitted on, with the kinds of values that it knows."
        ) from error
    if hasattr(estimator, "classes_"):
        return found
    return np.asarray(found, np.float64).reshape(len(found), -1)


def _of_graph(model: Any, feed: Mapping[str, Any], name: str) -> np.ndarray:
    onnx: Any = need("onnx", "an ONNX model")
    engine, scores = graph_asked.engine(), declared.look(model).scores
    with tempfile.TemporaryDirectory() as scratch:
        onnx.save(model, Path(scratch) / graphs.GRAPH)
        try:
            session = engine.open(Path(scratch), graphs.GRAPH, {"threads": 1})
            found = np.asarray(session.run(feed)[scores], np.float64)
            session.close()
        except Exception as error:  # engines raise classes of their own
            raise BadModel(
                f"the graph made of {name} is not run by {engine.name()}: {graph_asked.plainly(error)}\n"
                "  Put a step that it has in the place of this one, or export the model to .onnx yourself."
            ) from error
    return found.reshape(len(found), -1)


def _in_float32(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {key: _in_float32(values) if values.dtype.kind == "f" else values for key, values in inputs.items()}
    return inputs.astype(np.float32).astype(np.float64) if inputs.dtype.kind == "f" else inputs


def _column(found: Taken, inputs: Any, at: int) -> Any:
    if not isinstance(inputs, Mapping):
        return inputs if inputs.ndim == 1 else inputs[:, at]
    return inputs[alike(inputs, found.names[at]) or found.names[at]] if found.names else [*inputs.values()][at]


def _asked(estimator: Any, found: Taken, inputs: Any) -> Any:
    """Rows as the estimator takes them."""
    if found.texts:
        return _column(found, inputs, 0)
    if not found.names and not found.words:
        return inputs if not isinstance(inputs, Mapping) else np.stack([*inputs.values()], axis=1).astype(np.float64)
    absent = keeps_missing_words(estimator)
    table = {}
    for at in sorted((*found.numbers, *found.words)):
        column = found.names[at] if found.names else at
        values = _column(found, inputs, at)
        if at in found.words and absent:
            values = np.array([np.nan if word == "" else word for word in values.tolist()], object)
        table[column] = values if at not in found.words else np.asarray(values, object)
    if not found.names:
        blank = np.full(len(next(iter(table.values()))), None, object)
        return np.stack([np.asarray(table.get(at, blank), object) for at in range(found.count)], axis=1)
    return need("pandas", "an estimator that was fitted on named columns").DataFrame(table)


def _feed(found: Taken, inputs: Any) -> dict[str, Any]:
    """The same rows as the graph takes them."""
    feed: dict[str, Any] = {}
    if found.numbers:
        feed[NUMBERS] = np.stack([np.asarray(_column(found, inputs, at), np.float32) for at in found.numbers], axis=1)
    if found.words:
        words = [_column(found, inputs, at).tolist() for at in found.words]
        words = [[cell.lower() for cell in cells] if at in found.small else cells for at, cells in zip(found.words, words)]
        feed[WORDS] = np.array(words, object).T
    return feed
