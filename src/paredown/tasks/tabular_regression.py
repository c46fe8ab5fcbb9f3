"""Tables in, a number out."""

from __future__ import annotations

from paredown.tasks.tables import Tables


class TabularRegression(Tables):
    """Columns of numbers and words, or a plain array (N, D); a number each."""

    kind = "numbers"
