"""A word and its tag per line."""

from __future__ import annotations

from pathlib import Path

import pytest

from paredown.core.errors import BadData
from paredown.core.rows import LISTED
from paredown.datasets.conll import Conll
from paredown.datasets.jsonl import Jsonl

WHOLE = (
    """-DOCSTART- -X- O

# domain = people
Ada\tB-PER
Lovelace\tI-PER

#\tO
1\tO
"""
    + "\n"
    + "Paris\tB-LOC"
)


def read(tmp_path: Path, text: str, **columns: object) -> tuple[list[str], list[list[str]] | None]:
    (tmp_path / "x.conll").write_text(text, "utf-8")
    rows = Conll().read("x.conll", tmp_path, columns, ())
    return rows.inputs.tolist(), None if rows.labels is None else [rows.names[at].split(LISTED)[1:] for at in rows.labels]


def test_words_of_a_row_become_one_text_with_a_tag_each(tmp_path: Path) -> None:
    assert read(tmp_path, WHOLE) == (["Ada Lovelace", "# 1", "Paris"], [["B-PER", "I-PER"], ["O", "O"], ["B-LOC"]])
    assert read(tmp_path, WHOLE, label=None) == (["Ada Lovelace", "# 1", "Paris"], None)
    spaced = "# a remark\nAda NNP B-NP B-PER\n# x y O\n"
    assert read(tmp_path, spaced) == (["Ada #"], [["B-PER", "O"]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n\n", r"x\.conll is empty\.\n  Write a word and its tag"),
        ("Ada B-PER\nLovelace\n", r"x\.conll:2: the word 'Lovelace' has no tag\."),
        ("Ada NNP B-PER\nLovelace O\n", r"x\.conll:2: there are 2 cells, and 3 on the lines before"),
    ],
)
def test_lines_without_a_tag_are_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadData, match=said):
        read(tmp_path, text)


def test_json_may_list_words_and_tags(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"tokens": ["Ada", "wrote"], "tags": ["B-PER", "O"]}\n', "utf-8")
    rows = Jsonl().read("x.jsonl", tmp_path, {"text": "tokens", "label": "tags"}, ())
    assert rows.inputs.tolist() == ["Ada wrote"]
    assert rows.names == (f"{LISTED}B-PER{LISTED}O",)
    file.write_text('{"tokens": ["New York"], "tags": ["B-LOC"]}\n', "utf-8")
    with pytest.raises(
        BadData, match=r"x\.jsonl:1: the text is a list that holds 'New York'\.\n  Its items have to be words without spaces"
    ):
        Jsonl().read("x.jsonl", tmp_path, {"text": "tokens", "label": "tags"}, ())
