"""Folders of images."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.datasets.sources import match_labels
from paredown.datasets.streams import Piece, collected, is_large
from paredown.tasks.pictures import open_picture

PIECE_ROWS = 512
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class Images(DatasetReader):
    """A folder with one folder of images per class: `photos/cat/1.png`, whose label is `cat`.

    Images of one size become arrays of pixels. Where the job resizes them (`preprocess: {resize: ...}`) they may have any size and stay the
    bytes of their files, so that what is measured opens files too. Of a large folder the files are kept in one place on disk, and opened
    when they are asked for. Hidden files and what does not end like an image are passed over.
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
        folders, mode = [root, *classes] if unlabeled else classes, options.get("mode")
        first = next(path for part in folders for path in _files(part))
        count, whole = sum(1 for part in folders for _ in _files(part)), "resize" in options
        each_b = first.stat().st_size if whole else _open(first, source).size[0] * _open(first, source).size[1] * 3
        if is_large(count * each_b, count * first.stat().st_size):
            shape = () if whole else np.asarray(_as(mode, _open(first, source))).shape
            picture = None if whole else (mode or "", shape)
            return collected(_pieces(folders, source, mode, whole, unlabeled), source, labels, picture)
        paths = [path for part in folders for path in _files(part)]
        inputs = _bytes(paths, source) if whole else _pixels(paths, source, mode)
        if unlabeled:
            return Rows(inputs=inputs, labels=None, names=tuple(labels), high=255.0)
        index, names = match_labels([path.parent.name for path in paths], labels, lambda row: _name(source, paths[row]))
        return Rows(inputs=inputs, labels=index, names=names, high=255.0)


def _folders(path: Path) -> Iterator[Path]:
    return (item for item in sorted(path.iterdir()) if item.is_dir() and not item.name.startswith("."))


def _files(path: Path) -> Iterator[Path]:
    with os.scandir(path) as found:
        names = sorted(
            item.name for item in found if item.name.lower().endswith(ENDINGS) and not item.name.startswith(".") and item.is_file()
        )
    return (path / name for name in names)


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
    alike = _Alike(source, mode)
    return np.stack([alike.pixels(path) for path in paths])


def _as(mode: str | None, image: Any) -> Any:
    return image if mode is None else image.convert(mode)


class _Alike:
    """Images as pixels, all of the size and mode of the first one."""

    def __init__(self, source: str, mode: str | None) -> None:
        self._source, self._mode, self._path = source, mode, Path()
        self._first: tuple[tuple[int, int], str] | None = None

    def pixels(self, path: Path) -> np.ndarray:
        """The pixels of a file.

        Raises:
            BadData: It is no image, or one of another size or mode.
        """
        image, source = _open(path, self._source), self._source
        if self._mode is None and image.mode not in ("L", "RGB"):
            do = "Add `preprocess: {mode: RGB}`, or `mode: L` for gray."
            raise BadData(f"{_name(source, path)} has mode {image.mode}; without `mode` images are gray (L) or RGB.\n  {do}")
        image = _as(self._mode, image)
        if self._first is None:
            self._first, self._path = (image.size, image.mode), path
        (width, height), first_mode = self._first
        if image.size != (width, height):
            raise BadData(
                f"{_name(source, path)} is {image.height} x {image.width} pixels; {_name(source, self._path)} is {height} x {width}.\n"
                f"  Make them one size, or add `preprocess: {{resize: [{height}, {width}]}}`."
            )
        if image.mode != first_mode:
            raise BadData(
                f"{_name(source, path)} has mode {image.mode}; {_name(source, self._path)} has {first_mode}.\n"
                "  Make them one mode, or add `preprocess: {mode: RGB}`."
            )
        return np.asarray(image)


def _pieces(folders: Sequence[Path], source: str, mode: str | None, whole: bool, unlabeled: bool) -> Iterator[Piece]:
    """The files of some images at a time, with the digests of their pixels, or of the files where they stay `whole`."""
    alike = _Alike(source, mode)
    for folder in folders:
        paths = _files(folder)
        while some := list(islice(paths, PIECE_ROWS)):
            files = np.empty(len(some), object)
            digests = np.empty((len(some), 32), np.uint8)
            for at, path in enumerate(some):
                files[at] = path.read_bytes()
                told = alike.pixels(path).tobytes() if not whole else files[at]
                if whole:
                    _open(path, source)
                digests[at] = np.frombuffer(hashlib.sha256(told).digest(), np.uint8)
            rows = Rows(inputs=files, labels=None, high=255.0, digests=digests)
            yield rows, None if unlabeled else [folder.name] * len(some), lambda row, some=some: _name(source, some[row])  # type: ignore[misc]
