"""OpenVINO on the CPU."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.reading import Missing
from paredown.core.runtime import Host, NodeTime, Runtime, Session, cannot_answer
from paredown.core.technique import Store
from paredown.encoders.declared_feed import in_batches
from paredown.ground.lazy import missing, need

_FILE = "model.xml"
_PRODUCTS = ("Convolution", "FullyConnected", "MatMul", "Deconvolution", "RNNCell", "RNNSeq")
_DYNAMIC = ("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger", "DynamicQuantizeLSTM")


class Openvino(Runtime):
    """OpenVINO on the CPU: fp32 forced, and int8 for graphs whose ranges were measured beforehand."""

    form: ClassVar[str] = "onnx"
    package: ClassVar[str] = "openvino"
    extra: ClassVar[str] = "openvino"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    use_when: ClassVar[str] = "the model is large enough that a call's own cost of some 20 µs does not show, or answers in batches."

    def ready(self, host: Host) -> str | None:
        """Ready wherever the package is installed."""
        return missing("openvino", "the runtime openvino")

    def export(self, candidate: Candidate, store: Store, folder: Path) -> dict[str, Any]:
        """Convert the graph to OpenVINO's own format with the weights as they are, and check that 8-bit nodes run in 8-bit kernels.

        Raises:
            Unfit: The engine cannot run the graph, or runs none of its 8-bit products in 8 bits.
        """
        openvino = need("openvino", "packing an OpenVINO model")
        graphs = need("paredown.graphs.graphs", "packing an OpenVINO model")
        source = store.folder(candidate.digest)
        model = graphs.load_clean(source, "packing an OpenVINO model")
        products, numbers = graphs.count(model)
        kinds = {node.op_type for node in model.graph.node}
        dynamic = sorted(kinds.intersection(_DYNAMIC))
        if dynamic:
            raise Unfit(
                f"openvino computes {', '.join(dynamic)} in fp32 with extra work; ranges measured while it runs are for onnxruntime."
            )
        try:
            converted = openvino.Core().read_model(source / graphs.GRAPH)
            _name_anew(converted)
            openvino.save_model(converted, folder / _FILE, compress_to_fp16=False)
            compiled = _compiled(openvino, folder / _FILE, {})
        except RuntimeError as error:
            raise Unfit(f"openvino cannot run this graph: {str(error).strip().splitlines()[-1].lstrip('- ')[:300]}.") from error
        if "QuantizeLinear" in kinds:
            _refuse_pretended(compiled)
        return {
            "file": _FILE,
            "inputs": [item.name for item in model.graph.input],
            "outputs": [item.name for item in model.graph.output],
            "multiply_adds": products,
            "parameters": candidate.parameters or numbers,
        }

    def open(self, folder: Path, file: str, placement: Mapping[str, Any]) -> Session:
        """Load a graph for one call at a time."""
        return _Graph(_compiled(need("openvino", "the runtime openvino"), folder / file, placement))

    def profile(
        self, folder: Path, file: str, placement: Mapping[str, Any], feeds: Sequence[Mapping[str, Any]], seconds: float
    ) -> Sequence[NodeTime] | Missing:
        """The engine's own counters; its nodes have lost the names of layers, so that only kinds of work are told apart."""
        compiled = _compiled(need("openvino", "the runtime openvino"), folder / file, placement, PERF_COUNT=True)
        request = compiled.create_infer_request()

        def once(feed: Mapping[str, Any]) -> dict[str, Any]:
            return {str(at): found for at, found in enumerate(request.infer(feed, share_inputs=True).values())}

        ask = in_batches(once, batch) if (batch := _batch(compiled)) else once
        until, calls = time.perf_counter() + seconds, 0
        spent: dict[str, list[float]] = {}
        ops: dict[str, str] = {}
        while calls < 2 or time.perf_counter() < until:
            ask(feeds[calls % len(feeds)])
            calls += 1
            for node in request.profiling_info if calls > 1 else ():  # the first call allocates
                ops[node.node_name] = node.node_type
                spent.setdefault(node.node_name, []).append(node.real_time.total_seconds())
        return [NodeTime(name=name, op=ops[name], wall_s=sum(times) / (calls - 1)) for name, times in spent.items() if any(times)]

    def version(self) -> str:
        """The installed version."""
        return metadata.version("openvino")


def _compiled(openvino: Any, file: Path, placement: Mapping[str, Any], **more: Any) -> Any:
    """A graph ready to run: in fp32, where the engine's default on newer CPUs is bf16; no thread bound to a core that others may use."""
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": int(placement.get("threads", 1)),
        "ENABLE_HYPER_THREADING": True,
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(str(file), "CPU", settings | more)


def _batch(compiled: Any) -> int:
    """Rows that a graph takes at once; 0 where any number may be fed."""
    shapes = [item.partial_shape for item in compiled.inputs]
    return int(next((shape[0].get_length() for shape in shapes if len(shape) and shape[0].is_static), 0))


def _name_anew(model: Any) -> None:
    """Name inner nodes by their place: the converter counts them on from graph to graph, so that no two files would be alike."""
    for number, node in enumerate(model.get_ordered_ops()):
        if node.get_type_name() not in ("Parameter", "Result"):
            node.set_friendly_name(f"{node.get_type_name()}_{number}")


def _refuse_pretended(compiled: Any) -> None:
    """Ask the compiled graph in which precision its products run."""
    found = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    kernels = [info["primitiveType"].astype(str) for info in found if info["layerType"].astype(str) in _PRODUCTS]
    if not any(kernel.endswith("I8") for kernel in kernels):
        shown = ", ".join(sorted(set(kernels))) or "no products"
        raise Unfit(f"openvino runs none of this graph's 8-bit nodes in 8-bit kernels ({shown}); it would run in fp32 with extra work.")


class _Graph(Session):
    def __init__(self, compiled: Any) -> None:
        self.names = [item.any_name for item in compiled.outputs]
        self._infer = compiled.create_infer_request().infer
        self._ask = in_batches(self._once, batch) if (batch := _batch(compiled)) else self._once

    def _once(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(self.names, self._infer(feed, share_inputs=True).values()))

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._ask(feed)
        except Exception as error:
            raise cannot_answer("openvino", error) from error

    def close(self) -> None:
        self._infer = None
