"""Arrays in, a vector out."""

from __future__ import annotations

from paredown.tasks.arrays import Arrays


class ArrayEmbedding(Arrays):
    """Arrays of numbers; a vector each, of which the direction counts."""

    kind = "vector"
