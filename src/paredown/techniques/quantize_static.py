"""8-bit weights and activations, with ranges measured beforehand."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.ground.host import host, saturates
from paredown.ground.lazy import need
from paredown.ground.logs import quiet
from paredown.modelkit import eight_bits, graphs, plain, static_bits
from paredown.modelkit.eight_bits import CHANNEL, TENSOR


@dataclass(frozen=True, kw_only=True)
class QuantizeStatic(Technique):
    """Store weights and activations in 8 bits, with the activations' ranges measured on calibration rows."""

    ranges: str = knob.choice(
        "error",
        "minmax",
        "percentile",
        "nncf",
        help="How an activation's range is taken from what was seen: where 256 steps lose least, its ends, or 99.99 % of it; nncf also "
        "shifts biases by the mean error (extra openvino).",
    )
    samples: int = knob.count(300, low=8, high=100_000, help="Calibration rows used at most.")
    per_channel: bool = knob.flag(True, help="One scale per output channel instead of one per tensor.")
    moved: float = knob.share(
        0.02, low=0.0, high=1.0, help="Share of the calibration rows' answers that may change before layers are left in fp32."
    )

    stage: ClassVar[Stage] = Stage.QUANTIZE
    data: ClassVar[DataNeed] = DataNeed.CALIBRATION
    source: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877, through onnxruntime.quantization; Xiao et al. 2022, arXiv:2211.10438"
    departs: ClassVar[str] = (
        "unsigned activations, signed symmetric weights (the pair that VNNI kernels take); layers that cost most answers stay in fp32"
    )
    use_when: ClassVar[str] = "most of the work is convolutions, or the CPU has fast 8-bit products."
    avoid_when: ClassVar[str] = "the network is so small that quantizing its inputs costs more than it saves."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Measure ranges and quantize a copy of the graph.

        Raises:
            Unfit: It is in 8 bits already, too little of it is in layers that 8 bits are for, or no engine takes any of them; or nncf was
                asked for one scale per tensor, which it does not have.
        """
        onnx = need("onnx", self.name())
        given = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        plain.refuse_quantized(given)
        rows = context.rows("calibration")
        feed = context.encode(rows.spread(self.samples).inputs)
        asker = eight_bits.Asker(
            eight_bits.engines(context.threads), given, {name: array[: eight_bits.ROWS] for name, array in feed.items()}, context.work
        )
        model, said = plain.plain(given, asker.same)
        model = onnx.shape_inference.infer_shapes(plain.gemm_as_matmul(model, asker.same, scaled=True))
        found = eight_bits.products(model, static_bits.PRODUCTS)
        inside, whole = eight_bits.share(model, found)
        if inside < 0.05 * whole:
            raise Unfit(f"{inside} of {whole} weights are in layers for which there are 8-bit kernels with measured ranges.")
        made, more = (self._by_nncf(model, feed, asker), []) if self.ranges == "nncf" else self._fitted(model, found, feed, asker, context)
        graphs.strip(made)
        target = context.work / "quantized"
        target.mkdir()
        onnx.save(made, target / graphs.GRAPH)
        said = [f"ranges from {min(len(rows), self.samples)} rows", *said, *more]
        return Candidate(digest=context.store.put(target), form="onnx", parameters=candidate.parameters, note=f"{'; '.join(said)}.")

    def _fitted(
        self, model: Any, found: Sequence[eight_bits.Product], feed: Mapping[str, Any], asker: eight_bits.Asker, context: Context
    ) -> tuple[Any, list[str]]:
        asked = CHANNEL if self.per_channel else TENSOR
        first = {item.weight: TENSOR if TENSOR in (asked, item.best) else CHANNEL for item in found}
        scheme = static_bits.Scheme(whole=True, how=self.ranges, bits=7 if saturates(host().isa) else 8)
        from paredown.modelkit import ranges

        seen = ranges.seen(asker.run, model, static_bits.tensors(model, found, scheme), feed, context.progress)
        made, ways = eight_bits.settle(found, first, lambda ways: static_bits.build(model, found, ways, seen, scheme), asker)
        return made, [told] if (told := eight_bits.told(found, ways, asked)) else []

    def _by_nncf(self, model: Any, feed: Mapping[str, Any], asker: eight_bits.Asker) -> Any:
        if not self.per_channel:
            raise Unfit("nncf has one scale per channel only; leave `per_channel` at true, or choose other ranges.")
        nncf = need("nncf", f"{self.name()}(ranges=nncf)")
        nncf.set_log_level(logging.ERROR)
        items = eight_bits.in_calls(model, feed, 1)
        with quiet():
            return nncf.quantize(model, nncf.Dataset(items), subset_size=len(items))
