"""Images and their masks in the size that the model sees."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paredown.core.errors import BadData
from paredown.core.job import DataSpec, Job, ModelSpec
from paredown.core.policy import Policy
from paredown.core.rows import Rows
from paredown.encoders.feed import make_encoder
from paredown.rows import columns
from paredown.rows.columns import on_disk
from paredown.rows.masks import class_masks, mask_words
from paredown.study import classes
from paredown.study.splits import load_splits
from paredown.tasks.image_segmentation import ImageSegmentation, nearest
from paredown.testing.contracts import check_task

TASK, NAMES = ImageSegmentation(), ("background", "nucleus")
DRAW = np.random.default_rng(0)


def files(*sizes: tuple[int, int]) -> np.ndarray:
    out = np.empty(len(sizes), object)
    for at, size in enumerate(sizes):
        file = io.BytesIO()
        Image.fromarray(DRAW.integers(0, 255, size).astype(np.uint8)).save(file, "png")
        out[at] = file.getvalue()
    return out


@pytest.mark.parametrize("options", [{}, {"resize": [5, 7], "crop": [4, 9], "mode": "RGB"}])
def test_contract(options: dict[str, Any]) -> None:
    rows = Rows(inputs=DRAW.integers(0, 255, (5, 6, 8)).astype(np.uint8), labels=np.zeros(5, np.int64), names=NAMES, high=255.0)
    check_task(TASK, rows, options)
    size = options.get("crop", [6, 8])
    assert TASK.decoder(NAMES, TASK.encoder(rows, options)) == {
        "kind": "softmax", "output": "map_logits", "classes": 2, "size": size,
    }  # fmt: skip


def test_a_resized_mask_holds_no_new_class() -> None:
    mask = np.array([[0, 9, 300], [-1, 9, 300]], np.int16)
    np.testing.assert_array_equal(nearest(mask, 4, 6), mask.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(nearest(mask.repeat(3, axis=0).repeat(3, axis=1), 2, 3), mask)


@pytest.mark.parametrize("options", [{"resize": 6}, {"resize": [5, 9]}, {"resize": 8, "crop": [4, 4]}, {"resize": 4, "crop": [9, 12]}])
def test_masks_lie_over_their_images(options: dict[str, Any]) -> None:
    """An image that is white where its mask has a class becomes, by nearest neighbors, one that is white where the mask has it then."""
    sizes = [(8, 11), (12, 6), (7, 7)]
    masks = [DRAW.integers(0, 2, size) for size in sizes]
    images = np.empty(3, object)
    for at, mask in enumerate(masks):
        file = io.BytesIO()
        Image.fromarray((255 * mask).astype(np.uint8)).save(file, "png")
        images[at] = file.getvalue()
    rows, options = Rows(inputs=images, labels=np.arange(3), high=255.0), {"mode": "L", "resample": "nearest", **options}
    spec = TASK.encoder(rows, options)
    seen = make_encoder(spec)(images)["input"][:, 0]
    targets, _ = class_masks(mask_words(masks), "masks", NAMES)
    found = TASK.sized(targets, rows, options)[np.arange(3)]
    assert found.shape == seen.shape
    np.testing.assert_array_equal(np.maximum(found, 0), seen)
    padded = options.get("crop") == [9, 12]
    assert (found == -1).any() == padded  # what is beside the image has no class
    assert not padded or (seen[found == -1] == 0).all()


def test_a_mask_of_another_size_is_refused() -> None:
    rows = Rows(inputs=DRAW.integers(0, 255, (1, 6, 8)).astype(np.uint8), labels=np.zeros(1, np.int64), high=255.0)
    targets, _ = class_masks(mask_words([[[0, 1]]]), "y", NAMES)
    with pytest.raises(BadData, match=r"a mask has 1 x 2 pixels, and the images have 6 x 8\.\n  Give masks of the size"):
        TASK.sized(targets, rows, {})[np.array([0])]


def job(folder: Path, task: str = "image-segmentation", **data: Any) -> Job:
    sources = {"train": "train.npz", "test": "test.npz"}
    spec = DataSpec(sources=sources, **data)
    return Job(
        name="a", model=ModelSpec(kind="builtin", value="x"), task=task, data=spec, metric="miou", policy=Policy(name="p"), folder=folder
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, count in (("train", 30), ("test", 12)):
        images = DRAW.integers(0, 255, (count, 6, 8)).astype(np.uint8)
        np.savez(tmp_path / f"{split}.npz", X=images, y=images // 64)
    return tmp_path


def test_splits_have_masks_as_the_model_sees_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = load_splits(job(folder), 0, True)
    assert splits.names == ("0", "1", "2", "3")
    assert splits.train is not None
    for rows in (splits.train, splits.calibration, splits.validation, splits.test):
        assert rows.labels.dtype == np.int16
        np.testing.assert_array_equal(rows.labels, rows.inputs // 64)
    monkeypatch.setattr(classes, "made", lambda part, count, each_b: columns.made(part, count, each_b, most_b=0))
    monkeypatch.setattr("paredown.study.splits.held", lambda rows: rows)
    again = load_splits(job(folder), 0, True)
    assert again.train is not None
    assert on_disk(again.train)
    np.testing.assert_array_equal(again.train.labels[:], splits.train.labels)
    assert again.digests == splits.digests
    small = load_splits(job(folder, preprocess={"resize": [3, 4]}, labels=NAMES), 0, True)
    np.testing.assert_array_equal(small.test.labels, splits.test.labels[:, 1::2, 1::2] > 0)


def test_masks_want_their_task(folder: Path) -> None:
    for task in ("image-classification", "image-multilabel", "image-regression"):
        with pytest.raises(
            BadData, match=r"mask for each row: segmentation, each pixel has a class; .*\n  Write `task: image-segmentation`"
        ):
            load_splits(job(folder, task), 0, True)
