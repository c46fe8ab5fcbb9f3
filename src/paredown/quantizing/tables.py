"""Tables of which a graph looks rows up, as embeddings, in 8 or 4 bits per number. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paredown.ground.lazy import need

_FEWEST = 16
"""Rows of a table below which it is left as it is."""
_PIECE = 1 << 22
"""Numbers of a table that are worked on at a time."""
_BINS, _NARROWED = 200, 0.16
"""Steps in which a range is narrowed, and the share of it that may go, of Guan et al."""


@dataclass(frozen=True, kw_only=True)
class Coded:
    """The rows of a table as whole numbers: row v is `scale[v] * code[v] + low[v]`.

    Args:
        codes: (V, D) uint8.
        scale, low: (V, 1), float16 where that holds them, else float32.
    """

    codes: np.ndarray
    scale: np.ndarray
    low: np.ndarray

    def rows(self) -> np.ndarray:
        """The table that it stands for (V, D), float32."""
        found: np.ndarray = self.codes * self.scale.astype(np.float32) + self.low.astype(np.float32)
        return found


def looked_up(model: Any) -> list[str]:
    """Initializers (V, D) of floats in the main graph of which nothing is used but rows that the input asks for, in the graph's order."""
    onnx = need("onnx", "looking for tables")
    graph = model.graph
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    found = {
        item.name: True
        for item in graph.initializer
        if item.data_type in kinds and len(item.dims) == 2 and item.dims[0] >= _FEWEST and item.dims[1] > 1
    }
    held, asked = {item.name for item in graph.initializer}, set[str]()
    for place, node in _uses(graph):
        for at, name in enumerate(node.input):
            if name not in found:
                continue
            axis = next((item.i for item in node.attribute if item.name == "axis"), 0)
            rows = node.op_type == "Gather" and at == 0 and axis in (0, -2) and node.input[1] not in held
            if rows and place == 0:
                asked.add(name)
            else:  # something else needs the numbers, as a head that shares its weights
                found[name] = False
    outer = {item.name for item in (*graph.input, *graph.output)}
    return [name for name, fit in found.items() if fit and name in asked and name not in outer]


def _uses(graph: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """Every node, of graphs inside nodes too, with how deep it stands."""
    for node in graph.node:
        yield depth, node
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _uses(inner, depth + 1)


def coded(table: np.ndarray, bits: int) -> Coded:
    """The rows of a table in so many bits, each with a scale and a least value of its own.

    Of 4 bits the range of a row is narrowed from that end which costs less, as long as the squared error falls: few steps are better spent
    where most numbers are. Of 8 bits it is the whole range.

    Args:
        table: (V, D), finite.
        bits: 8 or 4.

    Source: Guan et al. 2019, arXiv:1911.02079, algorithm 1 ("greedy").
    """
    table, steps = np.asarray(table, np.float32), 2**bits - 1
    pieces = max(1, _PIECE // table.shape[1])
    ends = [
        _narrowed(table[at : at + pieces], steps) if bits < 8 else _ends(table[at : at + pieces]) for at in range(0, len(table), pieces)
    ]
    low, high = (np.concatenate(each) for each in zip(*ends))
    wide = np.where(high > low, (high - low) / steps, 1.0)
    scale, low = _half(wide, wide / 1000), _half(low, wide / 8)
    codes = np.empty(table.shape, np.uint8)
    for at in range(0, len(table), pieces):
        part = slice(at, at + pieces)
        codes[part] = _codes(table[part], low[part].astype(np.float32), scale[part].astype(np.float32), steps)
    return Coded(codes=codes, scale=scale, low=low)


def _ends(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)


def _codes(rows: np.ndarray, low: np.ndarray, scale: np.ndarray, steps: int) -> np.ndarray:
    found: np.ndarray = np.clip(np.rint((rows - low) / scale), 0, steps)
    return found


def _error(rows: np.ndarray, low: np.ndarray, high: np.ndarray, steps: int) -> np.ndarray:
    """The squared error of each row (V, 1) where its range goes from `low` to `high`."""
    scale = np.where(high > low, (high - low) / steps, 1.0)
    off = _codes(rows, low, scale, steps) * scale + low - rows
    found: np.ndarray = np.einsum("vd,vd->v", off, off)[:, None]
    return found


def _narrowed(rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = _ends(rows)
    step = (high - low) / _BINS
    best, least = (low, high), _error(rows, low, high, steps)
    for _ in range(round(_BINS * _NARROWED)):
        from_low, from_high = _error(rows, low + step, high, steps), _error(rows, low, high - step, steps)
        below = from_low < from_high
        low, high = np.where(below, low + step, low), np.where(below, high, high - step)
        found = np.minimum(from_low, from_high)
        better = found < least
        best = np.where(better, low, best[0]), np.where(better, high, best[1])
        least = np.minimum(found, least)
    return best


def _half(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """In 16 bits where that is as near as it has to be for each, else in 32."""
    with np.errstate(over="ignore"):
        short = values.astype(np.float16)
    off = np.abs(short.astype(np.float32) - values)
    return short if bool((off <= near).all()) else values.astype(np.float32)


def packed_b(item: Coded, bits: int) -> int:
    """Bytes of a coded table as a graph holds it."""
    rows, width = item.codes.shape
    return int(rows * -(-width * bits // 8) + item.scale.nbytes + item.low.nbytes)


def replace(model: Any, name: str, item: Coded, bits: int) -> None:
    """Put a coded table in the place of one of floats, in place: codes are looked up and made numbers behind that.

    All operators are standard ones, which an engine cannot compute beforehand since the rows are known only when it is asked. Two numbers
    of 4 bits share a byte: the first half of a row stands in the low bits, the second in the high ones, so that they are put one behind
    the other again.

    Args:
        model: Changed.
        name: An initializer that `looked_up` names.
        item: Its rows.
        bits: Of each number.
    """
    onnx = need("onnx", "putting tables into fewer bits")
    graph = model.graph
    at, given = next((place, held) for place, held in enumerate(graph.initializer) if held.name == name)
    kind, width = given.data_type, item.codes.shape[1]
    codes = item.codes if bits == 8 else _two_in_one(item.codes)
    held = {"codes": codes, "scale": item.scale, "low": item.low}
    if bits == 4:
        held |= {"sixteenth": np.array(1 / 16, np.float32), "sixteen": np.array(16, np.float32)}
        if width % 2:
            held |= {"first": np.array([0]), "last": np.array([width]), "axis": np.array([-1])}
    del graph.initializer[at]
    graph.initializer.extend(onnx.numpy_helper.from_array(value, f"{name}_{key}") for key, value in held.items())
    nodes = list[Any]()
    for number, node in enumerate(graph.node):
        if node.op_type == "Gather" and node.input[0] == name:
            nodes += _numbers(onnx, name, node.input[1], node.output[0], f"{name}_{number}", kind, item, bits, width)
        else:
            nodes.append(node)
    kept = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _two_in_one(codes: np.ndarray) -> np.ndarray:
    even = np.pad(codes, ((0, 0), (0, codes.shape[1] % 2)))
    half = even.shape[1] // 2
    packed: np.ndarray = even[:, :half] | (even[:, half:] << 4)
    return packed


def _numbers(onnx: Any, name: str, rows: str, output: str, prefix: str, kind: int, item: Coded, bits: int, width: int) -> list[Any]:
    """Nodes that look rows of codes up and make numbers of them: `scale * code + low`."""
    made: list[Any] = []

    def node(op: str, inputs: Sequence[str], said: str, **more: Any) -> str:
        made.append(onnx.helper.make_node(op, list(inputs), [said], name=f"{prefix}_{len(made)}_{op}", **more))
        return said

    def floats(key: str, narrow: bool) -> str:
        found = node("Gather", [f"{name}_{key}", rows], f"{prefix}_{key}", axis=0)
        return node("Cast", [found], f"{prefix}_{key}_wide", to=onnx.TensorProto.FLOAT) if narrow else found

    codes = floats("codes", True)
    if bits == 4:
        high = node("Floor", [node("Mul", [codes, f"{name}_sixteenth"], f"{prefix}_shifted")], f"{prefix}_high")
        low = node("Sub", [codes, node("Mul", [high, f"{name}_sixteen"], f"{prefix}_above")], f"{prefix}_lowest")
        codes = node("Concat", [low, high], f"{prefix}_whole", axis=-1)
        if width % 2:
            codes = node("Slice", [codes, *(f"{name}_{key}" for key in ("first", "last", "axis"))], f"{prefix}_cut")
    scale, least = (floats(key, value.dtype == np.float16) for key, value in (("scale", item.scale), ("low", item.low)))
    product = node("Mul", [codes, scale], f"{prefix}_scaled")
    whole = kind == onnx.TensorProto.FLOAT
    total = node("Add", [product, least], output if whole else f"{prefix}_wide")
    if not whole:
        node("Cast", [total], output, to=kind)
    return made
