"""Rows that paredown wrote come back with labels, groups and texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.rows import Rows as Table
from paredown.datasets.rows import Rows
from paredown.inmemory.in_program import keep
from paredown.rows.blocks import Writer
from paredown.testing.contracts import check_dataset

TABLE = Table(
    inputs={"age": np.array([30, 40, 50], np.float32), "word": np.array(["a", "", "c"], object)},
    labels=np.array([1, 0, 1]),
    names=("no", "yes"),
    groups={"sex": np.array(["f", "m", "f"], object)},
)


def test_contract(tmp_path: Path) -> None:
    found = check_dataset(Rows(), keep(TABLE, "test", tmp_path), tmp_path)
    assert found.digest() == TABLE.digest()
    assert found.groups["sex"].tolist() == ["f", "m", "f"]
    assert found.inputs["word"].dtype == object


def test_labels_go_by_name_and_may_be_left_out(tmp_path: Path) -> None:
    name = keep(TABLE, "test", tmp_path)
    assert Rows().read(name, tmp_path, {}, ["yes", "maybe", "no"]).labels.tolist() == [0, 2, 0]
    assert Rows().read(name, tmp_path, {"label": None}, ()).labels is None
    with pytest.raises(BadData, match=r"the label 'no' is not one of the 2 in `labels:`"):
        Rows().read(name, tmp_path, {}, ["yes", "never"])


def test_a_file_says_its_content_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    first = keep(TABLE, "test", tmp_path)
    other = Table(inputs=TABLE.inputs, labels=TABLE.labels, names=TABLE.names, groups={"sex": np.array(["m", "m", "f"], object)})
    assert keep(TABLE, "test", tmp_path) == first
    assert keep(other, "test", tmp_path) != first
    (tmp_path / first).write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(BadData, match=r"\.rows is not a whole file of rows"):
        Rows().read(first, tmp_path, {}, ())


def test_rows_on_disk_of_strangers_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.rows").open("w+b") as file:
        writer = Writer(file)
        writer.add(Table(inputs=np.zeros((3, 2), np.float32), labels=None))
        writer.finish((), None)
    with pytest.raises(BadData, match=r"x\.rows is not a whole file of rows"):
        Rows().read("x.rows", tmp_path, {}, ())
