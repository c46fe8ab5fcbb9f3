"""A text file line by line, with every way in which it can turn out to be none. Not a unit."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from paredown.core.errors import BadData

_LONGEST_LINE = 1 << 24
_UNPACK = "Unpack it, and name the file in it."
_SIGNS = (
    (b"PAR1", "a parquet file", "Give it the ending .parquet."),
    (b"PK\3\4", "a zip archive", f"{_UNPACK} An .xlsx file is one too: export its sheet as CSV."),
    (b"\x1f\x8b", "packed with gzip", _UNPACK),
    (b"BZh", "packed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "packed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK),
    (b"ARROW1", "an Arrow file", "Write it as parquet."),
    (b"\x93NUMPY", "a numpy array", "Write it with numpy.savez, as .npz."),
    (b"\x89HDF", "an HDF5 file", "Write its table as CSV or parquet."),
    (b"SQLite format", "a SQLite database", "Export the table as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Office document", "Export its sheet as CSV."),
    (b"\x89PNG", "an image", "Name the table of the data."),
    (b"%PDF", "a PDF document", "Name the table of the data."),
    (b"\xff\xfe", "text in UTF-16", "Save it as UTF-8."),
    (b"\xfe\xff", "text in UTF-16", "Save it as UTF-8."),
)


def known_by_content(head: bytes) -> tuple[str, str] | None:
    """What the first bytes of a file are the sign of, and what to do with it; None for text and for what is not known."""
    return next(((what, do) for sign, what, do in _SIGNS if head.startswith(sign)), None)


class Lines:
    """The lines of a file as text, without skipped lines and comments; `number` is the line last read, from 1.

    Raises:
        BadData: The file is of another kind, or is packed (.gz) and cannot be unpacked; a line is longer than 16 MiB,
            holds a NUL byte or is not UTF-8.
    """

    def __init__(self, path: Path, source: str, skip: int = 0, comment: str | None = None) -> None:
        self.path, self.source, self.skip, self.comment = path, source, skip, comment
        self.number = 0

    def __enter__(self) -> Lines:
        packed = self.path.name.lower().endswith(".gz")
        self.file: Any = gzip.open(self.path) if packed else self.path.open("rb")
        if found := known_by_content(self._whole(self.file.peek, 16)):
            self.file.close()
            raise BadData(f"{self.source} is {found[0]}, not a text file.\n  {found[1]}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.file.close()

    def __iter__(self) -> Lines:
        return self

    def _whole(self, read: Callable[[int], bytes], size: int) -> bytes:
        """Bytes of the file, unpacked where it is packed."""
        try:
            return read(size)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise BadData(f"{self.source} cannot be unpacked: {error}.\n  Copy it again; it is cut short or no gzip file.") from None

    @property
    def where(self) -> str:
        """`file:line` of the line last read."""
        return f"{self.source}:{self.number}"

    def __next__(self) -> str:
        while raw := self._whole(self.file.readline, _LONGEST_LINE):
            self.number += 1
            if len(raw) == _LONGEST_LINE:
                raise BadData(
                    f"{self.where}: the line is longer than {_LONGEST_LINE >> 20} MiB.\n  This is not a file with one row per line."
                )
            if b"\0" in raw:
                raise BadData(f"{self.where}: there is a NUL byte.\n  This is not a text file in UTF-8; export the data again as UTF-8.")
            try:
                text = raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = raw[error.start]
                raise BadData(
                    f"{self.where}: byte {error.start + 1} of the line (0x{byte:02x}) is not UTF-8.\n  Save the file as UTF-8."
                ) from None
            if self.number > self.skip and not (self.comment and text.startswith(self.comment)):
                return text
        raise StopIteration


def objects(lines: Lines) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of each line that is not blank."""
    for text in lines:
        if not text.strip():
            continue
        try:
            item = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            said = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise BadData(f"{lines.where}: the line is not JSON: {said}.\n  Write one JSON object per line.") from None
        if not isinstance(item, dict):
            raise BadData(
                f'{lines.where}: the line is a {type(item).__name__}, not an object.\n  Write one object per line, as {{"text": "..."}}.'
            )
        if "\\ud" in text.lower() and not _is_unicode(item):
            raise BadData(f"{lines.where}: a text holds half of a surrogate pair (\\ud...).\n  Write the whole character, as UTF-8.")
        yield lines.number, item


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number; write null for a missing value")


def _is_unicode(item: dict[str, Any]) -> bool:
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
