"""Arrays in, one class out."""

from __future__ import annotations

from paredown.tasks.arrays import Arrays


class ArrayClassification(Arrays):
    """Arrays of one shape, fed as they are; one of several classes each."""

    kind = "class"
