"""8-bit weights, activations quantized at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.ground.lazy import need
from paredown.ground.logs import quiet

_OPS = ("MatMul", "Gemm", "Attention", "LSTM", "GRU", "EmbedLayerNormalization")


@dataclass(frozen=True, kw_only=True)
class QuantizeDynamic(Technique):
    """Store the weights of matrix products in 8 bits and quantize activations while running; needs no data."""

    per_channel: bool = knob.flag(True, help="One scale per output channel instead of one per tensor.")

    stage: ClassVar[Stage] = Stage.QUANTIZE
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877, through onnxruntime.quantization"
    departs: ClassVar[str] = "convolutions stay as they are: dynamic int8 makes them slower"
    use_when: ClassVar[str] = "most of the work is matrix products, as in transformers."
    avoid_when: ClassVar[str] = "most of the work is convolutions; quantize_static is for those."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Quantize a copy of the graph."""
        onnx = need("onnx", self.name())
        quantization = need("onnxruntime.quantization", self.name())
        graphs = need("paredown.modelkit.graphs", self.name())
        model = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        products = {name for node in model.graph.node if node.op_type in _OPS for name in node.input}
        inside = sum(prod(item.dims) for item in model.graph.initializer if item.name in products)
        # rows of a table of words are looked up, whatever its size; the weights of most multilingual models are such a table
        looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
        whole = sum(prod(item.dims) for item in model.graph.initializer if item.name not in looked_up - products)
        if inside < 0.2 * whole:
            raise Unfit(
                f"{inside} of {whole} weights are in matrix products; dynamic quantization pays from about a fifth on. Use quantize_static."
            )
        target = context.work / "quantized"
        target.mkdir()
        with quiet():
            quantization.quantize_dynamic(
                model,
                target / graphs.GRAPH,
                op_types_to_quantize=list(_OPS),
                per_channel=self.per_channel,
                weight_type=quantization.QuantType.QInt8,
            )
        made = onnx.load(target / graphs.GRAPH)
        graphs.strip(made)
        onnx.save(made, target / graphs.GRAPH)
        return Candidate(digest=context.store.put(target), form="onnx", parameters=candidate.parameters)
