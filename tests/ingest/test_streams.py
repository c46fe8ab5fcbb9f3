"""Sources too large for memory: the rows on disk are those that the same reader gives in memory, with the same refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets import csv, images, parquet
from paredown.ingest import folders, streams
from paredown.rows.columns import on_disk
from paredown.rows.rowfile import read_rows, write_rows

CSV, PARQUET = csv.Csv(), parquet.Parquet()


def written(folder: Path, columns: dict[str, Any]) -> dict[str, DatasetReader]:
    pq.write_table(pa.table(columns), folder / "t.parquet", row_group_size=30)
    lines = [",".join(columns), *(",".join("" if cell is None else str(cell) for cell in row) for row in zip(*columns.values()))]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return {"t.csv": CSV, "t.parquet": PARQUET}


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as large, and is read in pieces of 16 rows."""
    for module in (csv, parquet):
        monkeypatch.setattr(module, "is_large", lambda needed_b, file_b: True)
        monkeypatch.setattr(module, "PIECE_ROWS", 16)


def table() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    words = [None] * 40 + ["b", "a"] * 30  # the first pieces hold no word at all
    return {
        "size": draw.normal(size=100).round(3).tolist(),
        "word": words,
        "sex": ["f", "m"] * 50,
        "label": [["no", "yes"][at % 3 == 0] for at in range(100)],
    }


WAYS: dict[str, dict[str, Any]] = {
    "table": {"groups": ["sex"]},
    "unlabeled": {"label": None, "drop": ["label"]},
    "texts": {"text": "label", "label": "sex"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_rows_on_disk_are_those_in_memory(name: str, way: str, tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, columns = written(tmp_path, table())[name], WAYS[way]
    found = reader.read(name, tmp_path, columns, ())
    monkeypatch.setattr(csv if name == "t.csv" else parquet, "is_large", lambda needed_b, file_b: False)
    expected: Rows = reader.read(name, tmp_path, columns, ())
    assert on_disk(found)
    assert not on_disk(expected)
    assert (found.digest(), found.form(), found.names) == (expected.digest(), expected.form(), expected.names)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_what_is_wrong_in_a_later_piece_is_said_with_its_place(name: str, tmp_path: Path, large: None) -> None:
    columns = table()
    reader = written(tmp_path, columns)[name]
    place = {"t.csv": "t.csv:2", "t.parquet": "t.parquet: row 0"}[name]
    with pytest.raises(BadData, match=f"{place}: the label 'yes' is not one of the 2 in `labels:`"):
        reader.read(name, tmp_path, {}, ("no", "maybe"))
    columns["label"][70] = None
    reader = written(tmp_path, columns)[name]
    place = {"t.csv": "t.csv:72: the row has no label", "t.parquet": "t.parquet: row 70: there is no label"}[name]
    with pytest.raises(BadData, match=place):
        reader.read(name, tmp_path, {}, ())


def test_a_file_without_rows_is_refused_as_ever(tmp_path: Path, large: None) -> None:
    (tmp_path / "t.csv").write_text("a,label\n")
    with pytest.raises(BadData, match="has a header and no rows"):
        CSV.read("t.csv", tmp_path, {}, ())
    pq.write_table(pa.table({"a": pa.array([], pa.float32()), "label": pa.array([], pa.string())}), tmp_path / "t.parquet")
    with pytest.raises(BadData, match=r"t.parquet: there are no rows"):
        PARQUET.read("t.parquet", tmp_path, {}, ())


def test_texts_of_a_large_file_are_one_per_line(tmp_path: Path, large: None) -> None:
    (tmp_path / "t.txt").write_text("".join(f"line {at}\n\n" for at in range(50)))
    found = CSV.read("t.txt", tmp_path, {"text": "text", "label": None}, ())
    assert on_disk(found)
    assert found.inputs.tolist() == [f"line {at}" for at in range(50)]


def test_a_small_file_that_announces_hundreds_of_times_its_size_is_judged_by_memory() -> None:
    assert streams.is_large(200 << 20, 40 << 20)
    assert not streams.is_large(200 << 20, 1 << 20)
    assert not streams.is_large(1 << 20, 1 << 20)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve JPEGs of three classes, each folder of them counts as large and is read two files at a time."""
    draw = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for at in range(4):
            Image.fromarray(draw.integers(0, 255, (9, 7, 3)).astype(np.uint8)).save(tmp_path / "photos" / name / f"{at}.jpg")
    for module in (images, folders):
        monkeypatch.setattr(module, "is_large", lambda needed_b, file_b: True)
    monkeypatch.setattr(folders, "PIECE_ROWS", 2)
    return tmp_path


@pytest.mark.parametrize("options", [{}, {"mode": "L"}, {"resize": [6, 6]}], ids=str)
@pytest.mark.parametrize("more", [{}, {"label": None}], ids=str)
def test_images_of_a_large_folder_stay_files_until_they_are_asked_for(
    photos: Path, options: dict[str, Any], more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"preprocess": options, **more}
    found = images.Images().read("photos", photos, columns, ())
    for module in (images, folders):
        monkeypatch.setattr(module, "is_large", lambda needed_b, file_b: False)
    expected = images.Images().read("photos", photos, columns, ())
    assert on_disk(found)
    assert not on_disk(expected)
    mask = np.arange(12) % 2 > 0
    write_rows(found.take(mask), photos / "some.npz")
    assert (photos / "some.npz").stat().st_size < sum(path.stat().st_size for path in photos.rglob("*.jpg")) + 3000
    for one, other in ((found, expected), (read_rows(photos / "some.npz"), expected.take(mask))):
        assert (one.digest(), one.form(), one.names, one.high) == (other.digest(), other.form(), other.names, other.high)
        assert one.take([3, 1]).row_digests() == other.take([3, 1]).row_digests()


def test_a_damaged_or_other_image_in_a_large_folder_is_named(photos: Path) -> None:
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(photos / "photos" / "b" / "2.jpg")
    with pytest.raises(BadData, match=r"photos/b/2.jpg is 5 x 7 pixels; photos/a/0.jpg is 9 x 7"):
        images.Images().read("photos", photos, {}, ())
    (photos / "photos" / "b" / "2.jpg").write_bytes(b"no image")
    for options in ({}, {"resize": [6, 6]}):
        with pytest.raises(BadData, match=r"photos/b/2.jpg cannot be opened as an image"):
            images.Images().read("photos", photos, {"preprocess": options}, ())
