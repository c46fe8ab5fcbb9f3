"""How an artifact's graphs make one answer.

This file stands alone but for `encoders.feed` and `kinds.decode`, and is copied into an artifact's `predict.py` like it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from paredown.encoders.feed import make_encoder
from paredown.encoders.tokens import as_texts
from paredown.kinds.decode import answer, make_answerer, make_decoder, sureness

Run = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Program:
    """Raw inputs to answers.

    Args:
        predict: Raw inputs -> what is said of each row: a label, a list of labels, a number or a list of them, a part of its text, a
            mapping of tensors; the way that is deployed and measured.
        answers: Raw inputs -> (N, outputs), float64: probabilities, or numbers as they are.
        asked: Graph name -> rows it has answered so far.
    """

    predict: Callable[[Any], list[Any]]
    answers: Callable[[Any], np.ndarray]
    asked: dict[str, int]


def make_program(manifest: Mapping[str, Any], runs: Mapping[str, Run], folder: Path) -> Program:
    """The program that `artifact.json` declares.

    Args:
        manifest: The content of artifact.json.
        runs: Graph name -> function feed -> outputs.
        folder: Where the files lie that the manifest names.

    Raises:
        ValueError: No such kind of program.
    """
    program = manifest["program"]
    if program["kind"] == "single":
        made = _single(manifest, runs, folder)
    elif program["kind"] == "cascade":
        made = _cascade(manifest, runs, folder, float(program["at"]))
    else:
        raise ValueError(f"program kind {program['kind']!r} is not one of single, cascade.")
    if manifest["decode"]["kind"] == "spans":
        columns, by_place = manifest["encode"]["columns"], made.predict
        return replace(made, predict=lambda inputs: parts_of(as_texts(inputs, 2, columns), by_place(inputs)))
    return made


def parts_of(rows: Sequence[Any], ends: Sequence[Sequence[int]]) -> list[str]:
    """The part of each row's second text from one word to another, as it is written there."""
    said = []
    for (_, text), (first, last) in zip(rows, ends):
        words = [found.span() for found in re.finditer(r"\S+", text)]
        said.append(text[words[first][0] : words[min(last, len(words) - 1)][1]])
    return said


def refuse_no_probabilities(manifest: Mapping[str, Any]) -> None:
    """Refuse to tell probabilities of what answers with numbers.

    Raises:
        ValueError: It does.
    """
    if manifest["decode"]["kind"] == "values":
        raise ValueError("this model answers with numbers and has no probabilities; ask for its answers.")


def _single(manifest: Mapping[str, Any], runs: Mapping[str, Run], folder: Path) -> Program:
    ((name, run),) = runs.items()
    encode, decode = make_encoder(manifest["encode"], folder), make_decoder(manifest["decode"])
    answer_of = make_answerer(manifest["decode"], manifest["labels"])
    asked = {name: 0}

    def predict(inputs: Any) -> list[Any]:
        return answer_of(run(encode(inputs)))

    def answers(inputs: Any) -> np.ndarray:
        found = decode(run(encode(inputs)))
        asked[name] += len(found)
        return found

    return Program(predict, answers, asked)


def _cascade(manifest: Mapping[str, Any], runs: Mapping[str, Run], folder: Path, at: float) -> Program:
    (first_name, first), (second_name, second) = runs.items()
    encode, own = make_encoder(manifest["encode"], folder), {graph["name"]: graph.get("decode") for graph in manifest["graphs"]}
    decode_first, decode_second = (make_decoder(own[name] or manifest["decode"]) for name in (first_name, second_name))
    spec, labels = manifest["decode"], manifest["labels"]
    asked = {first_name: 0, second_name: 0}

    def answers(inputs: Any) -> np.ndarray:
        feed = encode(inputs)
        found = decode_first(first(feed))
        asked[first_name] += len(found)
        unsure = np.flatnonzero(sureness(spec, found) < at)
        if len(unsure):
            asked[second_name] += len(unsure)
            rest = feed if len(unsure) == len(found) else {name: array[unsure] for name, array in feed.items()}
            found[unsure] = decode_second(second(rest))
        return found

    def predict(inputs: Any) -> list[Any]:
        return answer(spec, labels, answers(inputs))

    return Program(predict, answers, asked)
