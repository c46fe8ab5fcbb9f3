"""Arrays saved by numpy."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.array_sets import LABELS, USUAL, chosen, rows_of_arrays, wanted
from paredown.ingest.sources import check_room, find, nearest, rows_from_arrays
from paredown.rows.masks import mask_words


class Npz(DatasetReader):
    """`.npz` files: inputs in X, x, inputs or images, labels in y, labels or targets, or as `inputs:` and `label:` say; masks (N, H, W) are
    labels too, of which `ignore:` names a value without a class.

    For a task of tensors each input of the model is the array of its name. Group columns are arrays of their own. Pickled objects are
    never read.
    """

    suffixes = (".npz",)

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows; without an array of labels they are unlabeled.

        Raises:
            BadData: No npz file, damaged, no such array, or an array of objects.
        """
        path = find(source, folder)
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                check_room(source, _announced_b(file.zip), "arrays")
                groups = {name: _pick(file, source, "groups", name, (), required=True) for name in columns.get("groups") or ()}
                if wanted(columns) is not None:
                    return rows_of_arrays({name: file[name] for name in chosen(file.files, columns, source)}, source, groups)
                inputs = _pick(file, source, "inputs", columns.get("inputs"), USUAL, required=True)
                labeled = "label" not in columns or columns["label"] is not None
                targets = _targets(file, source, columns.get("label")) if labeled else None
        except (OSError, EOFError, AttributeError, MemoryError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise BadData(
                f"{source} is not a whole npz file ({type(error).__name__}).\n  Write it with numpy.savez(path, X=..., y=...)."
            ) from None
        except ValueError as error:
            raise _unreadable(source, error) from None
        if targets is not None and targets.ndim == 3 and columns.get("ignore") is not None:
            targets = mask_words(targets, columns["ignore"])
        return rows_from_arrays(inputs, targets, source=source, names=labels, groups=groups)


def _targets(file: Any, source: str, named: Any) -> Any:
    """The array of labels; several that the job names stand side by side."""
    named = [named] if isinstance(named, str) else named
    if not named or len(named) == 1:
        return _pick(file, source, "label", named[0] if named else None, LABELS, required=False)
    parts = [_pick(file, source, "label", name, LABELS, required=True) for name in named]
    if len({len(part) for part in parts}) > 1:
        raise BadData(f"{source}: the arrays {', '.join(named)} have different lengths.\n  Each needs one value per row.")
    return np.column_stack(parts).astype(np.float64)


def _announced_b(packed: zipfile.ZipFile) -> int:
    """Bytes of all arrays: what the archive says, or what the arrays' own headers say where that is more."""
    total = 0
    for item in packed.infolist():
        with packed.open(item) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        total += max(item.file_size, math.prod(shape) * dtype.itemsize)
    return total


def _unreadable(source: str, error: ValueError) -> BadData:
    if "pickle" in str(error):
        return BadData(
            f"{source} holds pickled objects; reading them could run code.\n"
            "  Save plain arrays: numbers for inputs, numbers or str for labels."
        )
    return BadData(f"{source} is damaged: {error}.\n  Write it with numpy.savez(path, X=..., y=...).")


def _pick(file: Any, source: str, entry: str, name: str | None, usual: tuple[str, ...], *, required: bool) -> Any:
    if name is not None:
        if name not in file.files:
            raise BadData(
                f"{source} has no array {name!r}; it has {', '.join(file.files)}.{nearest(name, file.files)}\n"
                f"  Set `{entry}:` to one of them."
            )
        return file[name]
    found = [usual_name for usual_name in usual if usual_name in file.files]
    if len(found) > 1:
        raise BadData(f"{source} has the arrays {' and '.join(found)}.\n  Say which with `{entry}:`.")
    if not found and required:
        raise BadData(
            f"{source} has none of the arrays {', '.join(usual)}; it has {', '.join(file.files) or 'none'}.\n  Name one with `{entry}:`."
        )
    return file[found[0]] if found else None
