"""Folders of arrays saved by numpy."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.array_sets import chosen, rows_of_arrays, wanted
from paredown.ingest.sources import check_room

ENDINGS = (".npy", ".npz")


class ArrayFolder(DatasetReader):
    """A folder of `.npy` or `.npz` files, each a row or some rows of a model's inputs, in the order of their names.

    Whether a file is one row or several is told by the axes that the model's input has; where these are not known, files that differ along
    the first axis alone hold several. Pickled objects are never read. Rows have no labels.
    """

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """A folder that holds such files."""
        path = folder / source
        return path.is_dir() and any(item.suffix.lower() in ENDINGS for item in path.iterdir())

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All files.

        Raises:
            BadData: No such folder, files of both endings, or of other arrays or shapes; one that is damaged or holds objects; says which.
        """
        root = folder / source
        if not root.is_dir():
            raise BadData(f"{source}: no such folder in {folder.resolve()}.\n  Relative paths start at the job file's folder.")
        files = sorted(item for item in root.iterdir() if item.suffix.lower() in ENDINGS and not item.name.startswith("."))
        if len({item.suffix.lower() for item in files}) != 1:
            raise BadData(f"{source} holds .npy and .npz files, or none.\n  Give files of one ending, one for each row or some rows.")
        check_room(source, sum(item.stat().st_size for item in files), "arrays")
        parts: dict[str, list[Any]] = {}
        for number, item in enumerate(files):
            found = _arrays(item, f"{source}/{item.name}")
            names = chosen([*found], columns, f"{source}/{item.name}")
            if number and {*names} != {*parts}:
                raise BadData(
                    f"{source}/{item.name} has the arrays {', '.join(names)}; {files[0].name} has {', '.join(parts)}.\n"
                    "  Each file needs the same arrays."
                )
            for name in names:
                parts.setdefault(name, []).append(found[name])
        axes = wanted(columns) or {}
        only = next(iter(axes.values()), 0) if len(axes) == len(parts) == 1 else 0
        arrays = {name: _joined(name, each, axes.get(name, only), source, files) for name, each in parts.items()}
        return rows_of_arrays(arrays, source)


def _arrays(path: Path, source: str) -> dict[str, Any]:
    try:
        with path.open("rb") as raw:
            found = np.load(raw, allow_pickle=False)
            return {"": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
    except (OSError, EOFError, AttributeError, MemoryError, TypeError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        kind = "holds pickled objects, which are never read" if "pickle" in str(error) else f"is not whole ({type(error).__name__})"
        raise BadData(f"{source} {kind}.\n  Write it with numpy.save or numpy.savez, numbers alone.") from None


def _joined(name: str, parts: Sequence[Any], axes: int, source: str, files: Sequence[Path]) -> Any:
    """Rows of one array from all files.

    Args:
        axes: Of the model's input with that of the rows; 0 where it is not known.
    """
    shapes = [part.shape for part in parts]
    several = shapes[0][1:] if shapes[0] and (axes == len(shapes[0]) or (not axes and len({*shapes}) > 1)) else None
    odd = next(
        (at for at, shape in enumerate(shapes) if (shape != shapes[0] if several is None else not shape or shape[1:] != several)), None
    )
    if odd is not None:
        called = f"the array {name!r}" if name else "an array"
        raise BadData(
            f"{source}/{files[odd].name} has {called} of shape {shapes[odd]}; {files[0].name} has {shapes[0]}.\n"
            "  All rows need one shape: rows of other lengths or sizes are jobs of their own, or padded first."
        )
    return np.stack(parts) if several is None else np.concatenate(parts)
