"""Files in folders, one folder per class: on the disk, or in a zip file. Not a unit."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.sources import check_room, match_labels, nearest
from paredown.ingest.streams import Piece, collected, is_large

PIECE_ROWS = 512
ARCHIVE = ".zip"
_LOOSE = ""
_FOREIGN = "__MACOSX"


@dataclass(frozen=True)
class Item:
    """One file.

    Args:
        label: The name of its folder; empty where it lies beside the folders.
        name: How messages name it: the source as written in the job, and what stands below it.
        size_b: Its bytes.
        read: Gives them.
    """

    label: str
    name: str
    size_b: int
    read: Callable[[], bytes]


class Folders:
    """The folders of a source and their files, both in the order of their names; hidden ones and those with other endings are passed over.

    Args:
        source: As written in the job.
        names: Of the folders.
        files: The name of a folder, empty for what lies beside them -> its files.
    """

    def __init__(self, source: str, names: Sequence[str], files: Callable[[str], Iterator[Item]]) -> None:
        self.source, self.names, self._files = source, names, files

    def chosen(self, columns: Mapping[str, Any], what: str, endings: Sequence[str]) -> list[str]:
        """The folders that are read: all, with what lies beside them where no labels are wanted.

        Raises:
            BadData: There are none, one is empty, or the job wants groups, which folders do not have.
        """
        if columns.get("groups"):
            raise BadData(f"{self.source} is a folder of {what}, which has no column {columns['groups'][0]!r}.\n  Leave `groups:` out.")
        unlabeled = "label" in columns and columns["label"] is None
        if not self.names and not unlabeled:
            raise BadData(
                f"{self.source} holds {what} but no folders.\n"
                f"  Put the {what} of each class into a folder with its name; {what} without a class go to `unlabeled:`."
            )
        empty = next((name for name in self.names if next(self._files(name), None) is None), None)
        if empty is not None:
            raise BadData(
                f"{self.source}/{empty} holds no {what}.\n  Each folder is a class; add {what} ({', '.join(endings)}) or remove it."
            )
        return [_LOOSE, *self.names] if unlabeled else [*self.names]

    def items(self, chosen: Sequence[str]) -> Iterator[Item]:
        """The files of these folders, one folder after the other."""
        for name in chosen:
            yield from self._files(name)


def holds(source: str, folder: Path, endings: tuple[str, ...]) -> bool:
    """Whether a source is a folder or a zip file of files with such endings, or of folders of them."""
    try:
        with opened(source, folder, endings, "files") as found:
            return next(found.items([_LOOSE, *found.names]), None) is not None
    except BadData:
        return False


def refuse_archive(source: str, folder: Path) -> None:
    """Say why no reader takes a zip file.

    Raises:
        BadData: Always: it is not there, not whole, too large, or holds neither images nor sounds.
    """
    with opened(source, folder, (), "files"):
        raise BadData(f"{source} holds neither images nor sounds.\n  Pack folders of them, one per class; unpack tables and name the file.")


@contextmanager
def opened(source: str, folder: Path, endings: tuple[str, ...], what: str) -> Iterator[Folders]:
    """The folders of a source.

    Args:
        source: A folder, or a zip file of folders; one folder around all of an archive does not count.
        folder: Where relative paths start.
        endings: Of the files that count, in small letters.
        what: They are, for messages.

    Raises:
        BadData: It is not there, or no whole zip file, or announces more than the memory holds.
    """
    path = folder / source
    shown = source.rstrip("/")
    if path.is_dir():
        yield Folders(shown, [item.name for item in _below(path)], partial(_on_disk, path, shown, endings))
        return
    if not (path.is_file() and source.lower().endswith(ARCHIVE)):
        beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        raise BadData(
            f"{source}: no such folder or {ARCHIVE} file in {folder.resolve()}.{nearest(path.name, beside)}\n"
            "  Relative paths start at the job file's folder."
        )
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise BadData(f"{source} is not a whole zip file ({error}).\n  Pack it again, or unpack it and name the folder.") from None
    with archive:
        entries = [(entry, parts) for entry in archive.infolist() if (parts := _parts(entry))]
        while entries and len({parts[0] for _, parts in entries}) == 1 and min(_depth(entry, parts) for entry, parts in entries) > 2:
            entries = [(entry, parts[1:]) for entry, parts in entries if parts[1:]]
        files: dict[str, list[Item]] = {parts[0]: [] for entry, parts in entries if len(parts) > 1 or entry.is_dir()}
        for entry, parts in sorted(entries, key=lambda pair: pair[1]):
            if entry.is_dir() or len(parts) > 2 or not parts[-1].lower().endswith(endings):
                continue
            label = parts[0] if len(parts) == 2 else _LOOSE
            name = "/".join((shown, *parts))
            files.setdefault(label, []).append(Item(label, name, entry.file_size, partial(_unpacked, archive, entry, name)))
        check_room(source, sum(entry.file_size for entry, _ in entries), what)
        yield Folders(shown, sorted(name for name in files if name != _LOOSE), lambda name: iter(files.get(name, ())))


def _parts(entry: zipfile.ZipInfo) -> list[str]:
    """The names on the way to an entry of an archive; none for a hidden one."""
    parts = [part for part in entry.filename.replace("\\", "/").split("/") if part]
    return [] if any(part.startswith(".") or part == _FOREIGN for part in parts) else parts


def _depth(entry: zipfile.ZipInfo, parts: Sequence[str]) -> int:
    """How deep an entry lies; a folder stands for what may lie in it."""
    return len(parts) + 2 if entry.is_dir() else len(parts)


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> bytes:
    try:
        return archive.read(entry)
    except (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise BadData(f"{name} cannot be unpacked ({error}).\n  Pack it again, without a password.") from None


def _below(path: Path) -> Iterator[Path]:
    return (item for item in sorted(path.iterdir()) if item.is_dir() and not item.name.startswith("."))


def _on_disk(root: Path, source: str, endings: tuple[str, ...], label: str) -> Iterator[Item]:
    with os.scandir(root / label) as found:
        files = sorted(
            (item.name, item.stat().st_size)
            for item in found
            if item.name.lower().endswith(endings) and not item.name.startswith(".") and item.is_file()
        )
    for name, size_b in files:
        yield Item(label, "/".join(filter(None, (source, label, name))), size_b, (root / label / name).read_bytes)


def read_whole(
    found: Folders, chosen: Sequence[str], labels: Sequence[str], look: Callable[[Item, bytes], None], high: float | None = None
) -> Rows:
    """All files as they are, each looked at once to see that it can be opened; of a large source they are kept in one place on disk.

    Args:
        found: The source.
        chosen: Which of its folders.
        labels: Class names in the model's order, or empty.
        look: Raises BadData where a file is damaged.
        high: As of `Rows`.
    """

    def read(item: Item) -> tuple[bytes, bytes]:
        look(item, data := item.read())
        return data, data

    total_b = sum(item.size_b for item in found.items(chosen))
    if is_large(total_b, total_b):
        return collected(pieces(found, chosen, read, high), found.source, labels)
    items = [*found.items(chosen)]
    files = np.empty(len(items), object)
    for at, item in enumerate(items):
        files[at], _ = read(item)
    return labeled(files, items, _LOOSE in chosen, labels, high)


def labeled(inputs: Any, items: Sequence[Item], unlabeled: bool, labels: Sequence[str], high: float | None) -> Rows:
    """Rows in memory whose labels are the names of their folders.

    Raises:
        BadData: A folder is no class of the model.
    """
    if unlabeled:
        return Rows(inputs=inputs, labels=None, names=tuple(labels), high=high)
    index, names = match_labels([item.label for item in items], labels, lambda row: items[row].name)
    return Rows(inputs=inputs, labels=index, names=names, high=high)


def pieces(found: Folders, chosen: Sequence[str], read: Callable[[Item], tuple[bytes, bytes]], high: float | None) -> Iterator[Piece]:
    """Some files at a time, for `streams.collected`.

    Args:
        read: A file -> its bytes, and what its digest is made of.
    """
    unlabeled = _LOOSE in chosen
    for name in chosen:
        items = found.items([name])
        while some := list(islice(items, PIECE_ROWS)):
            files = np.empty(len(some), object)
            digests = np.empty((len(some), 32), np.uint8)
            for at, item in enumerate(some):
                files[at], told = read(item)
                digests[at] = np.frombuffer(hashlib.sha256(told).digest(), np.uint8)
            rows = Rows(inputs=files, labels=None, high=high, digests=digests)
            yield rows, None if unlabeled else [name] * len(some), lambda row, some=some: some[row].name  # type: ignore[misc]
