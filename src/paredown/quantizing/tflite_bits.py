"""TF Lite graphs in 8 bits, by the quantizer that comes with LiteRT."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context
from paredown.graphs import tflite
from paredown.ground.files import no_room
from paredown.ground.lazy import need

_LEAST = 0.05
"""Share of the weights that has to be in 8 bits."""


def dynamic(candidate: Candidate, context: Context, per_channel: bool, name: str) -> Candidate:
    """Weights of products in 8 bits, activations while it runs.

    Args:
        candidate: In tflite form.
        per_channel: One scale per output channel instead of one per tensor.
        name: Of the technique, for messages.

    Raises:
        Unfit: It is in 8 bits already, or the quantizer takes none of its layers.
    """
    quantizer, _ = _opened(candidate, context, name)
    granularity = need("ai_edge_quantizer.qtyping", name).QuantGranularity
    operations = need("ai_edge_quantizer.qtyping", name).TFLOperationName
    how = granularity.CHANNELWISE if per_channel else granularity.TENSORWISE

    def made() -> Any:
        quantizer.add_dynamic_config(".*", operations.ALL_SUPPORTED, 8, how)
        return quantizer.quantize().quantized_model

    return _kept(made, candidate, context, "weights in 8 bits, activations while it runs")


def static(candidate: Candidate, context: Context, samples: int, name: str) -> Candidate:
    """Weights and activations in 8 bits, with the ranges that calibration rows show.

    Args:
        candidate: In tflite form.
        samples: Calibration rows used at most.
        name: Of the technique, for messages.

    Raises:
        Unfit: It is in 8 bits already, the file does not name its input, or the quantizer takes none of its layers.
    """
    quantizer, model = _opened(candidate, context, name)
    if not model.signatureDefs:
        raise Unfit("the file has no signature, by which the quantizer of LiteRT feeds a graph; convert the model again, which adds one.")
    signature = model.signatureDefs[0]
    rows = context.rows("calibration")
    (feed,) = context.encode(rows.spread(samples).inputs).values()
    key, put = (text.decode() if isinstance(text, bytes) else str(text) for text in (signature.signatureKey, signature.inputs[0].name))
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    batch = max(1, int(tensor.shape[0]))
    parts = [{put: np.ascontiguousarray(feed[at : at + batch])} for at in range(0, len(feed) - batch + 1, batch)]

    def made() -> Any:
        quantizer.load_quantization_recipe(need("ai_edge_quantizer.recipe", name).static_wi8_ai8())
        seen = quantizer.calibrate({key: parts}, num_threads=context.threads)
        return quantizer.quantize(seen).quantized_model

    return _kept(made, candidate, context, f"ranges from {len(parts) * batch} rows")


def _opened(candidate: Candidate, context: Context, name: str) -> tuple[Any, Any]:
    path = tflite.graph_of(context.store.folder(candidate.digest))
    model = tflite.read(path)
    if tflite.in_8_bits(model):
        raise Unfit("the graph is in 8 bits already.")
    logging.getLogger("absl").setLevel(logging.ERROR)
    return need("ai_edge_quantizer.quantizer", name).Quantizer(bytearray(path.read_bytes())), model


def _kept(made: Callable[[], Any], candidate: Candidate, context: Context, said: str) -> Candidate:
    """Put what the quantizer makes into the store, under the name of what it answers with."""
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = bytes(made())
    except Exception as error:  # classes of its own
        if no_room(error):
            raise
        raise Unfit(f"the quantizer of LiteRT gives up: {type(error).__name__}: {' '.join(str(error).split())[:300]}.") from error
    target: Path = context.work / "quantized"
    target.mkdir()
    path = target / tflite.graph_of(context.store.folder(candidate.digest)).name
    path.write_bytes(found)
    model = tflite.read(path)
    inside, whole = _share(model)
    if inside < _LEAST * whole:
        raise Unfit(f"{inside} of {whole} weights are in layers that the quantizer of LiteRT takes.")
    return Candidate(
        digest=context.store.put(target), form=candidate.form, parameters=candidate.parameters, note=f"{said}; {inside} of {whole} weights."
    )


def _share(model: Any) -> tuple[int, int]:
    """Weights in whole numbers, and all."""
    kinds = need("ai_edge_litert.schema_py_generated", "quantizing a TF Lite graph").TensorType
    sizes: Mapping[bool, list[int]] = {True: [], False: []}
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if data is not None and len(data) and tensor.type in (kinds.INT8, kinds.FLOAT32) and tensor.shape is not None:
            sizes[tensor.type == kinds.INT8].append(int(np.prod(tensor.shape)))
    return sum(sizes[True]), sum(sizes[True]) + sum(sizes[False])
