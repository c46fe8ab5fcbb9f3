"""A graph whose answers are tensors, made as rows are fed and answers are read: inputs by their names, rows first; one output. No torch.

What a graph takes and gives per row is found from what it declares and by asking it: the axis along which rows lie need not be the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel, UnknownName
from paredown.graphs import branches, graph_batch
from paredown.graphs.declared import End, end_of
from paredown.graphs.graph_asked import Asked, plainly
from paredown.graphs.graph_ends import lift, prune
from paredown.graphs.graphs import rename
from paredown.ground.lazy import need
from paredown.kinds.tensors import Tensors, spread_of

OUTPUT = Tensors.graph_outputs[0]
NUMBERS = {
    "float": "float32", "double": "float64", "float16": "float16", "bfloat16": "float32", "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""Kind of an input -> numpy's name of what it is fed; numpy has no bfloat16, which is cast in the graph."""
_ALONE = "alone"
"""Where the rows lie in an input that has no axis for them: it takes one at a time."""
_CLOSE = 1e-4
"""How far two forms of a graph may be apart, as a share of the largest answer."""
ROWS = 5
"""Rows that a graph is asked."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """An output of a graph.

    Args:
        name: As the graph calls it.
        shape: Of one row.
        axis: Along which rows lie; None where they lie along none, or as blocks of the first.
        spread: See `kinds.tensors.spread_of`.
    """

    name: str
    shape: tuple[int, ...]
    axis: int | None
    spread: float

    def json(self) -> dict[str, Any]:
        """As a declaration of outputs -> answers has it."""
        return {"name": self.name, "shape": [*self.shape], "spread": self.spread}


def takes(path: Path, constants: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a graph declares of its inputs, but for those that have a constant: {"input", "numbers", "shape"}.

    Raises:
        BadModel: One is no tensor of numbers.
        UnknownName: There is no such input as a constant names.
    """
    onnx: Any = need("onnx", "opening an ONNX model")
    inputs = _inputs(onnx.load(path, load_external_data=False))
    for name in constants:
        if name not in inputs:
            raise UnknownName("input of the graph", name, inputs)
    for end in inputs.values():
        if end.kind not in NUMBERS and end.name not in constants:
            raise BadModel(
                f"{path.name} takes {end}, and rows are fed as arrays of numbers.\n  Export it with inputs that are such tensors."
            )
    return [
        {"input": end.name, "numbers": NUMBERS[end.kind], "shape": list(end.shape or ())}
        for end in inputs.values()
        if end.name not in constants
    ]


def _inputs(model: Any) -> dict[str, End]:
    held = {item.name for item in model.graph.initializer}
    return {item.name: end_of(item) for item in model.graph.input if item.name not in held}


class Opened:
    """A graph that is fed rows first, with what it answers to some of them.

    Args:
        model: Changed in place.
        asked: Who asks it.
        feed: Some rows, as they are fed.
        constants: Input -> what it takes for all rows.
        output: The one output that the job names; None for all.
        name: Of the file, for messages.

    Raises:
        BadModel: Its inputs do not take the rows, it does not answer them, or not with tensors of numbers of one shape for all rows.
        UnknownName: It has no output of that name.
    """

    def __init__(
        self, model: Any, asked: Asked, feed: Mapping[str, Any], constants: Mapping[str, Any], output: str | None, name: str
    ) -> None:
        self._onnx: Any = need("onnx", "opening an ONNX model")
        self._asked, self._name = asked, name
        self._feed = {key: array[:ROWS] for key, array in feed.items()}
        self._count = len(next(iter(self._feed.values())))
        self.notes: list[str] = []
        _lift_constants(model)
        self.model, self._ends = model, _inputs(model)
        self._keep_outputs(output)
        self._alone = self._lead_in(constants)
        self._set(constants)
        decided = branches.decided(model, asked.simplified)
        self.model = decided if decided is model or self._alike(model, decided) else model
        _lift_constants(self.model)
        self.parts = self._parts()

    def joined(self) -> Any:
        """The graph with all its outputs as one, (N, numbers), and with the batch that it really takes."""
        onnx, model = self._onnx, type(self.model).FromString(self.model.SerializeToString())
        graph, ends, floats = model.graph, [], {item.name for item in self.model.graph.output if end_of(item).kind == "float"}

        def add(op: str, inputs: Sequence[str], name: str, **more: Any) -> str:
            graph.node.append(onnx.helper.make_node(op, inputs, [name], **more))
            return name

        for number, part in enumerate(self.parts):
            last, made = part.name, f"{OUTPUT}__{number}"
            if part.axis:
                order = [part.axis, *(at for at in range(len(part.shape) + 1) if at != part.axis)]
                last = add("Transpose", [last], f"{made}_turned", perm=order)
            if part.axis is None or len(part.shape) != 1:
                graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, prod(part.shape)]), f"{made}_shape"))
                last = add("Reshape", [last, f"{made}_shape"], f"{made}_flat")
            if part.name not in floats:
                last = add("Cast", [last], made, to=onnx.TensorProto.FLOAT)
            ends.append(last)
        if ends != [OUTPUT]:  # engines take out nodes that do nothing, and the names that they gave
            rename(graph, OUTPUT, f"{OUTPUT}__own")
            ends = [f"{OUTPUT}__own" if end == OUTPUT else end for end in ends]
            if len(ends) == 1:
                rename(graph, ends[0], OUTPUT)
            else:
                add("Concat", ends, OUTPUT, axis=1)
        del graph.output[:]
        width = sum(prod(part.shape) for part in self.parts)
        graph.output.append(onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["batch", width]))
        del graph.value_info[:]
        prune(graph)
        lift(model)
        if self._alone:
            self.notes.append(f"The graph's {self._alone!r} has no axis for rows: it is fed one by one.")
        else:
            model, note = graph_batch.settle(model, lambda some: self._asked.opened(some, OUTPUT), self._feed)
            self.notes += [note] if note else []
        size = 1 if self._alone else graph_batch.fixed(model)
        for item in model.graph.input if size else ():
            item.type.tensor_type.shape.dim[0].dim_value = size
        return model

    def _keep_outputs(self, output: str | None) -> None:
        ends = {item.name: end_of(item) for item in self.model.graph.output}
        if output is not None and output not in ends:
            raise UnknownName("output of the graph", output, ends)
        kept = [end.name for end in ends.values() if (end.name == output if output is not None else end.kind in NUMBERS)]
        left = [str(end) for end in ends.values() if end.name not in kept]
        if not kept or (output is not None and ends[output].kind not in NUMBERS):
            raise BadModel(
                f"{self._name} answers with {'; '.join(map(str, ends.values()))}: no tensors of numbers.\n  Export it with such an output."
            )
        if left and output is None:
            self.notes.append(f"Outputs that are no tensors of numbers are left out: {'; '.join(left)}.")
        items = [type(item).FromString(item.SerializeToString()) for item in self.model.graph.output if item.name in kept]
        del self.model.graph.output[:]
        self.model.graph.output.extend(items)

    def _set(self, constants: Mapping[str, Any]) -> None:
        """Inputs that are the same for all rows, as numbers inside the graph."""
        onnx, graph = self._onnx, self.model.graph
        fed, before = next(iter(self._feed)), []
        for name, value in constants.items():
            end = self._ends[name]
            try:
                array = np.asarray(value).astype(NUMBERS[end.kind])
            except (ValueError, TypeError, KeyError):
                raise BadModel(f"`constants:` gives {name!r} {value!r:.60}; it takes {end}.\n  Write a number, or nested lists.") from None
            sizes = end.shape or ()
            free = [at for at, size in enumerate(sizes) if not isinstance(size, int)]
            if array.ndim == 0 and len(free) < 2:
                full = np.full([size if isinstance(size, int) else 1 for size in sizes], array)
            else:
                full = array
            if full.ndim != len(sizes) or any(
                size not in (mine, 1) and at not in free for at, (size, mine) in enumerate(zip(sizes, full.shape))
            ):
                raise BadModel(
                    f"`constants:` gives {name!r} numbers of shape {full.shape}; it takes {end}.\n"
                    "  Write one number, which fills it, or nested lists of its shape."
                )
            held = onnx.numpy_helper.from_array(np.array(full), f"{name}__constant" if free else name)
            graph.initializer.append(held)
            if free:  # it has an axis for rows: as many copies
                spread = np.ones(len(sizes), np.int64)
                graph.initializer.append(onnx.numpy_helper.from_array(spread[: free[0]], f"{name}__before"))
                graph.initializer.append(onnx.numpy_helper.from_array(spread[free[0] + 1 :], f"{name}__after"))
                graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(1, np.int64), f"{name}__first"))
                before += [
                    onnx.helper.make_node("Shape", [fed], [f"{name}__fed"]),
                    onnx.helper.make_node("Gather", [f"{name}__fed", f"{name}__first"], [f"{name}__rows"], axis=0),
                    onnx.helper.make_node("Concat", [f"{name}__before", f"{name}__rows", f"{name}__after"], [f"{name}__shape"], axis=0),
                    onnx.helper.make_node("Expand", [held.name, f"{name}__shape"], [name]),
                ]
        _first(graph, before)

    def _lead_in(self, constants: Mapping[str, Any]) -> str:
        """Let each input take rows first; the name of one that has no axis for them, or nothing."""
        onnx, graph = self._onnx, self.model.graph
        ends = {name: end for name, end in self._ends.items() if name not in constants}
        before, alone, batches = [], "", [end.shape[0] for end in ends.values() if end.shape]
        self._usual = usual = max((size for size in batches if isinstance(size, str) and size != "?"), key=batches.count, default="")
        inputs = []
        for name, end in ends.items():
            row = self._feed[name].shape[1:]
            axis = self._axis(end, row, usual)
            size: Any = "batch"
            if axis == _ALONE:
                alone, size = name, 1
            elif end.shape is not None and isinstance(end.shape[int(axis)], int):
                size = end.shape[int(axis)]
            element = getattr(onnx.TensorProto, {"float32": "FLOAT", "float64": "DOUBLE"}.get(NUMBERS[end.kind], NUMBERS[end.kind]).upper())
            inputs.append((name, element, [size, *row]))
            inner = f"{name}__taken"
            if axis != 0 or end.kind == "bfloat16":
                rename(graph, name, inner)
            source = name
            if axis == _ALONE:
                graph.initializer.append(onnx.numpy_helper.from_array(np.array(row, np.int64), f"{name}__row"))
                before.append(onnx.helper.make_node("Reshape", [name, f"{name}__row"], [inner]))
                source = inner
            elif axis != 0:
                order = [*range(1, int(axis) + 1), 0, *range(int(axis) + 1, len(row) + 1)]
                before.append(onnx.helper.make_node("Transpose", [name], [inner], perm=order))
                source = inner
            if end.kind == "bfloat16":
                if source == inner:
                    before[-1].output[0] = source = f"{name}__wide"
                before.append(onnx.helper.make_node("Cast", [source], [inner], to=onnx.TensorProto.BFLOAT16))
        del graph.input[:]
        graph.input.extend(onnx.helper.make_tensor_value_info(name, element, shape) for name, element, shape in inputs)
        del graph.value_info[:]
        _first(graph, before)
        lift(self.model)
        return alone

    def _axis(self, end: End, row: Sequence[int], usual: str) -> int | str:
        """The axis of an input along which rows lie.

        Raises:
            BadModel: It takes another shape.
        """
        if end.shape is None:
            return 0

        def fits(taken: Sequence[int | str]) -> bool:
            return len(taken) == len(row) and all(not isinstance(size, int) or size == mine for size, mine in zip(taken, row))

        found = [at for at in range(len(end.shape)) if fits([*end.shape[:at], *end.shape[at + 1 :]])]
        order = (
            lambda at: end.shape[at] == usual != "",
            lambda at: not isinstance(end.shape[at], int) and at == 0,
            lambda at: not isinstance(end.shape[at], int),
            lambda at: end.shape[at] == 1 and at == 0,
            lambda at: end.shape[at] == 1,
            lambda at: at == 0,
        )
        for likely in order:
            if best := [at for at in found if likely(at)]:
                return best[0]
        if fits(end.shape):
            return _ALONE
        raise BadModel(
            f"{self._name} takes {end}; one row of the array {end.name!r} has the shape {tuple(row)}.\n"
            "  Rows lie along the first axis of an array, and each has what the model takes without its axis of rows; what is the same in "
            f"all rows goes beside the model: `constants: {{{end.name}: ...}}`."
        )

    def _alike(self, one: Any, other: Any) -> bool:
        """Whether two graphs answer a row alike."""
        rows = slice(0, max(1, graph_batch.fixed(one)))
        first, second = self._run(one, rows), self._run(other, rows)
        return all(
            first[name].shape == second[name].shape
            and np.allclose(first[name], second[name], rtol=0, atol=_CLOSE * max(1.0, float(np.abs(first[name]).max(initial=0))))
            for name in first
            if first[name].dtype.kind in "buif"
        )

    def _run(self, model: Any, rows: slice) -> dict[str, Any]:
        run = self._asked.outputs(model)
        feed = {name: array[rows] for name, array in self._feed.items()}
        try:
            return {name: np.asarray(array) for name, array in run(feed).items()}
        except Exception as error:  # engines raise what they like
            raise BadModel(f"{self._name} does not answer a row of these data{_fed(feed)}: {plainly(error)}") from error

    def _parts(self) -> tuple[Part, ...]:
        """The outputs, by what is answered to each row alone and to two at once.

        Raises:
            BadModel: It does not answer, or with another shape for another row, or with no numbers at all.
        """
        size = max(1, graph_batch.fixed(self.model))
        starts = range(0, self._count - size + 1, size) or range(1)
        single = [self._run(self.model, slice(at, at + size)) for at in starts]
        several = None
        if size == 1 and self._count > 1 and not self._alone:
            try:
                several = self._run(graph_batch.open_batch(self.model, 1) if graph_batch.fixed(self.model) else self.model, slice(0, 2))
            except BadModel:
                several = None
        found = []
        for item in self.model.graph.output:
            name = item.name
            shapes = {one[name].shape for one in single}
            if len(shapes) > 1:
                listed = " and ".join(map(str, sorted(shapes)[:2]))
                raise BadModel(
                    f"{self._name} answers in {name!r} with another shape for another row ({listed}), as detectors do that list what they "
                    "found.\n  Name an output whose shape does not depend on what is in a row: `model: {onnx: ..., output: NAME}`."
                )
            (shape,) = shapes
            if not prod(shape):
                self.notes.append(f"The output {name!r} is empty, shape {shape}, and is left out.")
                continue
            named = [self._usual == other for other in end_of(item).shape or ()]
            axis = _rows_axis(shape, several[name].shape if several is not None else None, size, named)
            own = tuple(np.delete(shape, axis).tolist()) if axis is not None else (prod(shape) // size,) if size > 1 else shape
            turned = [np.moveaxis(one[name], axis, 0) if axis else one[name] for one in single]
            answers = np.concatenate([one.reshape(size, -1) for one in turned]).astype(np.float64)
            found.append(
                Part(name=name, shape=own, axis=axis, spread=float(f"{spread_of(answers):.6g}") if np.isfinite(answers).all() else 1.0)
            )
        if not found:
            raise BadModel(f"{self._name} answers with no numbers at all.\n  Give rows that it was made for.")
        return tuple(found)


def _rows_axis(one: Sequence[int], two: Sequence[int] | None, size: int, named: Sequence[bool]) -> int | None:
    """The axis along which rows lie in an output, from its shapes for `size` rows and, where known, for two.

    Args:
        named: Whether each axis may be called as the axis of rows of the inputs is.
    """
    if two is None:
        found = [at for at, mine in enumerate(one) if mine == size and (at == 0 or (at < len(named) and named[at]))]
        called = [at for at in found if at < len(named) and named[at]]
        return next(iter([*called, *found]), None)
    grown = [at for at, (mine, other) in enumerate(zip(one, two)) if mine == 1 and other == 2]
    return grown[0] if len(one) == len(two) and len(grown) == 1 else None


def _first(graph: Any, nodes: Sequence[Any]) -> None:
    """Put nodes before all others, in place."""
    rest = [type(node).FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _lift_constants(model: Any) -> None:
    """Make initializers, in place, of the nodes that hold a constant tensor: some exporters keep all weights so."""
    kept = []
    model.ir_version = max(model.ir_version, 4)  # before it, what a graph holds stood among its inputs too
    for node in model.graph.node:
        value = next((item for item in node.attribute if item.name == "value"), None) if node.op_type == "Constant" else None
        if value is None or any(item.name == node.output[0] for item in model.graph.output):
            kept.append(type(node).FromString(node.SerializeToString()))
            continue
        held = model.graph.initializer.add()
        held.CopyFrom(value.t)
        held.name = node.output[0]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _fed(feed: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{name} {array.shape} of {array.dtype}' for name, array in feed.items())})"
