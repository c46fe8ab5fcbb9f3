"""Images with a mask for each, which says the class of each pixel: in folders, in zip files, by a list or a table. Not a unit.

An image and its mask have one name but for the ending. Labels are the words of masks (`rows.masks`).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest import folders
from paredown.ingest.lines import Lines
from paredown.ingest.pixels import ENDINGS, HIGH, Alike, converted, open_item
from paredown.ingest.sources import nearest
from paredown.ingest.streams import Piece, collected, is_large
from paredown.rows.masks import mask_word, open_mask

_USUAL = "images"


@dataclass(frozen=True)
class _Pair:
    image: folders.Item
    mask: folders.Item | None


def of_folders(source: str, folder: Path, columns: Mapping[str, Any]) -> Rows:
    """The images of a folder or zip file, in the order of their names.

    Args:
        source: Holds a folder of masks, named by `label`, and one of images, named by `inputs` where there are more than two; or it is that
            of the images, and the folder or zip file of masks lies beside it.
        folder: Where relative paths start.
        columns: label, inputs, ignore (a value of pixels without a class), preprocess.

    Raises:
        BadData: No such folder; an image without a mask, or of another size than its mask; a file that is no image or no mask.
    """
    label, inputs = str(columns["label"]), columns.get("inputs")
    with ExitStack() as stack:
        found = stack.enter_context(folders.opened(source, folder, ENDINGS, "images"))
        if label not in found.names:
            masks = _named(found_beside(label, Path(source).parent, folder, source, stack), None)
            return _rows(_paired(_named(found, None), masks, source, label), source, columns)
        others = [name for name in found.names if name != label]
        chosen = inputs or (_USUAL if _USUAL in others else others[0] if len(others) == 1 else None)
        if chosen not in others:
            listed = ", ".join(others) or "none"
            raise BadData(
                f"{source} holds the masks {label!r}, and these folders beside them: {listed}.\n  Name that of the images: `inputs: ...`."
            )
        return _rows(_paired(_named(found, chosen), _named(found, label), source, label), source, columns)


def of_list(source: str, folder: Path, columns: Mapping[str, Any]) -> Rows:
    """The images that a file lists, in its order.

    Args:
        source: A `.txt` file with one name per line, with or without ending; or a table with columns of paths of images and of masks, from
            its own folder on.
        folder: Where relative paths start.
        columns: inputs and label: the folders or zip files that names are looked up in, or the columns; ignore; preprocess.

    Raises:
        BadData: As `of_folders`; a name that is listed is not there, with `file:line`.
    """
    inputs, label = str(columns["inputs"]), columns.get("label", "label")
    beside = Path(source).parent
    with ExitStack() as stack:
        if not source.lower().endswith(".txt"):
            return _rows(_of_table(source, folder, inputs, label), source, columns)
        images = _named(found_beside(inputs, beside, folder, source, stack), None)
        masks = None if label is None else _named(found_beside(str(label), beside, folder, source, stack), None)
        pairs = []
        with Lines(folder / source, source) as lines:
            for line in lines:
                if not (name := line.strip()):
                    continue
                where = f"{lines.where}: "
                image = _looked_up(name, images, inputs, where)
                pairs.append(_Pair(image, None if masks is None else _looked_up(name, masks, str(label), where)))
        return _rows(pairs, source, columns)


def found_beside(name: str, beside: Path, folder: Path, source: str, stack: ExitStack) -> folders.Folders:
    """The folder or zip file of a name, beside a source or where relative paths start.

    Raises:
        BadData: There is none.
    """
    place = next((path for path in (str(beside / name), name) if (folder / path).exists()), None)
    if place is None:
        raise BadData(
            f"{source}: there is no folder or zip file {name!r} in it, beside it or in {folder.resolve()}.\n"
            "  `label:` names that of the masks, `inputs:` that of the images which a list names."
        )
    return stack.enter_context(folders.opened(place, folder, ENDINGS, "images"))


def _named(found: folders.Folders, chosen: str | None) -> dict[str, folders.Item]:
    """Name without ending, from the source or the chosen folder on -> file.

    Raises:
        BadData: Two files have one name.
    """
    out: dict[str, folders.Item] = {}
    for item in found.items(["", *found.names] if chosen is None else [chosen]):
        name = "/".join(filter(None, (item.label if chosen is None else "", _stem(item.name.rpartition("/")[2]))))
        if name in out:
            raise BadData(f"{out[name].name} and {item.name} have one name but for their endings.\n  Keep one of them.")
        out[name] = item
    return out


def _stem(name: str) -> str:
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _paired(images: Mapping[str, folders.Item], masks: Mapping[str, folders.Item], source: str, label: str) -> list[_Pair]:
    if not images:
        raise BadData(f"{source} holds no images beside the masks.\n  Add images ({', '.join(ENDINGS)}).")
    for name, image in images.items():
        if name not in masks:
            raise BadData(
                f"{image.name} has no mask in {label!r}: none of its {len(masks)} files is called {name!r}.\n  Add it, or remove the image."
            )
    return [_Pair(image, masks[name]) for name, image in images.items()]


def _looked_up(name: str, files: Mapping[str, folders.Item], place: str, where: str) -> folders.Item:
    key = _stem(name.replace("\\", "/"))
    if key not in files:
        raise BadData(f"{where}{name!r} is not in {place}.{nearest(key, files)}\n  Give the names of files in it, one per line.")
    return files[key]


def _of_table(source: str, folder: Path, inputs: str, label: str | None) -> list[_Pair]:
    """The pairs of a table of paths."""
    pairs, root = list[_Pair](), (folder / source).parent
    with Lines(folder / source, source) as lines:
        reader = csv.DictReader(lines, delimiter="\t" if source.lower().endswith(".tsv") else ",")
        for name in (inputs, label):
            if name is not None and name not in (reader.fieldnames or ()):
                raise BadData(
                    f"{source} has no column {name!r}; it has {', '.join(reader.fieldnames or ())}.\n"
                    "  `inputs:` names the column of the images' paths, `label:` that of the masks'."
                )
        for row in reader:
            pairs.append(_Pair(_file(root, row[inputs], lines.where), None if label is None else _file(root, row[label], lines.where)))
    return pairs


def _file(root: Path, path: str | None, where: str) -> folders.Item:
    whole = root / (path or "")
    if not whole.is_file():
        raise BadData(f"{where}: {path!r} is no file.\n  Write paths from the table's folder on.")
    return folders.Item("", path or "", whole.stat().st_size, whole.read_bytes)


def _rows(pairs: Sequence[_Pair], source: str, columns: Mapping[str, Any]) -> Rows:
    """Images as pixels, or as files where they are resized; on disk where they are many."""
    if not pairs:
        raise BadData(f"{source}: there are no images.\n  Give at least one.")
    options, nothing = columns.get("preprocess") or {}, columns.get("ignore")
    mode, whole = options.get("mode"), "resize" in options
    first = open_item(pairs[0].image, pairs[0].image.read())
    total_b = sum(pair.image.size_b for pair in pairs)
    each_b = total_b // len(pairs) if whole else first.size[0] * first.size[1] * 3
    large = is_large(len(pairs) * each_b, total_b)
    picture = (mode or "", np.asarray(converted(mode, first)).shape) if large and not whole else None
    return collected(_pieces(pairs, mode, whole, picture is not None, nothing), source, (), picture, spooled=large)


def _pieces(pairs: Sequence[_Pair], mode: str | None, whole: bool, files: bool, nothing: int | None) -> Iterator[Piece]:
    """Some images at a time with the words of their masks."""
    alike = Alike(mode)
    for start in range(0, len(pairs), folders.PIECE_ROWS):
        some = pairs[start : start + folders.PIECE_ROWS]
        inputs, words, digests = list[Any](), list[str](), np.empty((len(some), 32), np.uint8)
        for at, pair in enumerate(some):
            data = pair.image.read()
            size = open_item(pair.image, data).size
            pixels = None if whole else alike.pixels(pair.image, data)
            inputs.append(data if pixels is None or files else pixels)
            digests[at] = np.frombuffer(hashlib.sha256(data if pixels is None else pixels.tobytes()).digest(), np.uint8)
            if pair.mask is not None:
                words.append(_word(pair, size, nothing))
        array = np.empty(len(some), object) if whole or files else np.stack(inputs)
        if whole or files:
            array[:] = inputs
        rows = Rows(inputs=array, labels=None, high=HIGH, digests=digests)
        yield rows, words if some[0].mask is not None else None, lambda row, some=some: some[row].image.name  # type: ignore[misc]


def _word(pair: _Pair, size: tuple[int, int], nothing: int | None) -> str:
    assert pair.mask is not None
    data = pair.mask.read()
    try:
        height, width = open_mask(data).shape
    except ValueError as error:
        raise BadData(f"{pair.mask.name} {error}.\n  Replace the file, or remove it and its image.") from None
    if (width, height) != size:
        raise BadData(
            f"{pair.mask.name} has {height} x {width} pixels; its image {pair.image.name} has {size[1]} x {size[0]}.\n"
            "  Give masks of the size of their images."
        )
    return mask_word(data, nothing)
