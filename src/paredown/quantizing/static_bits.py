"""Graphs with 8-bit weights and activations, from ranges that were seen; channels made alike first. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paredown.graphs.graphs import ending
from paredown.ground.lazy import need
from paredown.quantizing.eight_bits import CHANNEL, LEFT, TENSOR, Product
from paredown.quantizing.ranges import Seen, fitted, rounded

PRODUCTS = ("MatMul", "Gemm", "Conv", "ConvTranspose")
_STRENGTHS = (0.0, 0.35, 0.5, 0.65, 0.8)
"""How much of the unevenness of channels goes from the activations to the weights; 0 none, 1 all."""


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """What of a graph is in 8 bits.

    Args:
        whole: All that the quantizer knows, so that one layer hands 8 bits to the next; else layers with a weight alone.
        how: How ranges are taken, see `ranges.fitted`.
        bits: Of the weights, 8 or 7: CPUs that add two products of 8 bits in 16 bits have room for 7.
    """

    whole: bool
    how: str
    bits: int


def tensors(model: Any, found: Sequence[Product], scheme: Scheme) -> list[str]:
    """The activations whose ranges a scheme needs."""
    onnx, registry = need("onnx", "static quantization"), need("onnxruntime.quantization.registry", "static quantization")
    ops, nodes = {*registry.QDQRegistry, *registry.QLinearOpsRegistry}, {item.node for item in found}
    held = {item.name for item in model.graph.initializer}
    typed = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    floats = {item.name for item in typed if item.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    taken = [node for node in model.graph.node if (node.op_type in ops if scheme.whole else node.name in nodes)]
    return list(dict.fromkeys(name for node in taken for name in (*node.input, *node.output) if name in floats and name not in held))


def build(model: Any, found: Sequence[Product], ways: Mapping[str, str], ends: Mapping[str, tuple[float, float]], scheme: Scheme) -> Any:
    """The graph in 8 bits; raises what the quantizer raises.

    Args:
        model: Plain, with its shapes. Not modified.
        found: Its layers.
        ways: Weight name -> CHANNEL, TENSOR or LEFT.
        ends: Tensor -> range, of the `tensors`.
        scheme: What is in 8 bits.
    """
    quantization, registry = need("onnxruntime.quantization", "static quantization"), need("onnxruntime.quantization.registry", "x")
    calibrate = need("onnxruntime.quantization.calibrate", "static quantization")
    taken = type(model)()
    taken.CopyFrom(model)
    ranges = {name: calibrate.TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in ends.items()}
    last = [node for item in taken.graph.output if (node := ending(taken.graph, item.name)) is not None]
    out = [node.name for node in last if node.op_type in ("Softmax", "Sigmoid")]  # in 256 steps, rare classes would have no chance at all
    out += [item.node for item in found if ways[item.weight] == LEFT]
    quantizer = quantization.qdq_quantizer.QDQQuantizer(
        taken,
        per_channel=CHANNEL in ways.values(),
        reduce_range=scheme.bits < 8,
        weight_qType=quantization.QuantType.QInt8,
        activation_qType=quantization.QuantType.QUInt8,
        tensors_range=calibrate.TensorsData(calibrate.CalibrationMethod.MinMax, ranges),
        nodes_to_quantize=[] if scheme.whole else [item.node for item in found if ways[item.weight] != LEFT],
        nodes_to_exclude=out,
        op_types_to_quantize=sorted({*registry.QDQRegistry, *registry.QLinearOpsRegistry}) if scheme.whole else list(PRODUCTS),
        extra_options={
            "TensorQuantOverrides": {name: [{"quant_type": quantization.QuantType.QInt8}] for name, way in ways.items() if way == TENSOR},
            "OpTypesToExcludeOutputQuantization": [] if scheme.whole else ["MatMul", "Gemm"],
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return quantizer.model.model


def losses(model: Any, found: Sequence[Product], seen: Mapping[str, Seen], scheme: Scheme) -> dict[str, float]:
    """Weight name -> the share of its linear layers' output that 8 bits lose, squared, on a sample of inputs; the greatest of several."""
    out: dict[str, float] = {}
    layers = matrices(model, found)
    for item in found:
        tensor, weight, _ = layers.get(item.node, ("", None, False))
        if tensor not in seen or seen[tensor].low is None:
            continue
        vectors = np.concatenate(seen[tensor].vectors)
        if vectors.shape[1] == len(weight):
            goal = vectors @ weight
            mine = rounded(vectors, *fitted(seen[tensor], scheme.how)) @ _rounded_weight(weight, scheme.bits)
            lost = float(np.mean((mine - goal) ** 2) / max(float(np.mean(goal**2)), 1e-12))
            out[item.weight] = max(lost, out.get(item.weight, 0.0))
    return out


def _rounded_weight(weight: Any, bits: int) -> Any:
    most = 2 ** (bits - 1) - 1
    step = np.maximum(np.abs(weight).max(axis=0, keepdims=True), 1e-12) / most
    return np.clip(np.round(weight / step), -most, most) * step


def matrices(model: Any, found: Sequence[Product]) -> dict[str, tuple[str, Any, bool]]:
    """Node name -> its input, its weight as (inputs, outputs), and whether that is turned in the graph; for linear layers."""
    onnx = need("onnx", "static quantization")
    held, nodes, out = {item.name: item for item in model.graph.initializer}, {node.name: node for node in model.graph.node}, {}
    for item in found:
        node = nodes[item.node]
        if item.op not in ("MatMul", "Gemm") or len(item.dims) != 2 or node.input[1] != item.weight:
            continue
        knobs = {entry.name: entry.i for entry in node.attribute}
        if not knobs.get("transA"):
            array = onnx.numpy_helper.to_array(held[item.weight])
            out[item.node] = node.input[0], array.T if knobs.get("transB") else array, bool(knobs.get("transB"))
    return out


def evened(model: Any, found: Sequence[Product], seen: Mapping[str, Seen], scheme: Scheme) -> tuple[Any, int]:
    """A graph with the same answers, in which activations that feed linear layers alone are divided per channel and weights multiplied.

    How much of the unevenness moves is what loses least of the layers' outputs on the sample.

    Args:
        model: Not modified.
        found: Its layers; those that share a weight or a tensor with others are left as they are.
        seen: What was seen of their inputs.
        scheme: How they will be in 8 bits.

    Returns:
        The graph, and how many tensors are divided.

    Source: Xiao et al. 2022, arXiv:2211.10438; the search after Lin et al. 2023, arXiv:2306.00978.
    """
    onnx = need("onnx", "static quantization")
    made = type(model)()
    made.CopyFrom(model)
    layers, shared = matrices(made, found), _shared(made)
    groups: dict[str, list[Product]] = {}
    for item in found:
        if item.node in layers and item.weight not in shared and layers[item.node][0] in seen:
            groups.setdefault(layers[item.node][0], []).append(item)
    held, count = {item.name: item for item in made.graph.initializer}, 0
    for tensor, items in groups.items():
        weights = [layers[item.node][1] for item in items]
        scale = _best(seen[tensor], weights, scheme)
        if scale is None:
            continue
        count += 1
        for item in items:
            _, weight, turned = layers[item.node]
            array = (weight * scale[:, None]).astype(np.float32)
            held[item.weight].CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(array.T if turned else array), item.weight))
        _divide(onnx, made, tensor, {item.node for item in items}, scale)
    return made, count


def _shared(model: Any) -> set[str]:
    """Initializers that more than one node takes."""
    seen: set[str] = set()
    out: set[str] = set()
    for node in model.graph.node:
        for name in node.input:
            (out if name in seen else seen).add(name)
    return out


def _best(found: Seen, weights: Sequence[Any], scheme: Scheme) -> Any:
    """What channels are best divided by, (inputs,), or None where nothing is gained."""
    greatest = np.maximum(np.abs(found.low), np.abs(found.high))
    vectors = np.concatenate(found.vectors)
    if any(len(weight) != len(greatest) for weight in weights) or not greatest.max():
        return None
    strongest = np.maximum(np.max([np.abs(weight).max(axis=1) for weight in weights], axis=0), 1e-6)
    floor = np.maximum(greatest, 1e-3 * greatest.max())
    tried: list[tuple[float, Any]] = []
    for strength in _STRENGTHS:
        scale = floor**strength / strongest ** (1 - strength) if strength else np.ones_like(floor)
        scale = np.clip(scale / np.exp(np.mean(np.log(scale))), 1e-2, 1e2).astype(np.float32)
        ends, divided = fitted(found, scheme.how, scale), vectors / scale
        lost = 0.0
        for weight in weights:
            goal = vectors @ weight
            lost += float(np.mean((rounded(divided, *ends) @ _rounded_weight(weight * scale[:, None], scheme.bits) - goal) ** 2))
        tried.append((lost, scale))
    lost, scale = min(tried, key=lambda entry: entry[0])
    return scale if lost < 0.8 * tried[0][0] else None


def _divide(onnx: Any, model: Any, tensor: str, nodes: set[str], scale: Any) -> None:
    """Put the division, a node of its own, between the tensor and these nodes."""
    divided, factor = f"{tensor}_evened", f"{tensor}_evening"
    model.graph.initializer.append(onnx.numpy_helper.from_array((1 / scale).astype(np.float32), factor))
    for node in model.graph.node:
        if node.name in nodes:
            node.input[0] = divided
    at = next((at + 1 for at, node in enumerate(model.graph.node) if tensor in node.output), 0)
    model.graph.node.insert(at, onnx.helper.make_node("Mul", [tensor, factor], [divided], factor))
