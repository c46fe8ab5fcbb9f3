"""The separator of a table is the one by which its rows are even; what a file's ending promises comes first."""

from __future__ import annotations

import csv

import pytest

from paredown.ground.separated import broken, is_blank, separator_of, sign_name


@pytest.mark.parametrize(
    ("lines", "usual", "wanted", "width", "found"),
    [
        (["a,b\n", "1,2\n"], ",", (), 0, ","),
        (["a;b\n", "1,5;2\n"], ",", (), 0, ";"),
        (["a,x;b\n", "1,5;2\n"], ",", ("a,x",), 0, ";"),
        (["a,b;c,d\n", "1,5;2,7\n"], ",", (), 0, ","),
        (["a\tb\n", "1\n"], ",", (), 0, "\t"),
        (["a,b\n", "1,2,3\n"], ",", (), 0, ","),
        (["text\n", "a; b\n"], ",", (), 0, ","),
        (["1;2;3\n", "4;5;6\n"], ",", (), 3, ";"),
        (["1;2,3\n", "4;5,6\n"], ",", (), 2, ","),
        (["price (EUR, net);n;label\n", "1,5;2;x\n"], ",", (), 0, ";"),
        (["price (EUR, net);n;label\n", "1,5;2;x\n"], ",", ("label",), 0, ";"),
        (["a;b;c,label\n", "1;2;3,x\n"], ",", ("label",), 0, ","),
        (["a;b\n", '"x;y\n'], ",", (), 0, ";"),
        ([], "\t", ("a",), 0, "\t"),
    ],
)
def test_rows_are_even_by_their_separator(lines: list[str], usual: str, wanted: tuple[str, ...], width: int, found: str) -> None:
    assert separator_of(lines, usual, wanted, width) == found


def test_blank_lines_hold_nothing() -> None:
    assert [is_blank(cells) for cells in ([], [""], ["  "], ["", ""], ["a"])] == [True, True, True, False, False]


def test_signs_have_names() -> None:
    assert [sign_name(sign) for sign in (",", ";", "\t", "|", "^")] == ["a comma", "a semicolon", "a tab", "a bar", "'^'"]


def test_a_broken_record_is_told_in_words() -> None:
    assert broken(csv.Error("unexpected end of data"), 3, 9) == (3, "a cell begins with a quote here, and no quote ends it")
    assert broken(csv.Error("of tomorrow's Python"), 3, 9) == (9, "the line is no row of cells")
