"""Tables as text: which sign parts their cells, and what a broken quote looks like.

This file stands alone. Its source is copied into an artifact's `predict.py`, so that a table is taken apart there as in training.
"""

import csv
from collections.abc import Collection, Sequence

SIGNS = (",", ";", "\t", "|")
SEEN = 50
"""Lines of a file that the separator is told by."""
LONGEST_CELL = 1 << 22
"""Letters; Python's own limit is 128 KiB, less than a long document."""

_NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def separator_of(lines: Sequence[str], usual: str, wanted: Collection[str] = (), width: int = 0) -> str:
    """The sign that parts the cells: the usual one where rows have equal length by it, and the columns that are wanted.

    Args:
        lines: The first lines of the file, from its header on.
        usual: What the file's ending promises.
        wanted: Columns that the header has to have.
        width: Cells of each row where there is no header; 0 where there is one.
    """
    tables = {sign: _cells_of(lines, sign) for sign in (usual, *(sign for sign in SIGNS if sign != usual))}

    def fit(sign: str) -> tuple[bool, bool, int]:
        rows = tables[sign]
        first = len(rows[0]) if rows else 0
        even = first > 1 and all(len(row) == first for row in rows) and width in (0, first)
        return not width and first > 1 and {*wanted} <= {*rows[0]}, even, first

    fits = {sign: fit(sign) for sign in tables}
    if fits[usual][1] and (width or (wanted and fits[usual][0])):
        return usual
    best = max(fits, key=lambda sign: fits[sign])  # the first of equals, which is the usual one
    return best if fits[best][2] > 1 else usual


def _cells_of(lines: Sequence[str], sign: str) -> list[list[str]]:
    rows = []
    try:
        for cells in csv.reader(lines, delimiter=sign, skipinitialspace=True, strict=True):
            if not is_blank(cells):
                rows.append([cell.strip() for cell in cells])
    except csv.Error:  # a record that goes on behind these lines, or is broken: what stands before it counts
        pass
    return rows


def is_blank(cells: Sequence[str]) -> bool:
    """Whether a line holds nothing."""
    return not cells or (len(cells) == 1 and not cells[0].strip())


def sign_name(sign: str) -> str:
    """What a separator is called."""
    return _NAMES.get(sign, repr(sign))


def broken(error: csv.Error, began: int, ended: int) -> tuple[int, str]:
    """The line where a record is broken, and what is wrong with it, in words.

    Args:
        error: What Python's reader said.
        began: The record's first line, from 1.
        ended: The line that was read last.
    """
    said = str(error)
    if "end of data" in said:
        return began, "a cell begins with a quote here, and no quote ends it"
    if "expected after" in said:
        return ended, "something follows the quote that ends a cell; a quote within a quoted cell is written twice"
    if "field limit" in said:
        return began, f"a cell is longer than {csv.field_size_limit() >> 20} MiB; is a quote missing?"
    if "new-line" in said:
        return ended, "its lines end as on old Macs, with CR alone; save it with usual line ends"
    return ended, "the line is no row of cells"
