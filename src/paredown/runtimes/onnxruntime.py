"""ONNX Runtime on the CPU."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.runtime import Host, Runtime, Session
from paredown.core.technique import Store
from paredown.ground.lazy import missing, need

_INT8 = (
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "MatMulInteger",
    "ConvInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
    "QAttention",
)


class Onnxruntime(Runtime):
    """ONNX Runtime on the CPU: small, quick to start, fp32 and int8."""

    form: ClassVar[str] = "onnx"
    package: ClassVar[str] = "onnxruntime"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    use_when: ClassVar[str] = "a light engine is wanted that starts fast and runs on any CPU."

    def ready(self, host: Host) -> str | None:
        """Ready wherever the package is installed."""
        return missing("onnxruntime", "the runtime onnxruntime")

    def export(self, candidate: Candidate, store: Store, folder: Path) -> dict[str, Any]:
        """Copy the graph, count it, and check that 8-bit nodes really run in 8-bit kernels.

        Raises:
            Unfit: The engine fuses none of the graph's 8-bit nodes, so that they would run in fp32 with extra work.
        """
        onnx = need("onnx", "packing an ONNX graph")
        graphs = need("paredown.modelkit.graphs", "packing an ONNX graph")
        source = store.folder(candidate.digest)
        file = "model.onnx"
        shutil.copyfile(source / graphs.GRAPH, folder / file)
        model = graphs.load_clean(source, "packing an ONNX graph")
        products, numbers = graphs.count(model)
        self._check_kernels(onnx, folder / file, model)
        return {
            "file": file,
            "inputs": [item.name for item in model.graph.input],
            "outputs": [item.name for item in model.graph.output],
            "multiply_adds": products,
            "parameters": candidate.parameters or numbers,
        }

    def open(self, folder: Path, file: str, placement: Mapping[str, Any]) -> Session:
        """Load a graph; idle threads sleep instead of spinning."""
        onnxruntime = need("onnxruntime", "the runtime onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(placement.get("threads", 1))
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return _Graph(onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"]))

    def version(self) -> str:
        """The installed version."""
        return metadata.version("onnxruntime")

    def _check_kernels(self, onnx: Any, file: Path, model: Any) -> None:
        quantized = sum(node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear", *_INT8) for node in model.graph.node)
        if not quantized:
            return
        onnxruntime = need("onnxruntime", "packing an ONNX graph")
        with tempfile.TemporaryDirectory() as scratch:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            options.optimized_model_filepath = str(Path(scratch) / "optimized.onnx")
            onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            fused = sum(node.op_type in _INT8 for node in onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node)
        if not fused:
            raise Unfit("onnxruntime turns none of this graph's 8-bit nodes into 8-bit kernels; it would run in fp32 with extra work.")


class _Graph(Session):
    def __init__(self, session: Any) -> None:
        self.names = [item.name for item in session.get_outputs()]
        self._run = session.run
        self._only = self.names[0] if len(self.names) == 1 else None

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        if self._only is not None:
            return {self._only: self._run(None, feed)[0]}
        return dict(zip(self.names, self._run(None, feed)))

    def close(self) -> None:
        self._run = None
