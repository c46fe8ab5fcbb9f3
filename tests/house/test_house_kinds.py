"""Nothing but kinds, metrics and tasks knows what a class is: where code may look for the largest score, or speak of probabilities."""

from __future__ import annotations

import ast
from pathlib import Path

from house_tree import SRC, files, parsed, write

ROOMS = ("kinds", "metrics", "tasks", "encoders", "testing")
WORDS = ("argmax", "probabilities", "softmax")
OTHERWISE = {
    "graphs/graph_asked.py": "holds what an ONNX classifier says of itself against its own scores",
    "modelkit/pretrained.py": "the token at which a word begins",
    "classical/boosters.py": "a booster answers as scikit-learn's own classifiers do",
    "classical/estimator_check.py": "holds what an estimator answers against the graph that was made of it",
    "modelkit/layered.py": "an operation of torch that a layer of Keras is",
    "intensity/foresee.py": "the best of several forecasts",
    "ingest/sources.py": "the first row that is true",
    "pruning/operations.py": "an operation of torch that is followed",
}
"""Files beside these rooms that use such a word in code, and for what."""


def classes_known(src: Path) -> list[str]:
    """Names, attributes and arguments of these words outside the rooms that may know them."""
    out = []
    for file in files(src):
        place = file.relative_to(src).as_posix()
        if place.partition("/")[0] in ROOMS or place in OTHERWISE:
            continue
        for node in ast.walk(parsed(file)):
            word = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            word = node.arg if isinstance(node, ast.arg) else word
            if word in WORDS:
                out.append(f"{place}:{getattr(node, 'lineno', 0)}: {word}")
    return out


def test_classes_are_known_to_kinds_alone() -> None:
    assert classes_known(SRC) == []


def test_each_file_that_is_let_off_uses_such_a_word() -> None:
    for place in OTHERWISE:
        assert any(word in (SRC / place).read_text("utf-8") for word in WORDS), place


def test_the_rule_can_fail(tmp_path: Path) -> None:
    write(
        tmp_path,
        running__a="def flips(before, after):\n    return before.argmax(1) != after.argmax(1)",
        policy__b="def right(labels, probabilities): ...",
        kinds__c="def changed(before, after):\n    return before.argmax(1)",
    )
    assert classes_known(tmp_path) == ["policy/b.py:1: probabilities", "running/a.py:2: argmax", "running/a.py:2: argmax"]
