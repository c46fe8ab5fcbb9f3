"""Masks: images that say the class of each pixel, and the words that stand for them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.rows import masks
from paredown.rows.masks import class_masks, mask_word, mask_words, open_mask, refuse_too_many_pixels

NAMES = ("background", "nucleus")


def file_of(pixels: np.ndarray, kind: str = "png", palette: bool = False) -> bytes:
    image = Image.fromarray(pixels)
    if palette:
        image = image.convert("P")
        image.putdata(pixels.reshape(-1).tolist())
        image.putpalette([part for at in range(256) for part in (at, 0, 255 - at)])
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def test_masks_are_read_as_they_were_saved() -> None:
    deep = np.array([[0, 300, 255]], np.uint16)
    gray, wide = np.array([[0, 3, 255]], np.uint8), np.repeat(np.array([[0, 3, 255]], np.uint8)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(open_mask(file_of(deep)), deep)
    np.testing.assert_array_equal(open_mask(file_of(gray)), gray)
    np.testing.assert_array_equal(open_mask(file_of(gray, palette=True)), gray)
    np.testing.assert_array_equal(open_mask(file_of(wide)), gray)
    np.testing.assert_array_equal(open_mask(file_of(gray > 0, "tiff")), gray > 0)
    with pytest.raises(ValueError, match="has mode RGB; a mask is one whole number per pixel"):
        open_mask(file_of(wide + np.arange(3, dtype=np.uint8)))
    with pytest.raises(ValueError, match="is a JPEG file, whose pixels are not exactly what was saved"):
        open_mask(file_of(gray, "jpeg"))
    with pytest.raises(ValueError, match=r"cannot be opened as an image \(UnidentifiedImageError\)"):
        open_mask(b"no image")
    with pytest.raises(ValueError, match=r"mask 1 holds values from -1 to -1; classes are whole numbers from 0"):
        mask_words(np.array([[[0]], [[0]]]) - np.array([[[0]], [[1]]]))


def test_the_values_of_masks_become_classes() -> None:
    words = [mask_word(file_of(np.array(rows, np.uint16))) for rows in ([[0, 7], [300, 0]], [[0, 0], [0, 0]])]
    targets, names = class_masks(words, "masks", NAMES)
    assert names == NAMES
    found = targets.laid([2, 2], lambda mask: mask)[np.array([1, 0, 0])]
    np.testing.assert_array_equal(found, [[[0, 0], [0, 0]], [[0, 1], [1, 0]], [[0, 1], [1, 0]]])
    assert found.dtype == np.int16
    with pytest.raises(
        BadData, match=r"have values up to 300: nothing says whether they are classes or number single things\.\n  Name the cl"
    ):
        class_masks(words, "masks")
    assert class_masks(mask_words([[[0, 2]], [[1, 0]]]), "masks")[1] == ("0", "1", "2")
    assert class_masks(mask_words([[[0, 255]]]), "masks")[1] == ("0", "255")
    with pytest.raises(BadData, match=r"the masks in 'y' have the value 3; the 3 classes are the values 0 to 2\."):
        class_masks(mask_words([[[0, 3]]]), "y", ["a", "b", "c"])
    with pytest.raises(BadData, match=r"`labels:` names 1 class \(a\)"):
        class_masks(mask_words([[[0, 1]]]), "y", ["a"])
    with pytest.raises(BadData, match=r"all pixels of all masks in 'y' have one value \(4\)"):
        class_masks(mask_words([[[4, 4]]]), "y")
    with pytest.raises(BadData, match=r"the labels in 'y' are no masks: 'cat'\.\n  Name the folder or zip file of masks"):
        class_masks(["cat"], "y")


@pytest.mark.parametrize("names", [(), NAMES, ("a", "b", "c")])
def test_255_beside_classes_has_to_be_said(names: tuple[str, ...]) -> None:
    mask = [[[0, 1, 255]]]
    with pytest.raises(BadData, match=r"have the values 0 to 1 and 255\.\n  If 255 marks what has no class write `data: \{ignore: 255\}`"):
        class_masks(mask_words(mask), "y", names)
    targets, _ = class_masks(mask_words(mask, 255), "y", names)
    np.testing.assert_array_equal(targets.laid([1, 3], lambda mask: mask)[0], [[0, 1, -1]])


def test_answers_that_do_not_fit_are_refused_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((3, 100, 200), np.int16)
    rows = Rows(inputs=np.zeros((3, 100, 200), np.uint8), labels=labels, names=NAMES)
    refuse_too_many_pixels({"test": rows, "validation": rows})
    monkeypatch.setattr(masks, "host", lambda: type("Host", (), {"memory_b": 1e6})())
    with pytest.raises(
        BadData, match=r"two models to test \(3 images x 2 classes x 100 x 200 pixels\) take 0\.00096 GB; half of this machine's"
    ):
        refuse_too_many_pixels({"test": rows, "validation": rows})
