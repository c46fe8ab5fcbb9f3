"""Fitted estimators of scikit-learn's kind, those of XGBoost and LightGBM too, as ONNX graphs. No torch here."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paredown.classical import mend
from paredown.classical.converters import plain_attributes, register
from paredown.core.errors import BadModel, ParedownError
from paredown.graphs.declared import CLASSES, COLUMNS, SMALL
from paredown.ground.lazy import need

NUMBERS, WORDS = "numbers", "words"
"""Inputs of a graph that is made here: all numbers in one matrix, all words in another."""
_OPSETS = {"": 17, "ai.onnx.ml": 3}
_PATTERN = r"(?u)\b\w\w+\b"
_TOKEN = r"[\p{L}\p{N}_][\p{L}\p{N}_]+"
"""scikit-learn's usual pattern of a word, and the same for the engine's regular expressions; the converter's own knows ASCII alone."""
_PASS_ON = ("SimpleImputer", "MissingIndicator", "FunctionTransformer")
"""Steps that give as many columns as they take, so that what comes after them tells what kind these are."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What an estimator takes.

    Args:
        names: Its columns in order; empty where it was fitted without names.
        count: How many columns.
        numbers, words: Places of the columns of numbers and of words that a step of it sees, in the order in which they are seen.
        texts: Whether it takes texts by themselves (N,), no table.
        small: Places of columns of words that it reads in small letters alone; they are fed so, since engines do it by a machine's locale.
    """

    names: tuple[str, ...]
    count: int
    numbers: tuple[int, ...]
    words: tuple[int, ...]
    texts: bool
    small: tuple[int, ...] = ()


def is_estimator(model: Any) -> bool:
    """Whether an object is of scikit-learn's kind: it predicts, and says its parameters."""
    return callable(getattr(model, "predict", None)) and callable(getattr(model, "get_params", None)) and not isinstance(model, type)


def taken(estimator: Any) -> Taken:
    """What a fitted estimator takes, by its own account: which of its columns are words is told by what it learned of them.

    Raises:
        BadModel: It does not say how many columns it takes, as one that is not fitted.
    """
    names = tuple(map(str, getattr(estimator, "feature_names_in_", ())))
    count = getattr(estimator, "n_features_in_", None)
    if count is None and (_first(estimator) is None or not _reads_texts(_first(estimator))):
        raise BadModel(
            f"the {type(estimator).__name__} does not say how many columns it takes, as one that is not fitted.\n"
            "  Fit it, and save it again."
        )
    if count is None:
        alone = all(_in_small_letters(step) for step, _ in _consumers(estimator, [0], ()))
        return Taken(names=(), count=1, numbers=(), words=(0,), texts=True, small=(0,) if alone else ())
    words, small, other, order = set[int](), set[int](), set[int](), dict[int, None]()  # a column that no step sees is none of them
    for step, columns in _consumers(estimator, range(int(count)), names):
        words |= _words(step, columns)
        (small if _in_small_letters(step) else other).update(columns)
        order |= dict.fromkeys(columns)  # the converter takes a step that sees all columns to see them in the input's order
    return Taken(
        names=names,
        count=int(count),
        numbers=tuple(at for at in order if at not in words),
        words=tuple(at for at in order if at in words),
        texts=False,
        small=tuple(sorted(small - other)),
    )


def converted(estimator: Any, name: str, *, wide: bool = True) -> Any:
    """An estimator as a graph; the estimator stays as it is.

    All numbers go in as one float32 matrix and all words as another, in the estimator's order; a missing word is the empty one. The
    graph's metadata say which columns these are.

    Args:
        estimator: Fitted. What `best_estimator_` holds is taken of a search.
        name: Shown in messages.
        wide: Whether columns are scaled as float64, where trees come after it; else as float32.

    Raises:
        BadModel: It is not fitted, or a step of it cannot be converted; names the step and what to do.
        MissingExtra: The converter is not installed.
    """
    onnx: Any = need("onnx", "an ONNX model")
    skl2onnx: Any = need("skl2onnx", "a scikit-learn model")
    types: Any = need("skl2onnx.common.data_types", "a scikit-learn model")
    made, found = copy.deepcopy(inner(estimator)), taken(inner(estimator))
    if found.words and found.numbers and not _by_columns(made):
        raise BadModel(
            f"{name}: a {type(made).__name__} that takes words beside numbers cannot be converted without a ColumnTransformer.\n"
            "  Name in a ColumnTransformer what becomes of which columns, fit it again, or export the model to .onnx yourself."
        )
    for step, columns in _consumers(made, range(found.count), found.names):
        if _reads_texts(step) and {*columns} <= {*found.small}:
            step.lowercase = False
    _place(made, {at: place for place, at in enumerate((*found.numbers, *found.words))}, found.names)
    options = {id(step): needed for _, step in steps(made) if (needed := _adjusted(step, name))}
    last = _last(made)
    if hasattr(last, "flatten_transform"):
        last.flatten_transform = False  # of a vote; it is about `transform` alone
    if hasattr(last, "classes_"):
        options[id(last)] = options.get(id(last), {}) | {"zipmap": False}
    inputs = [(NUMBERS, types.FloatTensorType([None, len(found.numbers)]))] if found.numbers else []
    inputs += [(WORDS, types.StringTensorType([None, len(found.words)]))] if found.words else []
    try:
        with plain_attributes(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            register([step for _, step in steps(made)])
            model = skl2onnx.convert_sklearn(made, "estimator", initial_types=inputs, options=options, target_opset=_OPSETS)
        mend.sublinear(model)
        mend.in_double(model, *_in_float64(made), wide=wide)
        if hasattr(last, "get_booster") and _sparse(made):
            mend.zeros_as_gaps(model)
    except ParedownError:
        raise
    except Exception as error:  # converters raise what they like
        raise _refusal(made, name, error) from error
    groups = {NUMBERS: found.numbers, WORDS: found.words}
    named = {key: [found.names[at] for at in places] for key, places in groups.items() if places and found.names}
    told: dict[str, Any] = {COLUMNS: named, SMALL: [at in found.small for at in found.words]}
    if hasattr(last, "classes_") and np.ndim(last.classes_) == 1:
        told[CLASSES] = [_class_name(item) for item in last.classes_.tolist()]
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in told.items()})
    return model


def write(model: Any, file: Path) -> None:
    """Write a graph into a file."""
    onnx: Any = need("onnx", "an ONNX model")
    onnx.save(model, file)


def told(model: Any) -> str:
    """What of the data an estimator's graph holds in words, which ships with it; empty where it holds none."""
    keys = ("cats_strings", "keys_strings", "pool_strings")
    found = {bytes(word) for node in model.graph.node for item in node.attribute if item.name in keys for word in item.strings}
    return f"Its graph holds {len(found)} words that it was fitted on, categories and parts of texts; they ship." if found else ""


def inner(estimator: Any) -> Any:
    """The estimator that a search over parameters has found; any other itself."""
    return getattr(estimator, "best_estimator_", estimator)


def steps(estimator: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The steps that an estimator is made of, each with its path, as "prepare.words.encode"."""
    parts: list[tuple[str, Any]] = []
    if hasattr(estimator, "steps"):
        parts = list(estimator.steps)
    elif hasattr(estimator, "transformers_"):
        parts = [(name, step) for name, step, _ in estimator.transformers_]
    elif hasattr(estimator, "transformer_list"):
        parts = list(estimator.transformer_list)
    elif hasattr(estimator, "named_estimators_"):
        parts = list(estimator.named_estimators_.items())
    for name, step in parts:
        if not isinstance(step, str) and step is not None:
            yield from steps(step, f"{path}.{name}".strip("."))
    if not parts:
        yield path or type(estimator).__name__, estimator


def keeps_missing_words(estimator: Any) -> bool:
    """Whether it was fitted on columns of words in which NaN or None stand where there is none."""
    return any(
        (_of_words(step) and not isinstance(step.missing_values, str))
        if hasattr(step, "statistics_")
        else any(_is_missing(item) for kinds in getattr(step, "categories_", ()) if _are_words(kinds) for item in kinds.tolist())
        for _, step in steps(inner(estimator))
    )


def _class_name(item: Any) -> str:
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)


def _first(estimator: Any) -> Any:
    """The step that takes what the estimator is given; of several beside each other, the first."""
    return next((step for _, step in steps(estimator)), None)


def _last(estimator: Any) -> Any:
    """The step that answers."""
    return _last(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def _reads_texts(step: Any) -> bool:
    return hasattr(step, "vocabulary_") or (hasattr(step, "build_analyzer") and hasattr(step, "ngram_range"))


def _in_small_letters(step: Any) -> bool:
    return _reads_texts(step) and bool(step.lowercase) and step.preprocessor is None


def _is_missing(item: Any) -> bool:
    return item is None or item != item


def _are_words(values: Any) -> bool:
    kinds = np.asarray(values)
    return kinds.dtype.kind in "OUST" and any(isinstance(item, str) for item in kinds.ravel().tolist())


def _of_words(imputer: Any) -> bool:
    return _are_words(imputer.statistics_)


def _consumers(step: Any, columns: Sequence[int], names: Sequence[str]) -> Iterator[tuple[Any, list[int]]]:
    """The steps that see some columns as they are given, each with its columns."""
    if step == "drop" or step is None:
        return
    if hasattr(step, "steps"):
        for _, each in step.steps:
            yield from _consumers(each, columns, names)
            if type(each).__name__ not in _PASS_ON:
                return
    elif hasattr(step, "transformers_"):
        for _, each, chosen in step.transformers_:
            places = _places(chosen, names, len(columns))
            yield from _consumers(each, [columns[at] for at in places], [names[at] for at in places] if names else [])
    elif hasattr(step, "transformer_list"):
        for _, each in step.transformer_list:
            yield from _consumers(each, columns, names)
    else:
        yield step, [*columns]


def _words(step: Any, columns: Sequence[int]) -> set[int]:
    """Which of its columns are words, by what a step has learned of them."""
    if _reads_texts(step):
        return {*columns}
    for learned in ("categories_", "statistics_"):
        if hasattr(step, learned):
            return {at for at, values in zip(columns, getattr(step, learned)) if _are_words([values] if np.ndim(values) == 0 else values)}
    return set()


def _places(chosen: Any, names: Sequence[str], count: int) -> list[int]:
    """The places of the columns that a ColumnTransformer gives one of its steps."""
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):  # both ends of a slice of names are in it
            first = 0 if chosen.start is None else names.index(chosen.start)
            return list(range(first, count if chosen.stop is None else names.index(chosen.stop) + 1))
        return list(range(count))[chosen]
    chosen = [chosen] if isinstance(chosen, str | int | np.integer) else list(chosen)
    if chosen and all(isinstance(item, bool | np.bool_) for item in chosen):
        return [at for at, item in enumerate(chosen) if item]
    return [names.index(item) if isinstance(item, str) else int(item) % count for item in chosen]


def _by_columns(estimator: Any) -> bool:
    """Whether columns of different kinds go apart at once."""
    if hasattr(estimator, "steps"):
        return _by_columns(estimator.steps[0][1])
    if hasattr(estimator, "transformer_list"):
        return all(_by_columns(step) for _, step in estimator.transformer_list)
    return hasattr(estimator, "transformers_")


def _place(estimator: Any, place: Mapping[int, int], names: Sequence[str]) -> None:
    """Let the ColumnTransformers that take the table find their columns in the graph's inputs, in place."""
    if hasattr(estimator, "steps"):
        _place(estimator.steps[0][1], place, names)
    elif hasattr(estimator, "transformer_list"):
        for _, step in estimator.transformer_list:
            _place(step, place, names)
    elif hasattr(estimator, "transformers_"):
        given = [(name, step, _places(chosen, names, estimator.n_features_in_)) for name, step, chosen in estimator.transformers_]
        estimator.transformers_ = [(name, step, [place[at] for at in places if at in place]) for name, step, places in given]


def _adjusted(step: Any, name: str) -> dict[str, Any]:
    """Change, in place, what the converter would not read as the step means it; returns the options that it needs.

    Raises:
        BadModel: The converter would make another model of it without a word.
    """
    kind = type(step).__name__
    if kind.startswith("HistGradientBoosting") and np.any(getattr(step, "is_categorical_", None)):
        raise BadModel(
            f"{name}: the {kind} splits by category (`categorical_features`), which the converter does not know.\n"
            "  Encode these columns before it, by OneHotEncoder or OrdinalEncoder in a ColumnTransformer, and fit it with "
            "`categorical_features=None`."
        )
    if hasattr(step, "get_booster"):
        step.get_booster().feature_names = None  # the converter reads places
    if hasattr(step, "statistics_") and hasattr(step, "missing_values"):
        words = _of_words(step)
        if words and not isinstance(step.missing_values, str):
            step.missing_values = ""
        elif not words and _is_missing(step.missing_values):
            step.missing_values = np.nan
    if hasattr(step, "categories_"):
        gaps = any(_is_missing(item) for values in step.categories_ if _are_words(values) for item in values.tolist())
        if kind == "OrdinalEncoder" and gaps:
            raise BadModel(
                f"{name}: the {kind} was fitted on columns of words with missing ones, which its converter does not know.\n"
                "  Put `SimpleImputer(strategy='constant', fill_value='missing')` before it, and fit it again."
            )
        step.categories_ = [
            np.array(["" if _is_missing(item) else item for item in values.tolist()], object) if _are_words(values) else values
            for values in map(np.asarray, step.categories_)
        ]
    if _reads_texts(step) and getattr(step, "analyzer", "") == "word":
        if step.stop_words and step.ngram_range != (1, 1):
            raise BadModel(
                f"{name}: the {kind} leaves out words before it puts others together, which the converter does not know.\n"
                "  Fit it with `stop_words=None`, or with `ngram_range=(1, 1)`."
            )
        step.stop_words = None  # those of the vocabulary are none of them
        pattern = _TOKEN if step.token_pattern == _PATTERN else re.sub(r"^\(\?u\)", "", step.token_pattern or "")
        return {"locale": "C.UTF-8", "tokenexp": pattern}
    return {}


def _in_float64(estimator: Any) -> tuple[list[Any], list[tuple[Any, Any]]]:
    """The inverse document frequencies, and the centers and spreads, that its steps have learned."""
    idfs, scalers = list[Any](), list[tuple[Any, Any]]()
    for _, step in steps(estimator):
        if getattr(step, "use_idf", False):
            idfs.append(step.idf_)
        centers = [found for key in ("mean_", "center_") if (found := getattr(step, key, None)) is not None]
        if centers and getattr(step, "scale_", None) is not None:
            center = np.asarray(centers[0], np.float64) if getattr(step, "with_mean", True) else np.zeros(len(step.scale_))
            scalers.append((center, np.asarray(step.scale_, np.float64)))
    return idfs, scalers


def _sparse(step: Any, given: bool = False) -> bool:
    """Whether a step before the last hands a sparse matrix on, in which XGBoost takes zeros for missing numbers."""
    if hasattr(step, "steps"):
        for _, each in step.steps[:-1]:
            given = _sparse(each, given)
        return given
    if hasattr(step, "sparse_output_"):
        return bool(step.sparse_output_)
    if hasattr(step, "transformer_list"):
        return any(_sparse(each, given) for _, each in step.transformer_list)
    return _reads_texts(step) or bool(getattr(step, "sparse_output", given))


def _refusal(estimator: Any, name: str, error: Exception) -> BadModel:
    """Which step the converter does not know, or what it says."""
    from importlib import import_module

    known: Mapping[type, str] = import_module("skl2onnx._supported_operators").sklearn_operator_name_map
    strange = next(((path, step) for path, step in steps(estimator) if type(step) not in known), None)
    said = " ".join(str(error).split())[:300].rstrip(".")
    if strange is not None:
        what = f"its step {strange[0]!r}, a {type(strange[1]).__name__}, has no converter to ONNX."
    else:
        named = next((path for path, step in steps(estimator) if type(step).__name__ in str(error)), "")
        what = f"the converter to ONNX does not take {f'its step {named!r}' if named else 'it'}: {said}."
    return BadModel(
        f"{name} cannot be converted: {what}\n"
        "  Put a step of scikit-learn's own in its place, do that work on the table before, or export the model to .onnx yourself."
    )
