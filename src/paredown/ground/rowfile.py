"""Rows in one file that any process can read: no pickles, no text parsing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from paredown.core.errors import Damaged
from paredown.core.rows import Rows
from paredown.ground.untrusted import parse_json


def _packed(name: str, array: Any) -> dict[str, Any]:
    """The arrays that hold one array: itself, or for words their UTF-8 bytes one after the other, where each ends, and the shape.

    Absent cells become empty words. Text of a fixed width would take the memory of the longest word in every row. Files are bytes already.
    """
    if array.dtype.kind not in "OU":
        return {name: array}
    cells = array.reshape(-1).tolist()
    kind = "files" if cells and all(isinstance(cell, bytes) for cell in cells) else "bytes"
    parts = cells if kind == "files" else [_word(cell).encode("utf-8", "surrogatepass") for cell in cells]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return {f"{name}/{kind}": np.frombuffer(b"".join(parts), np.uint8), f"{name}/ends": ends, f"{name}/shape": np.array(array.shape)}


def _word(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell)


def _unpacked(file: Any, name: str) -> Any:
    """The inverse of `_packed`; words and files come back as an array of objects."""
    if name in file.files:
        return file[name]
    whole = f"{name}/files" in file.files
    data, ends = file[f"{name}/files" if whole else f"{name}/bytes"].tobytes(), file[f"{name}/ends"].tolist()
    parts = [data[start:end] for start, end in zip([0, *ends], ends)]
    cells = np.empty(len(ends), object)
    cells[:] = parts if whole else [part.decode("utf-8", "surrogatepass") for part in parts]
    return cells.reshape(file[f"{name}/shape"])


def write_rows(rows: Rows, path: Path) -> None:
    """Write rows as one .npz file.

    Args:
        rows: Arrays or columns; words, and files as bytes, may be of any length.
        path: The file; its folder must exist.
    """
    arrays: dict[str, Any] = {}
    columns = list(rows.inputs) if isinstance(rows.inputs, Mapping) else None
    if columns is None:
        arrays |= _packed("inputs", rows.inputs)
    else:
        for number, name in enumerate(columns):
            arrays |= _packed(f"column {number}", rows.inputs[name])
    if rows.labels is not None:
        arrays["labels"] = rows.labels
    for number, column in enumerate(rows.groups.values()):
        arrays |= _packed(f"group {number}", column)
    head = {"columns": columns, "groups": list(rows.groups), "names": list(rows.names), "high": rows.high}
    np.savez(path, head=np.asarray(json.dumps(head)), **arrays)


def read_rows(path: Path) -> Rows:
    """The inverse of `write_rows`.

    Raises:
        Damaged: The file is absent or cannot be read.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            head = parse_json(str(file["head"]))
            columns = head["columns"]
            inputs = (
                _unpacked(file, "inputs")
                if columns is None
                else {name: _unpacked(file, f"column {number}") for number, name in enumerate(columns)}
            )
            groups = {name: _unpacked(file, f"group {number}") for number, name in enumerate(head["groups"])}
            labels = file.get("labels")
            return Rows(inputs=inputs, labels=labels, names=tuple(head["names"]), groups=groups, high=head["high"])
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError, RuntimeError, MemoryError, zlib.error) as error:
        raise Damaged(f"{path} cannot be read: {error}.\n  It is in the study's cache; run the job again with `--fresh`.") from error
