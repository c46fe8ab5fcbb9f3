"""Rows in one file that any process can read: no pickles, no text parsing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from paredown.core.errors import Damaged
from paredown.core.rows import Rows


def _plain(array: Any) -> Any:
    """Objects become fixed-width text, with absent cells as empty words."""
    if array.dtype.kind != "O":
        return array
    return np.asarray(["" if item is None or item != item else str(item) for item in array.tolist()], dtype=np.str_)


def write_rows(rows: Rows, path: Path) -> None:
    """Write rows as one .npz file.

    Args:
        rows: Arrays or columns; object columns are written as text.
        path: The file; its folder must exist.
    """
    arrays: dict[str, Any] = {}
    columns = list(rows.inputs) if isinstance(rows.inputs, Mapping) else None
    if columns is None:
        arrays["inputs"] = _plain(rows.inputs)
    else:
        arrays |= {f"column {number}": _plain(rows.inputs[name]) for number, name in enumerate(columns)}
    if rows.labels is not None:
        arrays["labels"] = rows.labels
    arrays |= {f"group {number}": _plain(column) for number, column in enumerate(rows.groups.values())}
    head = {"columns": columns, "groups": list(rows.groups), "names": list(rows.names), "high": rows.high}
    np.savez(path, head=np.asarray(json.dumps(head)), **arrays)


def read_rows(path: Path) -> Rows:
    """The inverse of `write_rows`.

    Raises:
        Damaged: The file is absent or cannot be read.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            head = json.loads(str(file["head"]))
            columns = head["columns"]
            inputs = file["inputs"] if columns is None else {name: file[f"column {number}"] for number, name in enumerate(columns)}
            groups = {name: file[f"group {number}"] for number, name in enumerate(head["groups"])}
            labels = file.get("labels")
            return Rows(inputs=inputs, labels=labels, names=tuple(head["names"]), groups=groups, high=head["high"])
    except (OSError, EOFError, BadZipFile, ValueError, KeyError) as error:
        raise Damaged(f"{path} cannot be read: {error}.\n  It is in the study's cache; run the job again with `--fresh`.") from error
