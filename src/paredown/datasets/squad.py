"""Questions about texts, answered by parts of them."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground.untrusted import parse_json
from paredown.ingest.sources import find, rows_from_arrays

_ARTICLES = ("a", "an", "the")
_PUNCTUATION = frozenset(string.punctuation)
_MOST_B = 1 << 31


class Squad(DatasetReader):
    """`.json` files in the format of SQuAD 1.1: data, paragraphs, context, qas, question, answers, text, answer_start.

    A row is a question and its text. Words are what stands between spaces; an answer is the words that its letters lie in. For the metrics
    words are compared in lower case, without punctuation and without articles, as SQuAD's own evaluation does.
    """

    suffixes = (".json",)
    task = "question-answering"

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All questions in the order of the file; `label: null` reads no answers.

        Raises:
            BadData: No such file, no JSON of that format, an answer that does not stand where it is said to, a question without one; with
                the question's id.
        """
        path = find(source, folder)
        if path.stat().st_size > _MOST_B:
            raise BadData(f"{source} is larger than 2 GiB.\n  Give it in parts.")
        try:
            entries = parse_json(path.read_text("utf-8"))["data"]
            found = [*_questions(entries)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = f"lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise BadData(
                f"{source} is not in the format of SQuAD: {said[:200]}\n"
                '  Write {"data": [{"paragraphs": [{"context": ..., "qas": [{"question": ..., "answers": [{"text": ..., '
                '"answer_start": ...}]}]}]}]}; rows of another kind as .jsonl.'
            ) from None
        if not found:
            raise BadData(f"{source} has no question.\n  Give at least one.")
        answered = columns.get("label", "label") is not None
        targets = [_target(source, number, *row) for number, row in enumerate(found)] if answered else None
        texts = {"question": [row[1] for row in found], "context": [row[2] for row in found]}
        return rows_from_arrays(
            texts, targets, source=source, text=("question", "context"), where=lambda row: f"{source}: question {found[row][0]!r}"
        )


def _questions(entries: Any) -> Iterator[tuple[str, str, str, list[tuple[int, str]]]]:
    """Id, question, text, and its answers with the letters at which they begin."""
    for entry in entries:
        for paragraph in entry["paragraphs"]:
            for item in paragraph["qas"]:
                answers = [(int(answer["answer_start"]), str(answer["text"])) for answer in item.get("answers", ())]
                yield str(item.get("id", "")), str(item["question"]), str(paragraph["context"]), answers


def counted(word: str) -> str:
    """A word as it is compared: in lower case, without punctuation; nothing is left of an article."""
    plain = "".join(letter for letter in word.lower() if letter not in _PUNCTUATION)
    return "" if plain in _ARTICLES else plain


def _target(source: str, number: int, name: str, question: str, text: str, answers: list[tuple[int, str]]) -> str:
    """What is right of a row, as `kinds.spans` reads it."""
    where = f"{source}: question {name or number!r}"
    if not answers:
        raise BadData(f"{where} has no answer in its text.\n  Give questions that are answered there, as SQuAD 1.1 has them.")
    places, numbers = [found.span() for found in re.finditer(r"\S+", text)], {"": 0}
    words = [numbers.setdefault(counted(text[begin:end]), len(numbers)) for begin, end in places]
    parts = []
    for start, answer in answers:
        stop = start + len(answer)
        if text[start:stop] != answer or not answer.strip():
            raise BadData(f"{where}: the answer {answer!r:.60} does not stand at letter {start}.\n  Correct answer_start.")
        inside = [at for at, (begin, end) in enumerate(places) if end > start and begin < stop]
        parts.append([inside[0], inside[-1], [numbers.setdefault(counted(word), len(numbers)) for word in answer.split()]])
    return json.dumps({"text": words, "parts": parts})
