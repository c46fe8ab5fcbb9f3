"""Images in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.encoders import feed
from paredown.encoders.pictures import RESAMPLE
from paredown.ground.amounts import is_finite
from paredown.kinds.known import kind_named
from paredown.tasks.finite import refuse_not_finite
from paredown.tasks.graph_columns import whole_of

_OPTIONS = ("scale", "mean", "std", "layout", "input", "mode", "resize", "crop", "resample")
_LAYOUTS = ("nchw", "nhwc", "flat")
_MODES = ("L", "RGB")
_SAMPLE = 1000
_PROBE = (40, 48)


class Images(Task):
    """Images (N, H, W) or (N, H, W, C) of one size, or files of any size where the job resizes them."""

    raw = "image"

    def check(self, rows: Rows) -> None:
        """Refuse what is no array of images, values that are not finite and values above `high`; files were checked when they were read.

        Raises:
            BadData: Another shape, kind of number or range; says the first row.
        """
        images = rows.inputs
        if _are_files(images):
            return
        if isinstance(images, Mapping) or getattr(images, "dtype", np.dtype(object)).kind not in "buif":
            found = "columns" if isinstance(images, Mapping) else f"{type(images).__name__} of {getattr(images, 'dtype', 'objects')}"
            raise BadData(f"the inputs are {found}.\n  Such a task needs one array of numbers, shape (N, H, W) or (N, H, W, C).")
        if images.ndim not in (3, 4) or 0 in images.shape[1:]:
            raise BadData(
                f"the images have shape {images.shape}.\n  Give (N, H, W) or (N, H, W, C); for plain rows of numbers use a tabular task."
            )
        if images.ndim == 4 and images.shape[3] > 4 >= images.shape[1]:
            raise BadData(
                f"the images have shape {images.shape}: {images.shape[3]} channels stand last.\n"
                "  Channels go last in raw images; transpose to (N, H, W, C)."
            )
        refuse_not_finite(rows, "images", "Remove or repair them.")
        if rows.high is None or not len(rows) or (images.dtype == np.uint8 and rows.high >= 255):
            return
        ends = [(part.inputs.min(), part.inputs.max()) for part in rows.parts()]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        if not 0 <= low <= high <= rows.high:
            raise BadData(
                f"the images hold values from {low:g} to {high:g}; the data say 0 to {rows.high:g}.\n  Correct the pixels or `high`."
            )

    def encoder(self, train: Rows, options: Mapping[str, Any]) -> dict[str, Any]:
        """Convert and resize where asked, scale pixels to 0..1, then subtract `mean` and divide by `std`.

        Args:
            train: Rows that the statistics come from where an option says "train".
            options: mode (L or RGB; converts images of other modes), resize ([height, width], or a number for the shorter side, which
                keeps the proportions), crop (the middle [height, width]; a square of the shorter side by default), resample (a filter of
                Pillow; bilinear by default), scale (a factor; by default 1 / high, 1/255 for 8-bit pixels, else 1), mean and std (a number,
                one per channel, or "train"; by default 0 and 1), layout (nchw, nhwc or flat; nchw by default), graph (from the model
                alone: what it declares, see `graph_columns`, and its own layout and scale).

        Raises:
            UnknownName: No such option, layout, mode or filter.
            BadData: An option is no number, or not one per channel; std is not above 0; pixels to be resized are not 8-bit; an ONNX graph
                takes whole numbers, and these are scaled.
        """
        options = dict(options)
        graph = options.pop("graph", None) or {}
        whole, layout = whole_of(graph or None), options.get("layout", graph.get("layout", "nchw"))
        for key in options:
            if key not in _OPTIONS:
                raise UnknownName("preprocess option", key, _OPTIONS)
        for key, value, known in (
            ("layout", layout, _LAYOUTS),
            ("mode", options.get("mode", "L"), _MODES),
            ("resample", options.get("resample", "bilinear"), tuple(RESAMPLE)),
        ):
            if value not in known:
                raise UnknownName(key, str(value), known)
        images = train.inputs
        changes = changes_of(options, images)
        eight = _are_files(images) or images.dtype == np.uint8
        high = train.high if train.high is not None else 255.0 if eight else 1.0
        scale = _numbers("scale", options.get("scale", graph.get("scale", 1.0 / high if whole is None else 1.0)), 1)
        spec = {"kind": "image", "input": str(options.get("input", "input")), **changes, "scale": scale, "mean": 0.0, "std": 1.0}
        mean, std = options.get("mean", 0.0), options.get("std", 1.0)
        if "train" in (mean, std):
            pixels, unit = images, scale
            if len(changes) > 1:
                pixels, unit = feed.make_encoder(spec | {"layout": "nhwc"})(train.spread(_SAMPLE).inputs)[spec["input"]], 1.0
            if mean == "train":
                mean = (pixels.mean(axis=(0, 1, 2), dtype=np.float64) * unit).tolist()
            if std == "train":
                spread = pixels.std(axis=(0, 1, 2), dtype=np.float64) * unit
                std = np.where(spread > 0, spread, 1.0).tolist()
        channels = (*changes["shape"], 1)[2]
        std = _numbers("std", std, channels)
        if min(std if isinstance(std, list) else [std]) <= 0:
            raise BadData(f"preprocess: std is {std}.\n  It divides; give numbers above 0.")
        spec |= {"mean": _numbers("mean", mean, channels), "std": std, "layout": layout}
        if whole is not None and (spec["scale"] != 1 or np.any(spec["mean"]) or np.any(np.asarray(std) != 1)):
            raise BadData("preprocess scales the pixels, and the model takes whole numbers.\n  Leave scale, mean and std out.")
        return spec | ({"whole": whole} if whole else {})

    def ships(self, encoder: Mapping[str, Any]) -> list[str]:
        """Mean and spread of the pixels, where they were taken from train."""
        return ["one mean and spread of the pixels per channel"]

    def decoder(self, names: tuple[str, ...], encoder: Mapping[str, Any]) -> dict[str, Any]:
        """As the task's kind of answers has it."""
        return kind_named(self.kind).decoder(names)

    def probe(self, encoder: Mapping[str, Any], seed: int) -> np.ndarray:
        """Four images of random pixels, shape (4, H, W[, C]): whole numbers from 0 to 1 / scale, or 0..1 where scale is 1.

        Images that are resized come in a small size of their own, with the channels that the model takes.
        """
        random, shape = np.random.default_rng(seed), (4, *encoder["shape"])
        if "resize" in encoder:
            return random.integers(0, 256, (4, *_PROBE, *encoder["shape"][2:])).astype(np.uint8)
        if "whole" in encoder:
            return random.integers(0, min(255, encoder["whole"][1]) + 1, shape).astype(np.uint8)
        high = round(1.0 / encoder["scale"]) if 0 < encoder["scale"] < 1 else 1
        if high == 1:
            return random.random(shape, dtype=np.float32)
        return random.integers(0, high + 1, shape).astype(np.uint8 if high <= 255 else np.float32)


def _are_files(images: Any) -> bool:
    """Whether the inputs are the bytes of image files, which a folder gives where its images are resized."""
    return getattr(images, "dtype", np.dtype(float)).kind == "O" and bool(len(images)) and isinstance(images[0], bytes)


def changes_of(options: Mapping[str, Any], images: np.ndarray) -> dict[str, Any]:
    """The shape of one image as the model takes it, and how images get it."""
    mode, size = options.get("mode"), options.get("resize")
    channels = images.shape[3] if images.ndim == 4 else 1
    if (mode or size) and not _are_files(images) and (images.dtype.kind not in "bui" or channels not in (1, 3, 4)):
        raise BadData(
            f"preprocess: the images are {images.dtype} with {channels} channel{'s' if channels > 1 else ''}.\n"
            "  Only 8-bit pixels can be converted or resized: gray, RGB or RGBA."
        )
    if size is None:
        if "crop" in options or "resample" in options:
            raise BadData("preprocess: there is no resize, which crop and resample go with.\n  Add `resize:`.")
        shape = list(images.shape[1:] if mode is None else images.shape[1:3])
        return {"shape": shape} if mode is None else {"shape": shape + [3] * (mode == "RGB"), "mode": mode}
    mode = mode or ("L" if images.ndim > 1 and channels == 1 else "RGB")  # files become RGB: that is what nearly all models take
    sides = _sides("resize", size)
    shape = _sides("crop", options["crop"]) if "crop" in options else sides
    return {
        "shape": [*shape, 3] if mode == "RGB" else shape,
        "mode": mode,
        "resize": sides if isinstance(size, list) else size,
        "resample": options.get("resample", "bilinear"),
    }


def _sides(name: str, value: Any) -> list[int]:
    """Height and width from two numbers, or from one for both."""
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) != 2 or not all(type(side) is int and 0 < side <= 4096 for side in sides):
        raise BadData(f"preprocess: {name} is {value!r}.\n  Give a whole number of pixels from 1 to 4096, or [height, width].")
    return sides


def _numbers(name: str, value: Any, channels: int) -> Any:
    """A float, or a list of one float per channel."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not all(map(is_finite, values)):
        hint = "" if name == "scale" else f", or {channels} of them, or the word train"
        raise BadData(f"preprocess: {name} is {value!r}.\n  Give a number{hint}.")
    if len(values) not in (1, channels):
        raise BadData(
            f"preprocess: {name} has {len(values)} numbers; the images have {channels} channel{'s' if channels > 1 else ''}.\n"
            f"  Give one number or {channels}."
        )
    return float(values[0]) if len(values) == 1 else [float(item) for item in values]
