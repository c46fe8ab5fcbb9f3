"""Folders of images: a folder per class; sizes and modes may differ only where the job says what becomes of them."""

import re

import numpy as np
import pytest
from PIL import Image

from paredown.core.errors import BadData
from paredown.datasets.images import Images
from paredown.ingest.any_source import read_rows
from paredown.testing.contracts import check_dataset

RESIZE = {"preprocess": {"resize": 8}}


def pixels(seed=0, shape=(5, 6, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def photos(tmp_path):
    """`photos/cat/{b,a}.png` and `photos/dog/c.JPG`, with what else lies in such folders."""
    for name, seed in (("cat/b.png", 0), ("cat/a.png", 1), ("dog/c.bmp", 2)):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed)).save(path)
    (tmp_path / "photos/dog/c.bmp").rename(tmp_path / "photos/dog/c.BMP")
    (tmp_path / "photos/cat/.hidden.png").write_text("x")
    (tmp_path / "photos/cat/notes.txt").write_text("x")
    (tmp_path / "photos/.git").mkdir()
    return tmp_path


def read(folder, columns=None, labels=()):
    return Images().read("photos", folder, columns or {}, labels)


def test_contract(photos):
    check_dataset(Images(), "photos", photos)
    check_dataset(Images(), "photos", photos, RESIZE)


def test_each_folder_is_a_class_and_files_come_in_the_order_of_their_names(photos):
    rows = read_rows("photos", photos, {}, ())
    assert (rows.names, rows.labels.tolist(), rows.high) == (("cat", "dog"), [0, 0, 1], 255.0)
    assert rows.inputs.dtype == np.uint8
    assert np.array_equal(rows.inputs, [pixels(1), pixels(0), pixels(2)])


def test_files_that_are_resized_stay_as_they_are_and_may_have_any_size_and_mode(photos):
    Image.fromarray(pixels(3, (9, 4))).save(photos / "photos/dog/d.png")
    rows = read(photos, RESIZE)
    assert [type(item) for item in rows.inputs] == [bytes] * 4
    assert rows.inputs[0] == (photos / "photos/cat/a.png").read_bytes()
    assert rows.labels.tolist() == [0, 0, 1, 1]
    (photos / "photos/dog/e.png").write_bytes(rows.inputs[0])
    digests = read(photos, RESIZE).row_digests()
    assert digests[0] == digests[4]
    assert len(set(digests)) == 4


def test_a_mode_converts_all_files(photos):
    Image.fromarray(pixels(3, (5, 6))).save(photos / "photos/dog/d.png")
    assert read(photos, {"preprocess": {"mode": "RGB"}}).inputs.shape == (4, 5, 6, 3)
    assert read(photos, {"preprocess": {"mode": "L"}}).inputs.shape == (4, 5, 6)


def test_labels_follow_the_model_and_unlabeled_images_need_no_folders(photos):
    assert read(photos, labels=("dog", "cat")).labels.tolist() == [1, 1, 0]
    with pytest.raises(BadData, match=r"photos/dog/c\.BMP: the label 'dog' is not one of the 2 in `labels:` \(cat, cow\)"):
        read(photos, labels=("cat", "cow"))
    Image.fromarray(pixels(4)).save(photos / "photos/loose.png")
    rows = read(photos, {"label": None})
    assert (len(rows), rows.labels) == (4, None)


def flat(folder):
    for path in [*folder.glob("photos/*/*"), *folder.glob("photos/*")]:
        if path.is_file():
            path.unlink()
        else:
            path.rmdir()
    Image.fromarray(pixels()).save(folder / "photos/a.png")


def emptied(folder):
    (folder / "photos/cow").mkdir()


def other_size(folder):
    Image.fromarray(pixels(0, (7, 6, 3))).save(folder / "photos/dog/d.png")


def other_mode(folder):
    Image.fromarray(pixels(0, (5, 6))).save(folder / "photos/dog/d.png")


def with_alpha(folder):
    Image.fromarray(pixels(0, (5, 6, 4))).save(folder / "photos/cat/a.png")


def deep(folder):
    Image.fromarray(np.zeros((5, 6), np.uint16)).save(folder / "photos/dog/d.png")


def broken(folder):
    whole = (folder / "photos/cat/b.png").read_bytes()
    (folder / "photos/cat/b.png").write_bytes(whole[:60])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (flat, "photos holds images but no folders.\n  Put the images of each class into a folder with its name"),
        (emptied, "photos/cow holds no images.\n  Each folder is a class; add images (.png, .jpg"),
        (
            other_size,
            "photos/dog/d.png is 7 x 6 pixels; photos/cat/a.png is 5 x 6.\n  Make them one size, or add `preprocess: {resize: [5, 6]}`.",
        ),
        (other_mode, "photos/dog/d.png has mode L; photos/cat/a.png has RGB.\n  Make them one mode, or add `preprocess: {mode: RGB}`."),
        (with_alpha, "photos/cat/a.png has mode RGBA; without `mode` images are gray (L) or RGB.\n  Add `preprocess: {mode: RGB}`"),
        (deep, "photos/dog/d.png has mode I;16, more than 8 bits per pixel; convert it to 8 bits.\n  Remove or replace the file."),
        (broken, "photos/cat/b.png cannot be opened as an image (OSError: "),
    ],
)
def test_wrong_folders_are_refused_by_file(photos, change, text):
    change(photos)
    with pytest.raises(BadData, match=re.escape(text)):
        read_rows("photos", photos, {}, ())
    if change in (broken, deep):
        with pytest.raises(BadData, match=re.escape(text)):
            read(photos, RESIZE)


def test_a_picture_that_could_fill_the_memory_is_refused(photos, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(BadData, match=r"photos/cat/a\.png has more than 20 pixels; make it smaller\.\n  Remove or replace the file\."):
        read(photos)


def test_absent_folders_columns_and_folders_of_something_else_are_refused(photos):
    with pytest.raises(BadData, match=r"fotos: no such folder or \.zip file in .*\n  Relative paths start at the job file's folder\."):
        Images().read("fotos", photos, {}, ())
    with pytest.raises(BadData, match=r"photos is a folder of images, which has no column 'age'\.\n  Leave `groups:` out\."):
        read(photos, {"groups": ["age"]})
    (photos / "texts").mkdir()
    (photos / "texts/a.txt").write_text("x")
    with pytest.raises(BadData, match=r"no reader for the folder 'texts'"):
        read_rows("texts", photos, {}, ())
