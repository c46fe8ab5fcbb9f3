"""Tables in, any number of labels out."""

from __future__ import annotations

from paredown.tasks.tables import Tables


class TabularMultilabel(Tables):
    """Columns of numbers and words, or a plain array (N, D); any number of labels each."""

    kind = "labels"
