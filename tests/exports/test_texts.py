"""What others write stays inside its line, its quotes and its cell."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from paredown.exports.texts import json_text, one_line, quoted, word

ANY = st.text(st.characters(exclude_categories=[]), max_size=20)


def test_a_text_becomes_one_line_and_a_word_a_key() -> None:
    assert one_line("  a\n\n b\tc ") == "a b c"
    assert (word("x\nevil 5"), word("fine-tuning"), word("EUR")) == ("x_evil_5", "fine_tuning", "eur")


@given(ANY)
def test_no_text_ends_a_line_or_quotes(text: str) -> None:
    line = one_line(text)
    assert line.splitlines() in ([line], [])
    line.encode()
    assert json.loads(quoted(text)) == YAML(typ="safe").load(quoted(text)) == line


@given(st.dictionaries(ANY, ANY | st.integers(), max_size=3))
def test_json_reads_back_and_fits_into_utf_8(document: dict[str, object]) -> None:
    text = json_text(document)
    text.encode()
    assert json.loads(text) == document
    assert not set(text) & set("\x7f\x85\x9b\u2028\u2029")
