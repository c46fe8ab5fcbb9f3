import re
import sys
import textwrap

import numpy as np
import pytest

from paredown.core.errors import BadData, MissingExtra
from paredown.datasets.builtin import Builtin
from paredown.datasets.npz import Npz
from paredown.datasets.python import Python
from paredown.ingest import sources
from paredown.ingest.sources import rows_from_arrays


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    rows, known = Builtin().read("builtin:digits", None, {}, ()), load_digits()
    assert rows.inputs.shape == (1797, 8, 8)
    assert rows.inputs.dtype == np.uint8
    assert np.array_equal(rows.inputs, known.images)
    assert np.array_equal(rows.labels, known.target)
    assert rows.names == tuple("0123456789")
    assert (rows.high, rows.inputs.max()) == (16.0, 16)


def test_an_unknown_built_in_is_refused_with_the_nearest():
    with pytest.raises(BadData, match=r"no built-in data set 'digit'\. Did you mean 'digits'\?"):
        Builtin().read("builtin:digit", None, {}, ())


def test_without_scikit_learn_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'paredown[compress]'")):
        Builtin().read("builtin:digits", None, {}, ())


X, Y = np.arange(24.0).reshape(3, 2, 4), np.array([2, 0, 2])


@pytest.fixture
def npz(tmp_path):
    def write_and_read(columns=None, labels=(), /, **saved):
        np.savez(tmp_path / "d.npz", **saved)
        return Npz().read("d.npz", tmp_path, columns or {}, labels)

    return write_and_read


@pytest.mark.parametrize(("inputs", "label"), [("X", "y"), ("x", "labels"), ("inputs", "targets"), ("images", "y")])
def test_usual_names_of_arrays_are_found(npz, inputs, label):
    rows = npz(**{inputs: X, label: Y})
    assert rows.inputs.dtype == np.float32
    assert np.array_equal(rows.inputs, X)
    assert rows.names == ("0", "2")
    assert rows.labels.tolist() == [1, 0, 1]


def test_arrays_groups_and_class_names_can_be_named(npz):
    rows = npz({"inputs": "a", "label": "b", "groups": ["sex"]}, ("cat", "dog", "cow"), a=X, b=Y, X=X[:1], sex=np.array(["f", "m", "f"]))
    assert rows.labels.tolist() == [2, 0, 2]
    assert rows.groups["sex"].tolist() == ["f", "m", "f"]
    assert npz({"label": None}, X=X, y=Y).labels is None
    assert npz(X=X).labels is None


def test_labels_may_be_words_or_truth_values(npz):
    assert npz(X=X, y=np.array(["b", "a", "b"])).names == ("a", "b")
    assert npz(X=X, y=np.array([True, False, True])).names == ("0", "1")
    assert npz(X=X, y=np.array([[1], [0], [1]])).labels.tolist() == [1, 0, 1]
    assert npz(X=X, y=np.array([1.0, 0.0, 1.0])).names == ("0", "1")


@pytest.mark.parametrize(
    ("columns", "saved", "text"),
    [
        ({}, {"a": X, "y": Y}, "d.npz has none of the arrays X, x, inputs, images; it has a, y.\n  Name one with `inputs:`"),
        ({}, {"X": X, "x": X}, "d.npz has the arrays X and x.\n  Say which with `inputs:`"),
        ({"inputs": "imgs"}, {"img": X}, "d.npz has no array 'imgs'; it has img. Did you mean 'img'?"),
        ({}, {"X": X, "y": Y[:2]}, "2 labels for 3 rows"),
        ({"groups": ["g"]}, {"X": X, "y": Y}, "d.npz has no array 'g'; it has X, y.\n  Set `groups:`"),
        ({}, {"X": X, "y": np.eye(3)}, "the labels have shape (3, 3)"),
        ({}, {"X": X, "y": np.array([0, np.nan, 1])}, "d.npz: row 1: there is no label"),
        ({}, {"X": X, "y": np.array(["a", "", "b"])}, "d.npz: row 1: there is no label"),
        ({}, {"X": X[:0], "y": Y[:0]}, "there are no rows"),
        ({}, {"X": np.array(3.0)}, "the inputs are float64 with shape ()"),
        ({}, {"X": X.astype(complex)}, "the inputs are complex128"),
        ({"groups": ["g"]}, {"X": X, "y": Y, "g": Y[:1]}, "the group 'g' has 1 values for 3 rows"),
    ],
)
def test_wrong_arrays_are_refused(npz, columns, saved, text):
    with pytest.raises(BadData, match=re.escape(text)):
        npz(columns, **saved)


def test_labels_beyond_the_given_names_are_refused(npz):
    with pytest.raises(BadData, match=re.escape("d.npz: row 0: the label '2' is not one of the 2 in `labels:` (cat, dog)")):
        npz({}, ("cat", "dog"), X=X, y=Y)


def test_texts_in_npz_files_are_read(npz):
    assert npz(X=np.array(["银行卡", "card"]), y=Y[:2]).inputs.tolist() == ["银行卡", "card"]


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "d.npz", X=np.zeros(1_000_000))
    monkeypatch.setattr(sources, "host", lambda: type("Host", (), {"memory_b": 10_000_000}))
    with pytest.raises(BadData, match=r"d\.npz announces arrays: 0\.008 GB in memory; half of this machine's 0\.01 GB"):
        Npz().read("d.npz", tmp_path, {}, ())


def test_pickled_objects_are_never_read(npz):
    with pytest.raises(BadData, match=r"d\.npz holds pickled objects; reading them could run code"):
        npz(X=np.array([{}, [], 3], object), y=Y)


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 40])
def test_damaged_files_are_refused(tmp_path, data):
    (tmp_path / "d.npz").write_bytes(data)
    with pytest.raises(BadData, match=re.escape("d.npz ") + "(is not a whole npz file|is damaged|holds pickled)"):
        Npz().read("d.npz", tmp_path, {}, ())


def test_a_file_cut_short_or_changed_is_refused(tmp_path):
    np.savez(tmp_path / "d.npz", X=X, y=Y)
    whole = (tmp_path / "d.npz").read_bytes()
    for data in (whole[: len(whole) // 2], whole.replace(X.tobytes()[100:108], b"\x01" * 8)):
        (tmp_path / "d.npz").write_bytes(data)
        with pytest.raises(BadData, match=r"d\.npz is not a whole npz file"):
            Npz().read("d.npz", tmp_path, {}, ())
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(BadData, match=r"one\.npz is not a whole npz file"):
        Npz().read("one.npz", tmp_path, {}, ())


def test_columns_become_numbers_or_words_with_missing_values():
    table = {"age": [1, None, 3], "job": ["a", None, "b"], "n": np.array([1, 2, 3]), "yes": np.array([True, False, True])}
    rows = rows_from_arrays(table, None, source="s")
    np.testing.assert_array_equal(rows.inputs["age"], np.array([1, np.nan, 3], np.float32))
    assert rows.inputs["job"].tolist() == ["a", "", "b"]
    assert {rows.inputs[name].dtype for name in ("age", "n", "yes")} == {np.dtype(np.float32)}


def test_a_data_frame_is_a_table():
    class Frame:
        columns = ("a", "b")

        def to_numpy(self):
            raise AssertionError("columns are taken one by one")

        def __getitem__(self, name):
            return type("Series", (), {"to_numpy": lambda self: np.array({"a": [1, 2], "b": ["x", "y"]}[name])})()

    rows = rows_from_arrays(Frame(), [0, 1], source="s")
    assert rows.inputs["a"].tolist() == [1, 2]
    assert rows.inputs["b"].tolist() == ["x", "y"]


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([np.zeros((8, 8)), np.zeros((8, 8)), np.zeros((8, 9))], "s: row 2 has shape (8, 9); the first one has (8, 8)"),
        ({}, "s: there are no columns"),
        ({"a": [1, 2], "b": [1]}, "s: column 'b' has 1 rows; column 'a' has 2"),
        ({"a": [[1], [2]]}, "s: column 'a' has shape (2, 1)"),
        ({"a": ["x", ("y",)]}, "s: column 'a': some rows are single values, others lists"),
        ({"a": np.array(["x", 3], object)}, "s: row 1: column 'a' holds 3.\n  A column is numbers or words"),
        (None, "s: the inputs are a NoneType"),
    ],
)
def test_wrong_inputs_are_refused(inputs, text):
    with pytest.raises(BadData, match=re.escape(text)):
        rows_from_arrays(inputs, None, source="s")


SOURCE = """
import numpy as np
from paredown.core.rows import Rows
X, y = np.arange(12).reshape(3, 2, 2), ["b", "a", "b"]
def pair(): return X, y
groups = {"g": np.array(["u", "v", "u"])}
def whole(): return Rows(inputs=X.astype("uint8"), labels=np.array([1, 0, 1]), names=("z", "b"), groups=groups, high=16)
def entries(): return {"inputs": X, "labels": [1, 0, 1], "names": ["z", "b"], "high": 11}
def three(): return X, y, y
def more(): return {"inputs": X, "lables": y}
def beyond(): return Rows(inputs=X, labels=np.array([0, 2, 1]), names=("z", "b"))
def texts(): return ["ein Wort", "two words"], ["a", "b"]
def frame():
    import pandas
    return pandas.DataFrame({"q": ["x", "y"], "n": [1, 2], "side": ["l", "r"], "label": ["a", "b"]})
def refuses():
    from paredown.core.errors import BadData
    raise BadData("row 7 is torn")
def fails(): raise ZeroDivisionError("by nothing")
"""


@pytest.fixture
def call(tmp_path):
    (tmp_path / "loader_of_a_user.py").write_text(textwrap.dedent(SOURCE))
    (tmp_path / "broken_loader_of_a_user.py").write_text("import nothing_of_that_name")
    before = list(sys.path)
    yield lambda target, labels=(), **columns: Python().read(target, tmp_path, columns, labels)
    assert sys.path == before


def test_a_function_may_return_a_pair_rows_or_a_dict(call):
    pair, whole, entries = call("loader_of_a_user:pair"), call("loader_of_a_user:whole"), call("python:loader_of_a_user:entries")
    assert (pair.names, pair.labels.tolist()) == (("a", "b"), [1, 0, 1])
    assert (whole.names, whole.labels.tolist(), whole.high, whole.groups["g"].tolist()) == (("z", "b"), [1, 0, 1], 16, ["u", "v", "u"])
    assert (entries.names, entries.labels.tolist(), entries.high) == (("z", "b"), [1, 0, 1], 11)
    assert call("loader_of_a_user:pair", label=None).labels is None


def test_a_function_may_return_texts_or_a_data_frame(call):
    assert call("loader_of_a_user:texts").inputs.tolist() == ["ein Wort", "two words"]
    rows = call("loader_of_a_user:frame", groups=["side"], drop=["side", "q"])
    assert ({name: column.tolist() for name, column in rows.inputs.items()}, rows.names) == ({"n": [1, 2]}, ("a", "b"))
    assert rows.groups["side"].tolist() == ["l", "r"]
    assert call("loader_of_a_user:frame", text=["q"]).inputs.tolist() == ["x", "y"]
    with pytest.raises(BadData, match=r"loader_of_a_user:frame: there is no column 'qq'\. Did you mean 'q'\?\n  Set `text:`"):
        call("loader_of_a_user:frame", text=["qq"])


def test_the_names_of_the_job_come_first_and_are_matched(call):
    assert call("loader_of_a_user:whole", ("b", "z")).labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("loader_of_a_user:three", "loader_of_a_user:three returned a tuple.\n  Return (X, y), a data frame, Rows, or a dict"),
        ("loader_of_a_user:more", "returned a dict with 'lables'. Did you mean 'labels'?"),
        ("loader_of_a_user:beyond", "returned the class index 2 with 2 names"),
        ("loader_of_a_user:fails", "loader_of_a_user:fails raised ZeroDivisionError: by nothing"),
        ("loader_of_a_user:refuses", "row 7 is torn"),
        ("loader_of_a_user:nobody", "has no 'nobody'"),
        ("no_loader_of_a_user:pair", "no module 'no_loader_of_a_user'"),
        ("broken_loader_of_a_user:pair", "no module 'nothing_of_that_name' (for 'broken_loader_of_a_user:pair')"),
    ],
)
def test_wrong_functions_are_refused(call, target, text):
    with pytest.raises(BadData, match=re.escape(text)):
        call(target)


HALF = "a\ud800"


@pytest.mark.parametrize(
    ("inputs", "labels", "groups", "text"),
    [
        ({HALF: [1, 2]}, [0, 1], {}, "s: the name of the column 'a\\ud800' holds half of a character."),
        ({"c": [1, 2]}, [0, 1], {HALF: [1, 2]}, "s: the name of the column 'a\\ud800' holds half of a character."),
        ({"c": ["x", HALF]}, [0, 1], {}, "s: row 1: column 'c': 'a\\ud800' holds half of a character."),
        ({"c": [1, 2]}, [0, 1], {"g": ["x", HALF]}, "s: row 1: the group 'g': 'a\\ud800' holds half of a character."),
        ({"c": [1, 2]}, ["x", HALF], {}, "s: row 1: the label 'a\\ud800' holds half of a character."),
    ],
)
def test_half_of_a_character_is_refused_wherever_it_stands(inputs, labels, groups, text):
    with pytest.raises(BadData, match=re.escape(text)):
        rows_from_arrays(inputs, labels, groups=groups, source="s")


def test_half_of_a_character_in_labels_of_the_job_is_refused():
    with pytest.raises(BadData, match=r"`labels:`: the label .* holds half of a character"):
        sources.match_labels(["b"], ["b", HALF], lambda row: "s")


def test_a_name_that_no_file_can_have_is_not_there(tmp_path):
    with pytest.raises(BadData, match="no such file in"):
        sources.find("x" * 10_000, tmp_path)
