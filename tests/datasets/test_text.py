"""Texts as inputs: in every alphabet, alone and in pairs."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets.csv import Csv
from paredown.ingest.sources import rows_from_arrays
from paredown.ingest.tables import Roles, rows_from_table

# Chinese, Japanese and Thai without spaces, Arabic and Hebrew from the right, a family of five code points, combining marks
TEXTS = [
    "银行卡丢了怎么办",
    "カードを紛失しました",
    "บัตรของฉันหายไป",
    "أين بطاقتي؟",
    "הכרטיס שלי נעלם",
    "👩‍👩‍👧 card?",
    "cafe\u0301",
    "one two",
]


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, name="t.csv", labels=(), /, **columns):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return Csv().read(name, tmp_path, columns, labels)

    return write_and_read


def test_one_column_of_text_is_the_input_in_every_alphabet(read):
    rows = read("id,query,intent,region\n" + "".join(f"{at},{text},{'ab'[at % 2]},r{at}\n" for at, text in enumerate(TEXTS)),
                text=["query"], label="intent", groups=["region"])  # fmt: skip
    assert (rows.inputs.dtype, rows.inputs.shape) == (object, (len(TEXTS),))
    assert rows.inputs.tolist() == TEXTS
    assert rows.labels.tolist() == [0, 1] * 4
    assert rows.groups["region"].tolist() == [f"r{at}" for at in range(8)]
    assert rows.take([5, 0]).inputs.tolist() == [TEXTS[5], TEXTS[0]]
    assert rows.spread(3).inputs.tolist() == [TEXTS[0], TEXTS[4], TEXTS[7]]


def test_two_columns_are_pairs_in_the_order_asked_for(read):
    rows = read("a,b,label\nx,y,1\nz,y,0\n", text=["b", "a"])
    assert rows.inputs.shape == (2, 2)
    assert rows.inputs.tolist() == [["y", "x"], ["y", "z"]]
    assert rows.take(slice(1, 2)).inputs.tolist() == [["y", "z"]]
    assert rows.spread(1).inputs.shape == (1, 2)


def test_numbers_and_words_for_missing_are_texts_too(read):
    assert read("q,label\n7,a\n?,b\n", text="q", missing=["?"]).inputs.tolist() == ["7", "?"]


def digests(inputs):
    array = np.empty(len(inputs), object)
    array[:] = inputs
    return Rows(inputs=array, labels=None).row_digests()


def test_digests_tell_texts_and_pairs_apart():
    pairs = [["a", "b"], ["ab", ""], ["", "ab"], ["b", "a"], ["a', 'b", ""], ['a", "b', ""]]
    alone = ["ab", "a", "['a', 'b']", '["a", "b"]', "\\u00e9", "é", "e\u0301", "É"]
    found = digests(alone) + Rows(inputs=np.array(pairs, object), labels=None).row_digests()
    assert len(set(found)) == len(pairs) + len(alone)
    assert Rows(inputs=np.array(alone), labels=None).row_digests() == digests(alone)  # fixed-width text has the same digests
    assert Rows(inputs=np.array(pairs), labels=None).digest() == Rows(inputs=np.array(pairs, object), labels=None).digest()


def test_unlabeled_txt_files_have_one_text_per_line(read):
    data = "\ufeff" + "\r\n".join([*TEXTS, "", "  \u3000", '"half a quote, and a comma'])
    rows = read(data, "queries.txt", ("a", "b"), text=["query"], label=None)
    assert rows.inputs.tolist() == [*TEXTS, '"half a quote, and a comma']
    assert (rows.labels, rows.names) == (None, ("a", "b"))
    assert list(read("query\nx\n", "queries.txt", label=None).inputs) == ["query"]  # a table where no text is asked for


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("q,label\na,x\n  ,y\n", {"text": "q"}, "t.csv:3: the text in 'q' is empty ('').\n  Every row needs a text"),
        ('q,label\na,x\n"\u3000\n",y\n', {"text": "q"}, "t.csv:4: the text in 'q' is empty"),
        ("a,b,label\nx,y,1\nx,,0\n", {"text": ["a", "b"]}, "t.csv:3: the text in 'b' is empty"),
        ("q,label\na,x\n", {"text": "query"}, "t.csv:1: there is no column 'query'.\n  Set `text:` to one of the columns: q, label"),
        ("q,label\na,x\n", {"text": ["q", "label"]}, "t.csv:1: the label 'label' is in `text:`"),
        ("a,b,c,label\n1,2,3,x\n", {"text": ["a", "b", "c"]}, "t.csv:1: `text:` names a, b, c.\n  Name one column"),
        ("a,b,label\n1,2,x\n", {"text": ["a", "a"]}, "`text:` names a, a."),
        ("a,b,label\n1,2,x\n", {"text": "a", "features": ["b"]}, "t.csv:1: there are `text:` and `features:` (b)"),
        ("q,label\n", {"text": "q"}, "t.csv has a header and no rows"),
    ],
)
def test_texts_that_cannot_be_used_are_refused(read, text, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(text, **columns)


@pytest.mark.parametrize(
    ("data", "columns", "message"),
    [
        ("a\tb\n", {"text": ["a", "b"]}, "q.txt holds one text per line; `text:` names two columns"),
        ("\n  \n", {"text": ["a"]}, "q.txt holds no text"),
        (b"ok\n\xe9\n", {"text": ["a"]}, "q.txt:2: byte 1 of the line (0xe9) is not UTF-8"),
    ],
)
def test_txt_files_that_cannot_be_used_are_refused(read, data, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(data, "q.txt", label=None, **columns)


@pytest.mark.parametrize(
    "form", [list, tuple, np.array, lambda x: np.array(x, object), pd.Series], ids=["list", "tuple", "U", "object", "series"]
)
def test_arrays_of_text_are_inputs(form):
    rows = rows_from_arrays(form(TEXTS), pd.Series(["a", "b"] * 4), source="s")
    assert (rows.inputs.dtype, rows.inputs.tolist()) == (object, TEXTS)
    assert {type(text) for text in rows.inputs} == {str}
    assert (rows.names, rows.labels.tolist()) == (("a", "b"), [0, 1] * 4)


@pytest.mark.parametrize("form", [list, np.array, lambda x: np.array(x, object)], ids=["list", "U", "object"])
def test_arrays_of_pairs_are_inputs(form):
    pairs = [("a", "b"), ("c", "d"), ("e", "f")]
    rows = rows_from_arrays(form(pairs), None, source="s")
    assert (rows.inputs.dtype, rows.inputs.shape, rows.inputs[1].tolist()) == (object, (3, 2), ["c", "d"])


def test_lists_of_numpy_scalars_are_values():
    labels, groups = [np.int64(2), np.int64(0)], {"g": [np.int8(1), np.float32(0.5)]}
    rows = rows_from_arrays({"w": [np.str_("x"), "y"]}, labels, source="s", groups=groups)
    assert (rows.names, rows.labels.tolist(), rows.groups["g"].tolist()) == (("0", "2"), [1, 0], ["1", "0.5"])
    assert rows.inputs["w"].tolist() == ["x", "y"]
    assert rows_from_arrays([np.str_("x"), np.str_("y")], pd.Categorical(["b", "a"]), source="s").names == ("a", "b")


def test_texts_are_taken_from_a_frame_by_name():
    frame = pd.DataFrame({"id": [1, 2], "a": ["x", "y"], "b": ["u", "v"]})
    assert rows_from_arrays(frame, [0, 1], source="s", text=["a"]).inputs.tolist() == ["x", "y"]
    assert rows_from_arrays(frame, [0, 1], source="s", text=["b", "a"]).inputs.tolist() == [["u", "x"], ["v", "y"]]


def test_frames_with_gaps_and_categories_are_tables():
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 3], "Int64"),
            "w": pd.Series(["x", None, "y"], dtype="string"),
            "c": pd.Categorical(["u", "v", "u"]),
            "yes": [True, False, True],
        }
    )
    rows = rows_from_arrays(frame, pd.Series([1, 0, 1]), source="s")
    np.testing.assert_array_equal(rows.inputs["n"], np.array([1, np.nan, 3], np.float32))
    assert [rows.inputs[name].tolist() for name in ("w", "c", "yes")] == [["x", "", "y"], ["u", "v", "u"], [1, 0, 1]]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["a", ""], "s: row 1: the text is empty ('')"),
        (["a", "\n\t "], "s: row 1: the text is empty"),
        (["a", None], "s: row 1: the text is missing"),
        (pd.Series(["a", None]), "s: row 1: the text is missing"),
        ([None, "a"], "s: row 0: the text is missing"),
        (
            {"t": np.array(["2026-01-01"], "M8[ns]")},
            "s: row 0: column 't' holds 2026-01-01T00:00:00.000000000.\n  A column is numbers or words",
        ),
        (["a", 3], "s: row 1: the text is 3"),
        (["a", "x\ud83d"], "s: row 1: the text holds '\\ud83d', half of a character"),
        ([("a", "b"), ("c", " ")], "s: row 1: the text is empty (' ')"),
        ([("a", "b"), ("c", "d", "e")], "s: row 1 is 3 texts among pairs"),
        ([("a", "b"), "c"], "s: row 1 is 'c' among pairs"),
        ([("a",), ("c",)], "s: row 0 is 1 texts among pairs"),
        ("one text", "s: the inputs are a str"),
        ([], "s: the inputs are"),
        (np.array([], object), "s: the inputs are"),
        (pd.DataFrame({"t": pd.to_datetime(["2026-01-01", "2026-01-02"])}), "s: row 0: column 't' holds "),
        ({"x": [1.0, np.inf]}, "s: row 1: column 'x' holds inf; numbers must be finite"),
        ({"x": [1, 10**400]}, "s: row 1: column 'x' holds inf"),
        ({"x": [1.0, -1e39]}, "s: row 1: column 'x' holds -1e+39; numbers must be finite in 32 bits"),
    ],
)
def test_inputs_that_are_no_texts_are_refused_with_their_row(inputs, message):
    if isinstance(inputs, list | np.ndarray) and not len(inputs):
        message = "s: there are no rows"
    with pytest.raises(BadData, match=re.escape(message)):
        rows_from_arrays(inputs, None, source="s")


def test_texts_of_a_frame_that_has_no_such_column_are_refused():
    with pytest.raises(BadData, match=re.escape("s: there is no column 'qerry'. Did you mean 'query'?\n  Set `text:` to one of")):
        rows_from_arrays({"query": ["a"]}, None, source="s", text=["qerry"])


def test_typed_columns_take_the_jobs_words_for_missing_and_kinds():
    parts = Roles(label="y", text=(), features=("n", "zip", "w"), groups=("n",))
    values = {"n": ["1", "?", 3], "zip": [123, None, 5], "w": ["a", "?", None], "y": ["no.", "yes.", "no."]}
    columns = {"missing": ["?"], "numeric": ["n"], "categorical": ["zip"], "label_suffix": "."}
    rows = rows_from_table(values, parts, columns, (), source="s")
    np.testing.assert_array_equal(rows.inputs["n"], np.array([1, np.nan, 3], np.float32))
    assert [rows.inputs[name].tolist() for name in ("zip", "w")] == [["123", "", "5"], ["a", "", ""]]
    assert (rows.names, rows.groups["n"].tolist()) == (("no", "yes"), ["1", "?", "3"])
    with pytest.raises(BadData, match=re.escape("s: row 1: column 'n' holds 'old'; it is a column of numbers")):
        rows_from_table(values | {"n": ["1", "old", 3]}, parts, columns, (), source="s")


def test_digests_are_over_json_and_so_the_same_in_every_version_of_python():
    import hashlib

    new = "\U0001fae9"  # a face of Unicode 16, which repr shows in some versions and escapes in others
    assert digests([new]) == [hashlib.sha256(json.dumps(new).encode()).hexdigest()]
