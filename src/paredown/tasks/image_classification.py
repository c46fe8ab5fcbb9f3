"""Images in, one class out."""

from __future__ import annotations

from paredown.tasks.images import Images


class ImageClassification(Images):
    """Images of one size, or files of any size where the job resizes them; one of several classes each."""

    kind = "class"
