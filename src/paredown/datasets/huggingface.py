"""Data sets that the `datasets` library saved."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ground import lazy
from paredown.ingest import arrow
from paredown.ingest.sources import check_room, nearest, rows_from_arrays
from paredown.ingest.tables import listed, roles, rows_from_table

_MODES = {"1": "L", "L": "L", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA"}


class Huggingface(DatasetReader):
    """Folders that `datasets.Dataset.save_to_disk` wrote, with the same entries as a csv file; nothing is downloaded.

    Of several splits one is named as `folder:train` or `folder/train`. A column of classes gives the names, and -1 in it is no label. The
    inputs are the one column of images, or the one that `inputs:` names, unless `text:` or `features:` is given.
    """

    @classmethod
    def claims(cls, source: str, folder: Path) -> bool:
        """A folder with the files that `save_to_disk` writes, with or without a split behind a colon."""
        return _place(source, folder) is not None

    def read(self, source: str, folder: Path, columns: Mapping[str, Any], labels: Sequence[str]) -> Rows:
        """All rows in their order.

        Raises:
            BadData: No such folder, split or column, damaged, a column of lists or dates, images of several sizes, an empty text, a row
                without label, more than memory can hold.
            MissingExtra: datasets is not installed.
        """
        place = _place(source, folder)
        if place is None:
            raise BadData(
                f"{source}: there is no folder that `datasets.save_to_disk` wrote.\n  Relative paths start at the job file's folder."
            )
        data = _loaded(*place, source)
        features = data.features
        image = _image_column(features, columns, source)
        # A column of images plays the part of a text: the one input.
        parts = roles(data.column_names, columns if image is None else {**columns, "text": [image]}, source)
        table = data.select_columns(parts.columns).with_format("arrow")[:]
        check_room(source, 2 * table.nbytes, f"{len(table)} rows of {len(parts.columns)} columns")
        classes = [name for name in parts.columns if hasattr(features[name], "int2str")]
        given = labels or (features[parts.label].names if parts.label in classes else ())
        plain = replace(parts, text=() if image else parts.text)
        arrow.check_kinds(table.schema, plain, source)
        values = arrow.values(table, plain, [*listed(columns, "categorical"), *classes])
        for name in classes:
            words = features[name].names
            values[name] = [words[cell] if cell is not None and 0 <= cell < len(words) else None for cell in values[name]]
        if image is None:
            return rows_from_table(values, plain, columns, given, source=source)
        targets = None if parts.label is None else values[parts.label]
        groups = {name: values[name] for name in parts.groups}
        return rows_from_arrays(_images(table[image], source), targets, source=source, names=given, groups=groups, high=255.0)


def _place(source: str, folder: Path) -> tuple[Path, str | None] | None:
    """The folder and the split behind a colon, where the folder is one."""
    before, _, split = source.rpartition(":")
    for path, name in ((folder / source, None), *([(folder / before, split)] if before else [])):
        if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            return path, name
    return None


def _loaded(path: Path, split: str | None, source: str) -> Any:
    library, pyarrow = lazy.need("datasets", source), lazy.need("pyarrow", source)
    try:
        data = library.load_from_disk(str(path))
    except Exception as error:  # the library stumbles in many ways over a damaged description
        raise _damaged(source, error) from None
    if isinstance(data, library.DatasetDict):
        if split not in data:
            found = f"there is no split {split!r}.{nearest(split, data)}" if split else "the folder holds several splits."
            raise BadData(f"{source}: {found}\n  Write one of {', '.join(f'`{path.name}:{name}`' for name in data)}.")
        data = data[split]
    elif split is not None:
        raise BadData(f"{source}: the folder holds one data set without splits.\n  Leave out `:{split}`.")
    try:
        data.data.table.validate(full=True)  # Arrow trusts what it maps into memory; a damaged offset would end the process
    except pyarrow.ArrowException as error:
        raise _damaged(source, error) from None
    return data


def _damaged(source: str, error: Exception) -> BadData:
    said = str(error).partition("\n")[0][:200]
    return BadData(f"{source} is damaged: {said}.\n  Save it again with `save_to_disk`.")


def _image_column(features: Mapping[str, Any], columns: Mapping[str, Any], source: str) -> str | None:
    images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    wanted: str | None = columns.get("inputs")
    if wanted is not None and wanted not in images:
        raise BadData(
            f"{source}: there is no column of images {wanted!r}; images are in {', '.join(images) or 'none'}.\n  Correct `inputs:`."
        )
    if wanted is None and (columns.get("text") or columns.get("features") or not images):
        return None
    if wanted is None and len(images) > 1:
        raise BadData(f"{source}: the columns {', '.join(images)} hold images.\n  Say which with `inputs:`.")
    return wanted or images[0]


def _images(column: Any, source: str) -> np.ndarray:
    """All images as one array of 8-bit pixels, (N, H, W) or (N, H, W, C)."""
    from PIL import Image

    out, first = np.zeros((0,), np.uint8), None
    for row, cell in enumerate(item for chunk in column.chunks for item in chunk):
        stored = cell.as_py() or {}
        if not stored.get("bytes"):
            raise BadData(f"{source}: row {row}: there is no image in the folder.\n  Save the data set again with `save_to_disk`.")
        try:
            with Image.open(io.BytesIO(stored["bytes"])) as opened:
                form = (*opened.size, _MODES.get(opened.mode, opened.mode))
                if form[2] not in _MODES.values():
                    raise BadData(f"{source}: row {row}: the image is in mode {opened.mode}.\n  Convert it to L, RGB or RGBA.")
                if first is None:
                    first = form
                    shape = (len(column), form[1], form[0], *({"L": (), "RGB": (3,), "RGBA": (4,)}[form[2]]))
                    check_room(source, int(np.prod(shape, dtype=np.float64)), " x ".join(map(str, shape)) + " pixels")
                    out = np.empty(shape, np.uint8)
                if form != first:
                    raise BadData(
                        f"{source}: row {row}: the image is {form[0]} x {form[1]} {form[2]}; row 0 is {first[0]} x {first[1]} {first[2]}.\n"
                        "  All images need one size and mode; resize or convert them first."
                    )
                out[row] = np.asarray(opened.convert(form[2]))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise BadData(f"{source}: row {row}: the image cannot be read: {error!s:.200}.\n  Repair or remove it.") from None
    return out
