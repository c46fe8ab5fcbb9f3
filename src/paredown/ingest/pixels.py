"""Files of images as pixels, all of one size and mode. Not a unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.encoders.pictures import open_picture
from paredown.ingest import folders

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
HIGH = 255.0
"""The largest value of a pixel."""


def open_item(item: folders.Item, data: bytes) -> Any:
    """The image in a file.

    Raises:
        BadData: It is none; says which file.
    """
    try:
        return open_picture(data)
    except ValueError as error:
        raise BadData(f"{str(error).replace('image 0', item.name, 1)}\n  Remove or replace the file.") from None


def converted(mode: str | None, image: Any) -> Any:
    """An image in the mode that the job names."""
    return image if mode is None else image.convert(mode)


class Alike:
    """Images as pixels, all of the size and mode of the first one."""

    def __init__(self, mode: str | None) -> None:
        self._mode, self._name = mode, ""
        self._first: tuple[tuple[int, int], str] | None = None

    def pixels(self, item: folders.Item, data: bytes) -> np.ndarray:
        """The pixels of a file.

        Raises:
            BadData: It is no image, or one of another size or mode.
        """
        image = open_item(item, data)
        if self._mode is None and image.mode not in ("L", "RGB"):
            do = "Add `preprocess: {mode: RGB}`, or `mode: L` for gray."
            raise BadData(f"{item.name} has mode {image.mode}; without `mode` images are gray (L) or RGB.\n  {do}")
        image = converted(self._mode, image)
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
