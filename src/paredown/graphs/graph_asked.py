"""An ONNX graph asked some rows, through an engine that is installed here: what it answers, and whether its outputs agree. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel, ParedownError
from paredown.core.technique import Context
from paredown.graphs import answers, graph_batch, graphs
from paredown.graphs.declared import Declared
from paredown.ground import registry
from paredown.ground.lazy import need
from paredown.kinds.decode import shape_of
from paredown.kinds.known import kind_of
from paredown.kinds.map import Map, planes

_DIFFERS = 0.2
"""Share of rows from which on a label that is not the largest score is another thing than that."""
_NOISE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |/onnxruntime_src/\S+:\d+ |Load model from \S+ failed: ?")
_HELD = 128
"""Rows of which label and scores are held against each other, at most."""


CLOSE = 0.02
"""How far two engines' answers to one graph may be apart, as a share of their size: each rounds sums its own way."""


def engine() -> Any:
    """The first engine that takes ONNX graphs, whether it is installed or not."""
    return registry.engines("onnx")[0]


def norms(mine: Any, goal: Any) -> float:
    """How far answers are from those that they should be, as a share of these."""
    return float(np.linalg.norm(mine - goal) / max(float(np.linalg.norm(goal)), 1e-9))


def apart(made: Sequence[Mapping[str, Any]], goals: Sequence[Mapping[str, Any]], of: Callable[[Any, Any], float] = norms) -> float:
    """How far answers are from those that they should be, the output that is furthest; infinite for another shape, or no numbers."""
    worst = 0.0
    for mine, goal in zip(made, goals):
        for name, answer in goal.items():
            if mine[name].shape != answer.shape:
                return float("inf")
            found = of(np.asarray(mine[name], np.float64), np.asarray(answer, np.float64))
            worst = max(worst, float("inf") if np.isnan(found) else found)
    return worst


class Asked:
    """Opens graphs and asks them, in a job's scratch folder.

    Args:
        path: The file that they come from.
        context: Its rows are asked, and made-up ones beside them where they are numbers.
    """

    def __init__(self, path: Path, context: Context) -> None:
        self._name, self._context, self._numbers = path.name, context, count()
        self._engine, self._open = engine(), dict[tuple[int, int], tuple[Any, Any]]()

    def feed(self, inputs: Mapping[str, Sequence[int | str]]) -> dict[str, Any]:
        """Some rows of the job, as they are fed, and made-up ones."""
        return answers.some_rows(inputs, self._context)

    def opened(self, model: Any, output: str) -> Callable[[Mapping[str, Any]], Any]:
        """A graph as a function feed -> one of its outputs; what engines raise goes on.

        Raises:
            BadModel: The engine cannot run it.
        """
        run = self._session(model).run
        return lambda feed: run(feed)[output]

    def outputs(self, model: Any) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """A graph as a function feed -> all its outputs; what engines raise goes on.

        Raises:
            BadModel: The engine cannot run it.
        """
        found: Callable[[Mapping[str, Any]], Mapping[str, Any]] = self._session(model).run
        return found

    def simplified(self, model: Any) -> Any:
        """A graph with all that is constant in it worked out, branches too, as the engine writes it; what it raises goes on."""
        onnx: Any = need("onnx", "opening an ONNX model")
        folder: Path = self._context.work / f"asked{next(self._numbers)}"
        folder.mkdir(parents=True)
        onnx.save(model, folder / graphs.GRAPH)
        made = self._engine.simplify(folder / graphs.GRAPH, folder / "simplified.onnx")
        return onnx.load(folder / "simplified.onnx") if made else model

    def _session(self, model: Any) -> Any:
        """An open graph, opened once for each batch that it is given."""
        key = id(model), graph_batch.fixed(model)
        if key not in self._open:
            self._open[key] = model, self._opened(model)  # the graph is kept, so that no other gets its id
        return self._open[key][1]

    def _opened(self, model: Any) -> Any:
        onnx: Any = need("onnx", "opening an ONNX model")
        folder: Path = self._context.work / f"asked{next(self._numbers)}"
        folder.mkdir(parents=True)
        onnx.save(model, folder / graphs.GRAPH)
        try:
            return self._engine.open(folder, graphs.GRAPH, {"threads": self._context.threads})
        except Exception as error:  # engines raise classes of their own
            raise BadModel(
                f"{self._name} cannot be run by {self._engine.name()}: {plainly(error)}\n  Export it again, for operators that it has."
            ) from error

    def answers(self, model: Any, output: str, feed: Mapping[str, Any], classes: int) -> Any:
        """Answers (N, classes) to some rows.

        Raises:
            BadModel: It does not answer rows like these, or not with one number per class.
        """
        ask = self.opened(model, output)
        try:
            found = np.asarray(ask(feed), np.float64)
        except (ParedownError, ValueError, TypeError) as error:
            shapes = ", ".join(f"{name} {tuple(array.shape[1:])} of {array.dtype}" for name, array in feed.items())
            raise BadModel(
                f"{self._name} does not answer rows of these data, fed as {shapes}: {plainly(error)}\n"
                "  Give rows as it was trained on, or export it again with a free batch."
            ) from error
        if kind_of(self._context.decode).name == Map.name:
            _refuse_other_pixels(self._name, found.shape, self._context.decode)
            return found
        if found.ndim != 2 or found.shape[1] != classes:
            named = kind_of(self._context.decode).named
            what = " (a regressor, a detector of anomalies, or a classifier of two classes with a single score)"
            raise BadModel(
                f"{self._name} answers {len(next(iter(feed.values())))} rows with an array {found.shape}"
                f"{what if found.shape[1:] in ((), (1,)) else ''}; the data have {classes} {named}.\n"
                "  A classifier answers with one number per class. Name the classes in the model's order with `data: {labels: [...]}`, or "
                "give the model of these data."
            )
        return found

    def agreement(self, whole: Any, model: Any, found: Declared) -> str:
        """Hold the scores against the other outputs of the graph; says where its own label is another.

        Args:
            whole: The graph with all its outputs.
            model: The same with the scores alone.

        Raises:
            BadModel: They contradict each other.
        """
        split = next(iter(self._context.data), None)
        if split is None:
            return ""
        feed = self._context.encode(self._context.rows(split).spread(_HELD).inputs)
        scores = np.asarray(self.opened(model, found.scores)(feed), np.float64)
        try:
            run = self._session(whole).run
        except BadModel:  # converters write ZipMaps of doubles, which no engine runs; without them the graph is sound
            return ""
        rows = [run({name: array[at : at + 1] for name, array in feed.items()}) for at in range(len(scores))]
        _refuse_other_order(self._name, rows, found, scores)
        classes = found.classes or tuple(map(str, range(scores.shape[1])))
        if not found.label or (not found.classes and np.asarray(rows[0][found.label]).dtype.kind not in "iu"):
            return ""
        said = [str(np.asarray(row[found.label]).ravel()[0]) for row in rows]
        mine = [classes[at] for at in scores.argmax(axis=1)]
        other = [at for at in range(len(said)) if said[at] != mine[at]]
        if len(other) > _DIFFERS * len(said):
            raise BadModel(
                f"{self._name} says {said[other[0]]!r} in its output {found.label!r} where the largest number of {found.scores!r} is "
                f"that of {mine[other[0]]!r}, in {len(other)} of {len(said)} rows: these numbers are not what it answers by, as distances "
                "or the scores of some support vector machines are not.\n"
                "  Export one number per class that is largest for its answer; scikit-learn's CalibratedClassifierCV makes them of others."
            )
        return (
            f"The graph's own {found.label!r} is another class than that of its largest number in {len(other)} of {len(said)} rows; "
            "answers here are the class of the largest number."
            if other
            else ""
        )

    def holds(self, model: Any, output: str, inputs: Mapping[str, Sequence[int | str]]) -> str:
        """What an output holds, by the name that a graph's output of it has: "logits", "probabilities", "values", ..."""
        last = graphs.ending(model.graph, output)
        return answers.detect(self.opened(model, output), inputs, self._context, "" if last is None else str(last.op_type))


def _refuse_other_pixels(name: str, shape: Sequence[int], decode: Mapping[str, Any]) -> None:
    """Refuse answers that are no numbers for each pixel of what is fed.

    Raises:
        BadModel: They are others.
    """
    if planes(shape, decode):
        return
    classes, height, width = shape_of(decode)
    one = f", or (N, 1, {height}, {width})" if classes == 2 else ""
    raise BadModel(
        f"{name} answers {shape[0]} images with an array {tuple(shape)}; of {classes} classes it must be "
        f"(N, {classes}, {height}, {width}){one}.\n"
        "  Name the classes in the model's order with `data: {labels: [...]}`; give images of the size that it answers in, or export it "
        "with a resize at its end."
    )


def _refuse_other_order(name: str, rows: Sequence[Mapping[str, Any]], found: Declared, scores: Any) -> None:
    """Hold what a ZipMap says of each class against the scores in the order of the classes.

    Raises:
        BadModel: They are in another order.
    """
    zipped = next((key for key, value in rows[0].items() if isinstance(value, list) and value and isinstance(value[0], dict)), None)
    if zipped is None or not found.classes:
        return
    told = np.array(
        [[value for _, value in sorted(row[zipped][0].items(), key=lambda item: found.classes.index(str(item[0])))] for row in rows]
    )
    if not np.allclose(told, scores, atol=1e-4):
        raise BadModel(f"{name} names its classes otherwise than its probabilities are ordered.\n  Export it again without ZipMap.")


def plainly(error: Exception) -> str:
    """What an engine says, in one line, without its codes and the places of its own sources and of our scratch files."""
    return " ".join(_NOISE.sub("", str(error)).split())[:300]
