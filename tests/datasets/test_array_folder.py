"""Arrays by the names of a model's inputs: in one file, in a folder of files, from a function."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.datasets.array_folder import ArrayFolder
from paredown.datasets.npz import Npz
from paredown.datasets.python import Python
from paredown.testing.contracts import check_dataset

A, B = np.arange(24.0).reshape(6, 4).astype(np.float32), np.arange(36).reshape(6, 2, 3)
TWO = {"arrays": {"a": 2, "b": 3}}


def save(folder: Path, **arrays: Any) -> None:
    folder.mkdir(exist_ok=True)
    for at in range(6):
        np.savez(folder / f"{at}.npz", **{name: array[at] for name, array in arrays.items()})


def test_contract(tmp_path: Path) -> None:
    save(tmp_path / "rows", a=A, b=B)
    found = check_dataset(ArrayFolder(), "rows", tmp_path, {"arrays": {}})
    np.testing.assert_array_equal(found.inputs["b"], B)
    np.testing.assert_array_equal(found.take([5, 0]).inputs["a"], A[[5, 0]])
    assert len({*found.row_digests()}) == 6
    assert not ArrayFolder.claims("none", tmp_path)


def test_a_file_is_a_row_or_several_by_the_axes_of_the_models_input(tmp_path: Path) -> None:
    np.save(tmp_path / "1.npy", A[:3])
    np.save(tmp_path / "2.npy", A[3:])
    read = ArrayFolder().read
    np.testing.assert_array_equal(read(".", tmp_path, {"arrays": {"x": 2}}, ()).inputs, A)
    assert read(".", tmp_path, {"arrays": {"x": 3}}, ()).inputs.shape == (2, 3, 4)
    np.save(tmp_path / "2.npy", A[3:5])  # of another length: both hold several
    np.testing.assert_array_equal(read(".", tmp_path, {}, ()).inputs, A[:5])


def test_one_number_is_that_of_all_rows(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=A, rate=16000, y=np.arange(6))
    found = Npz().read("d.npz", tmp_path, {"arrays": {"a": 2, "rate": 0}}, ())
    assert found.inputs["rate"].tolist() == [16000] * 6
    assert found.labels is None
    save(tmp_path / "rows", a=A, rate=np.full(6, 16000))
    assert ArrayFolder().read("rows", tmp_path, {"arrays": {"a": 2, "rate": 0}}, ()).inputs["rate"].tolist() == [16000] * 6


def test_the_arrays_are_those_of_the_models_inputs(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=A, b=B, other=A, sex=np.array(["f"] * 6))
    read = Npz().read
    assert [*read("d.npz", tmp_path, {"arrays": {"b": 3, "x": 2}}, ()).inputs] == ["b", "x"]
    np.testing.assert_array_equal(read("d.npz", tmp_path, {"arrays": {"input": 2}}, ()).inputs, A)  # the usual name, for a model of one
    assert read("d.npz", tmp_path, {"arrays": {"b": 3}, "groups": ["sex"]}, ()).groups["sex"].tolist() == ["f"] * 6
    assert read("d.npz", tmp_path, {"arrays": {"input": 2}, "inputs": "b"}, ()).inputs.shape == (6, 2, 3)


@pytest.mark.parametrize(
    ("arrays", "wanted", "message"),
    [
        ({"a": A, "b": B[:2]}, TWO, "d.npz: the array 'b' has 2 along its first axis; 'a' has 6.\n  Each array has one row"),
        ({"a": A, "b": np.array(["x"] * 6)}, TWO, "d.npz: the array 'b' is of <U1.\n  Give numbers"),
        ({"a": A[:0]}, TWO, "d.npz: there are no rows in a."),
        (
            {"p": A, "q": A},
            {"arrays": {"input": 2}},
            "d.npz has the arrays p, q; the model takes one, 'input'.\n  Say which with `inputs:`",
        ),
        ({"a": A, "g": A[0]}, TWO | {"groups": ["g"]}, "d.npz: the group 'g' has 4 values for 6 rows."),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(tmp_path: Path, arrays: Any, wanted: Any, message: str) -> None:
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(BadData, match=re.escape(message)):
        Npz().read("d.npz", tmp_path, wanted, ())


def test_files_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    read = ArrayFolder().read
    save(tmp_path / "rows", a=A)
    np.savez(tmp_path / "rows" / "3.npz", a=A[0, :2])
    with pytest.raises(BadData, match=re.escape("rows/3.npz has the array 'a' of shape (2,); 0.npz has (4,).\n  All rows need one shape")):
        read("rows", tmp_path, {"arrays": {"a": 2}}, ())
    np.savez(tmp_path / "rows" / "3.npz", c=A[0])
    with pytest.raises(BadData, match=re.escape("rows/3.npz has the arrays c; 0.npz has a.\n  Each file needs the same arrays")):
        read("rows", tmp_path, {}, ())
    (tmp_path / "rows" / "3.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(BadData, match=r"rows/3\.npz is not whole \(BadZipFile\)"):
        read("rows", tmp_path, {}, ())
    np.savez(tmp_path / "rows" / "3.npz", a=np.array([{}], object))
    with pytest.raises(BadData, match=r"rows/3\.npz holds pickled objects, which are never read\."):
        read("rows", tmp_path, {}, ())
    np.save(tmp_path / "rows" / "0.npy", A)
    with pytest.raises(BadData, match=r"rows holds \.npy and \.npz files, or none"):
        read("rows", tmp_path, {}, ())


def test_a_function_may_return_an_array_or_a_mapping_of_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "arrays_of_a_user.py").write_text(
        "import numpy as np\n"
        "def two(): return {'b': np.zeros((3, 2, 3)), 'a': np.ones((3, 4)), 'more': np.zeros(3)}\n"
        "def one(): return np.ones((3, 4)), None\n"
        "def inside(): return {'inputs': {'a': np.ones((3, 4)), 'b': np.zeros((3, 1))}, 'groups': {'g': ['x', 'y', 'z']}}\n"
        "def ragged(): return {'a': [[1], [1, 2]], 'b': np.zeros((2, 1))}\n"
        "def word(): return 'a'\n",
        "utf-8",
    )
    try:
        read = Python().read
        assert [*read("python:arrays_of_a_user:two", tmp_path, TWO, ()).inputs] == ["a", "b"]
        assert read("python:arrays_of_a_user:one", tmp_path, TWO, ()).inputs.shape == (3, 4)
        assert read("python:arrays_of_a_user:inside", tmp_path, TWO, ()).groups["g"].tolist() == ["x", "y", "z"]
        with pytest.raises(BadData, match=r"arrays_of_a_user:ragged: the rows of the array 'a' have different shapes\."):
            read("python:arrays_of_a_user:ragged", tmp_path, TWO, ())
        with pytest.raises(BadData, match=r"arrays_of_a_user:word returned a str\.\n  Return an array \(N, \.\.\.\), or a dict"):
            read("python:arrays_of_a_user:word", tmp_path, TWO, ())
    finally:
        sys.modules.pop("arrays_of_a_user", None)
