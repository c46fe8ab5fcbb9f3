"""Users and items in, a rating or a click out."""

from __future__ import annotations

from collections.abc import Mapping

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.tasks.tables import Tables


class Recommendation(Tables):
    """Columns of names, as user and item, each a whole number by which a model looks it up, and of numbers; a rating or a click each."""

    kind = "numbers"
    names = True
    recalls = True

    def check(self, rows: Rows) -> None:
        """Refuse what `Tables` refuses, and a table with fewer than two columns of names.

        Raises:
            BadData: Says which columns there are, and how numbers become names.
        """
        super().check(rows)
        columns = rows.inputs if isinstance(rows.inputs, Mapping) else {}
        named = [name for name, column in columns.items() if column.dtype.kind not in "buif"]
        if len(named) < 2:
            others = ", ".join(name for name in columns if name not in named) or "none"
            raise BadData(
                f"a recommendation is of an item to a user, and the rows have {len(named)} column{'s' * (len(named) != 1)} of names "
                f"({', '.join(named) or 'none'}); those of numbers: {others}.\n"
                "  Say which of these are names: `data: {categorical: [user, item]}`."
            )
