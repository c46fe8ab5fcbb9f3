"""Rows on disk are the rows that went in: read in slices, at any places, and by masks, in little memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.core.errors import CannotWrite, Damaged
from paredown.core.rows import Rows
from paredown.rows import blocks
from paredown.rows.blocks import Table, Writer, spool, spooling
from paredown.rows.columns import Column, held, joined, on_disk, rows_of
from paredown.rows.rowfile import read_rows, write_rows
from paredown.rows.selection import Selection


def stored(rows: Rows, piece: int = 7) -> Rows:
    file = spool()
    writer = Writer(file)
    for part in rows.parts(piece):
        writer.add(part)
    writer.finish(rows.names, rows.high)
    return rows_of(Table(file, "rows"))


def table(count: int) -> Rows:
    draw = np.random.default_rng(0)
    return Rows(
        inputs={
            "size": draw.normal(size=count).astype(np.float32),
            "word": np.array([("ü", "", "longer")[at % 3] for at in range(count)], object),
            "pair": np.array([[f"a{at}", "b"] for at in range(count)], object),
        },
        labels=np.arange(count, dtype=np.int64) % 3,
        names=("x", "y", "z"),
        groups={"sex": np.array([("f", "m")[at % 2] for at in range(count)], object)},
        high=4.0,
    )


KINDS = {
    "columns": table(50),
    "images": Rows(inputs=np.arange(50 * 12, dtype=np.uint8).reshape(50, 2, 2, 3), labels=None),
    "files": Rows(inputs=np.array([bytes([at]) * at for at in range(50)], object), labels=np.zeros(50, np.int64), names=("only",)),
}


def same(one: Rows, other: Rows) -> None:
    assert (one.digest(), one.form(), one.names, one.high) == (other.digest(), other.form(), other.names, other.high)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_from_disk_is_what_an_array_gives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_BLOCK_ROWS", 8)
    monkeypatch.setattr(blocks, "_TOUCHED_B", 1)
    rows = KINDS[kind]
    found = stored(rows)
    assert on_disk(found)
    assert not on_disk(rows)
    same(rows, found)
    mask = np.arange(50) % 3 > 0
    for which in (slice(5, 21), slice(40, 400), np.array([49, 0, 7, 7]), [3, -1]):
        same(rows.take(which), found.take(which))
        same(
            rows.take(mask).take(which if isinstance(which, slice) else [1, 32, 4]),
            found.take(mask).take(which if isinstance(which, slice) else [1, 32, 4]),
        )
    again = np.arange(33) % 2 > 0
    twice = found.take(mask).take(again)
    assert on_disk(twice)
    same(rows.take(mask).take(again), twice)
    same(rows.take(mask), held(found.take(mask)))
    assert not on_disk(held(found))
    for count in (9, 400):
        same(rows.spread(count), found.spread(count))
        assert not on_disk(found.spread(count))


def test_labels_are_renamed_when_they_are_read() -> None:
    labels = stored(table(9)).labels.mapped(np.array([5, 4, 3])).mapped(np.arange(10) * 10)
    assert isinstance(labels, Column)
    assert labels.tolist() == [50, 40, 30] * 3
    assert (labels[4], labels[np.array([2, 0])].tolist()) == (40, [30, 50])
    with pytest.raises(IndexError, match="row 9 of 9"):
        labels[np.array([9])]


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.data())
def test_a_selection_finds_its_rows(mask: list[bool], data: st.DataObject) -> None:
    chosen, found = Selection(np.array(mask)), np.flatnonzero(mask)
    assert len(chosen) == len(found)
    assert chosen.mask().tolist() == mask
    if len(found):
        start = data.draw(st.integers(0, len(found) - 1))
        stop = data.draw(st.integers(start + 1, len(found)))
        assert chosen.between(start, stop).tolist() == found[start:stop].tolist()
        places = data.draw(st.lists(st.integers(0, len(found) - 1), max_size=9))
        assert chosen.at(np.array(places, np.int64)).tolist() == found[places].tolist()


def test_rows_on_disk_are_written_for_other_processes(tmp_path: Path) -> None:
    rows = stored(table(50)).take(np.arange(50) % 2 > 0)
    write_rows(rows, tmp_path / "rows.npz")
    back = read_rows(tmp_path / "rows.npz")
    assert on_disk(back)
    same(back, rows)
    data = (tmp_path / "rows.npz").read_bytes()
    (tmp_path / "rows.npz").write_bytes(data[:-20])
    with pytest.raises(Damaged, match="cannot be read: it is no whole file of rows"):
        read_rows(tmp_path / "rows.npz")
    moved = data[:-8] + (len(data) - 9).to_bytes(8, "little")
    (tmp_path / "rows.npz").write_bytes(moved)
    with pytest.raises(Damaged, match="cannot be read: it is no whole file of rows"):
        read_rows(tmp_path / "rows.npz")


def test_an_index_that_points_behind_the_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "rows").open("w+b") as file:
        writer = Writer(file)
        writer.add(table(5))
        writer._flush()
        writer._blocks[0][0] = 10_000
        writer.finish((), None)
    with (tmp_path / "rows").open("rb") as file, pytest.raises(ValueError, match="ends behind the file's end"):
        Table(file, "rows")


def test_two_lots_of_rows_are_gone_over_as_one() -> None:
    rows = table(20)
    both = joined(stored(rows.take(slice(0, 12))), rows.take(slice(12, 20)))
    assert (len(both), both.inputs["size"].dtype) == (20, np.float32)
    same(Rows(inputs=rows.inputs, labels=None), Rows(inputs=both.take(slice(0, 20)).inputs, labels=None))
    assert both.inputs["word"][10:14].tolist() == rows.inputs["word"][10:14].tolist()


def test_words_that_point_behind_the_file_are_refused_when_they_are_read() -> None:
    rows = stored(table(50))
    rows.inputs["word"]._table._end = 100
    with pytest.raises(Damaged, match="column 1 ends behind the file's end"):
        rows.inputs["word"].tolist()


def test_bytes_that_are_no_text_are_refused_when_they_are_read(tmp_path: Path) -> None:
    rows = Rows(inputs=np.array(["zxqv"], object), labels=None)
    write_rows(stored(rows), tmp_path / "rows.npz")
    data = (tmp_path / "rows.npz").read_bytes()
    (tmp_path / "rows.npz").write_bytes(data.replace(b"zxqv", b"w\xff\xffd"))
    with pytest.raises(Damaged, match="column 0 holds no text"):
        read_rows(tmp_path / "rows.npz").inputs.tolist()


def test_rows_lie_on_the_disk_of_the_study_and_leave_nothing_there(tmp_path: Path) -> None:
    with spooling(tmp_path / "runs" / "job"), spool() as file:
        file.write(b"rows")
        file.flush()
        assert Path(f"/proc/self/fd/{file.fileno()}").readlink().is_relative_to(tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    with spooling(tmp_path / "gone"):
        (tmp_path / "gone").rmdir()
        with pytest.raises(CannotWrite, match=r"cannot write .*gone: No such file or directory"):
            spool()
