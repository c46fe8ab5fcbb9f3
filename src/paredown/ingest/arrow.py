"""Columns of Arrow tables as plain values. Not a unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paredown.core.errors import BadData
from paredown.ground import lazy
from paredown.ingest.tables import Roles


def kind(dtype: Any) -> str | None:
    """What the values of an Arrow type are for us: "numbers", "words", or None for dates, lists, bytes and the like."""
    types = lazy.need("pyarrow", "reading Arrow columns").types
    if types.is_dictionary(dtype):
        return kind(dtype.value_type)
    if types.is_string(dtype) or types.is_large_string(dtype) or types.is_string_view(dtype):
        return "words"
    numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal, types.is_null)
    return "numbers" if any(is_one(dtype) for is_one in numeric) else None


def check_kinds(schema: Any, parts: Roles, source: str) -> None:
    """Refuse columns that hold neither numbers nor words.

    Raises:
        BadData: Names the first such column and its type.
    """
    types = lazy.need("pyarrow", "reading Arrow columns").types
    for name in parts.columns:
        dtype = schema.field(name).type
        several = name in (parts.label, *parts.numbers) and any(
            is_one(dtype) for is_one in (types.is_list, types.is_large_list, types.is_fixed_size_list)
        )
        if kind(dtype.value_type if several else dtype) is None:
            raise BadData(
                f"{source}: column {name!r} holds {dtype!s:.80}.\n"
                "  A column is numbers, words or truth values; flatten or convert it, or add it to `drop:`."
            )


def values(table: Any, parts: Roles, categorical: Sequence[str]) -> dict[str, Any]:
    """Column -> values: float64 arrays with NaN for features of numbers, lists with None for all else.

    Args:
        table: A pyarrow.Table.
        parts: Which of its columns are read.
        categorical: Features that are words whatever they look like; their numbers stay as they are written.
    """
    exact = {*parts.groups, *categorical, parts.label, *parts.numbers}
    return {
        name: _listed(table[name]) if name in exact or kind(table[name].type) == "words" else _numbers(table[name])
        for name in parts.columns
    }


def _listed(column: Any) -> list[Any]:
    """The values as Python objects; rows of a dictionary share one object per word."""
    out: list[Any] = []
    for chunk in column.chunks:
        if hasattr(chunk, "dictionary"):
            words = [*chunk.dictionary.to_pylist(), None]
            out += [words[at] for at in chunk.indices.fill_null(len(words) - 1).to_pylist()]
        else:
            out += chunk.to_pylist()
    return out


def _numbers(column: Any) -> Any:
    arrow = lazy.need("pyarrow", "reading Arrow columns")
    if hasattr(column.type, "value_type"):
        column = column.cast(column.type.value_type)
    if arrow.types.is_boolean(column.type):
        column = column.cast(arrow.int8())
    return column.cast(arrow.float64(), safe=False).to_numpy()
