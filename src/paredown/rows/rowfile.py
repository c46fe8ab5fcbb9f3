"""Rows in one file that any process can read: no pickles, no text parsing; few as arrays, many in blocks that are read when asked."""

from __future__ import annotations

import dataclasses
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
from paredown.rows.blocks import MAGIC, Table, Writer
from paredown.rows.columns import on_disk, rows_of
from paredown.rows.windows import Places, Windows, are_windows
from paredown.rows.words import are_files, packed, unpacked


def _packed(name: str, array: Any) -> dict[str, Any]:
    """The arrays that hold one array: itself, or for words and files their bytes, where each ends, and the shape."""
    if array.dtype.kind not in "OU":
        return {name: array}
    ends, data = packed(array)
    return {f"{name}/{'files' if are_files(array) else 'bytes'}": data, f"{name}/ends": ends, f"{name}/shape": np.array(array.shape)}


def _unpacked(file: Any, name: str) -> Any:
    """The inverse of `_packed`; words and files come back as an array of objects."""
    if name in file.files:
        return file[name]
    whole = f"{name}/files" in file.files
    data, shape = file[f"{name}/files" if whole else f"{name}/bytes"].tobytes(), file[f"{name}/shape"]
    return unpacked(data, file[f"{name}/ends"], tuple(shape.tolist()), files=whole)


def write_rows(rows: Rows, path: Path) -> None:
    """Write rows as one file: .npz, or blocks where they are on disk or too many for memory.

    Args:
        rows: Arrays or columns; words, and files as bytes, may be of any length.
        path: The file; its folder must exist.
    """
    if on_disk(rows):
        with path.open("w+b") as file:
            picture = getattr(rows.inputs, "picture", None)
            rows = rows if picture is None else dataclasses.replace(rows, inputs=rows.inputs.packed())
            writer = Writer(file, digests=False)
            for part in rows.parts():
                writer.add(part)
            writer.finish(rows.names, rows.high, picture)
        return
    arrays: dict[str, Any] = {}
    head: dict[str, Any] = {"groups": list(rows.groups), "names": list(rows.names), "high": rows.high}
    if are_windows(rows):
        places = next(iter(rows.inputs.values())).places
        first, last = int(places.starts.min()), int(places.starts.max()) + places.width
        arrays["starts"], head["width"] = places.starts - first, places.width
        arrays |= {} if places.block is None else {"block": places.block[first:last]}
        rows = dataclasses.replace(rows, inputs={name: column.steps[first:last] for name, column in rows.inputs.items()})
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
    np.savez(path, head=np.asarray(json.dumps(head | {"columns": columns})), **arrays)


def read_rows(path: Path) -> Rows:
    """The inverse of `write_rows`.

    Raises:
        Damaged: The file is absent or cannot be read.
    """
    try:
        raw = path.open("rb")
        if raw.peek(len(MAGIC)).startswith(MAGIC):
            return rows_of(Table(raw, str(path)))
        with raw, np.load(raw, allow_pickle=False) as file:
            head = parse_json(str(file["head"]))
            columns = head["columns"]
            inputs = (
                _unpacked(file, "inputs")
                if columns is None
                else {name: _unpacked(file, f"column {number}") for number, name in enumerate(columns)}
            )
            if "width" in head:
                places, last = Places(file["starts"], int(head["width"]), block=file.get("block")), min(map(len, inputs.values()))
                if not 0 <= places.starts.min() <= places.starts.max() <= last - places.width:
                    raise ValueError("its windows end behind its steps")
                inputs = {name: Windows(steps, places) for name, steps in inputs.items()}
            groups = {name: _unpacked(file, f"group {number}") for number, name in enumerate(head["groups"])}
            labels = file.get("labels")
            return Rows(inputs=inputs, labels=labels, names=tuple(head["names"]), groups=groups, high=head["high"])
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError, RuntimeError, MemoryError, zlib.error) as error:
        raise Damaged(f"{path} cannot be read: {error}.\n  It is in the study's cache; run the job again with `--fresh`.") from error
