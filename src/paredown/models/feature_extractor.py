"""A model's own feature extractor as options of the sound encoder. Not a unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel
from paredown.core.rows import Rows
from paredown.encoders import feed
from paredown.ground.lazy import need
from paredown.ground.untrusted import read_json
from paredown.tasks.audio_classification import AudioClassification

FILE = "preprocessor_config.json"
INPUT = "input_values"
_KIND = "feature_extractor_type"
_WAVES = "Wav2Vec2FeatureExtractor"


def hears(path: Path) -> bool:
    """Whether a model's folder has a feature extractor of sounds in it."""
    try:
        found = read_json(path / FILE, finite=False)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and _KIND in found and "image_processor_type" not in found


def options_of(path: Path) -> dict[str, Any]:
    """What a folder's feature extractor does with one sound, as options of the sound encoder, held against the extractor itself.

    Where the encoder fills a sound up with silence, the model hears it: there is no mask.

    Args:
        path: A folder that transformers can open a feature extractor from.

    Raises:
        BadModel: It cannot be opened, or makes something else than waveforms.
    """
    transformers = need("transformers", "opening a feature extractor")
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(str(path), trust_remote_code=False, local_files_only=True)
    except Exception as error:
        raise BadModel(f"{path}: the feature extractor cannot be opened: {type(error).__name__}: {str(error)[:300]}") from error
    name = type(extractor).__name__
    options: dict[str, Any] = {"input": INPUT, "features": "waveform", "layout": "nt"}
    try:
        options |= {"sample_rate": int(extractor.sampling_rate), "normalize": bool(extractor.do_normalize)}
        agrees = name == _WAVES and not extractor.padding_value and _agrees(extractor, options)
    except Exception:  # extractors of other kinds of models have other parts
        agrees = False
    if not agrees:
        raise BadModel(
            f"{path}: the feature extractor {name} makes something else than waveforms of mean 0 and spread 1.\n"
            "  Make its features beforehand, as arrays, and give the model as ONNX or a function with `task: array-classification`."
        )
    return options


def _agrees(extractor: Any, options: dict[str, Any]) -> bool:
    """Whether the encoder gives what the extractor gives, on noise."""
    noise = np.random.default_rng(0).normal(0.1, 0.2, (1, options["sample_rate"] // 4)).astype(np.float32)
    mine = feed.make_encoder(AudioClassification().encoder(Rows(inputs=noise, labels=None), options))(noise)[INPUT]
    theirs = np.asarray(extractor(noise[0], sampling_rate=options["sample_rate"], return_tensors="np")[INPUT])
    return mine.shape == theirs.shape and bool(np.abs(mine - theirs).max() < 1e-4)
