"""Windows of a series: rows of several steps each that share the steps of one column, so that memory does not grow with their length."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.rows import Rows
from paredown.rows.read_when_asked import ReadWhenAsked


class Places:
    """Where the windows of a table begin, for all of its columns.

    Args:
        starts: The first step of each window (N,), int64, rising.
        width: Steps in a window.
        clock: The time of each step (T,), any kind of number; None where it is no longer asked for.
        reach: Steps from the first of a window to the last that is forecast.
        block: The number of the span of time that each step lies in (T,), int64, spans as long as a window with what is forecast.
    """

    def __init__(self, starts: Any, width: int, clock: Any = None, reach: int = 0, block: Any = None) -> None:
        self.starts, self.width, self.clock, self.reach, self.block = starts, width, clock, reach, block
        self._last: tuple[Any, Places] | None = None

    def narrowed(self, mask: Any) -> Places:
        """Those for which a mask is true; the columns of one table share what was made for the last mask."""
        if self._last is None or self._last[0]() is not mask:
            self._last = weakref.ref(mask), Places(self.starts[mask], self.width, self.clock, self.reach, self.block)
        return self._last[1]


class Windows(ReadWhenAsked):
    """One column as windows (N, width), in the form of an array that is made when asked.

    A slice, whole numbers in any order or one of them give arrays in memory; a mask of truth values gives windows again.

    Args:
        steps: The column (T,): numbers, or words as objects.
        places: Where the windows begin.
    """

    def __init__(self, steps: Any, places: Places) -> None:
        self.steps, self.places = steps, places
        self.dtype, self.ndim = steps.dtype, 2

    def __len__(self) -> int:
        return len(self.places.starts)

    @property
    def shape(self) -> tuple[int, int]:
        """As of an array."""
        return len(self), self.places.width

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, int | np.integer):
            return self[[which]][0]
        if not isinstance(which, slice):
            which = np.asarray(which, None if len(which) else np.int64)
            if which.dtype == bool:
                return Windows(self.steps, self.places.narrowed(which))
        return self.steps[self.places.starts[which][:, None] + np.arange(self.places.width)]

    def covered(self) -> Any:
        """The steps that any window holds, each once, in their order."""
        held = np.zeros(len(self.steps) + 1, np.int64)
        np.add.at(held, self.places.starts, 1)
        np.add.at(held, self.places.starts + self.places.width, -1)
        return self.steps[np.cumsum(held)[:-1] > 0]


def are_windows(rows: Rows) -> bool:
    """Whether rows are windows that share their steps."""
    return isinstance(rows.inputs, Mapping) and any(isinstance(column, Windows) for column in rows.inputs.values())


def blocks(rows: Rows) -> Any:
    """The number of the span of time in which each window begins (N,): windows of one span share most of their steps. None for others."""
    if not are_windows(rows):
        return None
    places = next(iter(rows.inputs.values())).places
    return None if places.block is None else places.block[places.starts]


def flat(rows: Rows) -> Rows:
    """The steps of windows as the rows of a table: each once where windows share them."""
    steps = {
        name: column.covered() if isinstance(column, Windows) else np.asarray(column).reshape(-1) for name, column in rows.inputs.items()
    }
    return Rows(inputs=steps, labels=None)


def cut_in_time(rows: Rows, begin: Any = None, count: int = 0) -> tuple[Rows, Rows]:
    """Windows before a moment and those from it on; what lies across it, with what is forecast, is in neither.

    Args:
        rows: Windows with a clock.
        begin: The moment, as the clock has it; None takes the one at which the last `count` windows begin.
        count: At least one.
    """
    places = next(iter(rows.inputs.values())).places
    first, last = places.clock[places.starts], places.clock[places.starts + places.reach]
    begin = np.sort(first)[-count] if begin is None else begin
    return rows.take(last < begin), rows.take(first >= begin)
