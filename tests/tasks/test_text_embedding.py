"""Texts, images and arrays in, vectors out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paredown.core.rows import Rows
from paredown.modelkit.tokenizer import encoding
from paredown.tasks.array_embedding import ArrayEmbedding
from paredown.tasks.image_embedding import ImageEmbedding
from paredown.tasks.text_embedding import TextEmbedding
from paredown.testing import tiny
from paredown.testing.contracts import check_task

NAMES = ("0", "1", "2", "3")


def test_contract_of_texts(tmp_path: Path) -> None:
    made = encoding(tiny.pretrained(tmp_path / "model"), tmp_path)
    check_task(TextEmbedding(), Rows(inputs=tiny.texts().inputs, labels=None, names=NAMES), made, tmp_path)


def test_contract_of_images_and_arrays() -> None:
    images = np.random.default_rng(0).integers(0, 255, (8, 6, 6, 3)).astype(np.uint8)
    check_task(ImageEmbedding(), Rows(inputs=images, labels=None, names=NAMES, high=255.0))
    check_task(ArrayEmbedding(), Rows(inputs=images.astype(np.float32), labels=None, names=NAMES))
