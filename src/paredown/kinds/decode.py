"""A model's outputs to answers.

This file stands alone: numpy, and what a declaration says. Its source is copied into an artifact's `predict.py`, so what is measured here
is what ships. The functions that `make_*` return are called once per inference; all that can be worked out before is worked out there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Outputs = Mapping[str, np.ndarray]

PROBABILITIES, LABEL_PROBABILITIES = "probabilities", "label_probabilities"
"""Names of a graph's output that holds probabilities, of classes and of labels; what a task declares holds logits."""
LOGIT, PROBABILITY = "logit", "probability"
"""Kinds of decoding of one number for two classes, that of the second: as a U-Net with one channel gives it for each pixel."""
_TOLD = {
    "softmax": {PROBABILITIES: PROBABILITIES, "map_probabilities": PROBABILITIES, "map_logit": LOGIT, "map_probability": PROBABILITY},
    "sigmoid": {LABEL_PROBABILITIES: LABEL_PROBABILITIES},
}
"""Kind of decoding of logits -> name of an output that holds something else -> the kind of decoding that it needs."""
_LABELS = ("sigmoid", LABEL_PROBABILITIES)
_ANSWERED = 0.5
LONGEST = 30
"""Words of the longest part of a text that is answered."""
ABSENT = 1e4
"""The first score of a place that a row does not have, where rows are answered place by place; its others are 0."""


def decoding(spec: Mapping[str, Any], outputs: Sequence[str]) -> dict[str, Any]:
    """The declaration for a graph with these outputs: a task declares logits, and what a graph answers with is in its output's name.

    Args:
        spec: As for `make_decoder`.
        outputs: Names of the graph's outputs.
    """
    other = _TOLD.get(spec["kind"], {})
    told = next((name for name in outputs if name in other), "")
    return {**spec, "kind": other[told], "output": told} if told and spec["output"] not in outputs else dict(spec)


def width_of(spec: Mapping[str, Any]) -> int:
    """Numbers per row that a model gives for a declaration to decode."""
    if spec["kind"] == "values":
        return int(spec["width"])
    return int((1 if spec["kind"] in (LOGIT, PROBABILITY) else spec["classes"]) * math.prod(spec.get("size", ())))


def shape_of(spec: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one row of answers: classes first, then the size of what is answered place by place."""
    return (int(spec["width"]),) if spec["kind"] == "values" else (int(spec["classes"]), *map(int, spec.get("size", ())))


def _read(spec: Mapping[str, Any]) -> Callable[[Outputs], np.ndarray]:
    """The function outputs -> numbers (N, *shape_of); where the model has one output only, its name does not matter."""
    name, width, shape = spec["output"], width_of(spec), (-1, *shape_of(spec))
    if spec["kind"] in (LOGIT, PROBABILITY):
        shape = (-1, 1, *shape[2:])

    def read(outputs: Outputs) -> np.ndarray:
        if name in outputs:
            found = outputs[name]
        elif len(outputs) == 1:
            (found,) = outputs.values()
        else:
            raise ValueError(f"the model has no output {name!r}; it has {', '.join(outputs)}.")
        if (found.ndim != 2 and len(shape) == 2) or math.prod(found.shape[1:]) != width:
            raise ValueError(f"the model's output has shape {found.shape}; it has to be (N, {width}).")
        return found if len(shape) == 2 else found.reshape(shape)

    return read


def make_decoder(spec: Mapping[str, Any]) -> Callable[[Outputs], np.ndarray]:
    """The function outputs -> answers (N, *shape_of), float64, of tensors float32.

    A model's output is (N, numbers), whatever its answers mean.

    Args:
        spec: {"kind", "output": name, "classes": K}, of which "softmax" takes logits, or logarithms of probabilities, whose softmax they
            are, and "sigmoid" the logits of labels that may all hold at once; "probabilities" takes shares of 1, which 8 bits or one
            sigmoid per class leave a little off: each row is divided by its sum; "label_probabilities" takes each as it is, within 0 and 1.
            With "size" ([T], [H, W]) a row is answered place by place, from classes times places numbers, the places of the first class
            first; of words, one that a row does not have has ABSENT as the first of its numbers, and gets probabilities of 0. "logit" and
            "probability" take one number per place, of the second of two classes.
            {"kind": "spans", "output", "classes": 2, "size": [T]} takes the logits that a part begins, and that it ends, at each of T
            words; those of words that a row does not have are -ABSENT.
            Or {"kind": "values", "output": name, "width": D, "mean", "std"}: value * std + mean, where mean and std may be absent; with
            "parts" ([{"name", "shape", "spread"}]) the numbers are those of several tensors one after the other, and stay float32.

    Returns:
        A function that raises ValueError when the output has another width or holds NaN or infinite values.

    Raises:
        ValueError: No such kind of decoder.
    """
    makers = {"softmax": _softmax, PROBABILITIES: _shares, "sigmoid": _sigmoid, LABEL_PROBABILITIES: _cut, "spans": _ends}
    makers |= {LOGIT: _two_of_logits, PROBABILITY: _two_of_shares}
    kind, read, number = spec["kind"], _read(spec), np.float32 if "parts" in spec else np.float64
    if kind == "values":
        change = _scaled(spec)
    elif kind in makers:
        change = makers[kind]
    else:
        raise ValueError(f"decoder kind {kind!r} is not one of {', '.join(makers)}, values.")

    def decode(outputs: Outputs) -> np.ndarray:
        found = np.asarray(read(outputs), number)
        finite = np.isfinite(found).reshape(len(found), -1).all(axis=1)
        if not finite.all():
            bad = np.flatnonzero(~finite)
            raise ValueError(f"the model's output holds NaN or infinite values in {len(bad)} of {len(found)} rows, first in row {bad[0]}.")
        return change(found)

    return decode


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    if powers.ndim == 3:  # words; all pixels are there
        powers *= logits[:, :1] < ABSENT / 2
    return powers


def _ends(logits: np.ndarray) -> np.ndarray:
    powers: np.ndarray = np.exp(logits - logits.max(axis=2, keepdims=True)) * (logits > -ABSENT / 2)
    total = powers.sum(axis=2, keepdims=True)
    return powers / np.where(total > 0, total, 1.0)


def best_spans(answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likeliest part of each text, first and last word (N, 2), and its probability (N,): that of its first word times that of its last.

    Args:
        answers: (N, 2, words), as decoded. A part is at most LONGEST words; a text without any words has its first as the answer.
    """
    count, words = len(answers), answers.shape[2]
    best, ends = np.full(count, -1.0), np.zeros((count, 2), np.int64)
    for more in range(min(LONGEST, words)):
        both = answers[:, 0, : words - more] * answers[:, 1, more:]
        at = both.argmax(axis=1)
        found = both[np.arange(count), at]
        better = found > best
        best[better] = found[better]
        ends[better] = np.stack([at, at + more], axis=1)[better]
    return ends, best


def _shares(found: np.ndarray) -> np.ndarray:
    shares = np.maximum(found, 0.0)
    total = shares.sum(axis=1, keepdims=True)
    made: np.ndarray = np.where(total > 0, shares / np.where(total > 0, total, 1.0), 1 / shares.shape[1])
    return made


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(-np.abs(logits))
    made: np.ndarray = np.where(logits >= 0, 1.0, powers) / (1.0 + powers)
    return made


def _cut(found: np.ndarray) -> np.ndarray:
    made: np.ndarray = np.clip(found, 0.0, 1.0)
    return made


def _two_of_logits(found: np.ndarray) -> np.ndarray:
    return _two_of_shares(_sigmoid(found))


def _two_of_shares(found: np.ndarray) -> np.ndarray:
    shares = _cut(found)
    return np.concatenate([1.0 - shares, shares], axis=1)


def _scaled(spec: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    if "mean" not in spec and "std" not in spec:
        return lambda found: found
    mean, std = np.asarray(spec.get("mean", 0.0), np.float64), np.asarray(spec.get("std", 1.0), np.float64)
    return lambda found: found * std + mean


def sureness(spec: Mapping[str, Any], answers: np.ndarray) -> np.ndarray:
    """How sure a model is of each row (N,): the highest probability; of labels, the least of the greater of p and 1 - p; where each word
    of a row has a class, that of the word that it is least sure of; where each pixel has one, the mean.

    Args:
        spec: As for `make_decoder`, of classes or labels.
        answers: Shape (N, *shape_of).
    """
    found: np.ndarray = np.maximum(answers, 1 - answers).min(axis=1) if spec["kind"] in _LABELS else answers.max(axis=1)
    if found.ndim > 1:
        places = np.where(found > 0, found, 1.0).reshape(len(found), -1)
        found = places.min(axis=1) if found.ndim == 2 else places.mean(axis=1)
    return found


def answer(spec: Mapping[str, Any], labels: Sequence[str], answers: np.ndarray) -> list[Any]:
    """What is said of each row: the label with the largest probability, the first of equals; a list of the labels from 0.5 on; a number,
    or a list of them; the label of each of its words; the first and the last of the words that are the answer, from 0; an array (H, W) of
    the index of the label of each of its pixels; a mapping from the name of each tensor to its array.

    Args:
        spec: As for `make_decoder`.
        labels: Names of the outputs in the model's order.
        answers: Shape (N, *shape_of).
    """
    if spec["kind"] == "spans":
        parts: list[Any] = best_spans(answers)[0].tolist()
        return parts
    if "size" in spec:
        return _by_place(spec, labels, answers)
    if "parts" in spec:
        return _tensors(spec, answers)
    if spec["kind"] == "values":
        said: list[Any] = answers[:, 0].tolist() if answers.shape[1] == 1 else answers.tolist()
        return said
    if spec["kind"] in _LABELS:
        return [[labels[at] for at in np.flatnonzero(row >= _ANSWERED).tolist()] for row in answers]
    return [labels[at] for at in answers.argmax(axis=1).tolist()]


def _tensors(spec: Mapping[str, Any], answers: np.ndarray) -> list[Any]:
    """The tensors of each row by their names."""
    shapes = {part["name"]: tuple(part["shape"]) for part in spec["parts"]}
    ends = np.cumsum([math.prod(shape) for shape in shapes.values()])[:-1]
    split = [part.reshape(-1, *shape) for part, shape in zip(np.split(answers, ends, axis=1), shapes.values())]
    return [dict(zip(shapes, row)) for row in zip(*split)]


def _by_place(spec: Mapping[str, Any], labels: Sequence[str], answers: np.ndarray) -> list[Any]:
    """The label of each place that a row has, or the indices of the labels where places are pixels."""
    found = answers.argmax(axis=1)
    if found.ndim > 2:
        return [*found.astype(_index(labels))]
    there = answers.max(axis=1) > 0
    return [[labels[at] for at in row[here].tolist()] for row, here in zip(found, there)]


def _index(labels: Sequence[str]) -> Any:
    """The smallest kind of number that counts so many labels."""
    return np.uint8 if len(labels) <= 256 else np.uint16


def run_lengths(said: np.ndarray) -> dict[str, Any]:
    """Indices (H, W) in few numbers: {"size": [H, W], "runs": [[index, how many pixels of it follow], ...]}, row by row from the top."""
    flat = said.reshape(-1)
    begins = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    counts = np.diff(np.concatenate([begins, [len(flat)]]))
    return {"size": [*said.shape], "runs": [[*pair] for pair in zip(flat[begins].tolist(), counts.tolist())]}


def make_answerer(spec: Mapping[str, Any], labels: Sequence[str]) -> Callable[[Outputs], list[Any]]:
    """The function outputs -> what is said of each row, as `answer` says it.

    Classes are told without the detour over probabilities: softmax does not change which score is the largest.

    Args:
        spec: As for `make_decoder`.
        labels: Names of the outputs in the model's order.
    """
    if len(spec.get("size", ())) > 1:
        return _make_pixels(spec, labels)
    if spec["kind"] == "values" or spec["kind"] in _LABELS or "size" in spec:
        decode = make_decoder(spec)
        return lambda outputs: answer(spec, labels, decode(outputs))
    scores, names = _read(spec), list(labels)

    def answers(outputs: Outputs) -> list[str]:
        found = scores(outputs)
        # the largest of values that hold a NaN is the NaN
        if len(found) == 1:
            at = found.argmax()
            if found[0, at] != found[0, at]:
                raise ValueError("the model's output holds NaN values.")
            return [names[at]]
        if np.isnan(found.max()):
            raise ValueError("the model's output holds NaN values.")
        return [names[at] for at in found.argmax(axis=1).tolist()]

    return answers


def _make_pixels(spec: Mapping[str, Any], labels: Sequence[str]) -> Callable[[Outputs], list[Any]]:
    """The function outputs -> the class of each pixel, by the largest score, or by the side on which the one number lies."""
    scores, index = _read(spec), _index(labels)
    least = {LOGIT: 0.0, PROBABILITY: _ANSWERED}.get(spec["kind"])

    def answers(outputs: Outputs) -> list[Any]:
        found = scores(outputs)
        if np.isnan(found.max()):
            raise ValueError("the model's output holds NaN values.")
        if least is not None:
            return [*(found[:, 0] > least).astype(index)]
        return [*((found[:, 1] > found[:, 0]) if found.shape[1] == 2 else found.argmax(axis=1)).astype(index)]

    return answers
