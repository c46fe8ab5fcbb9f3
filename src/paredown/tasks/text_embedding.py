"""Texts in, a vector out."""

from __future__ import annotations

from paredown.tasks.texts import Texts


class TextEmbedding(Texts):
    """Texts or pairs of texts; a vector each, of which the direction counts, as for searching by meaning."""

    kind = "vector"
