"""Images in, one class out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task

_OPTIONS = ("scale", "mean", "std", "layout", "input")
_LAYOUTS = ("nchw", "nhwc", "flat")


class ImageClassification(Task):
    """Images (N, H, W) or (N, H, W, C) of one size; one label each."""

    raw = "image"

    def check(self, rows: Rows) -> None:
        """Refuse what is no array of images, values that are not finite and values above `high`.

        Raises:
            BadData: Another shape, kind of number or range; says the first row.
        """
        images = rows.inputs
        if not isinstance(images, np.ndarray) or images.dtype.kind not in "buif":
            found = "columns" if isinstance(images, Mapping) else f"{type(images).__name__} of {getattr(images, 'dtype', 'objects')}"
            raise BadData(f"the inputs are {found}.\n  Image classification needs one array of numbers, shape (N, H, W) or (N, H, W, C).")
        if images.ndim not in (3, 4) or 0 in images.shape[1:]:
            raise BadData(
                f"the images have shape {images.shape}.\n"
                "  Give (N, H, W) or (N, H, W, C); for plain rows of numbers use tabular-classification."
            )
        if images.ndim == 4 and images.shape[3] > 4 >= images.shape[1]:
            raise BadData(
                f"the images have shape {images.shape}: {images.shape[3]} channels stand last.\n"
                "  Channels go last in raw images; transpose to (N, H, W, C)."
            )
        if images.dtype.kind == "f" and not (fine := np.isfinite(images).reshape(len(images), -1).all(axis=1)).all():
            raise BadData(
                f"{int((~fine).sum())} of {len(images)} images hold NaN or infinite values, first row {int(np.argmin(fine))}.\n"
                "  Remove or repair them."
            )
        if rows.high is not None and len(images) and not 0 <= images.min() <= images.max() <= rows.high:
            raise BadData(
                f"the images hold values from {images.min():g} to {images.max():g}; the data say 0 to {rows.high:g}.\n"
                "  Correct the pixels or `high`."
            )

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Scale pixels to 0..1, then subtract `mean` and divide by `std`.

        Args:
            train: Rows that the statistics come from where an option says "train".
            options: scale (a factor; by default 1 / high, 1/255 for 8-bit pixels, else 1), mean and std (a number, one per channel, or
                "train"; by default 0 and 1), layout (nchw, nhwc or flat; nchw by default).

        Raises:
            UnknownName: No such option or layout.
            BadData: An option is no number, or not one per channel; std is not above 0.
        """
        for key in options:
            if key not in _OPTIONS:
                raise UnknownName("preprocess option", key, _OPTIONS)
        layout = options.get("layout", "nchw")
        if layout not in _LAYOUTS:
            raise UnknownName("layout", str(layout), _LAYOUTS)
        images = train.inputs
        high = train.high if train.high is not None else 255.0 if images.dtype == np.uint8 else 1.0
        channels = images.shape[3] if images.ndim == 4 else 1
        scale = _numbers("scale", options.get("scale", 1.0 / high), 1)
        mean, std = options.get("mean", 0.0), options.get("std", 1.0)
        axes = (0, 1, 2)
        if mean == "train":
            mean = (images.mean(axis=axes, dtype=np.float64) * scale).tolist()
        if std == "train":
            spread = images.std(axis=axes, dtype=np.float64) * scale
            std = np.where(spread > 0, spread, 1.0).tolist()
        std = _numbers("std", std, channels)
        if min(std if isinstance(std, list) else [std]) <= 0:
            raise BadData(f"preprocess: std is {std}.\n  It divides; give numbers above 0.")
        mean = _numbers("mean", mean, channels)
        return {
            "kind": "image",
            "input": str(options.get("input", "input")),
            "shape": list(images.shape[1:]),
            "scale": scale,
            "mean": mean,
            "std": std,
            "layout": layout,
        }

    def decoder(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Logits, one per class."""
        return {"kind": "softmax", "output": "logits", "classes": len(names)}

    def probe(self, encoder: Mapping[str, Any], seed: int) -> np.ndarray:
        """Four images of random pixels, shape (4, H, W[, C]): whole numbers from 0 to 1 / scale, or 0..1 where scale is 1."""
        random, shape = np.random.default_rng(seed), (4, *encoder["shape"])
        high = round(1.0 / encoder["scale"]) if 0 < encoder["scale"] < 1 else 1
        if high == 1:
            return random.random(shape, dtype=np.float32)
        return random.integers(0, high + 1, shape).astype(np.uint8 if high <= 255 else np.float32)


def _numbers(name: str, value: Any, channels: int) -> Any:
    """A float, or a list of one float per channel."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(item, int | float) and not isinstance(item, bool) and np.isfinite(item) for item in values):
        hint = "" if name == "scale" else f", or {channels} of them, or the word train"
        raise BadData(f"preprocess: {name} is {value!r}.\n  Give a number{hint}.")
    if len(values) not in (1, channels):
        raise BadData(
            f"preprocess: {name} has {len(values)} numbers; the images have {channels} channel{'s' if channels > 1 else ''}.\n"
            f"  Give one number or {channels}."
        )
    return float(values[0]) if len(values) == 1 else [float(item) for item in values]
