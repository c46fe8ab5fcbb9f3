"""What the rows of a source are, and how a model is likely to take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paredown.core.rows import Rows
from paredown.planning.model_entry import fits_as_it_is
from paredown.tasks.audio import are_files, suggested

AS_TRAINED = (
    "how the model was trained to take sounds is not known: look at `preprocess:`; features are log_mel or waveform, and n_fft, "
    "hop_length, n_mels, mean and std are as they were"
)


def raw_of(rows: Rows, shape: Sequence[int]) -> str:
    """What goes in, by rows that are no table: "array", "image", "audio", "text" or "tabular".

    Args:
        rows: Of a source.
        shape: That the model's input declares, 0 where free; empty where it says none.
    """
    if rows.inputs.ndim > 2:
        return "array" if fits_as_it_is(shape, rows.inputs.shape) else "image"
    if are_files(rows.inputs):  # without options images are read as pixels
        return "audio"
    return "text" if rows.inputs.dtype.kind in "OU" else "tabular"


def options_of(raw: str, rows: Rows, shape: Sequence[int], entry: Mapping[str, str]) -> dict[str, Any]:
    """Options of the encoder that a job says: the order of an image's axes, or rate, length and features of sounds.

    Args:
        raw: As of `raw_of`.
        rows, shape: As there.
        entry: The job's `model:`.
    """
    if raw == "image":
        last = len(shape) == 4 and shape[1] not in (0, 1, 3) and shape[3] in (1, 3)
        return {"layout": "nhwc"} if last else {}
    if raw != "audio":
        return {}
    if "huggingface" in entry:  # its feature extractor says the rest
        return {"seconds": suggested(rows)["seconds"]}
    if len(shape) == 2 or (len(shape) == 3 and shape[1] in (0, 1)):
        features = {"features": "waveform", "layout": "nt" if len(shape) == 2 else "nct"}
    else:
        features = {"features": "log_mel"} | ({"layout": "nft"} if len(shape) == 3 else {}) | {"mean": "train", "std": "train"}
    return suggested(rows) | features
