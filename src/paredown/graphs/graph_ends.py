"""The two ends of a graph from outside, made as rows are fed and answers are read: one matrix of numbers in, one tensor out. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.graphs.declared import Declared, End
from paredown.graphs.graphs import rename
from paredown.ground.lazy import need


def answer_alone(model: Any, found: Declared) -> None:
    """Leave, in place, the tensor of the scores as the one output, and the nodes that it needs; a ZipMap and the label go."""
    onnx: Any = need("onnx", "opening an ONNX model")
    graph, old = model.graph, {item.name: item for item in model.graph.output}
    if list(old) == [found.scores]:
        return
    kept = old.get(found.scores) or next(
        (item for item in onnx.shape_inference.infer_shapes(model).graph.value_info if item.name == found.scores and _typed(item)), None
    )
    last = onnx.ValueInfoProto()
    if kept is not None:
        last.CopyFrom(kept)
    else:  # inference does not know the operators of classical models; a cast to what it is costs nothing
        rename(graph, found.scores, f"{found.scores}__as_made")
        graph.node.append(onnx.helper.make_node("Cast", [f"{found.scores}__as_made"], [found.scores], to=onnx.TensorProto.FLOAT))
        last.CopyFrom(onnx.helper.make_tensor_value_info(found.scores, onnx.TensorProto.FLOAT, None))
        lift(model)
    del graph.output[:]
    graph.output.append(last)
    prune(graph)


def answer_columns(model: Any) -> None:
    """Let the one output be (N, 1), in place, where it is (N,)."""
    onnx: Any = need("onnx", "opening an ONNX model")
    (out,) = model.graph.output
    if not out.type.tensor_type.HasField("shape") or len(out.type.tensor_type.shape.dim) != 1:
        return
    name = out.name
    rename(model.graph, name, f"{name}__flat")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 1]), f"{name}__column"))
    model.graph.node.append(onnx.helper.make_node("Reshape", [f"{name}__flat", f"{name}__column"], [name]))
    rows = out.type.tensor_type.shape.dim[0].dim_param or out.type.tensor_type.shape.dim[0].dim_value or None
    element = out.type.tensor_type.elem_type
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, element, [rows, 1]))
    lift(model)


def classes_first(model: Any) -> Any:
    """A copy whose one output (N, H, W, classes) is (N, classes, H, W)."""
    onnx: Any = need("onnx", "opening an ONNX model")
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    (out,) = copy.graph.output
    name, element = out.name, out.type.tensor_type.elem_type
    rename(copy.graph, name, f"{name}__classes_last")
    copy.graph.node.append(onnx.helper.make_node("Transpose", [f"{name}__classes_last"], [name], perm=[0, 3, 1, 2]))
    axes = [dim.dim_value or dim.dim_param or None for dim in out.type.tensor_type.shape.dim]
    shape = [axes[0], axes[3], axes[1], axes[2]] if len(axes) == 4 else None
    del copy.graph.output[:]
    copy.graph.output.append(onnx.helper.make_tensor_value_info(name, element, shape))
    lift(copy)
    return copy


def _typed(item: Any) -> bool:
    return bool(item.type.tensor_type.elem_type)


def prune(graph: Any) -> None:
    """Take out nodes and tensors that no output needs."""
    needed, nodes = {item.name for item in graph.output}, []
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed |= {*node.input, *_from_outside(node)}
    nodes.reverse()
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    for items in (graph.initializer, graph.sparse_initializer):
        unused = [at for at, item in enumerate(items) if getattr(item, "name", None) not in needed and hasattr(item, "name")]
        for at in reversed(unused):
            del items[at]


def _from_outside(node: Any) -> set[str]:
    """Names that the graphs inside a node may take from around it."""
    inner = [graph for item in node.attribute for graph in ([item.g] if item.HasField("g") else item.graphs)]
    return {name for graph in inner for each in graph.node for name in (*each.input, *_from_outside(each))}


def feed_numbers(model: Any, numbers: Sequence[End], feed: str, shape: Sequence[int | str], kind: str = "float") -> None:
    """Let inputs of numbers take one array, in place: cut into their widths where they are several, cast to their kinds.

    Args:
        numbers: The inputs, in the order of the array's columns.
        feed: The array's name.
        shape: Of one row of it.
        kind: What it is fed as.
    """
    onnx: Any = need("onnx", "opening an ONNX model")
    graph = model.graph
    if len(numbers) == 1 and numbers[0].kind == kind:
        if numbers[0].name != feed:
            rename(graph, numbers[0].name, feed)
        return
    taken = {item.name: item for item in graph.input}
    if feed in taken or any(feed in (*node.input, *node.output) for node in graph.node):
        rename(graph, feed, f"{feed}__")  # what had the name, also a column, gets a longer one
        numbers = [End(name=f"{feed}__" if end.name == feed else end.name, kind=end.kind, shape=end.shape) for end in numbers]
        taken = {item.name: item for item in graph.input}
    before, first = [], 0
    for end in numbers:
        source = feed
        if len(numbers) > 1:
            places, source = f"{end.name}__places", f"{end.name}__part"
            graph.initializer.append(onnx.numpy_helper.from_array(np.arange(first, first + end.width), places))
            before.append(onnx.helper.make_node("Gather", [feed, places], [source], axis=1))
            first += end.width
        before.append(onnx.helper.make_node("Cast", [source], [end.name], to=getattr(onnx.TensorProto, end.kind.upper())))
    batch = taken[numbers[0].name].type.tensor_type.shape.dim[0] if numbers[0].shape else None
    fixed = batch.dim_value if batch is not None and batch.dim_value else "batch"
    gone = {end.name for end in numbers}
    rest = [type(item).FromString(item.SerializeToString()) for item in graph.input if item.name not in gone]
    del graph.input[:]
    element = getattr(onnx.TensorProto, kind.upper())
    graph.input.extend([onnx.helper.make_tensor_value_info(feed, element, [fixed, *shape]), *rest])
    nodes = [type(node).FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*before, *nodes])
    lift(model)


def lift(model: Any) -> None:
    """A graph of classical models may lack the operators that cut and cast."""
    onnx: Any = need("onnx", "opening an ONNX model")
    if all(item.domain not in ("", "ai.onnx") for item in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", 13))


def cast_tokens(model: Any, inputs: Mapping[str, End]) -> None:
    """Let inputs of tokens take int64, in place, whatever kind they are."""
    for end in inputs.values():
        if end.kind != "int64":
            feed_numbers(model, [end], end.name, list((end.shape or ("?", "?"))[1:]), "int64")
