"""Texts in, one class out."""

from __future__ import annotations

from paredown.tasks.texts import Texts


class TextClassification(Texts):
    """Texts or pairs of texts; one of several classes each."""

    kind = "class"
