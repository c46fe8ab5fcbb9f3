"""8-bit weights, activations quantized at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.graphs import graphs
from paredown.ground.host import host, saturates
from paredown.ground.lazy import need
from paredown.quantizing import eight_bits, plain, tflite_bits
from paredown.quantizing.eight_bits import CHANNEL, TENSOR

_OPS = ("MatMul", "Attention", "LSTM")


@dataclass(frozen=True, kw_only=True)
class QuantizeDynamic(Technique):
    """Store the weights of matrix products in 8 bits and quantize activations while running; needs no data."""

    per_channel: bool = knob.flag(True, help="One scale per output channel instead of one per tensor.")

    stage: ClassVar[Stage] = Stage.QUANTIZE
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877, through onnxruntime.quantization, for TF Lite through ai-edge-quantizer"
    departs: ClassVar[str] = "convolutions stay as they are: dynamic int8 makes them slower"
    use_when: ClassVar[str] = "most of the work is matrix products, as in transformers and LSTMs."
    avoid_when: ClassVar[str] = "most of the work is convolutions; quantize_static is for those."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def fits(self, candidate: Candidate) -> str | None:
        """Graphs of either kind."""
        return None if candidate.form == "tflite" else super().fits(candidate)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Quantize a copy of the graph.

        Raises:
            Unfit: It is in 8 bits already, too little of it is matrix products, or the engine takes none of them in 8 bits.
        """
        if candidate.form == "tflite":
            return tflite_bits.dynamic(candidate, context, self.per_channel, self.name())
        onnx = need("onnx", self.name())
        given = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        plain.refuse_quantized(given)
        engine = dict(list(eight_bits.engines(context.threads).items())[:1])  # ranges measured while it runs are for the first alone
        asker = eight_bits.Asker(engine, given, eight_bits.few_rows(given, context), context.work)
        model, said = plain.plain(given, asker.same)
        model = plain.gemm_as_matmul(model, asker.same)
        found = eight_bits.products(model, _OPS)
        inside, whole = eight_bits.share(model, found)
        if inside < 0.2 * whole:
            kinds = sorted({node.op_type for node in model.graph.node if node.op_type in ("GRU", "RNN")})
            way_out = f"The others are in {', '.join(kinds)}, for which there are no 8-bit kernels." if kinds else "Use quantize_static."
            raise Unfit(f"{inside} of {whole} weights are in matrix products; dynamic quantization pays from about a fifth on. {way_out}")
        first = eight_bits.wished(found, self.per_channel)
        target = context.work / "quantized"
        target.mkdir()
        made, ways = eight_bits.settle(found, first, lambda ways: _built(model, found, ways, target / graphs.GRAPH), asker)
        graphs.strip(made)
        onnx.save(made, target / graphs.GRAPH)
        said += [told] if (told := eight_bits.summary(found, ways, self.per_channel)) else []
        note = f"{'; '.join(said)}." if said else ""
        return Candidate(digest=context.store.put(target), form="onnx", parameters=candidate.parameters, note=note)


def _built(model: Any, found: Sequence[eight_bits.Product], ways: Mapping[str, str], file: Path) -> Any:
    """The graph with each layer in its way: those with one scale per channel first, then those with one for the whole weight."""
    onnx, quantization = need("onnx", "quantize_dynamic"), need("onnxruntime.quantization", "quantize_dynamic")
    made = type(model)()
    made.CopyFrom(model)
    for way in (CHANNEL, TENSOR):
        nodes = [item.node for item in found if ways[item.weight] == way]
        if not nodes:
            continue
        quantization.quantize_dynamic(
            made,
            file,
            op_types_to_quantize=list(_OPS),
            per_channel=way == CHANNEL,
            reduce_range=saturates(host().isa),
            weight_type=quantization.QuantType.QInt8,
            nodes_to_quantize=nodes,
        )
        made = onnx.load(file)
    return made
