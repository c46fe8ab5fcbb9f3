"""Branches of a graph that are decided before any row is seen: by its constants, and by the sizes and ranks that rows have. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from paredown.ground.lazy import need

_ROUNDS = 8
"""Branches stand inside each other, so deep at most."""


def decided(model: Any, simplified: Callable[[Any], Any]) -> Any:
    """A graph with as few branches as can be, or the model itself where there are none, or none is decided.

    Args:
        model: Its inputs have the sizes of the rows. Not modified.
        simplified: A graph -> the same with all that is constant worked out; what it raises ends the work.
    """
    best = model
    for _ in range(_ROUNDS):
        if not count(best.graph):
            break
        try:
            made = simplified(_with_known_sizes(best))
        except Exception:  # the engine's own classes; the graph stays as it is
            break
        if any(node.domain not in ("", "ai.onnx", "ai.onnx.ml") for node in made.graph.node) or count(made.graph) >= count(best.graph):
            break
        best = made
    return best


def count(graph: Any) -> int:
    """Branches in a graph, those inside others too."""
    inner = [item.g for node in graph.node for item in node.attribute if item.HasField("g")]
    return sum(1 for node in graph.node if node.op_type == "If") + sum(map(count, inner))


def _with_known_sizes(model: Any) -> Any:
    """A copy in which sizes and ranks that are known are constants."""
    onnx: Any = need("onnx", "opening an ONNX model")
    made = onnx.shape_inference.infer_shapes(model)
    graph, known = made.graph, dict[str, list[int]]()
    for item in (*graph.input, *graph.value_info, *graph.output):
        if item.type.tensor_type.HasField("shape"):
            known[item.name] = [dim.dim_value for dim in item.type.tensor_type.shape.dim]
    held = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer if not len(item.dims) or item.dims[0] < 64}
    sizes = {node.output[0]: known[node.input[0]] for node in graph.node if node.op_type == "Shape" and node.input[0] in known}
    kept = []
    for node in graph.node:
        found = _value(node, sizes, held)
        if found is None:
            kept.append(type(node).FromString(node.SerializeToString()))
        else:
            graph.initializer.append(onnx.numpy_helper.from_array(found, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    del graph.value_info[:]
    return made


def _value(node: Any, sizes: Mapping[str, list[int]], held: Mapping[str, Any]) -> Any:
    """What a node works out of sizes that are known, int64; None where it is another, or they are free."""
    if node.op_type == "Size" and node.input[0] in sizes:
        return np.array(len(sizes[node.input[0]]), np.int64)
    if node.op_type == "Gather" and node.input[0] in sizes and node.input[1] in held:
        found = np.array(sizes[node.input[0]], np.int64)[held[node.input[1]]]
        return np.asarray(found, np.int64) if np.all(found > 0) else None
    return None
