"""Which columns of a table go to which inputs of an ONNX graph, and as what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.encoders.declared_feed import refuse_fractions

Take = Mapping[str, Any]
"""An input of a graph: {"input", "width": numbers or words per row, "whole": [least, largest] or None, "words": per column, or None,
"columns": the names of those that it was trained on, empty where it does not say, "small": which of them are fed in small letters}."""


def columns_of(columns: Mapping[str, Any], takes: Sequence[Take], named: Any) -> list[tuple[Take, list[str]]]:
    """The columns of each input: as the job says, by their names, or all numbers to the one input of numbers and all words to the other.

    Args:
        columns: Column -> values.
        takes: The inputs, in the graph's order.
        named: The job's `inputs`: input -> its columns; None where it says nothing.

    Raises:
        BadData: They cannot be told apart, or a column is of another kind than its input; names both and the way out.
    """
    chosen = _by_job(columns, takes, named) if named is not None else _as_trained(columns, takes)
    chosen = chosen or _by_name(columns, takes) or _by_kind(columns, takes)
    if chosen is None:
        absent = next((take["input"] for take in takes if take["input"] not in columns), "")
        lacks = (
            f"the data have no column {absent!r}" if all(take["width"] == 1 for take in takes) else "names do not say which column is whose"
        )
        raise BadData(
            f"the model takes the inputs {_shown(takes)}; {lacks}: they have {', '.join(list(columns)[:12])}.\n"
            f"  Name them in the model's order: `preprocess: {{inputs: {{{takes[0]['input']}: [column, ...], ...}}}}`."
        )
    for take, names in chosen:
        for name in names:
            _check_kind(take, name, columns[name])
    return chosen


def _shown(takes: Sequence[Take]) -> str:
    kinds = [
        f"{take['input']} ({take['width']} {'word' if take['words'] is not None else 'number'}{'s' if take['width'] > 1 else ''})"
        for take in takes
    ]
    return ", ".join(kinds[:8]) + (f" and {len(kinds) - 8} more" if len(kinds) > 8 else "")


def _by_job(columns: Mapping[str, Any], takes: Sequence[Take], named: Any) -> list[tuple[Take, list[str]]]:
    out = []
    for take in takes:
        names = named.get(take["input"]) if isinstance(named, Mapping) else None
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or len(names) != take["width"] or (absent := [name for name in names if name not in columns]):
            found = (
                f"is {names!r}" if not isinstance(names, list) or len(names) != take["width"] else f"has {absent[0]!r}, which is no column"
            )
            raise BadData(
                f"preprocess: inputs: {take['input']} {found}; the model takes {_shown(takes)}.\n"
                f"  Write `inputs: {{{take['input']}: [...], ...}}` with that many columns each, of {', '.join(list(columns)[:12])}."
            )
        out.append((take, names))
    return out


def _as_trained(columns: Mapping[str, Any], takes: Sequence[Take]) -> list[tuple[Take, list[str]]] | None:
    """The columns that the model was trained on, where it says which."""
    if not all(take.get("columns") for take in takes):
        return None
    wanted = [name for take in takes for name in take["columns"]]
    found = {name: alike(columns, name) for name in wanted}
    if absent := [name for name in wanted if found[name] is None]:
        raise BadData(
            f"the model was trained on the column {absent[0]!r}, which the data lack; they have {', '.join(list(columns)[:12])}.\n"
            f"  Give the {len(wanted)} columns that it was trained on: {', '.join(wanted[:12])}{', ...' if len(wanted) > 12 else ''}."
        )
    return [(take, [str(found[name]) for name in take["columns"]]) for take in takes]


def alike(columns: Mapping[str, Any], name: str) -> str | None:
    """The column of that name, or the one that differs from it as converters and boosters write names: in what is no letter or digit."""
    if name in columns:
        return name
    same = [column for column in columns if _plain(column) == _plain(name)]
    return same[0] if len(same) == 1 else None


def _by_name(columns: Mapping[str, Any], takes: Sequence[Take]) -> list[tuple[Take, list[str]]] | None:
    """By names as they stand, or as converters write them: in small letters, without what is no letter or digit."""
    if any(take["width"] != 1 for take in takes):
        return None
    plain: dict[str, list[str]] = {}
    for name in columns:
        plain.setdefault(_plain(name), []).append(name)
    out = []
    for take in takes:
        alike = [take["input"]] if take["input"] in columns else plain.get(_plain(take["input"]), [])
        if len(alike) != 1:
            return None
        out.append((take, alike))
    return out


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _by_kind(columns: Mapping[str, Any], takes: Sequence[Take]) -> list[tuple[Take, list[str]]] | None:
    """All numbers to the one input of numbers and all words to the one of words, where the counts are theirs exactly."""
    words = [name for name, column in columns.items() if column.dtype.kind not in "buif"]
    numbers = [name for name in columns if name not in words]
    wanted: list[tuple[list[Take], list[str]]] = [
        ([take for take in takes if take["words"] is None], numbers),
        ([take for take in takes if take["words"] is not None], words),
    ]
    if any(len(group) > 1 or sum(take["width"] for take in group) != len(names) for group, names in wanted):
        return None
    by_input = {group[0]["input"]: names for group, names in wanted if group}
    return [(take, by_input[take["input"]]) for take in takes]


def _check_kind(take: Take, name: str, column: Any) -> None:
    numeric = column.dtype.kind in "buif"
    if take["words"] is None and not numeric:
        word = next((str(cell) for cell in column.tolist() if str(cell).strip()), "")
        raise BadData(
            f"the column {name!r} holds words ({word:.40}); the model's input {take['input']!r} takes numbers.\n"
            "  Give the numbers that the model was trained on in their place."
        )
    if take["words"] is not None and numeric and not (np.isnan(column) | (column == np.rint(column))).all():
        raise BadData(
            f"the column {name!r} holds fractions; the model's input {take['input']!r} takes words, and how a fraction is written is not "
            "guessed.\n  Give the words that the model was trained on."
        )


def whole_of(graph: Mapping[str, Any] | None) -> list[int] | None:
    """The bounds of the one input of a graph that takes whole numbers; None for all others."""
    found: list[int] | None = graph["takes"][0]["whole"] if graph and len(graph["takes"]) == 1 else None
    return found


def refuse_fractions_of(column: Any, whole: Sequence[int], what: str) -> None:
    """Refuse numbers that a graph of whole numbers does not take; missing ones are left out.

    Raises:
        BadData: Says the row, what it holds and the way out.
    """
    known = np.where(np.isnan(column), whole[0], column) if column.dtype.kind == "f" else column
    try:
        refuse_fractions(known, whole, what)
    except ValueError as error:
        raise BadData(
            f"{error}\n  Feed it as the model was trained, whole numbers; or export the model again with inputs of float."
        ) from None


def made_whole(values: Any, whole: Sequence[int] | None) -> Any:
    """Made-up numbers as a graph of whole numbers takes them; as they are for others."""
    return values if whole is None else np.clip(np.rint(values), whole[0], whole[1])
