"""Which rows of many are meant, one bit for each."""

from __future__ import annotations

from typing import Any

import numpy as np

_RUN = 1 << 16


class Selection:
    """Some rows of a table, in their order: one bit for each row of the table.

    Args:
        mask: True for those that are in it.
    """

    def __init__(self, mask: Any) -> None:
        self._size, self._bits = len(mask), np.packbits(mask)
        runs = [int(np.count_nonzero(mask[at : at + _RUN])) for at in range(0, len(mask), _RUN)]
        self._starts = np.concatenate([[0], np.cumsum(runs, dtype=np.int64)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def mask(self) -> Any:
        """True for the rows that are in it, one byte per row of the table."""
        return np.unpackbits(self._bits, count=self._size).view(bool)

    def _run(self, at: int) -> Any:
        """Positions in the table of what is chosen of one run of its rows."""
        bits = np.unpackbits(self._bits[at * _RUN // 8 : (at + 1) * _RUN // 8], count=min(_RUN, self._size - at * _RUN))
        return np.flatnonzero(bits) + at * _RUN

    def between(self, start: int, stop: int) -> Any:
        """Positions in the table of the rows from `start` to `stop` of the selection."""
        first, last = np.searchsorted(self._starts, (start, stop - 1), "right") - 1
        found = np.concatenate([self._run(at) for at in range(int(first), int(last) + 1)])
        return found[start - int(self._starts[first]) : stop - int(self._starts[first])]

    def at(self, rows: Any) -> Any:
        """Positions in the table of some rows of the selection, in any order."""
        runs = np.searchsorted(self._starts, rows, "right") - 1
        out = np.empty(len(rows), np.int64)
        for run in np.unique(runs).tolist():
            chosen = runs == run
            out[chosen] = self._run(run)[rows[chosen] - self._starts[run]]
        return out
