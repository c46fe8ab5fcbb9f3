"""ONNX Runtime on the CPU."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.reading import Missing
from paredown.core.runtime import Host, NodeTime, Runtime, Session, cannot_answer
from paredown.core.technique import Store
from paredown.encoders.declared_feed import in_batches
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
    "DynamicQuantizeLSTM",
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
        graphs = need("paredown.graphs.graphs", "packing an ONNX graph")
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
        session = onnxruntime.InferenceSession(str(folder / file), _options(placement), providers=["CPUExecutionProvider"])
        return _Graph(session)

    def profile(
        self, folder: Path, file: str, placement: Mapping[str, Any], feeds: Sequence[Mapping[str, Any]], seconds: float
    ) -> Sequence[NodeTime] | Missing:
        """The engine's own trace; a node without weights of its own counts to the layer whose result it works on."""
        onnxruntime = need("onnxruntime", "the runtime onnxruntime")
        with tempfile.TemporaryDirectory() as scratch:
            options = _options(placement)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(scratch) / "trace")
            options.optimized_model_filepath = str(Path(scratch) / "optimized.onnx")
            session = onnxruntime.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
            _answer_for(session, feeds, seconds)
            trace = json.loads(Path(session.end_profiling()).read_text("utf-8"))
            layers = {} if missing("onnx", "names of layers") else _layers(folder / file, Path(scratch) / "optimized.onnx")
        return _nodes(trace, layers)

    def simplify(self, file: Path, target: Path) -> bool:
        """As it does before it runs a graph, without what is for it alone."""
        onnxruntime = need("onnxruntime", "the runtime onnxruntime")
        options = _options({})
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return True

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
            options.log_severity_level = 4  # what is wrong is raised
            options.optimized_model_filepath = str(Path(scratch) / "optimized.onnx")
            onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            fused = sum(node.op_type in _INT8 for node in onnx.load(options.optimized_model_filepath, load_external_data=False).graph.node)
        if not fused:
            raise Unfit("onnxruntime turns none of this graph's 8-bit nodes into 8-bit kernels; it would run in fp32 with extra work.")


def _options(placement: Mapping[str, Any]) -> Any:
    onnxruntime = need("onnxruntime", "the runtime onnxruntime")

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(placement.get("threads", 1))
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


_WARM, _MOST = 10, 100
"""Calls of a profile that do not count, and at most that do: the engine keeps a million events; a large graph has thousands of nodes."""


def _answer_for(session: Any, feeds: Sequence[Mapping[str, Any]], seconds: float) -> None:
    until, ask = time.perf_counter() + seconds, _Graph(session).run
    for number in range(_WARM + _MOST):
        ask(feeds[number % len(feeds)])
        if number > 1 and time.perf_counter() > until:
            return


def _nodes(trace: Sequence[Mapping[str, Any]], layers: Mapping[str, str]) -> list[NodeTime]:
    """The nodes of a trace in the order in which they ran, without the calls that warmed up."""
    calls = sorted(event["ts"] for event in trace if event["name"] == "model_run")
    began = calls[min(_WARM, len(calls) // 3)]
    found: dict[str, list[float]] = {}
    ops: dict[str, str] = {}
    for event in sorted((event for event in trace if event["cat"] == "Node" and event["ts"] >= began), key=lambda event: event["ts"]):
        name = event["name"].removesuffix("_kernel_time")
        ops[name] = event["args"].get("op_name", "")
        found.setdefault(name, []).append(event["dur"] * 1e-6)
    counted = len(calls) - calls.index(began)
    return [
        NodeTime(name=name, op=ops[name], wall_s=_usual(times) * len(times) / counted, layer=layers.get(name, ""))
        for name, times in found.items()
    ]


def _usual(times: Sequence[float]) -> float:
    """The mean without the slowest tenth: a call in which the machine did something else is not the node's."""
    return fmean(sorted(times)[: math.ceil(0.9 * len(times))])


_WEIGHT = re.compile(r"(?P<layer>.+)\.(?:weight|bias|gamma|beta)(?:_\w+)?")
_RENAMED = re.compile(r"(?:_nchwc|_token_\d+)+$")


def _layers(given: Path, optimized: Path) -> dict[str, str]:
    """Node name -> layer for the graph as the engine runs it; where it has renamed weights, the given graph knows the tensor still."""
    onnx = need("onnx", "names of layers")
    graphs = [onnx.load(file, load_external_data=False).graph for file in (given, optimized)]
    known, nodes = _owners(graphs[0], {})
    return _owners(graphs[1], known | nodes)[1]


def _owners(graph: Any, known: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Tensor -> layer, and node -> layer.

    A node belongs to the layer that its weights are named after. One whose weights have lost their name (a transposed matrix) belongs to
    the layer of the bias that is added next, else to what `known` says of its name, else to the layer whose result it takes.
    """
    takers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    # numbers that are equal in several layers are stored once, under one of their names, which then says nothing
    single = {name for name, nodes in takers.items() if len(nodes) == 1}
    named = {item.name: _WEIGHT.fullmatch(item.name) for item in graph.initializer}
    constants = {name: found["layer"] if found and name in single else "" for name, found in named.items()}
    tensors: dict[str, str] = {}
    nodes: dict[str, str] = {}
    for node in graph.node:
        owned = next((constants[name] for name in node.input if constants.get(name)), "")
        if not owned and any(name in constants for name in node.input):
            after = [
                constants[name] for output in node.output for taker in takers.get(output, ()) for name in taker.input if constants.get(name)
            ]
            owned = after[0] if node.op_type.startswith("MatMul") and after else ""
        if node.input and all(name in constants for name in node.input if name):
            constants |= dict.fromkeys(node.output, owned)
            continue
        names = [_RENAMED.sub("", name) for name in (node.name, *node.output)]
        owned = owned or next((known[name] for name in names if known.get(name)), "")
        owned = owned or next((tensors[name] for name in node.input if tensors.get(name)), "")
        nodes[node.name] = owned
        tensors |= dict.fromkeys(node.output, owned)
    return tensors, nodes


class _Graph(Session):
    def __init__(self, session: Any) -> None:
        batch = next((item.shape[0] for item in session.get_inputs() if item.shape and isinstance(item.shape[0], int)), 0)
        self.names = [item.name for item in session.get_outputs()]
        self._run = session.run
        self._only = self.names[0] if len(self.names) == 1 else None
        self._ask = in_batches(self._once, batch) if batch else self._once

    def _once(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        if self._only is not None:
            return {self._only: self._run(None, feed)[0]}
        return dict(zip(self.names, self._run(None, feed)))

    def run(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._ask(feed)
        except Exception as error:  # classes of its own
            raise cannot_answer("onnxruntime", error) from error

    def close(self) -> None:
        self._run = None
