"""Arrays of numbers that hold NaN or infinite values. Not a unit."""

from __future__ import annotations

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows


def refuse_not_finite(rows: Rows, what: str, do: str) -> None:
    """Refuse arrays of numbers that hold NaN or infinite values.

    Raises:
        BadData: Says how many of `what`, the first row, and what to do.
    """
    if rows.inputs.dtype.kind != "f":
        return
    bad, first, start = 0, 0, 0
    for part in rows.parts():
        if not (fine := np.isfinite(part.inputs).reshape(len(part), -1).all(axis=1)).all():
            first = first if bad else start + int(fine.argmin())
            bad += int((~fine).sum())
        start += len(part)
    if bad:
        raise BadData(f"{bad} of {len(rows)} {what} hold NaN or infinite values, first row {first}.\n  {do}")
