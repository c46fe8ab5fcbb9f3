"""JSON of a stranger is read within bounds, names stay inside, text is shown and not obeyed."""

from __future__ import annotations

import json
import math
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.ground.untrusted import MOST_DEPTH, escaped_json, inside, parse_json, read_json, visible

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_plain_data_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(escaped_json(json.dumps(value, ensure_ascii=False))) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 200_000 + "]" * 200_000, "holds more values than are read|is nested more than 64 deep"),
        ("[" * 200_000, "is nested more than 64 deep"),
        ('{"a":' * 900 + "0" + "}" * 900, "is nested more than 64 deep"),
        ("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "is nested more than 64 deep"),
        ("[" + "{}," * 600_000 + "{}]", "holds more values than are read: 4000000 at most"),
        ("[NaN]", "holds NaN; numbers are finite"),
        ("[-Infinity]", "holds -Infinity; numbers are finite"),
        ("[1e999]", "holds the number 1e999, which is beyond any that is read"),
        ("9" * 100_000, "holds a whole number of 100000 digits; 300 are read"),
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "has the key 'c' twice"),
        ('["\\ud800"]', "holds half of a character, a lone surrogate"),
        ("[1", "is not JSON: "),
        ("", "is not JSON: "),
    ],
    ids=lambda value: value[:12],
)
def test_what_is_no_plain_data_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"^({said})"):
        parse_json(text)


def test_the_deepest_that_is_read_is_read() -> None:
    assert parse_json("[" * MOST_DEPTH + "]" * MOST_DEPTH) is not None
    assert parse_json('["\\ud83d\\ude00"]') == ["😀"]


def test_a_file_is_read_only_where_it_is_one_and_small_enough(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1, 2, 3]")
    assert read_json(tmp_path / "a.json", 9) == [1, 2, 3]
    with pytest.raises(ValueError, match=r"^has more than 8 bytes$"):
        read_json(tmp_path / "a.json", 8)
    os.mkfifo(tmp_path / "pipe")  # reading it would never end
    for name in ("pipe", "."):
        with pytest.raises(ValueError, match=r"^is no plain file$"):
            read_json(tmp_path / name)
    (tmp_path / "b.json").write_bytes(b'["\xff"]')
    with pytest.raises(ValueError, match=r"^is not JSON: byte 2 is not UTF-8 text$"):
        read_json(tmp_path / "b.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "gone.json")


@pytest.mark.parametrize("name", ["model.onnx", "parts/second.onnx", "ö b.bin", ".hidden", "a..b"])
def test_a_plain_relative_path_is_inside(name: str) -> None:
    assert inside(name)


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../x", "a/../b", "a//b", "./a", "a/", "a\\b", "C:x", "", ".", "..", "a\0b", None, 3, ["a"], {"a": 1}]
)
def test_anything_else_is_not(name: Any) -> None:
    assert not inside(name)


@given(st.text(st.characters()))
def test_what_is_visible_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(letter) for letter in shown if letter not in "\n\t"} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(letter) for letter in shown} & {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    assert visible(shown) == shown


def test_other_text_stays_as_it_is() -> None:
    for text in ("plain, with a tab\tand a\nline", "ä 漢字 עברית العربية 👩‍💻 é", r"\x1b is text already"):
        assert visible(text) == text
    assert visible("\x1b]0;owned\x07\x9b2J\u202eevil\udc80") == r"\x1b]0;owned\x07\x9b2J\u202eevil\udc80"


def test_numbers_of_any_size_that_a_machine_has_are_read() -> None:
    assert parse_json(f"[{2**63}, {math.pi}, 1e308, 5e-324]") == [2**63, math.pi, 1e308, 5e-324]


def test_what_is_shown_keeps_its_layout_or_stays_one_line() -> None:
    assert visible("a\x1b[2J\r\x00\x85\u2028\ud800\uffffb\n\tc") == "a\\x1b[2J\\r\\x00\\x85\\u2028\\ud800\\uffffb\n\tc"
    assert visible("a\nevil 5", keep="") == r"a\nevil 5"


@given(st.text(st.characters(codec=None)))
def test_every_text_is_one_line_of_utf_8_where_nothing_is_kept(text: str) -> None:
    shown = visible(text, keep="")
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert visible(shown, keep="") == shown
