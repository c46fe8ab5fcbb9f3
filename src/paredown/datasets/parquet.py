"""Tables as Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground import lazy
from paredown.ingest import arrow
from paredown.ingest.lines import known_by_content
from paredown.ingest.sources import check_room, find
from paredown.ingest.streams import PIECE_ROWS, Piece, collected, is_large, piece_of_table
from paredown.ingest.tables import Roles, listed, roles, rows_from_table

_MAGIC = b"PAR1"
_SMALL_B = 1 << 30
_INDEX = re.compile(r"__index_level_\d+__")


class Parquet(DatasetReader):
    """`.parquet` and `.pq` files: flat columns, with the same entries as a csv file.

    Null and NaN are missing values. The index that pandas writes along is no column. Only the columns that play a part are read; what they
    will need is judged from the file's own description first: many rows go piece by piece onto the disk.
    """

    suffixes = (".parquet", ".pq")

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in the order of the file.

        Raises:
            BadData: No such file or column, another kind of file, damaged or cut short, a column of dates, lists or bytes, more rows than
                memory can hold, an empty text, a row without label.
            MissingExtra: pyarrow is not installed.
        """
        path = find(source, folder)
        parquet, pyarrow = lazy.need("pyarrow.parquet", source), lazy.need("pyarrow", source)
        _check_magic(path, source)
        try:
            with parquet.ParquetFile(path) as file:
                schema = file.schema_arrow
                parts = roles([name for name in schema.names if not _INDEX.fullmatch(name)], columns, source)
                arrow.check_kinds(schema, parts, source)
                needed_b, what = _size_b(file.metadata, parts.columns)
            words = [name for name in parts.columns if arrow.kind(schema.field(name).type) == "words"]
            if is_large(needed_b, path.stat().st_size):
                return _streamed(path, parts, words, columns, labels, source)
            check_room(source, needed_b, what)
            # Words are read as dictionaries: a million rows of one long text need one text.
            with parquet.ParquetFile(path, read_dictionary=words) as file:
                table = file.read(columns=parts.columns)
            found = arrow.values(table, parts, listed(columns, "categorical"))
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
            said = str(error).partition("\n")[0][:200]
            raise BadData(f"{source} is not a whole parquet file: {said}.\n  Write it again; a copy may have been cut short.") from None
        return rows_from_table(found, parts, columns, labels, source=source)


def _check_magic(path: Path, source: str) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    if not head.startswith(_MAGIC):
        what, do = known_by_content(head) or ("empty" if not head else "something else", "Give a parquet file, or correct the ending.")
        raise BadData(f"{source} is {what}, not a parquet file.\n  {do}")


def _streamed(path: Path, parts: Roles, words: Sequence[str], columns: Mapping[str, Any], names: Sequence[str], source: str) -> Rows:
    """All rows, piece by piece onto the disk."""
    parquet, pyarrow = lazy.need("pyarrow.parquet", source), lazy.need("pyarrow", source)

    def pieces() -> Iterator[Piece]:
        start = 0
        with parquet.ParquetFile(path, read_dictionary=list(words), buffer_size=1 << 18) as file:  # else whole row groups are held
            for group in range(file.num_row_groups):
                for batch in file.iter_batches(PIECE_ROWS, row_groups=[group], columns=parts.columns, use_threads=False):
                    found = arrow.values(pyarrow.Table.from_batches([batch]), parts, listed(columns, "categorical"))
                    yield piece_of_table(
                        found,
                        parts,
                        columns,
                        words,
                        source=source,
                        where=lambda row, start=start: f"{source}: row {start + row}",  # type: ignore[misc]
                    )
                    start += len(batch)

    return collected(pieces(), source, names)


def _size_b(metadata: Any, names: Sequence[str]) -> tuple[int, str]:
    """What the columns will need, their pages unpacked and for each cell a number or a pointer while it is copied; and in words."""
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    unpacked_b = sum(group.total_byte_size for group in groups)
    if unpacked_b > _SMALL_B:
        # Only then, because pyarrow ends the process where the description of a column is damaged.
        columns = (group.column(at) for group in groups for at in range(group.num_columns))
        unpacked_b = sum(column.total_uncompressed_size for column in columns if column.path_in_schema in names)
    return 2 * unpacked_b + 16 * rows * len(names), f"{rows} rows of {len(names)} columns"
