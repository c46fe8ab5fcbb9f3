"""Folders of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.rows import Rows
from paredown.ingest import folders, masked
from paredown.ingest.pixels import ENDINGS, HIGH, Alike, converted, open_item
from paredown.ingest.streams import collected, is_large


class Images(DatasetReader):
    """A folder, or a zip file, with one folder of images per class: `photos/cat/1.png`, whose label is `cat`.

    Images of one size become arrays of pixels. Where the job resizes them (`preprocess: {resize: ...}`) they may have any size and stay the
    bytes of their files, so that what is measured opens files too. Of a large folder the files are kept in one place on disk, and opened
    when they are asked for. Hidden files and what does not end like an image are passed over.

    With `label: masks`, where that is a folder in it or beside it, or a zip file, each image has a mask of the same name (see `masked`).
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
        if isinstance(columns.get("label"), str):
            return masked.of_folders(source, folder, columns)
        with folders.opened(source, folder, ENDINGS, "images") as found:
            chosen, mode = found.chosen(columns, "images", ENDINGS), options.get("mode")
            if "resize" in options:
                return folders.read_whole(found, chosen, labels, open_item, HIGH)
            count, sample, alike = sum(1 for _ in found.items(chosen)), next(found.items(chosen)), Alike(mode)
            first = open_item(sample, sample.read())
            if is_large(count * first.size[0] * first.size[1] * 3, count * sample.size_b):

                def read(item: folders.Item) -> tuple[bytes, bytes]:
                    return (data := item.read()), alike.pixels(item, data).tobytes()

                picture = (mode or "", np.asarray(converted(mode, first)).shape)
                return collected(folders.pieces(found, chosen, read, HIGH), source, labels, picture)
            items = [*found.items(chosen)]
            pixels = np.stack([alike.pixels(item, item.read()) for item in items])
            return folders.labeled(pixels, items, len(chosen) > len(found.names), labels, HIGH)
