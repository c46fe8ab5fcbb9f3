"""Rows on disk in blocks: written piece by piece, read when asked, so that memory does not grow with their number."""

from __future__ import annotations

import io
import json
import mmap
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

import numpy as np

from paredown.core.errors import Damaged
from paredown.core.rows import Rows
from paredown.ground import lazy
from paredown.ground.files import writable
from paredown.ground.untrusted import parse_json
from paredown.rows.selection import Selection
from paredown.rows.words import are_files, packed, unpacked

MAGIC = b"PAREROWS1\n"
IN_MEMORY_B = 64 << 20
"""Bytes of rows that are simply held in memory: below that nothing is gained on disk."""
_BLOCK_ROWS, _BLOCK_B = 1 << 14, 8 << 20
_TOUCHED_B, _AROUND_B = 8 << 20, 1 << 16

Picture = tuple[str, tuple[int, ...]]
"""The mode that files of images are converted to, empty for their own, and the shape of their pixels."""

_place: ContextVar[Path | None] = ContextVar("place of rows on disk", default=None)


@contextmanager
def spooling(folder: Path) -> Iterator[None]:
    """Let rows that are too many for memory lie on the disk of a folder, which need not be there yet; nothing of them stays behind."""
    found = folder.resolve()
    while not found.is_dir():
        found = found.parent
    token = _place.set(found)
    try:
        yield
    finally:
        _place.reset(token)


def spool() -> IO[bytes]:
    """A new file without a name, gone when it is closed, however the process ends.

    Raises:
        CannotWrite: The folder of `spooling`, or that of the system where there is none, takes no file.
    """
    folder = _place.get() or Path(tempfile.gettempdir())
    with writable(folder):
        return tempfile.TemporaryFile(dir=folder)


class Writer:
    """Writes rows piece by piece into a file.

    Args:
        file: Open for writing and reading, empty.
        digests: Whether each row's digest is written beside it, so that it need not be worked out again.
    """

    def __init__(self, file: IO[bytes], *, digests: bool = True) -> None:
        self._file, self._digests = file, digests
        self._pieces: list[dict[str, Any]] = []
        self._waiting, self._waiting_b = 0, 0
        self._blocks: list[list[int]] = []
        self._form: dict[str, Any] = {}
        file.write(MAGIC)

    def add(self, rows: Rows) -> None:
        """Take some rows that are in memory; all calls have the same columns and kinds of number."""
        found = arrays(rows)
        if self._digests:
            found["digests"] = np.frombuffer(b"".join(rows.digest_parts()), np.uint8).reshape(len(rows), 32)
        if not self._form:
            table = isinstance(rows.inputs, Mapping)
            self._form = {"columns": list(rows.inputs) if table else None, "groups": list(rows.groups), "arrays": {}}
            for name, array in found.items():
                words = "files" if are_files(array) else "words" if array.dtype.kind in "OU" else array.dtype.str
                self._form["arrays"][name] = [words, *array.shape[1:]]
        self._pieces.append(found)
        self._waiting += len(rows)
        self._waiting_b += sum(size_b(array) for array in found.values())
        if self._waiting >= _BLOCK_ROWS or self._waiting_b >= _BLOCK_B:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        places = [self._waiting]
        for name, (kind, *_) in self._form["arrays"].items():
            array = np.concatenate([piece[name] for piece in self._pieces])
            parts = packed(array) if kind in ("words", "files") else (array,)
            for part in parts:
                self._file.write(bytes(-self._file.tell() % 64))
                places.append(self._file.tell())
                self._file.write(np.ascontiguousarray(part).data)
        self._blocks.append(places)
        self._pieces, self._waiting, self._waiting_b = [], 0, 0

    def finish(self, names: Sequence[str], high: float | None, picture: Picture | None = None) -> None:
        """Write what is left and the index; then the file can be opened as a `Table`.

        Args:
            names: Class names.
            high: As of `Rows`.
            picture: The inputs, which are files, are to be read as pixels.
        """
        self._flush()
        if picture is not None:
            self._form["arrays"]["column 0"] = [f"picture {picture[0]}", *picture[1]]
        head = {**self._form, "blocks": self._blocks, "names": list(names), "high": high}
        at, text = self._file.tell(), json.dumps(head).encode()
        self._file.write(text + at.to_bytes(8, "little"))
        self._file.flush()


def size_b(array: Any) -> int:
    """Bytes of an array in memory, about; of objects those of the texts or files too."""
    return int(array.nbytes if array.dtype != object else sum(64 + 2 * len(cell) for cell in array.reshape(-1).tolist() if cell))


def _are_numbers(kind: str) -> bool:
    return kind not in ("words", "files") and not kind.startswith("picture")


def _opened(file: bytes, mode: str) -> Any:
    """The pixels of a file that was looked at when it was taken."""
    image = lazy.need("PIL.ImageOps", "reading images").exif_transpose(lazy.need("PIL.Image", "reading images").open(io.BytesIO(file)))
    return np.asarray(image.convert(mode) if mode else image)


def arrays(rows: Rows) -> dict[str, Any]:
    """The arrays of some rows by the names that they have in a file."""
    columns = rows.inputs.values() if isinstance(rows.inputs, Mapping) else [rows.inputs]
    arrays = {f"column {number}": column for number, column in enumerate(columns)}
    arrays |= {f"group {number}": column for number, column in enumerate(rows.groups.values())}
    return arrays if rows.labels is None else arrays | {"labels": rows.labels}


class Table:
    """A file of blocks, open for reading; it holds no more memory than what is being read.

    Args:
        file: Open for reading; it is closed.
        path: How messages name it.

    Raises:
        ValueError: It is not what `Writer` wrote.
    """

    def __init__(self, file: IO[bytes], path: str) -> None:
        self.path, self._touched = path, 0
        self._last: tuple[Any, Any, Selection] | None = None
        try:
            with file:  # the map holds it open
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if self._map[: len(MAGIC)] != MAGIC:
                raise ValueError("it does not begin as one")
            at = int.from_bytes(self._map[-8:], "little")
            head = parse_json(self._map[at:-8].decode())
            self.columns, self.groups, self.names, self.high = head["columns"], head["groups"], tuple(head["names"]), head["high"]
            self._lay_out(head, at)
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
            raise ValueError(f"it is no whole file of rows: {error}") from error

    def _lay_out(self, head: Mapping[str, Any], end: int) -> None:
        """Where each array of each block begins, after a look that it ends within the file."""
        self._kinds: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._at: dict[str, Any] = {}
        counts = np.array([block[0] for block in head["blocks"]], np.int64)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        place = 1
        for name, (kind, *item) in head["arrays"].items():
            words, shape = not _are_numbers(kind), tuple(int(size) for size in item)
            dtype = np.dtype(np.int64 if words else kind)
            if dtype.kind not in "buif" or min(shape, default=0) < 0:
                raise ValueError(f"{name} has a kind that no column has")
            at = np.array([block[place : place + 1 + words] for block in head["blocks"]], np.int64).reshape(len(counts), 1 + words)
            sizes = counts * (1 if kind.startswith("picture") else int(np.prod(shape, dtype=np.int64))) * dtype.itemsize
            if len(at) and (at.min() < 0 or (at[:, 0] + sizes > end).any()):
                raise ValueError(f"{name} ends behind the file's end")
            self._kinds[name], self._at[name] = (kind, shape), at
            place += 1 + words
        self._end = end

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def row_b(self) -> int:
        """Bytes of one row in the file."""
        return self._end // max(1, len(self))

    def form(self, name: str) -> tuple[Any, tuple[int, ...]]:
        """The kind of number of one array, and the shape of one item."""
        kind, shape = self._kinds[name]
        return np.dtype(np.uint8 if kind.startswith("picture") else kind if _are_numbers(kind) else object), shape

    def has(self, name: str) -> bool:
        """Whether the file has that array."""
        return name in self._kinds

    def picture(self, name: str) -> Picture | None:
        """How files are read as pixels, where they are."""
        kind, shape = self._kinds[name]
        return (kind.removeprefix("picture "), shape) if kind.startswith("picture") else None

    def read(self, name: str, rows: Any, *, packed: bool = False) -> Any:
        """A copy of some rows of one array.

        Args:
            name: The array.
            rows: Their positions, an array of whole numbers in any order, or (start, stop).
            packed: True gives files where the array is read as pixels.
        """
        if isinstance(rows, tuple):
            first, last = (int(at) for at in np.searchsorted(self.starts, (rows[0], max(rows[0], rows[1] - 1)), "right") - 1)
            pieces = [
                self._block(name, at, slice(max(0, rows[0] - int(self.starts[at])), rows[1] - int(self.starts[at])), packed)
                for at in range(first, min(last, len(self.starts) - 2) + 1)
            ]
            return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        dtype, shape = (np.dtype(object), ()) if packed else self.form(name)
        out = np.empty((len(rows), *shape), dtype)
        blocks = np.searchsorted(self.starts, rows, "right") - 1
        order = np.argsort(blocks, kind="stable")
        edges = np.flatnonzero(np.diff(blocks[order])) + 1
        for chosen in np.split(order, edges) if len(order) else ():
            block = int(blocks[chosen[0]])
            out[chosen] = self._block(name, block, rows[chosen] - self.starts[block], packed)
        return out

    def _block(self, name: str, block: int, rows: Any, packed: bool) -> Any:
        kind, shape = self._kinds[name]
        picture = self.picture(name)
        shape = shape if picture is None else ()
        count, at = int(self.starts[block + 1] - self.starts[block]), self._at[name][block].tolist()
        width = int(np.prod(shape, dtype=np.int64))
        if not _are_numbers(kind):
            ends = np.frombuffer(self._map, np.int64, count * width, at[0])
            if count and not 0 <= int(ends[-1]) <= self._end - at[1]:
                raise Damaged(f"{self.path} is damaged: {name} ends behind the file's end.\n  Run the job again with `--fresh`.")
            data = memoryview(self._map)[at[1] : at[1] + (int(ends[-1]) if count else 0)]
            try:
                found = unpacked(data, ends, (count, *shape), rows, files=kind != "words")
            except UnicodeDecodeError:
                raise Damaged(f"{self.path} is damaged: {name} holds no text.\n  Run the job again with `--fresh`.") from None
            if picture is not None and not packed:
                found = np.stack([_opened(file, picture[0]) for file in found]) if len(found) else np.empty((0, *picture[1]), np.uint8)
        else:
            found = np.frombuffer(self._map, kind, count * width, at[0]).reshape(count, *shape)[rows]
            found = found.copy() if isinstance(rows, slice) else found
        self._touched += found.size * 64 if isinstance(rows, slice) and found.dtype == object else found.nbytes
        self._touched += 0 if isinstance(rows, slice) else len(rows) * _AROUND_B
        if self._touched > _TOUCHED_B:
            self._touched = 0
            if hasattr(mmap, "MADV_DONTNEED"):
                self._map.madvise(mmap.MADV_DONTNEED)  # what was read stays in the system's cache, not in this process
        return found

    def narrowed(self, selection: Selection | None, mask: Any) -> Selection:
        """The rows of a selection for which a mask is true; the columns of one table share what was made for the last mask."""
        if self._last is not None and self._last[0] is selection and self._last[1]() is mask:
            return self._last[2]
        if selection is None:
            made = Selection(mask)
        else:
            whole = selection.mask()
            whole[whole] = mask
            made = Selection(whole)
        self._last = selection, weakref.ref(mask), made
        return made
