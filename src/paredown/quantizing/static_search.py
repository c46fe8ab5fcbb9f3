"""How much of a graph goes into 8 bits with measured ranges: as much as its answers to calibration rows bear. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paredown.core.errors import Unfit
from paredown.graphs.graph_asked import norms
from paredown.ground.lazy import need
from paredown.kinds.decode import decoding, make_decoder
from paredown.kinds.kind import Kind
from paredown.kinds.labels import Labels
from paredown.kinds.map import Map
from paredown.kinds.numbers import Numbers
from paredown.kinds.tensors import Tensors
from paredown.kinds.vector import Vector
from paredown.quantizing import static_bits
from paredown.quantizing.eight_bits import LEFT, Asker, Product, settle
from paredown.quantizing.ranges import fitted, seen
from paredown.quantizing.static_bits import Scheme

_LEFT = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the layers that are left in fp32, one after the other, until the answers are near enough."""
_NORMS = ("LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization", "GroupNormalization", "Erf", "Gelu", "Softmax")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A graph in 8 bits.

    Args:
        model: The graph.
        ways: Weight name -> how it is there.
        moved: Mean share of the answers' probability that is elsewhere than in fp32, or how far numbers are from those in fp32 in units of
            their spread (root of the mean square); in the engine where it is most.
        said: What was done besides.
    """

    model: Any
    ways: Mapping[str, str]
    moved: float
    said: str


def normed(model: Any) -> bool:
    """Whether sums over many numbers stand inside the graph (norms, softmax, their parts), which 256 steps do not bear."""
    nodes = {node.op_type for node in model.graph.node[:-2]}
    return bool(nodes.intersection(_NORMS)) or {"ReduceMean", "Sqrt"} <= nodes


@dataclass(frozen=True, kw_only=True)
class Search:
    """How much of one graph goes into 8 bits.

    Args:
        model: Plain, with its shapes.
        found: Its layers.
        first: Weight name -> the way to begin with.
        feed: Calibration rows.
        asker: Who asks the graphs.
        scheme: The ranges and bits to use.
        kind: Of the answers.
        progress: Told how far the ranges are.
    """

    model: Any
    found: Sequence[Product]
    first: Mapping[str, str]
    feed: Mapping[str, Any]
    asker: Asker
    scheme: Scheme
    kind: Kind
    progress: Callable[[int, int], None]

    def best(self, moved: float) -> Found:
        """The graph with most in 8 bits whose answers have moved no more than asked; else the one whose answers have moved least.

        Args:
            moved: See `Found.moved`.

        Raises:
            Unfit: No layer of this graph can be in 8 bits.
        """
        found, asker = self.found, self.asker
        goal, best, refused = asker.answers(self.model, self.feed), None, Unfit("")
        for graph, ways, ends, used, said in self._attempts():
            try:
                made, settled = settle(found, ways, lambda ways: static_bits.build(graph, found, ways, ends, used), asker)  # noqa: B023 called here
            except Unfit as error:
                refused = error
                continue
            answers = asker.answers(made, self.feed)
            here = Found(model=made, ways=settled, moved=max(_moved(answers[name], goal[name], self.kind) for name in answers), said=said)
            best = here if best is None or here.moved < best.moved else best
            if best.moved <= moved:
                break
        if best is None:
            raise refused
        return best

    def _attempts(self) -> Iterator[tuple[Any, Mapping[str, str], Mapping[str, tuple[float, float]], Scheme, str]]:
        """What is tried, fastest to run first."""
        onnx, model, found = need("onnx", "static quantization"), self.model, self.found
        if not normed(model):
            scheme = replace(self.scheme, whole=True)
            yield model, self.first, _ends(self._seen(model, scheme), scheme), scheme, ""
        scheme = replace(self.scheme, whole=False)
        known = self._seen(model, scheme)
        said = "layers with weights alone"
        yield model, self.first, _ends(known, scheme), scheme, said
        even, count = static_bits.evened(model, found, known, scheme)
        if count and self.asker.same(even, 1e-3):
            model = onnx.shape_inference.infer_shapes(even)
            known = self._seen(model, scheme)
            said = f"layers with weights alone, the channels of {count} inputs made alike"
            yield model, self.first, _ends(known, scheme), scheme, said
        worst = sorted(static_bits.losses(model, found, known, scheme).items(), key=lambda entry: -entry[1])
        for share in _LEFT:
            left = dict.fromkeys([weight for weight, _ in worst[: max(1, round(share * len(worst)))]], LEFT)
            if left and len(left) < len(self.first):
                yield model, {**self.first, **left}, _ends(known, scheme), scheme, said

    def _seen(self, model: Any, scheme: Scheme) -> dict[str, Any]:
        """What the tensors that go into 8 bits look like on the calibration rows."""
        return seen(self.asker.run, model, static_bits.tensors(model, self.found, scheme), self.feed, self.progress)


def _ends(known: Mapping[str, Any], scheme: Scheme) -> dict[str, tuple[float, float]]:
    return {name: fitted(item, scheme.how) for name, item in known.items() if item.low is not None}


def _moved(mine: Mapping[str, Any], goal: Mapping[str, Any], kind: Kind) -> float:
    """The distance between two sets of answers, the output that moves most: of probabilities; of numbers in units of their spread."""
    return max(_distance(name, np.asarray(mine[name], np.float64), np.asarray(goal[name], np.float64), kind) for name in goal)


def _distance(name: str, mine: Any, goal: Any, kind: Kind) -> float:
    if not np.isfinite(mine).all():
        return float("inf")
    if name in Tensors.graph_outputs:
        return float(kind.moved(goal, goal, mine)["distance"])
    if name in (*Numbers.graph_outputs, *Vector.graph_outputs):
        spread = goal.std(axis=0)
        return float(np.sqrt((((mine - goal) / np.where(spread > 0, spread, 1.0)) ** 2).mean()))
    if name in Labels.graph_outputs:
        decode = make_decoder({"kind": "sigmoid" if name == Labels.graph_outputs[0] else name, "output": name, "classes": goal.shape[1]})
        return float(np.abs(decode({name: mine}) - decode({name: goal})).mean())
    if name in Map.graph_outputs and goal.ndim > 2:
        size, classes = goal.shape[1:] if goal.ndim == 3 else goal.shape[2:], max(2, goal.shape[1] if goal.ndim == 4 else 2)
        decode = make_decoder(decoding(Map().decoder(["class"] * classes, size), [name]))
        return float(np.abs(decode({name: mine}) - decode({name: goal})).sum(axis=1).mean() / 2)
    if goal.ndim != 2 or goal.shape[1] < 2:
        return norms(mine, goal)
    sure = (goal >= 0).all() and np.allclose(goal.sum(axis=1), 1, atol=1e-3)
    if not sure:
        mine, goal = _shares(mine), _shares(goal)
    return float(np.abs(mine - goal).sum(axis=1).mean() / 2)


def _shares(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
