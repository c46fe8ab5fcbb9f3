"""Tables in, one class out."""

from __future__ import annotations

from paredown.tasks.tables import Tables


class TabularClassification(Tables):
    """Columns of numbers and words, or a plain array (N, D); one of several classes each."""

    kind = "class"
