"""Texts in, a number out."""

from __future__ import annotations

from paredown.tasks.texts import Texts


class TextRegression(Texts):
    """Texts or pairs of texts; a number each."""

    kind = "numbers"
