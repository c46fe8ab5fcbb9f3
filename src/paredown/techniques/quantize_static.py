"""8-bit weights and activations, with ranges measured beforehand."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.ground.lazy import need
from paredown.ground.logs import quiet


@dataclass(frozen=True, kw_only=True)
class QuantizeStatic(Technique):
    """Store weights and activations in 8 bits, with the activations' ranges measured on calibration rows."""

    ranges: str = knob.choice(
        "minmax",
        "percentile",
        "entropy",
        "nncf",
        help="How an activation's range is taken from what was seen; nncf also shifts biases by the mean error (extra openvino).",
    )
    samples: int = knob.count(300, low=8, high=100_000, help="Calibration rows used at most.")
    per_channel: bool = knob.flag(True, help="One scale per output channel instead of one per tensor.")

    stage: ClassVar[Stage] = Stage.QUANTIZE
    data: ClassVar[DataNeed] = DataNeed.CALIBRATION
    source: ClassVar[str] = "Jacob et al. 2018, arXiv:1712.05877, through onnxruntime.quantization"
    departs: ClassVar[str] = "unsigned activations, signed symmetric weights (the pair that VNNI kernels take)"
    use_when: ClassVar[str] = "most of the work is convolutions, or the CPU has fast 8-bit products."
    avoid_when: ClassVar[str] = "the network is so small that quantizing its inputs costs more than it saves."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Measure ranges and quantize a copy of the graph.

        Raises:
            Unfit: nncf was asked for one scale per tensor, which it does not have.
        """
        onnx = need("onnx", self.name())
        graphs = need("paredown.modelkit.graphs", self.name())
        model = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        rows = context.rows("calibration")
        feed = context.encode(rows.spread(self.samples).inputs)
        target = context.work / "quantized"
        target.mkdir()
        with quiet():
            made = self._by_nncf(model, feed) if self.ranges == "nncf" else self._by_onnxruntime(onnx, model, feed, target / graphs.GRAPH)
        graphs.strip(made)
        onnx.save(made, target / graphs.GRAPH)
        return Candidate(
            digest=context.store.put(target),
            form="onnx",
            parameters=candidate.parameters,
            note=f"ranges from {min(len(rows), self.samples)} rows.",
        )

    def _by_onnxruntime(self, onnx: Any, model: Any, feed: Mapping[str, Any], file: Path) -> Any:
        quantization = need("onnxruntime.quantization", self.name())
        graphs = need("paredown.modelkit.graphs", self.name())
        last = [node for item in model.graph.output if (node := graphs.ending(model.graph, item.name)) is not None]
        whole = [node for node in last if node.op_type in ("Softmax", "Sigmoid")]  # in 256 steps, rare classes would have no chance at all
        for at, node in enumerate(whole):
            node.name = node.name or f"probabilities_{at}"
        quantization.quantize_static(
            model,
            file,
            _reader(quantization.CalibrationDataReader, feed, need("paredown.modelkit.graph_batch", self.name()).fixed(model)),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=self.per_channel,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=[node.name for node in whole],
            calibrate_method={
                "minmax": quantization.CalibrationMethod.MinMax,
                "percentile": quantization.CalibrationMethod.Percentile,
                "entropy": quantization.CalibrationMethod.Entropy,
            }[self.ranges],
        )
        return onnx.load(file)

    def _by_nncf(self, model: Any, feed: Mapping[str, Any]) -> Any:
        if not self.per_channel:
            raise Unfit("nncf has one scale per channel only; leave `per_channel` at true, or choose other ranges.")
        nncf = need("nncf", f"{self.name()}(ranges=nncf)")
        nncf.set_log_level(logging.ERROR)
        count = len(next(iter(feed.values())))
        items = [{name: array[at : at + 1] for name, array in feed.items()} for at in range(count)]
        return nncf.quantize(model, nncf.Dataset(items), subset_size=count)


def _reader(base: type[Any], feed: Mapping[str, Any], fixed: int, most: int = 32) -> Any:
    count = len(next(iter(feed.values())))
    batch = fixed or max(size for size in range(1, most + 1) if count % size == 0)  # histograms need batches of one size

    def batches() -> Iterator[dict[str, Any]]:
        for start in range(0, count - batch + 1, batch):
            yield {name: array[start : start + batch] for name, array in feed.items()}

    class Reader(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = batches()

        def get_next(self) -> dict[str, Any] | None:
            return next(self.rest, None)

    return Reader()
