"""Images in, a vector out."""

from __future__ import annotations

from paredown.tasks.images import Images


class ImageEmbedding(Images):
    """Images of one size; a vector each, of which the direction counts."""

    kind = "vector"
