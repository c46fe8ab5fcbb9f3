"""Questions about texts, and the metrics that judge their answers by the rules of SQuAD."""

from __future__ import annotations

import collections
import json
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.datasets.squad import Squad
from paredown.kinds.spans import Spans
from paredown.metrics.answer_f1 import AnswerF1
from paredown.metrics.exact_match import ExactMatch
from paredown.testing.contracts import check_metric

TEXT = "In 1843 the Countess, Ada (Lovelace), wrote a note; the note's fame: an engine's \u201cprogram\u201d."


def write(tmp_path: Path, *questions: tuple[str, list[tuple[str, int]]], text: str = TEXT) -> str:
    asked = [{"id": f"q{at}", "question": question, "answers": [{"text": answer, "answer_start": start} for answer, start in answers]}
             for at, (question, answers) in enumerate(questions)]  # fmt: skip
    (tmp_path / "x.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": text, "qas": asked}]}]}), "utf-8")
    return "x.json"


def test_an_answer_is_the_words_its_letters_lie_in(tmp_path: Path) -> None:
    source = write(tmp_path, ("Who?", [("Ada (Lovelace)", TEXT.index("Ada"))]), ("When?", [("1843", 3), ("In 1843", 0)]))
    rows = Squad().read(source, tmp_path, {}, ())
    assert rows.inputs.tolist() == [["Who?", TEXT], ["When?", TEXT]]
    first, second = (json.loads(rows.names[at]) for at in rows.labels)
    assert [part[:2] for part in first["parts"]] == [[4, 5]]
    assert [part[:2] for part in second["parts"]] == [[1, 1], [0, 1]]
    assert first["text"][2] == 0  # an article does not count
    assert Squad().read(source, tmp_path, {"label": None}, ()).labels is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", r"x\.json is not in the format of SQuAD"),
        ('{"data": [{}]}', r"x\.json is not in the format of SQuAD: lacks 'paragraphs'"),
        ('{"data": []}', r"x\.json has no question"),
        ("{", r"x\.json is not in the format of SQuAD"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "x.json").write_text(content, "utf-8")
    with pytest.raises(BadData, match=said):
        Squad().read("x.json", tmp_path, {}, ())


def test_answers_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"question 'q0': the answer 'Ada' does not stand at letter 0\.\n  Correct answer_start"):
        Squad().read(write(tmp_path, ("Who?", [("Ada", 0)])), tmp_path, {}, ())
    with pytest.raises(BadData, match=r"question 'q0' has no answer in its text"):
        Squad().read(write(tmp_path, ("Who?", [])), tmp_path, {}, ())


def plain(text: str) -> list[str]:
    """The rule of SQuAD 1.1: lower case, no punctuation, no articles."""
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def of_record(said: str, right: str) -> tuple[float, float]:
    mine, goal = plain(said), plain(right)
    both = sum((collections.Counter(mine) & collections.Counter(goal)).values())
    return float(mine == goal), 2 * both / (len(mine) + len(goal)) if both else 0.0


def test_answers_are_judged_as_by_the_script_of_squad(tmp_path: Path) -> None:
    draw, places = np.random.default_rng(0), [found.span() for found in re.finditer(r"\S+", TEXT)]

    def part() -> tuple[int, int]:
        first = int(draw.integers(0, len(places)))
        return first, min(len(places) - 1, first + int(draw.integers(0, 4)))

    def written(first: int, last: int) -> tuple[str, int]:
        return TEXT[places[first][0] : places[last][1]], places[first][0]

    for _ in range(200):
        right = [[written(*part()) for _ in range(draw.integers(1, 4))] for _ in range(5)]
        rows = Squad().read(write(tmp_path, *(("?", each) for each in right)), tmp_path, {}, ())
        targets = Spans().targets(rows.names, "label")[0][rows.labels]
        said = [part() for _ in right]
        answers: Any = np.stack([[np.eye(len(places))[first], np.eye(len(places))[last]] for first, last in said])
        wanted = [max(of_record(written(*mine)[0], goal)[at] for goal, _ in each) for at in (0, 1) for mine, each in zip(said, right)]
        np.testing.assert_allclose(ExactMatch().per_item(targets, answers), wanted[:5], atol=1e-9)
        np.testing.assert_allclose(AnswerF1().per_item(targets, answers), wanted[5:], atol=1e-9)


@pytest.mark.parametrize("metric", [ExactMatch(), AnswerF1()])
def test_the_contract_of_metrics_holds(metric: ExactMatch | AnswerF1) -> None:
    check_metric(metric)
