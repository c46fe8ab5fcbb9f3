"""ONNX graphs: cleaned and counted. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from paredown.ground.lazy import need

GRAPH = "graph.onnx"
TOKENS = 8
"""Tokens of a row whose work is counted, of modules and of graphs, where their number is free."""


def strip(model: Any) -> None:
    """Take out of an ONNX model, in place, what only its maker needs: traces with local paths, inferred shapes that may be wrong, names."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.doc_string = model.graph.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.doc_string = ""
        if hasattr(value, "metadata_props"):
            del value.metadata_props[:]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]


def keep_pads(model: Any) -> None:
    """Give zeros that stand before a MaxPool, in place, a value of their own that is next to 0.

    onnxruntime joins the two, up to 1.31 at least, as if the border had no values; where all others are negative that is another answer.
    """
    onnx = need("onnx", "cleaning a graph")
    pooled = {node.input[0] for node in model.graph.node if node.op_type == "MaxPool"}
    held = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        value = node.input[2] if len(node.input) > 2 else ""
        if node.op_type == "Pad" and node.output[0] in pooled and (not value or (value in held and not held[value].any())):
            own = onnx.numpy_helper.from_array(np.array(np.finfo(np.float32).tiny), f"pad_{number}")
            model.graph.initializer.append(own)
            node.input[:] = [*node.input[:2], own.name, *node.input[3:]]


_SAME = ("Identity", "Cast", "Dropout", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "QuantizeLinear", "DequantizeLinear")


def ending(graph: Any, output: str) -> Any:
    """The node that an output of a graph comes from, below what changes but its shape or its kind of number; None for an input."""
    made = {name: node for node in graph.node for name in node.output}
    node = made.get(output)
    while node is not None and node.op_type in _SAME:
        node = made.get(node.input[0])
    return node


def rename(graph: Any, old: str, new: str) -> None:
    """Give a tensor of a graph another name, in place, wherever it is named; what had the new name gets a longer one."""
    swap = {old: new, new: f"{new}_"}
    for item in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        item.name = swap.get(item.name, item.name)
    for node in graph.node:
        node.input[:] = [swap.get(name, name) for name in node.input]
        node.output[:] = [swap.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                rename(inner, old, new)


def files_of(model: Any) -> list[str]:
    """The files that an ONNX model names for its tensors, wherever in it these stand, each once."""
    kept = {entry.value for tensor in _tensors(model) if tensor.data_location for entry in tensor.external_data if entry.key == "location"}
    return sorted(kept)


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors below a message: of graphs and their subgraphs, of attributes, of functions, sparse ones too."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else (value,):
                yield from _tensors(item)


def load_clean(folder: Path, purpose: str) -> Any:
    """A stored graph with its shapes inferred anew."""
    onnx = need("onnx", purpose)
    model = onnx.load(folder / GRAPH)
    strip(model)
    return onnx.shape_inference.infer_shapes(model)


def _of_one_row(onnx: Any, model: Any) -> Any:
    """The model with the shapes of one row, inferred anew: of TOKENS tokens where their number is free; an engine's own recurrent layer is
    the one that shapes can be inferred through."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    del sized.graph.value_info[:]
    for item in sized.graph.input:
        for at, dim in enumerate(item.type.tensor_type.shape.dim):
            if not dim.dim_value:
                dim.dim_value = TOKENS if at else 1
    for item in sized.graph.output:
        item.type.tensor_type.ClearField("shape")
    for node in sized.graph.node:
        if node.op_type == _OWN_LSTM:
            node.op_type, node.domain = "LSTM", ""
            del node.input[8:]
    try:
        return onnx.shape_inference.infer_shapes(sized, data_prop=True)
    except onnx.shape_inference.InferenceError:  # an operator that nobody knows; what is known of shapes is what the model says
        return model


def _shapes(model: Any) -> dict[str, list[int]]:
    """Name -> sizes; the first may be 0, which is unknown and where rows stand 1."""
    found = {item.name: list(item.dims) for item in model.graph.initializer}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.HasField("shape") and all(dims[1:]):
            found.setdefault(value.name, dims)
    return found


def _product(op: str, inputs: Sequence[str], output: str, shapes: Mapping[str, Sequence[int]], transposed: bool) -> int | None:
    weight = {"QLinearConv": 3, "QLinearMatMul": 3}.get(op, 1)
    if output not in shapes or len(inputs) <= weight or inputs[weight] not in shapes:
        return None
    kernel, made = shapes[inputs[weight]], prod([shapes[output][0] or 1, *shapes[output][1:]]) if shapes[output] else 1
    if op in ("Conv", "ConvInteger", "QLinearConv"):
        return made * prod(kernel[1:])
    if op == "Gemm":
        return made * (kernel[1] if transposed else kernel[0])
    return made * (kernel[-2] if len(kernel) > 1 else kernel[0])


_RECURRENT, _OWN_LSTM = ("RNN", "GRU", "LSTM"), "DynamicQuantizeLSTM"


def _steps(node: Any, shapes: Mapping[str, Sequence[int]]) -> int | None:
    """Multiply-adds of a recurrent layer: both of its weights once for each step of a row."""
    fed, weights = shapes.get(node.input[0]), [shapes.get(name) for name in node.input[1:3]]
    layout = next((item.i for item in node.attribute if item.name == "layout"), 0)
    if fed is None or len(fed) != 3 or None in weights or not (steps := fed[1 if layout else 0]):
        return None
    return steps * sum(prod(weight) for weight in weights if weight is not None)


_PRODUCTS = ("Conv", "ConvInteger", "QLinearConv", "Gemm", "MatMul", "MatMulInteger", "QLinearMatMul")


def count(model: Any) -> tuple[int | None, int]:
    """Multiply-adds with trained numbers per item, of TOKENS tokens where their number is free, and the trained numbers, of a graph with
    inferred shapes. Products of two activations do not count, as for modules (`pruning/count.py`): their sizes are often not told.

    Returns:
        (multiply-adds, or None when a shape stays unknown or an operator is a classical model's; elements of all tensors with at least one
        axis, but for the 64-bit integers, which are shapes and axes, and for scales and zero points of QuantizeLinear and
        DequantizeLinear).
    """
    onnx = need("onnx", "counting a graph")
    model = _of_one_row(onnx, model)
    shapes = _shapes(model)
    aliases = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    held = {item.name: item for item in model.graph.initializer}
    for made, origin in aliases.items():
        if origin in held:
            shapes.setdefault(made, list(held[origin].dims))
    fixed = set(held)
    for node in model.graph.node:  # what is made of trained numbers alone is one
        if node.op_type == "Constant" or (any(node.input) and fixed.issuperset(filter(None, node.input))):
            fixed.update(node.output)
    # operators of classical models keep their numbers in attributes, and what they do is no product
    total: int | None = None if any(node.domain == "ai.onnx.ml" for node in model.graph.node) else 0
    for node in model.graph.node:
        if node.op_type in _RECURRENT and total is not None:
            made = _steps(node, shapes)
            total = None if made is None else total + made
        if node.op_type not in _PRODUCTS or total is None or fixed.isdisjoint(node.input):
            continue
        transposed = any(item.name == "transB" and item.i for item in node.attribute)
        made = _product(node.op_type, node.input, node.output[0], shapes, transposed)
        total = None if made is None else total + made
    skipped = {name for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear") for name in node.input[1:]}
    kept = [item for name, item in held.items() if item.data_type != onnx.TensorProto.INT64 and name not in skipped]
    at_once = max([1, *(item.type.tensor_type.shape.dim[0].dim_value for item in model.graph.input if item.type.tensor_type.shape.dim)])
    return None if total is None else total // at_once, sum(prod(item.dims) for item in kept if len(item.dims))


def write_sample(kind: str, file: Path) -> tuple[int, ...]:
    """A graph in fp32 whose work is products of one kind, large enough to be timed: "matmul" or "conv".

    Args:
        file: Where it goes.

    Returns:
        The shape of one item of its input "input"; it answers "logits".
    """
    onnx = need("onnx", "a sample graph")
    draw = np.random.default_rng(0)
    shape = (512,) if kind == "matmul" else (32, 16, 16)
    size = (512, 512) if kind == "matmul" else (32, 32, 3, 3)
    nodes, held, last = [], [], "input"
    for layer in range(4):
        array = draw.normal(0, 1 / np.sqrt(np.prod(size[1:])), size).astype(np.float32)
        held.append(onnx.numpy_helper.from_array(array, f"weight{layer}"))
        made = f"made{layer}"
        if kind == "matmul":
            nodes.append(onnx.helper.make_node("MatMul", [last, f"weight{layer}"], [made]))
        else:
            nodes.append(onnx.helper.make_node("Conv", [last, f"weight{layer}"], [made], pads=[1, 1, 1, 1]))
        last = f"felt{layer}" if layer < 3 else "logits"
        nodes.append(onnx.helper.make_node("Relu", [made], [last]))
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shape]) for name in ("input", "logits")]
    graph = onnx.helper.make_graph(nodes, kind, ends[:1], ends[1:], held)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10), file)
    return shape
