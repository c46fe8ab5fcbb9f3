"""Data from a function that the user wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData, BadModel, ParedownError
from paredown.core.rows import Rows
from paredown.ground import user_code
from paredown.ingest.array_sets import chosen, rows_of_arrays, wanted
from paredown.ingest.sources import nearest, rows_from_arrays
from paredown.ingest.tables import listed, roles, rows_from_table

_ENTRIES = tuple(item.name for item in fields(Rows) if item.name != "digests")


class Python(DatasetReader):
    """`pkg.mod:function`: called without arguments, gives (X, y), Rows, or a dict with inputs, labels, names, groups, high.

    X may be an array, texts, pairs of texts, or a data frame. A data frame alone has its columns read as those of a csv file.
    """

    prefix = "python:"

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """What the function returns; its module is looked up beside the job file first.

        Raises:
            BadData: The module or function is not there, it raised, or it returned something else.
        """
        target = source.removeprefix(self.prefix)
        try:
            user_code.refuse_standard(target, folder, "data")
            with user_code.beside(folder):
                made = user_code.resolve(target, "data")()
        except BadModel as error:
            raise BadData(str(error)) from error
        except ParedownError:
            raise
        except (Exception, SystemExit) as error:
            raise BadData(
                f"{target} raised {type(error).__name__}: {error}.\n  It is called without arguments and returns (X, y)."
            ) from error
        if wanted(columns) is not None:
            return _arrays(made, columns, target)
        if hasattr(made, "columns") and hasattr(made, "to_numpy"):
            table = {str(name): made[name].to_numpy() for name in made.columns}
            return rows_from_table(table, roles(list(table), columns, target), columns, labels, source=target)
        if isinstance(made, Rows):
            made = {name: getattr(made, name) for name in _ENTRIES}
            if made["names"] and made["labels"] is not None:
                made["labels"] = _named(made["labels"], made["names"], target)
        elif isinstance(made, tuple) and len(made) == 2:
            made = {"inputs": made[0], "labels": made[1]}
        elif not isinstance(made, Mapping) or "inputs" not in made:
            raise BadData(
                f"{target} returned a {type(made).__name__}.\n  Return (X, y), a data frame, Rows, or a dict with inputs and labels."
            )
        strange = next((str(name) for name in made if name not in _ENTRIES), None)
        if strange is not None:
            raise BadData(
                f"{target} returned a dict with {strange!r}.{nearest(strange, _ENTRIES)}\n  Its entries are {', '.join(_ENTRIES)}."
            )
        labeled = "label" not in columns or columns["label"] is not None
        return rows_from_arrays(
            made["inputs"],
            made.get("labels") if labeled else None,
            source=target,
            names=labels or made.get("names") or (),
            groups=made.get("groups"),
            high=made.get("high"),
            text=listed(columns, "text"),
        )


def _arrays(made: Any, columns: Mapping[str, Any], target: str) -> Rows:
    """The rows for a task of tensors: what stands for the inputs, an array or a mapping from the model's inputs to arrays."""
    groups: Any = {}
    if isinstance(made, Rows):
        made, groups = made.inputs, made.groups
    elif isinstance(made, tuple) and len(made) == 2:
        made = made[0]
    elif isinstance(made, Mapping) and "inputs" in made and {*map(str, made)} <= {*_ENTRIES}:
        made, groups = made["inputs"], made.get("groups") or {}
    if isinstance(made, Mapping):
        return rows_of_arrays({name: made[name] for name in chosen([*made], columns, target)}, target, groups)
    if hasattr(made, "shape"):
        return rows_of_arrays({"": made}, target, groups)
    raise BadData(
        f"{target} returned a {type(made).__name__}.\n  Return an array (N, ...), or a dict from the names of the model's inputs to arrays."
    )


def _named(labels: Any, names: Sequence[str], target: str) -> list[str]:
    """Class indices of Rows as names, so that one rule matches all labels."""
    largest = max(map(int, labels), default=0)
    if largest >= len(names):
        raise BadData(f"{target} returned the class index {largest} with {len(names)} names.\n  Indices go from 0 to {len(names) - 1}.")
    return [names[int(label)] for label in labels]
