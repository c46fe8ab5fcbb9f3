"""Arrays in, a number out."""

from __future__ import annotations

from paredown.tasks.arrays import Arrays


class ArrayRegression(Arrays):
    """Arrays of one shape, fed as they are; a number each."""

    kind = "numbers"
