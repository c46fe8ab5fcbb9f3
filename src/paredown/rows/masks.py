"""Masks: images that say the class of each pixel by a whole number, in the words that stand for labels.

The word of a mask is MASK, the value that means nothing (or no value), MASK, and the bytes of an image file, each as the character of its
number: equal masks are equal words, and a packed file takes a hundredth of its pixels.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paredown.core.errors import BadData
from paredown.core.rows import MASK, Rows
from paredown.ground.host import host
from paredown.ground.lazy import need
from paredown.kinds.places import NOTHING

_LOSSY = ("JPEG", "JPEG2000", "MPO")
_VOID, _ANSWER_B = 255, 4
_DEEP = 256
"""Values from which on a mask numbers single objects and no classes."""


def mask_word(file: bytes, nothing: int | None = None) -> str:
    """The word of a mask.

    Args:
        file: The bytes of an image file.
        nothing: The value of pixels of which nothing is known.
    """
    return f"{MASK}{'' if nothing is None else nothing}{MASK}{file.decode('latin-1')}"


def mask_words(masks: Any, nothing: int | None = None) -> list[str]:
    """The words of masks (N, H, W), whole numbers from 0 to 65535.

    Raises:
        ValueError: A value is outside of that, or a fraction.
    """
    out, image = [], need("PIL.Image", "masks in an array")
    for at, mask in enumerate(masks):
        array = np.asarray(mask)
        whole = array.astype(np.uint16 if array.size and array.max() > 255 else np.uint8)
        if array.size and not (0 <= array.min() <= array.max() <= 65535 and (whole == array).all()):
            raise ValueError(f"mask {at} holds values from {array.min()} to {array.max()}; classes are whole numbers from 0.")
        file = io.BytesIO()
        image.fromarray(whole).save(file, "png")
        out.append(mask_word(file.getvalue(), nothing))
    return out


def open_mask(file: bytes) -> np.ndarray:
    """The values of a mask (H, W): those of a gray image of any depth, or the places in its palette.

    Raises:
        ValueError: It is no image, has more pixels than images may, is packed with losses, or has colors or fractions.
    """
    image_module = need("PIL.Image", "reading masks")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            image = image_module.open(io.BytesIO(file))
            image.load()
    except Exception as error:  # each file format has its own ways to be damaged
        raise ValueError(f"cannot be opened as an image ({type(error).__name__})") from None
    if image.format in _LOSSY:
        raise ValueError(f"is a {image.format} file, whose pixels are not exactly what was saved; save masks as PNG")
    found = np.asarray(image)
    if found.ndim == 3 and image.mode in ("LA", "PA"):
        found = found[:, :, 0]
    if found.ndim == 3 and image.mode in ("RGB", "RGBA") and (found[:, :, :3] == found[:, :, :1]).all():
        found = found[:, :, 0]
    if found.ndim != 2 or found.dtype.kind not in "bui":
        raise ValueError(f"has mode {image.mode}; a mask is one whole number per pixel, as of a gray image or one with a palette")
    return found.astype(np.int32)


@dataclass(frozen=True, kw_only=True)
class Masks:
    """The masks of some words in the form of an array (words, H, W), int16, opened when they are asked for.

    Args:
        words: Each once.
        classes: How many there are; a value is that of its class, and of two classes any value above 0 is the second.
        size: Height and width, once they are known.
        lay: Changes class indices (h, w) into (H, W), NOTHING where there are none.
    """

    words: Sequence[str]
    classes: int
    size: tuple[int, ...] = ()
    lay: Callable[[np.ndarray], np.ndarray] | None = None

    dtype = np.dtype(np.int16)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self.words), *self.size)

    def __len__(self) -> int:
        return len(self.words)

    def laid(self, size: Sequence[int], lay: Callable[[np.ndarray], np.ndarray]) -> Masks:
        """The same in the size that a model sees."""
        return replace(self, size=tuple(size), lay=lay)

    def __getitem__(self, which: Any) -> np.ndarray:
        places = np.arange(len(self))[which]
        if places.ndim == 0:
            return self._read(self.words[places])
        out = np.empty((len(places), *self.size), self.dtype)
        for at, place in enumerate(places.tolist()):
            out[at] = self._read(self.words[place])
        return out

    def _read(self, word: str) -> np.ndarray:
        values, nothing = parted_mask(word)
        found = (values > 0).astype(np.int16) if self.classes == 2 else values.astype(np.int16)
        if nothing is not None:
            found[values == nothing] = NOTHING
        return found if self.lay is None else self.lay(found)


def parted_mask(word: str) -> tuple[np.ndarray, int | None]:
    """The values (H, W) of a mask, and the one that means nothing."""
    _, nothing, file = word.split(MASK, 2)
    return open_mask(file.encode("latin-1")), int(nothing) if nothing else None


def _values_of(words: Sequence[str]) -> tuple[list[int], bool]:
    """The values that some mask has, other than those that mean nothing, and whether they are too large or too many for classes."""
    found, deep = set[int](), False
    for word in words:
        values, nothing = parted_mask(word)
        own = {*np.unique(values).tolist()} - {nothing}
        deep = deep or max(own, default=0) >= _DEEP
        found |= own
    return sorted(found), deep


def class_masks(words: Sequence[str], column: str, names: Sequence[str] = ()) -> tuple[Masks, tuple[str, ...]]:
    """The targets of masks and the names of the classes. Values are the places of the classes; of two every value above 0 is the second.

    Without names the classes are called by their values.

    Raises:
        BadData: A word is no mask; values are no classes; nothing says whether they are classes or number single objects.
    """
    if other := next((word for word in words if not word.startswith(MASK)), None):
        raise BadData(
            f"the labels in {column!r} are no masks: {other!r:.60}.\n"
            "  Name the folder or zip file of masks beside the images with `label:`; in an .npz file y is an array (N, H, W)."
        )
    values, deep = _values_of(words)
    largest, count = values[-1] if values else 0, len(names)
    void = f"If {_VOID} marks what has no class write `data: {{ignore: {_VOID}}}`."
    if len(values) > 2 and largest == _VOID >= count and values[-2] < (max(2, count) if count else _VOID - 1):
        raise BadData(f"the masks in {column!r} have the values 0 to {values[-2]} and {_VOID}.\n  {void}")
    if not names:
        if len(values) < 2:
            raise BadData(f"all pixels of all masks in {column!r} have one value ({largest}).\n  Masks need two classes or more.")
        if deep:
            raise BadData(
                f"the masks in {column!r} have values up to {largest}: nothing says whether they are classes or number single things.\n"
                "  Name the classes, as `data: {labels: [background, nucleus]}`: of two, every value above 0 is the second."
            )
        names = [str(value) for value in values] if len(values) == 2 and values[0] == 0 else [*map(str, range(largest + 1))]
    elif count > 2 and largest >= count:
        raise BadData(
            f"the masks in {column!r} have the value {largest}; the {count} classes are the values 0 to {count - 1}.\n"
            f"  Correct the masks or the names. {void}"
        )
    if len(names) < 2:
        raise BadData(f"`labels:` names 1 class ({names[0]}).\n  Name two or more, the background too.")
    return Masks(words=words, classes=len(names)), tuple(names)


def refuse_too_many_pixels(parts: Mapping[str, Rows]) -> None:
    """Refuse rows that are judged whose answers at all places do not fit into memory.

    Raises:
        BadData: Says how much they take, and of what.
    """
    room_b = host().memory_b / 2
    for split in ("test", "validation"):
        rows = parts[split]
        if rows.labels is None or rows.labels.ndim < 3:
            continue
        needed_b = 2 * _ANSWER_B * len(rows) * len(rows.names) * math.prod(rows.labels.shape[1:])
        if needed_b > room_b:
            size = " x ".join(map(str, rows.labels.shape[1:]))
            raise BadData(
                f"the answers of two models to {split} ({len(rows)} images x {len(rows.names)} classes x {size} pixels) take "
                f"{needed_b / 1e9:.3g} GB; half of this machine's memory, {room_b / 1e9:.3g} GB, is the most.\n"
                f"  Give fewer images, as `data: {{shares: {{{split}: 0.1}}}}` of one source, or a smaller `preprocess: {{resize: ...}}`."
            )
