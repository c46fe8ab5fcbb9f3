"""A model's own image processor as options of the image encoder. Not a unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel
from paredown.encoders import feed
from paredown.encoders.pictures import RESAMPLE
from paredown.ground.lazy import need

FILE = "preprocessor_config.json"
INPUT = "pixel_values"
_WRITE = "Write what it does under `preprocess:` in the job: mode, resize, crop, resample, scale, mean, std."
_SIZES = ((31, 47), (300, 210))


def options_of(path: Path, channels: int) -> dict[str, Any]:
    """What a folder's image processor does, as options of the image encoder, held against the processor itself.

    Args:
        path: A folder that transformers can open an image processor from.
        channels: Channels that the model takes.

    Returns:
        Options of `ImageClassification.encoder`.

    Raises:
        BadModel: It cannot be opened, or does what the encoder cannot.
    """
    transformers = need("transformers", "opening an image processor")
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            str(path), trust_remote_code=False, local_files_only=True, backend="pil"
        )
    except Exception as error:
        raise BadModel(f"{path}: the image processor cannot be opened: {type(error).__name__}: {str(error)[:300]}") from error
    name = type(processor).__name__
    if channels not in (1, 3):
        raise BadModel(f"{path} takes images of {channels} channels.\n  It has to take 3 (RGB) or 1 (gray).")
    found = {"input": INPUT, "mode": "RGB" if channels == 3 else "L"} | _geometry(processor, f"{path}: the image processor {name}")
    try:
        found["scale"] = float(processor.rescale_factor) if processor.do_rescale else 1.0
        if processor.do_normalize:
            found |= {"mean": _floats(processor.image_mean), "std": _floats(processor.image_std)}
        agrees = "resize" not in found or _agrees(processor, found)
    except Exception:  # processors of other kinds of models have other parts
        agrees = False
    if not agrees:
        raise BadModel(f"{path}: the image processor {name} does more than resize, cut, scale and normalize.\n  {_WRITE}")
    return found


def _floats(values: Any) -> Any:
    return [float(value) for value in values] if isinstance(values, list | tuple) else float(values)


def _geometry(processor: Any, what: str) -> dict[str, Any]:
    """The options resize, crop and resample."""
    if not getattr(processor, "do_resize", False):
        return {}
    size = {key: value for key, value in dict(processor.size or {}).items() if value is not None}
    crop = [processor.crop_size["height"], processor.crop_size["width"]] if getattr(processor, "do_center_crop", False) else None
    names = {number: name for name, number in RESAMPLE.items()}
    out: dict[str, Any] = {"resample": names.get(int(processor.resample), "bilinear")}
    if set(size) == {"height", "width"}:
        return out | {"resize": [size["height"], size["width"]]} | ({"crop": crop} if crop else {})
    if set(size) != {"shortest_edge"}:
        raise BadModel(f"{what} sizes images by {', '.join(size) or 'nothing'}.\n  {_WRITE}")
    side = size["shortest_edge"]
    if hasattr(processor, "crop_pct"):  # ConvNeXt's: below 384 a middle part of the image, from there on the whole of it, bent to a square
        return out | ({"resize": int(side / processor.crop_pct), "crop": [side, side]} if side < 384 else {"resize": [side, side]})
    if crop is None:
        raise BadModel(f"{what} keeps the proportions of images and does not cut them, so that they have no one size.\n  {_WRITE}")
    return out | {"resize": side, "crop": crop}


def _agrees(processor: Any, options: Mapping[str, Any]) -> bool:
    """Whether the encoder gives what the processor gives, on noise of two shapes, within the rounding of 8-bit pixels."""
    from PIL import Image

    from paredown.core.rows import Rows
    from paredown.tasks.image_classification import ImageClassification

    random = np.random.default_rng(0)
    for height, width in _SIZES:
        noise = random.integers(0, 256, (1, height, width, 3)).astype(np.uint8)
        image = Image.fromarray(noise[0]).convert(options["mode"])
        spec = ImageClassification().encoder(Rows(inputs=noise, labels=None), options)
        mine = feed.make_encoder(spec)(image)[INPUT]
        theirs = np.asarray(processor(images=image, return_tensors="np")[INPUT])
        step = spec["scale"] / np.min(spec["std"])
        if mine.shape != theirs.shape or np.abs(mine - theirs).max() > 1.5 * step:
            return False
    return True
