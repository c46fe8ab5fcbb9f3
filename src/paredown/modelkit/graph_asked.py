"""An ONNX graph asked some rows, through an engine that is installed here: what it answers, and whether its outputs agree. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.errors import BadModel, ParedownError
from paredown.core.technique import Context
from paredown.ground import registry
from paredown.ground.lazy import need
from paredown.modelkit import answers, graphs
from paredown.modelkit.declared import Declared

_DIFFERS = 0.2
"""Share of rows from which on a label that is not the largest score is another thing than that."""
_FEW = 16


def engine() -> Any:
    """The first engine here that takes ONNX graphs."""
    return next(engine for engine in (unit() for unit in registry.working("runtimes")) if engine.form == "onnx")


class Asked:
    """Opens graphs and asks them, in a job's scratch folder.

    Args:
        context: Its rows are asked, and made-up ones beside them where they are numbers.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._numbers = context, count()
        self._engine = engine()

    def feed(self, inputs: Mapping[str, Sequence[int | str]]) -> dict[str, Any]:
        """Some rows of the job, as they are fed, and made-up ones."""
        return answers.some_rows(inputs, self._context)

    def opened(self, model: Any, output: str) -> Callable[[Mapping[str, Any]], Any]:
        """A graph as a function feed -> one of its outputs; what engines raise goes on."""
        run = self._session(model).run
        return lambda feed: run(feed)[output]

    def _session(self, model: Any) -> Any:
        onnx: Any = need("onnx", "opening an ONNX model")
        folder: Path = self._context.work / f"asked{next(self._numbers)}"
        folder.mkdir(parents=True)
        onnx.save(model, folder / graphs.GRAPH)
        return self._engine.open(folder, graphs.GRAPH, {"threads": self._context.threads})

    def answers(self, path: Path, model: Any, output: str, feed: Mapping[str, Any], classes: int) -> Any:
        """Answers (N, classes) to some rows.

        Raises:
            BadModel: The engine cannot run the graph, or it does not answer rows like these, or not with one number per class.
        """
        try:
            ask = self.opened(model, output)
        except Exception as error:  # engines raise classes of their own
            raise BadModel(
                f"{path.name} cannot be run by {self._engine.name()}: {_plainly(error)}\n  Export it again, for operators that it has."
            ) from error
        try:
            found = np.asarray(ask(feed), np.float64)
        except (ParedownError, ValueError, TypeError) as error:
            shapes = ", ".join(f"{name} {tuple(array.shape[1:])} of {array.dtype}" for name, array in feed.items())
            raise BadModel(
                f"{path.name} does not answer rows of these data, fed as {shapes}: {_plainly(error)}\n"
                "  Give rows as it was trained on, or export it again with a free batch."
            ) from error
        if found.ndim != 2 or found.shape[1] != classes:
            raise BadModel(
                f"{path.name} answers {len(feed[next(iter(feed))])} rows with an array {found.shape}; the data have {classes} classes.\n"
                "  A classifier answers with one number per class. Name the classes in the model's order with `data: {labels: [...]}`, or "
                "give the model of these data."
            )
        return found

    def agreement(self, path: Path, whole: Any, found: Declared, feed: Mapping[str, Any], scores: Any) -> str:
        """Hold the scores against the other outputs of the graph; says where its own label is another.

        Raises:
            BadModel: They contradict each other.
        """
        run = self._session(whole).run
        rows = [run({name: array[at : at + 1] for name, array in feed.items()}) for at in range(len(scores))]
        classes = found.classes
        zipped = next((row for row in rows[0].values() if isinstance(row, list) and row and isinstance(row[0], dict)), None)
        if zipped is not None and found.scores not in rows[0]:
            name = next(name for name, value in rows[0].items() if value is zipped)
            keys = {str(key): key for key in zipped[0]}
            told = np.array([[row[name][0][keys[one]] for one in classes] for row in rows])
            if not np.allclose(told, scores, atol=1e-4):
                raise BadModel(
                    f"{path.name} names its classes otherwise than its probabilities are ordered.\n  Export it again without ZipMap."
                )
        if not found.label or not classes or len(classes) != scores.shape[1]:
            return ""
        said = np.array([str(np.asarray(row[found.label]).ravel()[0]) for row in rows])
        mine = np.array([classes[at] for at in scores.argmax(axis=1)])
        other = int((said != mine).sum())
        if other > _DIFFERS * len(said):
            at = int(np.argmax(said != mine))
            raise BadModel(
                f"{path.name} says {said[at]!r} in its output {found.label!r} where the largest number of {found.scores!r} is that of "
                f"{mine[at]!r}, in {other} of {len(said)} rows: these numbers do not rise with the answer, as distances do not.\n"
                "  Export it with one probability per class."
            )
        return (
            f"The graph's own {found.label!r} is another class than that of its largest number in {other} of {len(said)} rows; "
            "answers here are the class of the largest number."
            if other
            else ""
        )

    def holds(self, model: Any, output: str, inputs: Mapping[str, Sequence[int | str]]) -> str:
        """What an output holds: "logits" or "probabilities"."""
        last = graphs.ending(model.graph, output)
        return answers.detect(self.opened(model, output), inputs, self._context, "" if last is None else str(last.op_type))


def _plainly(error: Exception) -> str:
    """What an engine says, in one line."""
    return " ".join(str(error).split())[:300]
