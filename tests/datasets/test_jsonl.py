import json
import re
import tracemalloc

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.datasets.jsonl import Jsonl
from paredown.testing.contracts import check_dataset


@pytest.fixture
def read(tmp_path):
    def write_and_read(lines, labels=(), /, **columns):
        data = lines if isinstance(lines, bytes) else "\n".join(lines if isinstance(lines, list) else [lines]).encode()
        (tmp_path / "t.jsonl").write_bytes(data)
        return Jsonl().read("t.jsonl", tmp_path, columns, labels)

    return write_and_read


def test_contract(tmp_path):
    (tmp_path / "t.ndjson").write_text('{"a": 1, "label": "x"}\n{"a": 2, "label": "y"}\n')
    assert len(check_dataset(Jsonl(), "t.ndjson", tmp_path)) == 2


def test_values_keep_their_kind(read):
    rows = read(
        [
            '{"n": 1, "word": "01", "yes": true, "label": 2, "sex": "f", "age": 31}',
            "",
            '{"word": "b", "n": null, "yes": false, "label": 10, "sex": "m", "age": 30.5}',
            '{"n": 2.5, "yes": true, "label": 2, "sex": null, "age": null, "later": "z"}',
        ],
        groups=["sex", "age"],
        drop=["age"],
    )
    assert list(rows.inputs) == ["n", "word", "yes", "sex", "later"]
    np.testing.assert_array_equal(rows.inputs["n"], np.array([1, np.nan, 2.5], np.float32))
    assert [rows.inputs[name].tolist() for name in ("word", "yes", "later")] == [["01", "b", ""], [1, 0, 1], ["", "", "z"]]
    assert (rows.names, rows.labels.tolist()) == (("2", "10"), [0, 1, 0])
    assert {name: column.tolist() for name, column in rows.groups.items()} == {"sex": ["f", "m", ""], "age": ["31", "30.5", ""]}


def test_texts_and_pairs_with_escapes(read):
    lines = [json.dumps({"a": "银行 \n 👍", "b": "ไทย", "label": True}), json.dumps({"a": "x", "b": "y", "label": False, "more": [1]})]
    assert read(lines, text="a").inputs.tolist() == ["银行 \n 👍", "x"]
    rows = read(lines, text=["b", "a"])
    assert (rows.inputs.tolist(), rows.names, rows.labels.tolist()) == ([["ไทย", "银行 \n 👍"], ["y", "x"]], ("0", "1"), [1, 0])


@pytest.mark.parametrize(
    ("lines", "columns", "message"),
    [
        ("", {}, "t.jsonl is empty.\n  Write one JSON object per line"),
        (['{"a": 1, "label": 1}', "{'a': 1}"], {}, "t.jsonl:2: the line is not JSON: Expecting property name"),
        (['{"a": 1, "label": 1}', "", '{"a": 1'], {}, "t.jsonl:3: the line is not JSON"),
        (['{"a": NaN, "label": 1}'], {}, "t.jsonl:1: the line is not JSON: NaN is no number; write null"),
        (["[" * 100_000], {}, "t.jsonl:1: the line is not JSON: it is nested too deep"),
        (["[1, 2]"], {}, "t.jsonl:1: the line is a list, not an object"),
        (['{"a": 1, "label": 1}', '{"a": [1], "label": 1}'], {}, "t.jsonl:2: 'a' is a list.\n  Every value"),
        (['{"a": {"b": 1}, "label": 1}'], {}, "t.jsonl:1: 'a' is an object"),
        (['{"a": 1, "label": 1}', '{"a": 1e999, "label": 1}'], {}, "t.jsonl:2: column 'a' holds inf; numbers must be finite"),
        (['{"a": "x", "label": 1}', "", '{"a": 2, "label": 1}'], {}, "t.jsonl:3: column 'a' holds 2.\n  A column is numbers or words"),
        (['{"a": 1, "lable": 1}'], {}, "t.jsonl:1: there is no column 'label'. Did you mean 'lable'?"),
        (['{"a": 1, "label": 1}', '{"a": 1}'], {}, "t.jsonl:2: there is no label"),
        (['{"q": "a", "label": 1}', '{"q": " ", "label": 1}'], {"text": "q"}, "t.jsonl:2: the text in 'q' is empty (' ')"),
        (['{"q": "a", "label": 1}', '{"label": 1}'], {"text": "q"}, "t.jsonl:2: the text in 'q' is missing"),
        (['{"q": 3, "label": 1}'], {"text": "q"}, "t.jsonl:1: the text in 'q' is 3"),
        (['{"q": "\\uD83D", "label": 1}'], {"text": "q"}, "t.jsonl:1: a text holds half of a surrogate pair"),
        (b'{"q": "\xe9", "label": 1}', {}, "t.jsonl:1: byte 8 of the line (0xe9) is not UTF-8"),
        (b"\x1f\x8b\x08\x00", {}, "t.jsonl is packed with gzip, not a text file.\n  Unpack it"),
    ],
)
def test_broken_files_are_refused_with_their_line(read, lines, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(lines, **columns)


def test_labels_are_matched_with_the_given_names(read):
    with pytest.raises(
        BadData, match=re.escape("t.jsonl:2: the label 'YES' is not one of the 2 in `labels:` (no, yes). Did you mean 'yes'?")
    ):
        read(['{"a": 1, "label": "no"}', '{"a": 1, "label": "YES"}'], ("no", "yes"))


def test_one_line_of_200_mb_is_refused_in_little_memory(tmp_path):
    with (tmp_path / "long.jsonl").open("wb") as file:
        file.write(b'{"a": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    with pytest.raises(BadData, match=r"long\.jsonl:1: the line is longer than 16 MiB"):
        Jsonl().read("long.jsonl", tmp_path, {}, ())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6
