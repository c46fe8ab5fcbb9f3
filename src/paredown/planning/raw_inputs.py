"""What the rows of a source are, and how a model is likely to take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import UnknownName
from paredown.core.rows import Rows
from paredown.ground import registry
from paredown.ingest.any_source import read_rows
from paredown.planning import columns
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


def rows_of(source: str) -> Rows:
    """The rows of a source; the label of a table stands among its columns, others bring their labels with them."""
    readers = (registry.get("datasets", name) for name in ("csv", "jsonl", "parquet", "huggingface"))
    if any(reader.claims(source, Path()) for reader in readers):
        rows = read_rows(source, Path(), {"label": None}, ())
        if isinstance(rows.inputs, Mapping):
            return rows
    return read_rows(source, Path(), {}, ())


def label_of(rows: Rows, table: Mapping[str, Any], label: str, outputs: Sequence[str], width: int) -> columns.Label | None:
    """The column of labels that was named or is found, or the labels that the source brings; None where there are none.

    Raises:
        UnknownName: There is no such column.
    """
    if not table:
        if rows.labels is None:
            return None
        sizes = np.bincount(rows.labels, minlength=len(rows.names)).tolist()
        return columns.Label(name="", why="the source brings it", counts={name: size for name, size in zip(rows.names, sizes) if size})
    if not label:
        return columns.find_label(table, outputs, width)
    if label not in table:
        raise UnknownName("column", label, table, "Name the column of labels with `--label`.")
    return columns.Label(name=label, why="you said so", counts=columns.counted(table[label]))


_HEADS = {"ForTokenClassification": "token-classification", "ForQuestionAnswering": "question-answering"}


def whole_task(source: str, config: Mapping[str, Any]) -> str:
    """The task that a file of rows, or the head of a model, is for and no other; empty where there are several.

    Args:
        source: Of rows.
        config: A config.json, or nothing.
    """
    reader = next((reader for reader in registry.working("datasets") if reader.claims(source, Path())), None)
    made = [str(name) for name in config.get("architectures") or ()]
    by_head = next((task for ending, task in _HEADS.items() if any(name.endswith(ending) for name in made)), "")
    return str(reader.task) if reader is not None and reader.task else by_head
