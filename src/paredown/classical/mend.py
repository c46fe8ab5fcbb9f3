"""What a converter reads otherwise than scikit-learn or a booster means it, put right in the graph. No torch here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paredown.graphs.declared import ML
from paredown.ground.lazy import need


def sublinear(model: Any) -> None:
    """Let counts of words be 1 + log(count), in place, where the converter writes log(1 + count): `sublinear_tf`."""
    onnx: Any = need("onnx", "an ONNX model")
    made = {node.output[0]: node for node in model.graph.node}
    for node in [node for node in model.graph.node if node.op_type == "Log"]:
        one_more = made.get(node.input[0])
        if one_more is None or one_more.op_type != "Add" or not one_more.input[1].startswith("ones"):
            continue
        one_more.op_type = "Max"  # of the count and 1, whose logarithm is 0 where there is none
        logged, least = f"{node.output[0]}_logged", f"{node.output[0]}_least"
        final, node.output[0] = node.output[0], logged
        after = [*model.graph.node].index(node) + 1
        model.graph.node.insert(after, onnx.helper.make_node("Min", list(one_more.input), [least]))
        model.graph.node.insert(after + 1, onnx.helper.make_node("Add", [logged, least], [final]))


def zeros_as_gaps(model: Any) -> None:
    """Let trees take zeros for missing numbers, in place, as XGBoost does in a sparse matrix."""
    onnx: Any = need("onnx", "an ONNX model")
    held = {"zero_of_gaps": np.zeros(1, np.float32), "gap_of_zeros": np.full(1, np.nan, np.float32)}
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in held.items())
    for number, node in enumerate([node for node in model.graph.node if node.domain == ML and node.op_type.startswith("TreeEnsemble")]):
        rows, empty, gaps = node.input[0], f"empty_{number}", f"with_gaps_{number}"
        before = [*model.graph.node].index(node)
        model.graph.node.insert(before, onnx.helper.make_node("Equal", [rows, "zero_of_gaps"], [empty]))
        model.graph.node.insert(before + 1, onnx.helper.make_node("Where", [empty, "gap_of_zeros", rows], [gaps]))
        node.input[0] = gaps
    if all(item.domain not in ("", "ai.onnx") for item in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", 17))


def in_double(model: Any, idfs: Sequence[Any], scalers: Sequence[tuple[Any, Any]], *, wide: bool) -> None:
    """Let what stands before trees be computed in float64 and cut to float32 after, in place, as scikit-learn and boosters do it.

    A threshold of a tree is often a number of the data itself: a last digit that is rounded otherwise sends all such rows the other way.

    Args:
        idfs: The inverse document frequencies of all steps that have some, in their order, float64.
        scalers: What steps take off their columns, and then divide them by.
        wide: Whether their columns were of float64; else all is done in float32.
    """
    onnx: Any = need("onnx", "an ONNX model")
    if not any(node.domain == ML and node.op_type.startswith("TreeEnsemble") for node in model.graph.node):
        return
    held = {item.name: item for item in model.graph.initializer}
    made = {node.output[0]: node for node in model.graph.node}
    left, kind = list(idfs), np.float64 if wide else np.float32
    for number, node in enumerate([*model.graph.node]):
        said = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        weighed = made.get(node.input[0]) if node.op_type == "Normalizer" and said.get("norm") == b"L2" else None
        if weighed is not None and weighed.op_type == "Mul" and weighed.input[1] in held and left:
            idf = np.asarray(left.pop(0), np.float64).ravel()
            if list(held[weighed.input[1]].dims) == [len(idf)]:
                _replace(onnx, model, node, _normalized(onnx, number, weighed.input[0], node.output[0]), {f"idf_{number}": idf})
        elif node.op_type == "Scaler" and node.domain == ML:
            mine = next((pair for pair in scalers if _same(said["offset"], pair[0]) and _same(said["scale"], 1 / pair[1])), None)
            if mine is not None:
                held_too = {f"off_{number}": mine[0].astype(kind), f"by_{number}": mine[1].astype(kind)}
                _replace(onnx, model, node, _scaled(onnx, number, node.input[0], node.output[0], wide), held_too)


def _same(said: Any, wanted: Any) -> bool:
    return len(said) == len(wanted) and np.allclose(said, wanted, rtol=1e-5, atol=1e-30)


def _normalized(onnx: Any, number: int, rows: str, out: str) -> list[Any]:
    """Rows times the inverse document frequencies, divided by their length; a row of zeros stays one."""
    node, wide, heavy, squares, length, some, shares = onnx.helper.make_node, *(f"{word}_{number}" for word in _WORDS)
    return [
        node("Cast", [rows], [wide], to=onnx.TensorProto.DOUBLE),
        node("Mul", [wide, f"idf_{number}"], [heavy]),
        node("ReduceSumSquare", [heavy], [squares], axes=[1], keepdims=1),
        node("Sqrt", [squares], [length]),
        node("Max", [length, f"least_{number}"], [some]),
        node("Div", [heavy, some], [shares]),
        node("Cast", [shares], [out], to=onnx.TensorProto.FLOAT),
    ]


_WORDS = ("wide", "heavy", "squares", "length", "some", "shares")


def _scaled(onnx: Any, number: int, rows: str, out: str, exact: bool) -> list[Any]:
    node, wide, moved, scaled = onnx.helper.make_node, f"wide_{number}", f"moved_{number}", f"scaled_{number}"
    if not exact:
        return [node("Sub", [rows, f"off_{number}"], [moved]), node("Div", [moved, f"by_{number}"], [out])]
    return [
        node("Cast", [rows], [wide], to=onnx.TensorProto.DOUBLE),
        node("Sub", [wide, f"off_{number}"], [moved]),
        node("Div", [moved, f"by_{number}"], [scaled]),
        node("Cast", [scaled], [out], to=onnx.TensorProto.FLOAT),
    ]


def _replace(onnx: Any, model: Any, node: Any, others: Sequence[Any], held: Mapping[str, Any]) -> None:
    """Put nodes in the place of one, and what they hold beside them."""
    at = [*model.graph.node].index(node)
    del model.graph.node[at]
    for place, each in enumerate(others):
        model.graph.node.insert(at + place, each)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in held.items())
    if least := next((name for each in others for name in each.input if name.startswith("least_")), ""):
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.full(1, np.finfo(np.float64).tiny), least))
    if all(item.domain not in ("", "ai.onnx") for item in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", 17))
