"""YAML 1.2 core with line numbers, and every problem at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from paredown.core.errors import BadDocument, Problem
from paredown.ground import documents
from paredown.ground.documents import Document, check, dotted, parse, plain, read, refuse, shown


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True), ("False", False), ("yes", "yes"), ("no", "no"), ("NO", "NO"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("2e6", 2e6), ("1.5", 1.5), (".5", 0.5), ("-3", -3), ("+7", 7), ("0o17", 15), ("0x1F", 31), ("017", 17), ("1_000", "1_000"),
        ("12:30:45", "12:30:45"), ("2027-01-31", "2027-01-31"), ("null", None), ("~", None), ("", None), ("None", "None"), ("1 %", "1 %"),
        (".inf", float("inf")), ("-.INF", float("-inf")), ("1e", "1e"), (".", "."), ("<<", "<<"),
    ],
)  # fmt: skip
def test_plain_words_by_the_core_schema(word: str, value: object) -> None:
    found = plain(word)
    assert found == value
    assert type(found) is type(value)


def test_quoted_words_stay_texts() -> None:
    assert parse("a: 'true'\nb: \"1\"\nc: |\n  2\n", "f").data == {"a": "true", "b": "1", "c": "2\n"}


def test_a_version_directive_does_not_bring_old_booleans_back() -> None:
    assert parse("%YAML 1.1\n---\nzone: NO\n", "f").data == {"zone": "NO"}


def test_lines_of_keys_items_and_what_lies_between() -> None:
    document = parse("a: 1\nrules:\n  - quality: {drop: 1 %}\n  - size:\n      max: 50 MB\n", "p.yaml")
    assert document.where() == "p.yaml:1"
    assert document.where(("rules", 1)) == "p.yaml:4"
    assert document.where(("rules", 1, "size", "max")) == "p.yaml:5"
    assert document.where(("rules", 1, "size", "level")) == "p.yaml:4"
    part = document.at("rules", 1, "size")
    assert part.data == {"max": "50 MB"}
    assert part.where(("max",)) == "p.yaml:5"
    assert str(part.problem(("max",), "is odd.", "Stop.")) == "p.yaml:5: rules[1].size.max is odd.\n  Stop."
    assert Document(name="policy", data={}).where(("x",)) == "policy"


def test_aliases_stand_for_their_value() -> None:
    assert parse("a: &x [1, 2]\nb: *x\n", "f").data == {"a": [1, 2], "b": [1, 2]}


def test_empty_documents_hold_nothing() -> None:
    assert parse("", "f").data is None
    assert parse("# only a comment\n", "f").data is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", r"f:3: the key 'a' stands here again; it is on line 1 already"),
        ("a: !!python/object:os.system x\n", r"f:1: the tag 'tag:yaml.org,2002:python/object:os.system' is not used here"),
        ("a: 1\n---\nb: 2\n", r"f:2: a second document begins here"),
        ("a: *x\n", r"f:1: \*x stands for nothing yet"),
        ("a: &x [*x]\n", r"f:1: \*x stands for nothing yet"),
        ("? [1, 2]\n: 3\n", r"f:1: a key has to be a plain word"),
        ("a: [1\nb: 2\n", r"f:2: this is not YAML: "),
        ("a: 'open\n", r"f:\d: this is not YAML: "),
        ("\tx: 1\n", r"f:1: this is not YAML: "),
        ("a: \x00\n", r"f: this is not YAML: "),
        ("[" * 60, r"f:1: values are nested more than 32 deep"),
        ("a: " + "- 1\n" * 3, r"f:1: this is not YAML"),
    ],
)
def test_what_is_refused_and_where(text: str, said: str) -> None:
    with pytest.raises(BadDocument, match=said):
        parse(text, "f")


def test_all_double_keys_and_tags_at_once() -> None:
    with pytest.raises(BadDocument) as caught:
        parse("a: 1\na: 2\nb: !x 3\nb: 4\n", "f")
    assert [problem.where for problem in caught.value.problems] == ["f:2", "f:3", "f:4"]


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    started = time.perf_counter()
    with pytest.raises(BadDocument, match="holds more than 20000 values"):
        parse(bomb, "f")
    assert time.perf_counter() - started < 2


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(BadDocument, match=r"huge.yaml: the file has 200000000 bytes; a document has at most 262144"):
        read(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match=r"nix.yaml: cannot be read: No such file"):
        read(tmp_path / "nix.yaml")
    with pytest.raises(BadDocument, match="this is not a file"):
        read(tmp_path)
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe4\n")
    with pytest.raises(BadDocument, match=r"latin.yaml:2: byte 8 is not UTF-8 text"):
        read(tmp_path / "latin.yaml")


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfname: x\n")
    assert read(tmp_path / "a.yaml").data == {"name": "x"}


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    said = ["f"]
    try:
        parse(text, "f")
    except BadDocument as error:
        said = [str(problem) for problem in error.problems]
    assert said
    assert all(line.startswith("f") for line in said)


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    count: int = 0
    level: Literal["must", "should"] = "must"
    words: list[str] = []
    flag: bool = False


def test_check_reports_all_and_keeps_the_rest() -> None:
    problems: list[Problem] = []
    text = "name: x\ncuont: 3\nlevel: musst\nwords:\n  - a\n  - 7\nflag: yes\n"
    found = check(parse(text, "f"), Model, problems)
    assert found == Model(name="x")
    with pytest.raises(BadDocument) as caught:
        refuse(problems)
    assert str(caught.value).splitlines() == [
        "f:2: no key 'cuont'.",
        "  Did you mean `count`?",
        "f:3: level is 'musst'.",
        "  Allowed: must or should.",
        "f:6: words[1] is 7; it has to be a text.",
        "  Write a text. Put it in quotes.",
        "f:7: flag is 'yes'; it has to be true or false.",
        "  Write true or false.",
    ]


def test_check_without_what_is_needed_or_without_a_mapping() -> None:
    problems: list[Problem] = []
    assert check(parse("count: 1\nzzz: 2\n", "f"), Model, problems) is None
    assert [str(problem) for problem in problems] == [
        "f:1: the document has no `name`.\n  Add `name: ...`.",
        "f:2: no key 'zzz'.\n  Allowed: name, count, level, words, flag.",
    ]
    problems.clear()
    assert check(parse("- 1\n", "f"), Model, problems) is None
    assert str(problems[0]) == "f:1: the document is a list; it has to be a mapping.\n  Its keys: name, count, level, words, flag."


def test_refuse_sorts_by_file_and_line_and_says_a_thing_once() -> None:
    refuse([])
    found = [Problem("b:10", "x", "y"), Problem("b:9", "x", "y"), Problem("a:1", "x", "y"), Problem("b:9", "x", "y")]
    with pytest.raises(BadDocument) as caught:
        refuse(found)
    assert [problem.where for problem in caught.value.problems] == ["b:9", "b:10", "a:1"]


def test_values_and_places_in_words() -> None:
    assert dotted(("rules", 2, "quality")) == "rules[2].quality"
    assert dotted(()) == "the document"
    assert [shown(value) for value in (None, True, "x", 1.5, [1], {"a": 1})] == ["empty", "true", "'x'", "1.5", "a list", "a mapping"]
    assert len(shown("x" * 500)) == 60
    assert documents.MAX_BYTES == 262144
