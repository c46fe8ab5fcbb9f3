"""A user's text on one line, in letters that every file takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.ground.escapes import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe 日本 👩‍🔬", "größe 日本 👩‍🔬"),
        ("a\udcff", r"a\udcff"),
        ("a\nevil 5", r"a\nevil 5"),
        ("\x1b[31m\x9b\u2028", r"\x1b[31m\x9b\u2028"),
    ],
)
def test_what_cannot_be_shown_is_escaped_and_all_else_stays(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_what_is_to_stay_stays() -> None:
    assert escaped("a\n\tb\x07", keep="\n\t") == "a\n\tb\\x07"


@given(st.text(st.characters(codec=None)))
def test_every_text_is_one_line_of_utf_8(text: str) -> None:
    shown = escaped(text)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert escaped(shown) == shown
