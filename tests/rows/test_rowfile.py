"""Rows come back from a file as they went in, and nothing is pickled."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from paredown.core.errors import Damaged
from paredown.core.rows import Rows
from paredown.rows.rowfile import read_rows, write_rows


def test_arrays_come_back_with_everything_beside_them(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    rows = Rows(
        inputs=draw.uniform(0, 16, (7, 6, 6)).astype(np.float32),
        labels=np.arange(7, dtype=np.int64) % 3,
        names=("top", "Ärger", 'a "b"'),
        groups={"region": np.array(["x", "yy", "x", "x", "x", "x", "ü"])},
        high=16.0,
    )
    write_rows(rows, tmp_path / "rows.npz")
    back = read_rows(tmp_path / "rows.npz")
    assert back.digest() == rows.digest()
    assert (back.inputs.dtype, back.labels.dtype, back.names, back.high) == (np.float32, np.int64, rows.names, 16.0)
    assert back.groups["region"].tolist() == rows.groups["region"].tolist()


@pytest.mark.parametrize("wrap", [dict, MappingProxyType])
def test_columns_come_back_in_order_with_absent_cells_empty(tmp_path: Path, wrap: type) -> None:
    columns = {
        "zeta": np.array([1.5, np.nan, 3.0]),
        "column 0": np.array(["a", None, float("nan")], dtype=object),
        "head": np.array(["x", "", "long word"]),
        "labels": np.array([1, 2, 3]),
    }
    rows = Rows(inputs=wrap(columns), labels=None, groups=wrap({"sex": np.array(["f", None, "m"], dtype=object)}))
    write_rows(rows, tmp_path / "rows.npz")
    back = read_rows(tmp_path / "rows.npz")
    assert list(back.inputs) == list(columns)
    np.testing.assert_array_equal(back.inputs["zeta"], columns["zeta"])
    assert back.inputs["column 0"].tolist() == ["a", "", ""]
    assert back.inputs["head"].tolist() == ["x", "", "long word"]
    assert back.inputs["labels"].tolist() == [1, 2, 3]
    assert back.groups["sex"].tolist() == ["f", "", "m"]
    assert (back.labels, back.names, back.high, len(back)) == (None, (), None, 3)


def test_texts_are_written_without_pickles(tmp_path: Path) -> None:
    write_rows(Rows(inputs=np.array(["ein Wort", "two"], dtype=object), labels=None), tmp_path / "rows.npz")
    assert read_rows(tmp_path / "rows.npz").inputs.tolist() == ["ein Wort", "two"]


def damage(path: Path, how: str) -> None:
    if how == "absent":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("a,b\n1,2\n")
    elif how == "changed":
        content = bytearray(path.read_bytes())
        at = content.index(np.float32(77.0).tobytes())
        content[at] ^= 1
        path.write_bytes(content)
    elif how == "pickled":
        np.savez(path, head=np.array([{}], dtype=object))
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("head.npy", b"")


@pytest.mark.parametrize("how", ["absent", "cut", "empty", "text", "changed", "pickled", "hollow"])
def test_a_damaged_file_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "rows.npz"
    write_rows(Rows(inputs=np.full((3, 2), 77.0, np.float32), labels=None), path)
    damage(path, how)
    with pytest.raises(Damaged, match=r"rows\.npz cannot be read: .*\n  It is in the study's cache; run the job again with `--fresh`"):
        read_rows(path)
