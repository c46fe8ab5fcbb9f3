"""How many rows a graph from outside takes at once: opened where its answers prove that any number is right. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from paredown.ground.lazy import need

Ask = Callable[[Mapping[str, Any]], Any]
_PARTS = (1, 2, 3, 5)
"""Rows that an opened graph is asked at once, beside all."""
_CLOSE, _CLOSE_IN_HALF = 1e-4, 1e-2
"""How far an answer may be from that of the row alone, as a share of the largest: kernels differ with the number of rows."""


def fixed(model: Any) -> int:
    """Rows that a graph takes at once; 0 where any number may be fed."""
    held = {item.name for item in model.graph.initializer}
    dims = (item.type.tensor_type.shape.dim for item in model.graph.input if item.name not in held)
    return max((int(dim[0].dim_value) for dim in dims if len(dim)), default=0)


def settle(model: Any, ask: Callable[[Any], Ask], feed: Mapping[str, Any]) -> tuple[Any, str]:
    """The graph so that its batch is what it really takes, and one sentence where that is not what it declared.

    Args:
        model: Changed in place where its batch is fixed and stays so.
        ask: A graph -> function feed -> answers (N, K), which raises what it likes; a fixed batch it feeds by itself.
        feed: Rows that differ, three or more.

    Returns:
        The graph with a free batch where it has that, or was opened: then answers to several rows at once are those to each alone. Else
        one whose inputs have a fixed batch, which engines feed as many rows as it takes.
    """
    declared, count = fixed(model), len(next(iter(feed.values())))
    given = ask(model)
    alone = _answers(given, feed) if declared else _one_by_one(given, feed)
    if alone is None:
        return model, ""
    close = _CLOSE_IN_HALF if any(item.data_type == 10 for item in model.graph.initializer) else _CLOSE
    if not declared and all(_same(_answers(given, _part(feed, size)), alone[:size], close) for size in (2, count)):
        return model, ""
    opened = open_batch(model, declared or 1)
    try:
        asked = ask(opened)
    except Exception:  # what was opened need not be a graph any more
        asked = None
    if asked is not None and all(_same(_answers(asked, _part(feed, size)), alone[:size], close) for size in (*_PARTS, count)):
        what = f"is declared for {declared} row{'s' if declared > 1 else ''} at once" if declared else "answers only one row at a time"
        return opened, f"The graph {what}; its batch was opened, and answers to {count} rows at once are those to each alone."
    for item in model.graph.input:
        if len(item.type.tensor_type.shape.dim):
            item.type.tensor_type.shape.dim[0].dim_value = declared or 1
    if declared > 1:
        return model, f"The graph takes {declared} rows at once, no more and no less: it is fed so, the last ones filled up with copies."
    why = "takes one row at a time" if declared else "answers several rows at once otherwise than each alone, or not at all"
    return model, f"The graph {why}: it is fed one by one."


def _part(feed: Mapping[str, Any], size: int) -> dict[str, Any]:
    return {name: array[:size] for name, array in feed.items()}


def _one_by_one(ask: Ask, feed: Mapping[str, Any]) -> Any:
    """Answers (N, K) to each row alone, or None where there are none."""
    parts = [_answers(ask, {name: array[at : at + 1] for name, array in feed.items()}) for at in range(len(next(iter(feed.values()))))]
    return None if any(part is None for part in parts) else np.concatenate(parts)


def _answers(ask: Ask, feed: Mapping[str, Any]) -> Any:
    """Answers (N, K), or None where there are none."""
    try:
        found = np.asarray(ask(feed), np.float64)
    except Exception:  # engines raise what they like; that rows cannot be answered is said where it is needed
        return None
    return found if found.ndim and len(found) == len(next(iter(feed.values()))) else None


def _same(found: Any, wanted: Any, close: float) -> bool:
    if found is None or found.shape != wanted.shape:
        return False
    return bool(
        np.allclose(
            found, wanted, rtol=0, atol=close * max(1e-9, float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0))), equal_nan=True
        )
    )


def open_batch(model: Any, batch: int) -> Any:
    """A copy of a graph whose inputs have a free batch, and in which shapes that name the batch are made from the input.

    Shapes of reshapes lose their first size, expansions and constants beside rows take the number of rows, recurrent layers begin at zero
    by themselves. Whether that is right is for the answers to show.

    Args:
        batch: Rows that it takes at once as it is.
    """
    onnx: Any = need("onnx", "opening an ONNX model")
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    graph = opened.graph
    del graph.value_info[:]
    for item in graph.input:
        if len(item.type.tensor_type.shape.dim):
            item.type.tensor_type.shape.dim[0].dim_param = "batch"
    for item in graph.output:
        if len(item.type.tensor_type.shape.dim):
            item.type.tensor_type.shape.dim[0].dim_param = "batch"
    held = _constants(onnx, graph)
    feed = next(item.name for item in graph.input if item.name not in {held.name for held in graph.initializer})
    nodes = list[Any]()
    for node in graph.node:
        node = type(node).FromString(node.SerializeToString())
        nodes += [*_freed(onnx, graph, node, held, batch), node]
    at_front = [
        onnx.helper.make_node("Shape", [feed], ["__shape"]),
        onnx.helper.make_node("Gather", ["__shape", "__first"], ["__rows"], axis=0),
    ]
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.int64), "__first"))
    del graph.node[:]
    graph.node.extend([*(at_front if any("__rows" in node.input for node in nodes) else ()), *nodes])
    return opened


def _constants(onnx: Any, graph: Any) -> dict[str, Any]:
    """Name -> array of what is constant."""
    held = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer if len(item.dims) < 5 and not item.data_location}
    for node in graph.node:
        for item in node.attribute if node.op_type == "Constant" else ():
            if item.name in ("value", "value_ints"):
                found = onnx.helper.get_attribute_value(item)
                held[node.output[0]] = np.array(found) if item.name == "value_ints" else onnx.numpy_helper.to_array(found)
    return held


def _freed(onnx: Any, graph: Any, node: Any, held: Mapping[str, Any], batch: int) -> Iterator[Any]:
    """Change a node, in place, whose constants name the batch; yields nodes to stand before it."""
    name = node.input[1] if node.op_type in ("Reshape", "Expand") else node.input[0] if node.op_type == "ConstantOfShape" else ""
    sizes = held[name].tolist() if name in held and held[name].ndim == 1 and held[name].size else []
    made = f"{node.output[0]}__free" if node.output else ""
    if node.op_type == "Reshape" and sizes and sizes[0] > 0 and sizes[0] % batch == 0 and (-1 not in sizes or sizes[0] == batch):
        first = 0 if -1 in sizes else -1  # the size of the input's own axis
        for item in node.attribute:
            item.i = 0 if item.name == "allowzero" and 0 not in sizes else item.i
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([first, *sizes[1:]], np.int64), made))
        node.input[1] = made
    elif node.op_type in ("Expand", "ConstantOfShape") and sizes and sizes[0] == batch:
        yield from _counted(onnx, graph, sizes[1:], made)
        node.input[1 if node.op_type == "Expand" else 0] = made
    elif node.op_type == "Concat" and batch == 1 and next((item.i for item in node.attribute if item.name == "axis"), 0) != 0:
        alone = [at for at, name in enumerate(node.input) if name in held and held[name].ndim > 1 and len(held[name]) == 1]
        for at in alone if len(alone) < len(node.input) else ():
            yield from _counted(onnx, graph, list(held[node.input[at]].shape[1:]), f"{made}{at}")
            yield onnx.helper.make_node("Expand", [node.input[at], f"{made}{at}"], [f"{made}{at}__wide"])
            node.input[at] = f"{made}{at}__wide"
    elif node.op_type in ("LSTM", "GRU", "RNN"):
        for at in range(5, min(7, len(node.input))):
            if node.input[at] in held and not held[node.input[at]].any():
                node.input[at] = ""


def _counted(onnx: Any, graph: Any, rest: list[int], made: str) -> Iterator[Any]:
    """The shape (rows, *rest) as a tensor."""
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(rest, np.int64), f"{made}__rest"))
    yield onnx.helper.make_node("Concat", ["__rows", f"{made}__rest"], [made], axis=0)
