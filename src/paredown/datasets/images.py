"""Folders of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets import folders
from paredown.datasets.streams import collected, is_large
from paredown.tasks.pictures import open_picture

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Images(DatasetReader):
    """A folder, or a zip file, with one folder of images per class: `photos/cat/1.png`, whose label is `cat`.

    Images of one size become arrays of pixels. Where the job resizes them (`preprocess: {resize: ...}`) they may have any size and stay the
    bytes of their files, so that what is measured opens files too. Of a large folder the files are kept in one place on disk, and opened
    when they are asked for. Hidden files and what does not end like an image are passed over.
    """

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """A folder or zip file that holds images, or folders of images."""
        return folders.holds(source, folder, ENDINGS)

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All images, folder by folder, in the order of their names.

        Raises:
            BadData: No such source, there are no folders of images, one of them is empty, a file is no whole image or has more than 8 bits
                per pixel, or sizes or modes differ where nothing is said about them; says which file.
        """
        options = columns.get("preprocess") or {}
        with folders.opened(source, folder, ENDINGS, "images") as found:
            chosen, mode = found.chosen(columns, "images", ENDINGS), options.get("mode")
            if "resize" in options:
                return folders.read_whole(found, chosen, labels, _open, _HIGH)
            count, sample, alike = sum(1 for _ in found.items(chosen)), next(found.items(chosen)), _Alike(mode)
            first = _open(sample, sample.read())
            if is_large(count * first.size[0] * first.size[1] * 3, count * sample.size_b):

                def read(item: folders.Item) -> tuple[bytes, bytes]:
                    return (data := item.read()), alike.pixels(item, data).tobytes()

                picture = (mode or "", np.asarray(_as(mode, first)).shape)
                return collected(folders.pieces(found, chosen, read, _HIGH), source, labels, picture)
            items = [*found.items(chosen)]
            pixels = np.stack([alike.pixels(item, item.read()) for item in items])
            return folders.labeled(pixels, items, len(chosen) > len(found.names), labels, _HIGH)


_HIGH = 255.0


def _open(item: folders.Item, data: bytes) -> Any:
    try:
        return open_picture(data)
    except ValueError as error:
        raise BadData(f"{str(error).replace('image 0', item.name, 1)}\n  Remove or replace the file.") from None


def _as(mode: str | None, image: Any) -> Any:
    return image if mode is None else image.convert(mode)


class _Alike:
    """Images as pixels, all of the size and mode of the first one."""

    def __init__(self, mode: str | None) -> None:
        self._mode, self._name = mode, ""
        self._first: tuple[tuple[int, int], str] | None = None

    def pixels(self, item: folders.Item, data: bytes) -> np.ndarray:
        """The pixels of a file.

        Raises:
            BadData: It is no image, or one of another size or mode.
        """
        image = _open(item, data)
        if self._mode is None and image.mode not in ("L", "RGB"):
            do = "Add `preprocess: {mode: RGB}`, or `mode: L` for gray."
            raise BadData(f"{item.name} has mode {image.mode}; without `mode` images are gray (L) or RGB.\n  {do}")
        image = _as(self._mode, image)
        if self._first is None:
            self._first, self._name = (image.size, image.mode), item.name
        (width, height), first_mode = self._first
        if image.size != (width, height):
            raise BadData(
                f"{item.name} is {image.height} x {image.width} pixels; {self._name} is {height} x {width}.\n"
                f"  Make them one size, or add `preprocess: {{resize: [{height}, {width}]}}`."
            )
        if image.mode != first_mode:
            raise BadData(
                f"{item.name} has mode {image.mode}; {self._name} has {first_mode}.\n"
                "  Make them one mode, or add `preprocess: {mode: RGB}`."
            )
        return np.asarray(image)
