"""Which layers of a graph go into 8 bits, and with how many scales: tried in the engines, and left out where they refuse. No torch here."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import Unfit
from paredown.core.runtime import Session
from paredown.core.technique import Context
from paredown.graphs.graph_asked import CLOSE, apart, norms
from paredown.graphs.graph_batch import fixed
from paredown.graphs.graphs import GRAPH, TOKENS
from paredown.ground import registry
from paredown.ground.files import no_room
from paredown.ground.host import host
from paredown.ground.lazy import need
from paredown.ground.logs import quiet

CHANNEL, TENSOR, LEFT = "channel", "tensor", "left"
"""One scale per output channel; one for the whole weight; fp32."""
ROWS = 8
"""Rows that a graph is asked while it is put together, one alone and all at once."""
_CALL = 32
"""Rows of a call where many are asked."""
_ALONE = 48
"""Layers that are tried one by one, at most, where an engine does not name the one that it refuses."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """A layer whose weight can go into 8 bits.

    Args:
        node: Its name in the graph.
        op: Its operator.
        weight: Name of its weight; layers that share one share its scales.
        dims: Of the weight.
        best: CHANNEL where one scale per channel of this weight makes sense, else TENSOR.
    """

    node: str
    op: str
    weight: str
    dims: tuple[int, ...]
    best: str


_WEIGHT_AT = {"MatMul": 1, "Gemm": 1, "Conv": 1, "ConvTranspose": 1, "LSTM": 1, "Attention": 1}


def products(model: Any, ops: Sequence[str]) -> list[Product]:
    """The layers of these operators whose weight the main graph holds, in order."""
    onnx = need("onnx", "looking for layers")
    held = {item.name: item for item in model.graph.initializer if item.data_type == onnx.TensorProto.FLOAT}
    out = []
    for node in model.graph.node:
        if node.op_type not in ops or node.op_type not in _WEIGHT_AT or len(node.input) < 2:
            continue
        name = node.input[_WEIGHT_AT[node.op_type]]
        if name not in held and node.op_type == "MatMul":
            name = node.input[0]  # its output channels are rows, for which no kernel has scales
        if name not in held:
            continue
        dims = tuple(held[name].dims)
        whole = node.op_type == "MatMul" and (len(dims) != 2 or name == node.input[0])
        out.append(Product(node=node.name, op=node.op_type, weight=name, dims=dims, best=TENSOR if whole else CHANNEL))
    return out


def share(model: Any, found: Sequence[Product]) -> tuple[int, int]:
    """Trained numbers in these layers, and in all of the graph but the tables whose rows are looked up."""
    onnx = need("onnx", "looking for layers")
    held = {item.name: prod(item.dims) for item in model.graph.initializer if len(item.dims) and item.data_type == onnx.TensorProto.FLOAT}
    nodes = {node.name: node for node in model.graph.node}
    inside = {name for item in found for name in nodes[item.node].input if name in held}
    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    return sum(held[name] for name in inside), sum(size for name, size in held.items() if name in inside or name not in looked_up)


def wished(found: Sequence[Product], per_channel: bool) -> dict[str, str]:
    """Weight name -> the way to begin with: one scale per channel where that is asked for and the layer can have it, else one."""
    return {item.weight: CHANNEL if per_channel and item.best == CHANNEL else TENSOR for item in found}


class Asker:
    """Asks graphs for their answers to the same few rows, one alone and all at once, in engines that run the given one as the first does.

    Args:
        engines: Name -> what opens the folder of a graph; the first one's answers are those of the model.
        model: The given graph.
        feed: Input name -> array of rows.
        work: An empty folder.

    Raises:
        Unfit: The first engine does not run the given graph.
    """

    def __init__(self, engines: Mapping[str, Callable[[Path], Session]], model: Any, feed: Mapping[str, Any], work: Path) -> None:
        self._work, self._number = work, 0
        self._feeds = list(_batches(model, feed))
        self.engines = dict(engines)
        self._given: dict[str, list[dict[str, Any]]] = {}
        self.refused_by = ""
        for name in tuple(engines):
            try:
                self._given[name] = self._run(name, model, self._feeds)
                if apart(self._given[name], next(iter(self._given.values())), norms) > CLOSE:
                    del self.engines[name]  # what it makes of the graph is no measure of anything
            except Exception as error:
                if no_room(error):
                    raise
                if not self._given:
                    raise Unfit(
                        f"{name} does not run the graph as it is{_at(model, error)}; no 8-bit form of it can be checked."
                    ) from error
                del self.engines[name]

    def same(self, model: Any, tolerance: float) -> bool:
        """Whether a graph answers in every engine as the given one does, up to a share of the greatest answer."""
        try:
            return all(self._distance(name, model, _greatest) <= tolerance for name in self.engines)
        except Exception as error:  # an engine's own classes
            if no_room(error):
                raise
            return False

    def refusal(self, model: Any) -> tuple[str, str]:
        """Why a graph in 8 bits cannot be used: what is said, and the engine's own words, to look for nodes in; empty where it can."""
        for name in self.engines:
            self.refused_by = name
            try:
                distance = self._distance(name, model, norms)
            except Exception as error:
                if no_room(error):
                    raise
                return f"{name} does not take it{_at(model, error)}", str(error.__cause__ or error)
            if not distance < 1:
                return f"its answers in {name} have nothing to do with those in fp32", ""
        self.refused_by = ""
        return "", ""

    def answers(self, model: Any, feed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Engine -> output name -> answers to other rows."""
        return {name: _joined(self._run(name, model, [in_calls(model, feed, _CALL)])) for name in self.engines}

    def run(self, model: Any, feeds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What the first engine answers, feed by feed."""
        return self._run(next(iter(self.engines)), model, [[feed] for feed in feeds])

    def go_without(self, engine: str) -> bool:
        """Ask this engine no more; False for the first one, whose answers are those of the model."""
        return engine != next(iter(self.engines)) and self.engines.pop(engine, None) is not None

    def _distance(self, engine: str, model: Any, of: Callable[[Any, Any], float]) -> float:
        return apart(self._run(engine, model, self._feeds), self._given[engine], of)

    def _run(self, engine: str, model: Any, feeds: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
        onnx = need("onnx", "asking a graph")
        self._number += 1
        folder = self._work / f"tried{self._number}"
        folder.mkdir(parents=True)
        try:
            onnx.save(model, folder / GRAPH)
            session = self.engines[engine](folder)
            try:
                return [_joined([{name: np.array(value) for name, value in session.run(one).items()} for one in feed]) for feed in feeds]
            finally:
                session.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def settle(
    found: Sequence[Product], ways: Mapping[str, str], build: Callable[[Mapping[str, str]], Any], asker: Asker
) -> tuple[Any, dict[str, str]]:
    """Put layers into 8 bits in the best way that the quantizer and the engines take.

    A layer that is refused gets one scale for its whole weight instead of one per channel, then stays in fp32. Where nobody names it, each
    layer is tried alone. An engine other than the first that takes none of them is left out: the graph is for the others.

    Args:
        found: The layers.
        ways: Weight name -> CHANNEL, TENSOR or LEFT, to begin with.
        build: Weight name -> way, to the graph; raises where the quantizer gives up.
        asker: Who asks the graphs.

    Returns:
        The graph and the ways in the end.

    Raises:
        Unfit: No layer of this graph can be in 8 bits.
    """
    wanted, ways, last, by = ways, dict(ways), "", ""
    for _ in range(2 * len(ways) + 2):
        if all(way == LEFT for way in ways.values()):
            break
        made, said, words = _tried(build, ways, asker)
        if not said:
            return made, ways
        last, by = said, asker.refused_by
        named = {item.weight for item in found if ways[item.weight] != LEFT and _named(item, words)}
        for weight in named or _alone(ways, build, asker) or {weight for weight, way in ways.items() if way != LEFT}:
            ways[weight] = TENSOR if ways[weight] == CHANNEL else LEFT
    if last and asker.go_without(by):
        return settle(found, wanted, build, asker)
    raise Unfit(f"none of this graph's {len(found)} layers can be put into 8 bits: {last or 'there is none with a weight of its own'}.")


def summary(found: Sequence[Product], ways: Mapping[str, str], per_channel: bool) -> str:
    """What of the ways is worth a sentence, against what was asked for; empty where all is as asked."""
    fewer = [item.node for item in found if ways[item.weight] == TENSOR and per_channel]
    left = [item.node for item in found if ways[item.weight] == LEFT]
    parts = [
        f"{len(names)} of {len(found)} layers {words} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        for names, words in ((fewer, "with one scale for the whole weight"), (left, "left in fp32"))
        if names
    ]
    return "; ".join(parts)


def engines(threads: int) -> dict[str, Callable[[Path], Session]]:
    """Name -> what opens the folder of a graph, for each engine that is ready here and takes such graphs."""
    ready = [unit for unit in registry.engines("onnx") if unit.ready(host()) is None]
    return {unit.name(): partial(unit.open, file=GRAPH, placement={"threads": threads}) for unit in ready}


def few_rows(model: Any, context: Context) -> dict[str, Any]:
    """A few rows of the job's, whichever it has, as a feed; made up where it has none."""
    split = next((name for name in ("calibration", "train", "unlabeled") if name in context.data), None)
    guess = made_up(model)
    feed = guess if split is None else context.encode(context.rows(split).spread(ROWS).inputs)
    return feed if feed.keys() == guess.keys() else guess


def in_calls(model: Any, feed: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """Rows as the feeds of calls: of the graph's own batch where that is fixed, and what is left over stays out; else of `most` rows."""
    count, own = len(next(iter(feed.values()))), fixed(model)
    size = own or most
    ends = count - size + 1 if own else count
    return [{name: array[at : at + size] for name, array in feed.items()} for at in range(0, ends, size)]


def made_up(model: Any, rows: int = ROWS) -> dict[str, Any]:
    """Rows that a graph may be asked where there are none: numbers around 0, ones for whole numbers, TOKENS for an axis that is free."""
    onnx = need("onnx", "making up rows")
    draw, held = np.random.default_rng(0), {item.name for item in model.graph.initializer}
    out = {}
    for item in model.graph.input:
        if item.name in held:
            continue
        kind = onnx.helper.tensor_dtype_to_np_dtype(item.type.tensor_type.elem_type)
        shape = [rows, *(dim.dim_value or TOKENS for dim in item.type.tensor_type.shape.dim[1:])]
        whole = not np.issubdtype(kind, np.floating)
        out[item.name] = np.ones(shape, kind) if whole else draw.normal(size=shape).astype(kind)
    return out


def _batches(model: Any, feed: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """All rows, then one alone, each as the feeds of a call after another: one, unless the graph's batch is fixed."""
    count = len(next(iter(feed.values())))
    yield in_calls(model, feed, count)
    if not fixed(model):
        yield [{name: array[:1] for name, array in feed.items()}]


def _joined(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([answer[name] for answer in answers]) if len(answers) > 1 else answers[0][name] for name in answers[0]}


def _greatest(mine: Any, goal: Any) -> float:
    return float(np.abs(mine - goal).max(initial=0) / max(np.abs(goal).max(initial=0), 1e-9))


def _tried(build: Callable[[Mapping[str, str]], Any], ways: Mapping[str, str], asker: Asker) -> tuple[Any, str, str]:
    try:
        with quiet():
            made = build(ways)
    except Exception as error:  # the quantizer's own classes
        if no_room(error):
            raise
        asker.refused_by = ""
        return None, "the quantizer gives up", str(error)
    return made, *asker.refusal(made)


def _alone(ways: Mapping[str, str], build: Callable[[Mapping[str, str]], Any], asker: Asker) -> set[str]:
    """The weights that are refused even where all others stay in fp32."""
    trying = [weight for weight, way in ways.items() if way != LEFT]
    if not 1 < len(trying) <= _ALONE:
        return set()
    return {weight for weight in trying if _tried(build, dict.fromkeys(ways, LEFT) | {weight: ways[weight]}, asker)[1]}


def _named(item: Product, words: str) -> bool:
    """Whether an engine's words name a layer or its weight, with what quantizers add to names."""
    return any(
        f"{mark}{name}{end}" in words for name in (item.node, item.weight) for mark, end in (("'", "'"), ('"', '"'), ("'", "_"), ('"', "_"))
    )


def _at(model: Any, error: Exception) -> str:
    """Where in a graph an engine's words point to, in words of our own."""
    words = str(error.__cause__ or error)
    node = next((node for node in model.graph.node if node.name and any(f"{mark}{node.name}{mark}" in words for mark in "'\"")), None)
    if node is not None:
        return f", because of its node {node.name} ({node.op_type})"
    ops = [op for op, _ in Counter(node.op_type for node in model.graph.node).most_common() if f"{op}" in words]
    return f", because of its {max(ops, key=len)} nodes" if ops else ""
