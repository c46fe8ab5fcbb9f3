"""Windows of a series in, what follows them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.kinds.known import kind_named
from paredown.rows.windows import flat
from paredown.tasks.tables import Tables

_FILLS = ("last", "mean")
_OWN = ("fill", "mask", "missing", "graph")


class SeriesForecasting(Task):
    """The last steps of a series, columns of numbers and words; numbers some steps ahead.

    A table whose rows are steps is cut into windows that cross no gap, no series and no split. A step of a window is encoded as a row of a
    table is, so a model is fed (N, window, columns). Its answers are named "column +steps".
    """

    raw = "series"
    kind = "numbers"

    def check(self, rows: Rows) -> None:
        """Refuse infinite numbers and columns that hold nothing.

        Raises:
            BadData: Says the column, the first step and what was found.
        """
        _Steps().check(flat(rows))

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers standardized, words one number per value, over the steps of train; the declaration ships with the model.

        Args:
            train: Windows.
            options: fill ("last": a missing number is the one before it in its window, or the mean where there is none; "mean"), mask
                (false; true feeds one more column for each that misses numbers in train, 1 where they are missing), missing (words for
                no number), and of a table standardize, one_hot, rare, input.

        Raises:
            UnknownName: No such option, or way to fill.
            BadData: An option is not true or false; a column has more than 1000 different words; no column is left.
        """
        fill, mask = str(options.get("fill", _FILLS[0])), options.get("mask", False)
        if fill not in _FILLS:
            raise UnknownName("way to fill what is missing", fill, _FILLS)
        if not isinstance(mask, bool):
            raise BadData(f"preprocess: mask is {mask!r}.\n  Write true or false.")
        steps = flat(train)
        made = _Steps().encoder(steps, {key: value for key, value in options.items() if key not in _OWN})
        missed = [column["name"] for column in made["columns"] if _misses(steps.inputs[column["name"]])]
        window = int(next(iter(train.inputs.values())).shape[1])
        words = [str(word) for word in options.get("missing") or ()]
        return made | {"kind": "series", "window": window, "fill": fill, "mask": missed if mask else [], "missing": words}

    def left_out(self, encoder: Mapping[str, Any], train: Rows) -> list[str]:
        """Columns that tell who a row is, and words that are too rare to be told apart."""
        return _Steps().left_out(encoder, flat(train))

    def rare(self, encoder: Mapping[str, Any]) -> str:
        """The first column that holds what few steps share."""
        return _Steps().rare(encoder)

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """The words of each column, and how many columns of numbers have their mean and spread in it."""
        return _Steps().ships(encoder)

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers."""
        return kind_named(self.kind).decoder(names)

    def probe(self, encoder: Mapping[str, Any], seed: int) -> list[dict[str, list[Any]]]:
        """Four windows: normal numbers with the encoder's mean and spread, and random words."""
        windows, count = list[dict[str, list[Any]]](), int(encoder["window"])
        for first in range(4 * count * seed, 4 * count * (seed + 1), count):
            steps = [_Steps().probe(encoder, first + at)[0] for at in range(count)]
            windows.append({name: [step[name] for step in steps] for name in steps[0]})
        return windows

    def naive(self, rows: Rows) -> Any:
        """The last known value of what is forecast, where it is among what the model sees: "persistence"."""
        found = []
        for name in rows.names:
            column = rows.inputs.get(name.rpartition(" +")[0])
            if column is None or column.dtype.kind not in "buif":
                return None
            last = np.full(len(rows), np.nan)
            for step in np.asarray(column).T:
                last = np.where(np.isnan(step), last, step)
            found.append(last)
        answers = np.stack(found, axis=1)
        return np.where(np.isnan(answers), np.nanmean(answers, axis=0), answers)


class _Steps(Tables):
    """The steps of windows as the rows of a table."""

    kind = "numbers"


def _misses(column: Any) -> bool:
    return column.dtype.kind in "buif" and bool(np.isnan(column).any())
