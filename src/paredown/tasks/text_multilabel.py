"""Texts in, any number of labels out."""

from __future__ import annotations

from paredown.tasks.texts import Texts


class TextMultilabel(Texts):
    """Texts or pairs of texts; any number of labels each."""

    kind = "labels"
