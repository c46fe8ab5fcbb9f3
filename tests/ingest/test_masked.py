"""Images with a mask for each: folders, zip files, lists, tables, arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets.csv import Csv
from paredown.datasets.images import Images
from paredown.datasets.npz import Npz
from paredown.ingest import masked
from paredown.ingest.any_source import read_rows
from paredown.ingest.sources import rows_from_arrays
from paredown.rows.columns import on_disk
from paredown.rows.masks import class_masks
from paredown.testing.contracts import check_dataset

NAMES = ("background", "nucleus")
DRAW = np.random.default_rng(0)
PIXELS = DRAW.integers(0, 255, (4, 6, 8)).astype(np.uint8)
MASKS = DRAW.integers(0, 4, (4, 6, 8)).astype(np.uint16) * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images and masks in folders, in zip files and by lists; their names differ in endings."""
    for name in ("images", "masks"):
        (tmp_path / "all" / name).mkdir(parents=True)
    for at, (pixels, mask) in enumerate(zip(PIXELS, MASKS)):
        Image.fromarray(pixels).save(tmp_path / "all" / "images" / f"{at}.tif")
        Image.fromarray(mask).save(tmp_path / "all" / "masks" / f"{at}.png")
    for name in ("images", "masks"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as packed:
            for file in (tmp_path / "all" / name).iterdir():
                packed.write(file, file.name)
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as packed:
        for file in (tmp_path / "all").rglob("*.*"):
            packed.write(file, file.relative_to(tmp_path))
    (tmp_path / "names.txt").write_text("2.tif\n\n0\n1.tif\n3\n")
    lines = [f"all/images/{at}.tif,all/masks/{at}.png" for at in (2, 0, 1, 3)]
    (tmp_path / "names.csv").write_text("\n".join(["picture,truth", *lines]))
    np.savez(tmp_path / "all.npz", X=PIXELS, y=MASKS)
    return tmp_path


def masks_of(rows: Rows) -> np.ndarray:
    targets, _ = class_masks(rows.names, "masks", NAMES)
    return targets.laid(MASKS.shape[1:], lambda mask: mask)[np.asarray(rows.labels)]


@pytest.mark.parametrize(
    ("reader", "source", "columns"),
    [
        (Images, "all", {"label": "masks"}),
        (Images, "all/images", {"label": "masks"}),
        (Images, "all/images", {"label": "masks.zip"}),
        (Images, "images.zip", {"label": "masks.zip"}),
        (Images, "both.zip", {"label": "masks"}),
        (Csv, "names.txt", {"inputs": "images.zip", "label": "masks.zip"}),
        (Csv, "names.txt", {"inputs": "all/images", "label": "all/masks"}),
        (Csv, "names.csv", {"inputs": "picture", "label": "truth"}),
        (Npz, "all.npz", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [False, True])
def test_each_image_has_the_mask_of_its_name(reader: Any, source: str, columns: dict[str, Any], whole: bool, folder: Path) -> None:
    columns |= {"preprocess": {"resize": [6, 8]} if whole else {}}
    rows = check_dataset(reader(), source, folder, columns)
    order = [2, 0, 1, 3] if source.startswith("names") else range(4)
    np.testing.assert_array_equal(masks_of(rows), MASKS[order] > 0)
    if whole and reader is not Npz:
        assert rows.inputs.tolist() == [(folder / "all" / "images" / f"{at}.tif").read_bytes() for at in order]
    else:
        np.testing.assert_array_equal(rows.inputs, PIXELS[order])
    found = read_rows(source, folder, columns, ())
    assert found.digest() == rows.digest()


def test_of_a_large_source_files_lie_on_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns: dict[str, Any] = {"label": "masks", "preprocess": {"mode": "L"}}
    few = Images().read("all", folder, columns, ())
    monkeypatch.setattr(masked, "is_large", lambda needed_b, file_b: True)
    many = Images().read("all", folder, columns, ())
    assert (on_disk(few), on_disk(many)) == (False, True)
    np.testing.assert_array_equal(many.inputs[:], PIXELS)
    np.testing.assert_array_equal(masks_of(many), MASKS > 0)
    assert many.row_digests() == few.row_digests()


def test_rows_without_masks_are_unlabeled(folder: Path) -> None:
    rows = Csv().read("names.txt", folder, {"inputs": "images.zip", "label": None}, ())
    assert (len(rows), rows.labels) == (4, None)


def test_equal_masks_are_one_word(folder: Path) -> None:
    Image.fromarray(MASKS[1]).save(folder / "all" / "masks" / "3.png")
    rows = Images().read("all", folder, {"label": "masks"}, ())
    assert len(rows.names) == 3
    assert rows.labels[1] == rows.labels[3] != rows.labels[0]


def test_a_value_may_mean_nothing(folder: Path) -> None:
    for source, columns in (("all", {"label": "masks"}), ("all.npz", {})):
        rows = read_rows(source, folder, {**columns, "ignore": 300}, ())
        np.testing.assert_array_equal(masks_of(rows), np.where(MASKS == 300, -1, MASKS > 0))


def test_masks_in_memory_may_have_an_axis_of_one_channel() -> None:
    for masks in (MASKS, MASKS[:, None], MASKS[..., None]):
        np.testing.assert_array_equal(masks_of(rows_from_arrays(PIXELS, masks, source="train")), MASKS > 0)
    with pytest.raises(BadData, match=r"train: the labels are masks, of which mask 0 holds values from -300 to 0; classes are whole"):
        rows_from_arrays(PIXELS, -MASKS.astype(int), source="train")


def test_what_does_not_fit_together_is_refused_by_name(folder: Path) -> None:
    columns: dict[str, Any] = {"label": "masks"}

    def refused(text: str, source: str = "all", reader: Any = Images, **more: Any) -> None:
        with pytest.raises(BadData, match=text):
            reader().read(source, folder, {**columns, **more}, ())

    refused(r"all: there is no folder or zip file 'truth' in it, beside it or in .*\n  `label:` names that of the masks", label="truth")
    refused(r"names.csv has no column 'image'; it has picture, truth\.", "names.csv", Csv, inputs="image", label="truth")
    (folder / "more.csv").write_text("picture,truth\nall/images/0.tif,all/masks/9.png\n")
    refused(r"more.csv:2: 'all/masks/9.png' is no file", "more.csv", Csv, inputs="picture", label="truth")
    (folder / "more.txt").write_text("0\n9.tif\n")
    refused(r"more.txt:2: '9.tif' is not in images.zip\.", "more.txt", Csv, inputs="images.zip", label="masks.zip")
    (folder / "none.txt").write_text("\n")
    refused(r"none.txt: there are no images", "none.txt", Csv, inputs="images.zip", label="masks.zip")
    (folder / "all" / "other").mkdir()
    (folder / "all" / "images").rename(folder / "all" / "pictures")
    refused(r"all holds the masks 'masks', and these folders beside them: other, pictures\.\n  Name that of the images: `inputs: \.\.\.`")
    assert len(Images().read("all", folder, {**columns, "inputs": "pictures"}, ())) == 4
    refused("all holds no images beside the masks", inputs="other")
    Image.fromarray(PIXELS[0]).save(folder / "all" / "pictures" / "0.png")
    refused(r"all/pictures/0.png and all/pictures/0.tif have one name but for their endings", inputs="pictures")
    (folder / "all" / "pictures" / "0.png").rename(folder / "all" / "pictures" / "7.png")
    refused(r"all/pictures/7.png has no mask in 'masks': none of its 4 files is called '7'", inputs="pictures")
    (folder / "all" / "masks" / "7.png").write_bytes(b"no image")
    refused(r"all/masks/7.png cannot be opened as an image \(UnidentifiedImageError\)\.\n  Replace the file", inputs="pictures")
    Image.fromarray(MASKS[0][:3]).save(folder / "all" / "masks" / "7.png")
    refused(r"all/masks/7.png has 3 x 8 pixels; its image all/pictures/7.png has 6 x 8\.\n  Give masks of the size", inputs="pictures")
