"""Folders of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets.sources import match_labels
from paredown.tasks.pictures import open_picture

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Images(DatasetReader):
    """A folder with one folder of images per class: `photos/cat/1.png`, whose label is `cat`.

    Images of one size become arrays of pixels. Where the job resizes them (`preprocess: {resize: ...}`) they may have any size and stay the
    bytes of their files, so that what is measured opens files too. Hidden files and what does not end like an image are passed over.
    """

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """A folder that holds images, or folders of images."""
        path = folder / source
        return path.is_dir() and next((True for item in (path, *_folders(path)) for _ in _files(item)), False)

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All images, folder by folder, in the order of their names.

        Raises:
            BadData: No such folder, there are no folders of images, one of them is empty, a file is no whole image or has more than 8 bits
                per pixel, or sizes or modes differ where nothing is said about them; says which file.
        """
        root, options = folder / source, columns.get("preprocess") or {}
        if not root.is_dir():
            raise BadData(f"{source}: no such folder in {folder.resolve()}.\n  Relative paths start at the job file's folder.")
        if columns.get("groups"):
            raise BadData(f"{source} is a folder of images, which has no column {columns['groups'][0]!r}.\n  Leave `groups:` out.")
        unlabeled = "label" in columns and columns["label"] is None
        classes = list(_folders(root))
        if not classes and not unlabeled:
            raise BadData(
                f"{source} holds images but no folders.\n"
                "  Put the images of each class into a folder with its name; images without a class go to `unlabeled:`."
            )
        empty = next((path for path in classes if next(_files(path), None) is None), None)
        if empty is not None:
            raise BadData(
                f"{source}/{empty.name} holds no images.\n  Each folder is a class; add images ({', '.join(ENDINGS)}) or remove it."
            )
        paths = [path for part in ([root, *classes] if unlabeled else classes) for path in _files(part)]
        mode = options.get("mode")
        inputs = _bytes(paths, source) if "resize" in options else _pixels(paths, source, mode)
        if unlabeled:
            return Rows(inputs=inputs, labels=None, names=tuple(labels), high=255.0)
        index, names = match_labels([path.parent.name for path in paths], labels, lambda row: _name(source, paths[row]))
        return Rows(inputs=inputs, labels=index, names=names, high=255.0)


def _folders(path: Path) -> Iterator[Path]:
    return (item for item in sorted(path.iterdir()) if item.is_dir() and not item.name.startswith("."))


def _files(path: Path) -> Iterator[Path]:
    return (item for item in sorted(path.iterdir()) if item.suffix.lower() in ENDINGS and not item.name.startswith(".") and item.is_file())


def _name(source: str, path: Path) -> str:
    """How messages name a file: the source as written in the job, and what stands below it."""
    return f"{source.rstrip('/')}/{path.parent.name}/{path.name}"


def _open(path: Path, source: str) -> Any:
    try:
        return open_picture(path)
    except ValueError as error:
        raise BadData(f"{str(error).replace(str(path), _name(source, path))}\n  Remove or replace the file.") from None


def _bytes(paths: Sequence[Path], source: str) -> np.ndarray:
    """The files as they are, each opened once to see that it can be."""
    found = np.empty(len(paths), object)
    for at, path in enumerate(paths):
        _open(path, source)
        found[at] = path.read_bytes()
    return found


def _pixels(paths: Sequence[Path], source: str, mode: str | None) -> np.ndarray:
    """All images as one array (N, H, W) or (N, H, W, C), uint8."""
    found: list[np.ndarray] = []
    first: Any = None
    for path in paths:
        image = _open(path, source)
        if mode is None and image.mode not in ("L", "RGB"):
            do = "Add `preprocess: {mode: RGB}`, or `mode: L` for gray."
            raise BadData(f"{_name(source, path)} has mode {image.mode}; without `mode` images are gray (L) or RGB.\n  {do}")
        image = image if mode is None else image.convert(mode)
        first = first or image
        if image.size != first.size:
            size = f"{first.height} x {first.width}"
            raise BadData(
                f"{_name(source, path)} is {image.height} x {image.width} pixels; {_name(source, paths[0])} is {size}.\n"
                f"  Make them one size, or add `preprocess: {{resize: [{first.height}, {first.width}]}}`."
            )
        if image.mode != first.mode:
            raise BadData(
                f"{_name(source, path)} has mode {image.mode}; {_name(source, paths[0])} has {first.mode}.\n"
                "  Make them one mode, or add `preprocess: {mode: RGB}`."
            )
        found.append(np.asarray(image))
    return np.stack(found)
