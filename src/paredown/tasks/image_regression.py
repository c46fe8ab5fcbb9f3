"""Images in, a number out."""

from __future__ import annotations

from paredown.tasks.images import Images


class ImageRegression(Images):
    """Images of one size, or files of any size where the job resizes them; a number each."""

    kind = "numbers"
