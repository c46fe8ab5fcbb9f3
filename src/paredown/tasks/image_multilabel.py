"""Images in, any number of labels out."""

from __future__ import annotations

from paredown.tasks.images import Images


class ImageMultilabel(Images):
    """Images of one size, or files of any size where the job resizes them; any number of labels each."""

    kind = "labels"
