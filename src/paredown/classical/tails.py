"""A graph cut in two before its last model: what makes numbers of what is fed, and what answers on these numbers. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paredown.core.errors import Unfit
from paredown.graphs.declared import ML
from paredown.graphs.graph_asked import engine
from paredown.graphs.graph_ends import prune
from paredown.graphs.graphs import GRAPH, rename
from paredown.ground.lazy import need

_MODELS = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "SVMClassifier", "SVMRegressor")


@dataclass(frozen=True, kw_only=True)
class Halves:
    """The two parts of a graph.

    Args:
        front: Answers with `between` alone.
        tail: Is fed `between` alone, and answers as the graph does.
        between: The tensor (N, columns) that the one hands to the other.
    """

    front: Any
    tail: Any
    between: str

    def both(self) -> Iterator[tuple[str, Any]]:
        """Both, with what they are called."""
        yield from (("front", self.front), ("tail", self.tail))


def opened(model: Any, folder: Path, threads: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """A graph as a function feed -> its outputs.

    Args:
        folder: A new one, for its file.
    """
    onnx: Any = need("onnx", "asking a part of a graph")
    folder.mkdir(parents=True)
    onnx.save(model, folder / GRAPH)
    run: Callable[[Mapping[str, Any]], dict[str, Any]] = engine().open(folder, GRAPH, {"threads": threads}).run
    return run


def halves(model: Any) -> Halves | None:
    """The parts of a graph that makes one matrix of numbers of its inputs first; None of any other, also of one that is fed that matrix."""
    onnx: Any = need("onnx", "cutting a graph in two")
    graph = model.graph
    last = [node for node in graph.node if node.domain == ML and node.op_type in _MODELS]
    if len({node.input[0] for node in last}) != 1:
        return None
    between = last[0].input[0]
    if between in {item.name for item in graph.input}:
        return None
    between_it = onnx.helper.make_tensor_value_info(between, onnx.TensorProto.FLOAT, ["batch", None])
    front, tail = onnx.ModelProto(), onnx.ModelProto()
    front.CopyFrom(model)
    del front.graph.output[:]
    front.graph.output.append(between_it)
    prune(front.graph)
    before = {name for node in front.graph.node for name in node.output}
    tail.CopyFrom(model)
    after = [node for node in graph.node if node.output[0] not in before]
    del tail.graph.node[:]
    tail.graph.node.extend(after)
    del tail.graph.input[:]
    tail.graph.input.append(between_it)
    prune(tail.graph)
    held = {between, *(item.name for item in tail.graph.initializer), *(name for node in tail.graph.node for name in node.output)}
    if any(name and name not in held for node in tail.graph.node for name in node.input):
        return None  # it looks past these numbers at what was fed
    return Halves(front=front, tail=tail, between=between)


def joined(parts: Halves, student: Any) -> Any:
    """The front with another graph in the place of the tail.

    Args:
        student: Takes one input (N, columns), and answers with one output.

    Raises:
        Unfit: The two are written for different versions of ONNX's operators, and cannot be brought to one.
    """
    onnx: Any = need("onnx", "joining graphs")
    made, new = onnx.ModelProto(), onnx.ModelProto()
    made.CopyFrom(parts.front)
    new.CopyFrom(student)
    made = _lifted(onnx, made, _opset(new))
    (taken,) = new.graph.input
    rename(new.graph, taken.name, parts.between)
    used = {name for node in made.graph.node for name in (*node.input, *node.output)} | {item.name for item in made.graph.initializer}
    inside = {name for node in new.graph.node for name in node.output} | {item.name for item in new.graph.initializer}
    kept = new.graph.output[0].name
    for name in sorted(inside & used - {parts.between}):
        rename(new.graph, name, f"student_{name}")
    made.graph.node.extend(new.graph.node)
    for at, node in enumerate(made.graph.node):
        node.name = f"{node.op_type}_{at}"
    made.graph.initializer.extend(new.graph.initializer)
    del made.graph.output[:]
    made.graph.output.extend(new.graph.output)
    if made.graph.output[0].name != kept:
        rename(made.graph, made.graph.output[0].name, kept)
    known = {item.domain for item in made.opset_import}
    made.opset_import.extend(item for item in new.opset_import if item.domain not in known and item.domain != "ai.onnx")
    made.ir_version = max(made.ir_version, new.ir_version)
    return made


def _opset(model: Any) -> int:
    return next((int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx")), 0)


def _lifted(onnx: Any, model: Any, opset: int) -> Any:
    if _opset(model) == opset or not any(node.domain in ("", "ai.onnx") for node in model.graph.node):
        for item in model.opset_import:
            item.version = opset if item.domain in ("", "ai.onnx") else item.version
        return model
    try:
        return onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # the converter raises what it likes
        raise Unfit(
            f"what stands before its last model is written for opset {_opset(model)} and cannot be brought to {opset}, which a student's "
            f"layers are written for: {' '.join(str(error).split())[:200]}."
        ) from error


def parameters_of(model: Any) -> int:
    """Numbers in initializers, and in attributes of classical models."""
    sizes: Mapping[str, int] = {item.name: _size(item.dims) for item in model.graph.initializer}
    return sum(sizes.values()) + sum(len(item.floats) for node in model.graph.node if node.domain == ML for item in node.attribute)


def _size(dims: Any) -> int:
    size = 1
    for dim in dims:
        size *= dim
    return size
