"""What `paredown init` sees of a graph and of arrays without labels: a job of tensors, where no other task fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData, BadModel
from paredown.ground import registry
from paredown.ground.lazy import need
from paredown.ingest.any_source import read_rows
from paredown.ingest.array_sets import ARRAYS
from paredown.tasks.tensors import arrays_of

_READERS = ("npz", "array_folder")


@dataclass(frozen=True, kw_only=True)
class ArrayRows:
    """A graph and arrays for it.

    Args:
        why: Why its answers are taken as tensors.
        constants: Input without an axis for rows -> its one value in all rows.
        missing: Inputs that the rows do not have, as the graph declares them.
    """

    why: str
    constants: Mapping[str, Any]
    missing: tuple[str, ...]


def look(entry: Mapping[str, str], source: str) -> ArrayRows | None:
    """What is seen; None where the model is no graph, the rows are no arrays, or it is a classifier and they have labels.

    Args:
        entry: Of the job's model.
        source: Rows.

    Raises:
        BadData: The arrays cannot be read.
    """
    readers = [registry.get("datasets", name) for name in _READERS]
    if "onnx" not in entry or not any(reader.claims(source, Path()) for reader in readers):
        return None
    declared, tensors = (need(f"paredown.graphs.{name}", "looking at an ONNX model") for name in ("declared", "graph_tensors"))
    path = Path(entry["onnx"])
    takes, problem = [], False
    try:
        takes = tensors.takes(path, {})
        declared.read(path)
    except BadModel:
        problem = True
    if not takes:  # of words, say
        return None
    labeled = False
    if len(takes) == 1:
        try:
            labeled = read_rows(source, Path(), {}, ()).labels is not None
        except BadData:
            labeled = False
    if labeled and not problem:
        return None
    rows = arrays_of(read_rows(source, Path(), {ARRAYS: {take["input"]: len(take["shape"]) for take in takes}}, ()).inputs)
    if len(takes) == len(rows) == 1:
        rows = {takes[0]["input"]: next(iter(rows.values()))}
    flat = [take for take in takes if not take["shape"] and take["input"] in rows]
    constants = {take["input"]: _one(rows[take["input"]]) for take in flat if rows[take["input"]].ndim == 1}
    missing = [f"{take['input']}: {take['numbers']} {tuple(take['shape'])}" for take in takes if take["input"] not in rows]
    why = "it is no classifier" if problem else "the rows have no labels"
    return ArrayRows(why=why, constants={name: value for name, value in constants.items() if value is not None}, missing=tuple(missing))


def _one(array: Any) -> Any:
    """The one value of all rows; None where they differ."""
    found = np.unique(array)
    return found[0].item() if len(found) == 1 else None
