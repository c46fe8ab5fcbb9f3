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
from paredown.graphs import graphs
from paredown.ground.files import no_room
from paredown.ground.host import host, saturates
from paredown.ground.lazy import need
from paredown.ground.logs import quiet
from paredown.kinds.known import kind_of
from paredown.quantizing import eight_bits, plain, static_bits, static_search, tflite_bits
from paredown.quantizing.eight_bits import TENSOR, Asker, Product
from paredown.quantizing.static_bits import Scheme

_FEED_B = 1 << 28
"""Bytes of calibration rows, as they are fed, at most."""


@dataclass(frozen=True, kw_only=True)
class QuantizeStatic(Technique):
    """Store weights and activations in 8 bits, with the activations' ranges measured on calibration rows."""

    ranges: str = knob.choice(
        "minmax",
        "error",
        "percentile",
        "nncf",
        help="How an activation's range is taken from what was seen: its ends, where 256 steps lose least, or 99.99 % of it; nncf also "
        "shifts biases by the mean error (extra openvino).",
    )
    samples: int = knob.count(300, low=8, high=100_000, help="Calibration rows used at most.")
    per_channel: bool = knob.flag(True, help="One scale per output channel instead of one per tensor.")
    moved: float = knob.share(
        0.02,
        low=0.0,
        high=1.0,
        help="Share of the answers' probability, or of the spread of numbers, that may move on calibration rows before less of the graph "
        "is in 8 bits.",
    )

    stage: ClassVar[Stage] = Stage.QUANTIZE
    data: ClassVar[DataNeed] = DataNeed.CALIBRATION
    source: ClassVar[str] = (
        "Jacob et al. 2018, arXiv:1712.05877, through onnxruntime.quantization, for TF Lite through ai-edge-quantizer; "
        "Xiao et al. 2022, arXiv:2211.10438"
    )
    departs: ClassVar[str] = (
        "unsigned activations, signed symmetric weights (the pair that VNNI kernels take); layers that cost most answers stay in fp32"
    )
    use_when: ClassVar[str] = "most of the work is convolutions, or the CPU has fast 8-bit products."
    avoid_when: ClassVar[str] = "the network is so small that quantizing its inputs costs more than it saves."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def fits(self, candidate: Candidate) -> str | None:
        """Graphs of either kind; those of TF Lite in one way."""
        if candidate.form != "tflite":
            return super().fits(candidate)
        plainly = self.ranges == "minmax" and self.per_channel
        return (
            None if plainly else f"{self.name()} quantizes a TF Lite graph by the ends of ranges and per channel; leave both as they are."
        )

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Measure ranges and quantize a copy of the graph.

        Raises:
            Unfit: It is in 8 bits already, too little of it is in layers that 8 bits are for, or no engine takes any of them; or nncf was
                asked for one scale per tensor, which it does not have.
        """
        if candidate.form == "tflite":
            return tflite_bits.static(candidate, context, self.samples, self.name())
        onnx = need("onnx", self.name())
        given = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        plain.refuse_quantized(given)
        rows = context.rows("calibration")
        row_b = sum(array.nbytes for array in context.encode(rows.take(slice(0, 1)).inputs).values())
        count = min(self.samples, len(rows), max(eight_bits.ROWS, _FEED_B // row_b))
        feed = context.encode(rows.spread(count).inputs)
        asker = eight_bits.Asker(
            eight_bits.engines(context.threads), given, {name: array[: eight_bits.ROWS] for name, array in feed.items()}, context.work
        )
        model, said = plain.plain(given, asker.same)
        model = onnx.shape_inference.infer_shapes(plain.gemm_as_matmul(model, asker.same, scaled=True))
        found = eight_bits.products(model, static_bits.PRODUCTS)
        inside, whole = eight_bits.share(model, found)
        if inside < 0.05 * whole:
            raise Unfit(f"{inside} of {whole} weights are in layers for which there are 8-bit kernels with measured ranges.")
        made, more = (self._by_nncf if self.ranges == "nncf" else self._measured)(model, found, feed, asker, context)
        graphs.strip(made)
        target = context.work / "quantized"
        target.mkdir()
        onnx.save(made, target / graphs.GRAPH)
        said = [f"ranges from {count} rows", *said, *more]
        return Candidate(digest=context.store.put(target), form="onnx", parameters=candidate.parameters, note=f"{'; '.join(said)}.")

    def _measured(
        self, model: Any, found: Sequence[Product], feed: Mapping[str, Any], asker: Asker, context: Context
    ) -> tuple[Any, list[str]]:
        first = eight_bits.wished(found, self.per_channel)
        scheme = Scheme(whole=False, how=self.ranges, bits=7 if saturates(host().isa) else 8)
        search = static_search.Search(
            model=model,
            found=found,
            first=first,
            feed=feed,
            asker=asker,
            scheme=scheme,
            kind=kind_of(context.decode),
            progress=context.progress,
        )
        made = search.best(self.moved)
        told = eight_bits.summary(found, made.ways, self.per_channel)
        what = "spread" if context.decode["kind"] == "values" else "probability"
        far = f"on these rows {100 * made.moved:.2g} % of the answers' {what} moved" if made.moved > self.moved else ""
        return made.model, list(filter(None, [made.said, told, far]))

    def _by_nncf(
        self, model: Any, found: Sequence[Product], feed: Mapping[str, Any], asker: Asker, context: Context
    ) -> tuple[Any, list[str]]:
        if not self.per_channel:
            raise Unfit("nncf has one scale per channel only; leave `per_channel` at true, or choose other ranges.")
        nncf = need("nncf", f"{self.name()}(ranges=nncf)")
        nncf.set_log_level(logging.ERROR)
        items = eight_bits.in_calls(model, feed, 1)
        overflow = nncf.OverflowFix.ENABLE if saturates(host().isa) else nncf.OverflowFix.FIRST_LAYER
        said = ""
        for left in ([], [item.node for item in found if item.best == TENSOR]):
            try:
                with quiet():
                    made = nncf.quantize(
                        model,
                        nncf.Dataset(items),
                        subset_size=len(items),
                        model_type=nncf.ModelType.TRANSFORMER if static_search.normed(model) else None,
                        ignored_scope=nncf.IgnoredScope(names=left) if left else None,
                        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=overflow),
                    )
            except Exception as error:  # nncf's own classes
                if no_room(error):
                    raise
                said = "it gives up"
                continue
            said, _ = asker.refusal(made)
            if not said:
                return made, [f"{len(left)} of {len(found)} layers left in fp32 ({', '.join(left[:3])})"] if left else []
        raise Unfit(f"nncf cannot quantize this graph: {said}. Choose other ranges.")
