"""ONNX graphs made plain before they are put into 8 bits: one kind of float, constants folded, an opset with scales per channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from paredown.core.errors import Unfit
from paredown.ground.lazy import need
from paredown.ground.logs import quiet

OPSET = 13
"""The first in which QuantizeLinear and DequantizeLinear take one scale per channel."""
_FOLD = 1 << 28
"""Elements of a tensor that is folded at most."""
_QUANTIZED = ("Quantize", "QLinear", "Integer", "NBits", "QAttention", "QGemm", "BnbQuant", "QEmbed")
_TYPED = ("to", "dtype", "output_dtype")

Same = Callable[[Any, float], bool]
"""(model, tolerance) -> whether it answers as the given one does, the tolerance as a share of the greatest answer."""


def refuse_quantized(model: Any) -> None:
    """Say so where a graph is in 8 bits, or fewer, already.

    Raises:
        Unfit: It is.
    """
    found = sorted(
        {node.op_type for graph in _graphs(model.graph) for node in graph.node if any(word in node.op_type for word in _QUANTIZED)}
    )
    if found:
        raise Unfit(f"this graph is quantized already ({', '.join(found[:4])}); to quantize it in another way, give the model in fp32.")


def plain(model: Any, same: Same) -> tuple[Any, list[str]]:
    """A graph that quantizers understand, with the same answers; a step after which they would differ is left out.

    Functions are written out, initializers are no inputs, floats of 16 and 64 bits become fp32, an opset below 13 becomes 13, what is
    constant is computed once, and nodes have names of their own.

    Args:
        model: Not modified.
        same: Asked after each step.

    Returns:
        The graph, and what of it is worth saying.
    """
    onnx = need("onnx", "making a graph plain")
    made, said = onnx.ModelProto(), []
    made.CopyFrom(model)
    if made.functions:
        made = _kept(made, same, lambda given: onnx.inliner.inline_local_functions(given), 1e-4)
    _only_fed(made)
    _name_nodes(made)
    narrow = _floats(onnx, made)
    if narrow:
        wide = _kept(made, same, lambda given: _widened(onnx, given), 0.05)
        said += [f"weights from {', '.join(sorted(narrow))} to fp32 first"] if wide is not made else []
        made = wide
    before = _opset(made)
    if before < OPSET:
        made = _kept(made, same, lambda given: _lifted(onnx, given), 1e-3)
        said += (
            [f"opset {before} lifted to {OPSET}"] if _opset(made) >= OPSET else [f"one scale per tensor, as opset {before} has no other"]
        )
    made = _kept(made, same, _folded, 1e-3)
    _name_nodes(made)
    return made, said


def _kept(model: Any, same: Same, step: Callable[[Any], Any], tolerance: float) -> Any:
    """What a step makes of a copy of the model, or the model where the step fails or changes its answers."""
    copy = type(model)()
    copy.CopyFrom(model)
    try:
        with quiet():
            made = step(copy)
    except Exception:  # converters raise what they like; the model stays as it is
        return model
    unchanged = made.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)  # asking costs more
    return made if unchanged or same(made, tolerance) else model


def _opset(model: Any) -> int:
    return next((int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx")), 1)


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _graphs(inner)


def _only_fed(model: Any) -> None:
    """Take initializers, which old exporters list among the inputs too, out of what is fed."""
    held = {item.name for item in model.graph.initializer}
    fed = [item for item in model.graph.input if item.name not in held]
    if len(fed) < len(model.graph.input):
        model.ir_version = max(model.ir_version, 4)
        kept = [type(item).FromString(item.SerializeToString()) for item in fed]
        del model.graph.input[:]
        model.graph.input.extend(kept)


def _name_nodes(model: Any) -> None:
    seen: set[str] = set()
    for graph in _graphs(model.graph):
        for at, node in enumerate(graph.node):
            if not node.name or node.name in seen:
                node.name = f"{node.op_type}_{at}_{node.output[0] if node.output else ''}"
            seen.add(node.name)


def _lifted(onnx: Any, model: Any) -> Any:
    model.ir_version = max(model.ir_version, 8)
    del model.graph.value_info[:]
    return onnx.version_converter.convert_version(model, OPSET)


def _folded(model: Any) -> Any:
    optimizer = need("onnxscript.optimizer", "folding constants")
    model.ir_version = max(model.ir_version, 8)
    optimizer.fold_constants(model, input_size_limit=_FOLD, output_size_limit=_FOLD)
    optimizer.remove_unused_nodes(model)
    return model


def gemm_as_matmul(model: Any, same: Same, scaled: bool = False) -> Any:
    """A graph whose Gemm nodes with a weight of their own are a MatMul and an Add, as quantizers at run time know them; names are kept.

    Args:
        model: Not modified.
        same: As for `plain`.
        scaled: Only those with an alpha or beta other than 1, which no quantizer takes.
    """
    onnx = need("onnx", "making a graph plain")
    return _kept(model, same, lambda given: _without_gemm(onnx, given, scaled), 1e-3)


def _without_gemm(onnx: Any, model: Any, scaled: bool) -> Any:
    held = {item.name: item for item in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        knobs = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        alpha, beta, turned = knobs.get("alpha", 1.0), knobs.get("beta", 1.0), knobs.get("transB", 0)
        if node.op_type != "Gemm" or node.input[1] not in held or knobs.get("transA") or (scaled and alpha == beta == 1):
            nodes.append(node)
            continue
        matrix = node.input[1]
        if turned or alpha != 1:
            array = onnx.numpy_helper.to_array(held[matrix])
            matrix = f"{matrix}_as_{'turned_' if turned else ''}{alpha:g}"
            if matrix not in held:
                made = onnx.numpy_helper.from_array((alpha * (array.T if turned else array)).astype(array.dtype), matrix)
                held[matrix] = made
                model.graph.initializer.append(made)
        bias = node.input[2] if len(node.input) > 2 else ""
        product = f"{node.output[0]}_product" if bias else node.output[0]
        nodes.append(onnx.helper.make_node("MatMul", [node.input[0], matrix], [product], node.name))
        if bias and beta != 1:
            scale = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(held[node.input[1]]).dtype.type(beta), f"{node.name}_beta")
            model.graph.initializer.append(scale)
            nodes.append(onnx.helper.make_node("Mul", [bias, scale.name], [f"{node.name}_bias"], f"{node.name}_mul"))
            bias = f"{node.name}_bias"
        if bias:
            nodes.append(onnx.helper.make_node("Add", [product, bias], [node.output[0]], f"{node.name}_add"))
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    used = {name for graph in _graphs(model.graph) for node in graph.node for name in node.input} | {
        item.name for item in model.graph.output
    }
    left = [type(item).FromString(item.SerializeToString()) for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)
    return model


# --- kinds of floats


def _floats(onnx: Any, model: Any) -> set[str]:
    """The kinds of floats, other than fp32, in which tensors of the graph stand: "fp16", "bf16", "fp64".

    Tables of which nothing but rows is used do not count: what is computed is what becomes of the rows.
    """
    names = {onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.BFLOAT16: "bf16", onnx.TensorProto.DOUBLE: "fp64"}
    nodes = [node for graph in _graphs(model.graph) for node in graph.node]
    tables = {node.input[0] for node in nodes if node.op_type == "Gather"}
    tables -= {name for node in nodes for at, name in enumerate(node.input) if at or node.op_type != "Gather"}
    found = {item.data_type for graph in _graphs(model.graph) for item in graph.initializer if item.name not in tables}
    for graph in _graphs(model.graph):
        found |= {attribute.t.data_type for node in graph.node for attribute in node.attribute if attribute.HasField("t")}
    return {names[kind] for kind in found if kind in names}


def _widened(onnx: Any, model: Any) -> Any:
    """All floats in fp32 inside; what is fed and answered keeps its type."""
    others = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE)
    outer = model.graph
    del outer.value_info[:]
    for graph in _graphs(outer):
        for item in graph.initializer:
            if item.data_type in others:
                item.CopyFrom(_wide(onnx, item))
        if graph is not outer:
            del graph.value_info[:]
            for value in (*graph.input, *graph.output):
                if value.type.tensor_type.elem_type in others:
                    value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t") and attribute.t.data_type in others:
                    attribute.t.CopyFrom(_wide(onnx, attribute.t))
                if attribute.name in _TYPED and attribute.i in others:
                    attribute.i = onnx.TensorProto.FLOAT
    fed = {item.name: item.type.tensor_type.elem_type for item in outer.input if item.type.tensor_type.elem_type in others}
    answered = {item.name: item.type.tensor_type.elem_type for item in outer.output if item.type.tensor_type.elem_type in others}
    swap = {name: f"{name}_fp32" for name in (*fed, *answered)}
    _rename_uses(outer, swap)
    first = [onnx.helper.make_node("Cast", [name], [swap[name]], to=onnx.TensorProto.FLOAT) for name in fed]
    last = [onnx.helper.make_node("Cast", [swap[name]], [name], to=kind) for name, kind in answered.items()]
    nodes = [*first, *(type(node).FromString(node.SerializeToString()) for node in outer.node), *last]
    del outer.node[:]
    outer.node.extend(nodes)
    return model


def _rename_uses(graph: Any, swap: dict[str, str]) -> None:
    for inner in _graphs(graph):
        for node in inner.node:
            node.input[:] = [swap.get(name, name) for name in node.input]
            node.output[:] = [swap.get(name, name) for name in node.output]
        if inner is not graph:
            for value in inner.output:
                value.name = swap.get(value.name, value.name)


def _wide(onnx: Any, tensor: Any) -> Any:
    return onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype("float32"), tensor.name)
