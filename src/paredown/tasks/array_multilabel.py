"""Arrays in, any number of labels out."""

from __future__ import annotations

from paredown.tasks.arrays import Arrays


class ArrayMultilabel(Arrays):
    """Arrays of one shape, fed as they are; any number of labels each."""

    kind = "labels"
