"""Images of any size and mode: opened, converted, resized and cut as the image processors of transformers do it.

This file stands alone: numpy, and pillow where a file is opened or an image is changed. It is copied into `predict.py` like `feed`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

RESAMPLE = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
"""Names of Pillow's filters and their numbers."""


def _is_file(item: Any) -> bool:
    """A path, the bytes of a file, or an image that Pillow has opened."""
    return isinstance(item, str | bytes) or hasattr(item, "__fspath__") or hasattr(item, "getbands")


def one_by_one(inputs: Any, ready: tuple[int, ...], changes: bool) -> Any:
    """The images in a sequence, where each has to be opened or changed; None for arrays of the shape `ready`, or where none is changed."""
    if _is_file(inputs):
        return [inputs]
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "buif":
        if not changes or (ready and ready in (inputs.shape, inputs.shape[1:])):
            return None
        alone = inputs.ndim == 2 or (inputs.ndim == 3 and inputs.shape[2] <= 4)
        return [inputs] if alone else inputs
    if len(inputs) and any(map(_is_file, inputs)):
        return inputs
    if not changes:
        return None
    try:
        return one_by_one(np.asarray(inputs), ready, changes)
    except ValueError:  # arrays of several sizes
        return inputs


def _called(item: Any, at: int) -> str:
    """How messages name an image: by its path, or by its place in the batch."""
    return str(item) if isinstance(item, str) or hasattr(item, "__fspath__") else f"image {at}"


def open_picture(item: Any, at: int = 0) -> Any:
    """A Pillow image from a path, the bytes of a file, an open image, or 8-bit pixels (H, W) or (H, W, C); photos are turned upright.

    Raises:
        ValueError: It is no image, has more than 8 bits per pixel, or so many pixels that opening it could fill the memory.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ValueError("images as files, and images that are resized, need pillow: `pip install pillow`.") from None
    if hasattr(item, "getbands"):
        image = ImageOps.exif_transpose(item)
    elif _is_file(item):
        import io
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(io.BytesIO(item if isinstance(item, bytes) else _content(item)))
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise ValueError(f"{_called(item, at)} has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller.") from None
        except FileNotFoundError:
            raise ValueError(f"{_called(item, at)} does not exist.") from None
        except Exception as error:  # each file format has its own ways to be damaged
            said = type(error).__name__ if isinstance(error, UnidentifiedImageError) else f"{type(error).__name__}: {error}"
            raise ValueError(f"{_called(item, at)} cannot be opened as an image ({said}).") from None
    else:
        image = Image.fromarray(_pixels(item, at))
    if image.mode[0] in "IF":
        raise ValueError(f"{_called(item, at)} has mode {image.mode}, more than 8 bits per pixel; convert it to 8 bits.")
    return image


def _content(path: Any) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _pixels(item: Any, at: int) -> np.ndarray:
    pixels = np.asarray(item)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype.kind not in "bui" or pixels.ndim not in (2, 3) or 0 in pixels.shape or pixels.shape[2:] > (4,):
        raise ValueError(f"image {at} is {pixels.dtype} of shape {pixels.shape}; give 8-bit pixels (H, W) or (H, W, C), or a file.")
    if not 0 <= pixels.min() <= pixels.max() <= 255:
        raise ValueError(f"image {at} holds values from {pixels.min()} to {pixels.max()}; 8-bit pixels are 0 to 255.")
    return np.ascontiguousarray(pixels, np.uint8)


def picture_reader(spec: Mapping[str, Any]) -> Callable[[Any, int], np.ndarray]:
    """The function one image, and its place for messages -> pixels of the declared shape."""
    item, size, mode = tuple(spec["shape"]), spec.get("resize"), spec.get("mode")
    takes = mode or {1: "L", 3: "RGB", 4: "RGBA"}.get((*item, 1)[2])

    def read(given: Any, at: int) -> np.ndarray:
        image = open_picture(given, at)
        if image.mode != takes:
            if mode is None:
                raise ValueError(f"{_called(given, at)} has mode {image.mode}; the model takes {takes}. Convert it first.")
            image = image.convert(mode)
        if size is None and image.size != (item[1], item[0]):
            found = f"{image.height} x {image.width}"
            raise ValueError(f"{_called(given, at)} is {found} pixels; the model takes {item[0]} x {item[1]}. Resize it first.")
        if size is not None:
            high, wide = resized(size, image.height, image.width)
            image = image.resize((wide, high), RESAMPLE[spec["resample"]])
        return middle(np.asarray(image), item).reshape(item)

    return read


def resized(size: Any, height: int, width: int) -> tuple[int, int]:
    """Height and width of an image that is resized: as `size` says both, or the shorter side alone, which keeps the proportions."""
    short = min(height, width)
    return (size[0], size[1]) if isinstance(size, list) else (int(size * height / short), int(size * width / short))


def middle(pixels: np.ndarray, item: tuple[int, ...]) -> np.ndarray:
    """The middle of an image, padded with zeros where it is smaller."""
    for axis in (0, 1):
        spare = pixels.shape[axis] - item[axis]
        if spare > 0:
            pixels = pixels.take(range(spare // 2, spare // 2 + item[axis]), axis)
        elif spare < 0:
            before = (1 - spare) // 2
            edges = [(0, 0)] * pixels.ndim
            edges[axis] = (before, -spare - before)
            pixels = np.pad(pixels, edges)
    return pixels
