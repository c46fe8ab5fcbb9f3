"""Fewer trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, ClassVar

import numpy as np

from paredown.classical import tails, trees
from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.graphs import graphs
from paredown.ground.lazy import need

_ROWS = 8000
"""Rows that leaves are fitted on, at most."""
_CLOSE = 1e-3
"""How far what trees add up to here may be from what the engine answers, as a share of the largest."""


@dataclass(frozen=True, kw_only=True)
class PruneTrees(Technique):
    """Keep the first trees of a boosted ensemble or a forest, and fit their leaves again to what all trees said."""

    keep: float = knob.share(0.5, low=0.005, high=0.99, help="Share of the trees that stay, the first ones; one round at least.")
    refit: bool = knob.flag(True, help="Fit the leaves that stay to the answers of the whole ensemble; needs no labels.")

    stage: ClassVar[Stage] = Stage.ARCHITECTURE
    form: ClassVar[str] = "onnx"
    data: ClassVar[DataNeed] = DataNeed.CALIBRATION
    source: ClassVar[str] = "Margineantu & Dietterich 1997, Pruning Adaptive Boosting, ICML; leaves: Ren et al. 2015, CVPR"
    departs: ClassVar[str] = (
        "the first trees stay, as early stopping would have left them, and none are chosen; what the others said goes into their leaves"
    )
    use_when: ClassVar[str] = "the model is gradient boosting or a forest with tens of trees or more."
    avoid_when: ClassVar[str] = "the ensemble has a few trees, or most of the work is in what stands before it."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({}, {"keep": 0.25}, {"keep": 0.125}, {"keep": 0.0625}, {"keep": 0.03125})

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Cut a copy of the graph; what is left has to answer, in the engine, what its trees add up to.

        Raises:
            Unfit: There are no trees, or too few, or they are held in a form that is not read, or the engine reads them otherwise.
        """
        onnx: Any = need("onnx", self.name())
        model = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        split = next((name for name in ("train", "unlabeled", "calibration") if name in context.data), None)
        if split is None:
            raise Unfit(f"{self.name()} needs rows, and the job has none.")
        feed = context.encode(context.rows(split).spread(_ROWS).inputs)
        number, said = count(), []

        def ask(part: Any) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
            return tails.opened(part, context.work / f"trees{next(number)}", context.threads)

        for node in trees.nodes_of(model):
            said.append(self._cut(model, node, feed, ask))
        target = context.work / "cut"
        target.mkdir()
        graphs.strip(model)
        onnx.save(model, target / graphs.GRAPH)
        left = tails.parameters_of(model)
        return Candidate(digest=context.store.put(target), form="onnx", parameters=left, note=" ".join(said))

    def _cut(self, model: Any, node: Any, feed: Mapping[str, Any], ask: Any) -> str:
        """Cut one node in place; says what was done."""
        whole = trees.read(node)
        rounds = len(whole.roots) // whole.per_round
        first = max(1, round(rounds * self.keep)) * whole.per_round
        if first >= len(whole.roots):
            raise Unfit(f"its {len(whole.roots)} trees are too few to leave some out.")
        rows, known = trees.fed(model, node, feed, ask)
        leaves = trees.leaves_of(whole, rows, len(whole.roots))
        goal = trees.total(whole, leaves)
        _refuse_other(trees.answered(whole, goal), known, "its trees are read otherwise by the engine than they add up to")
        kept, note = whole, ""
        if self.refit:
            kept, missed, passes = trees.refitted(whole, leaves[:, :first], goal)
            again = f"leaves fitted in {passes} passes" if passes else "their sum rescaled"
            note = f", {again} on {len(rows)} rows; {100 * missed:.2g} % of the variance of what all said is missed"
        elif whole.shares and whole.base.any() == 0:  # averaged: what stays speaks for all
            kept = replace(whole, weights=whole.weights * (len(whole.roots) / first))
        trees.write(node, kept, first)
        _, now = trees.fed(model, node, feed, ask)
        sums = trees.total(kept, leaves[:, :first])
        _refuse_other(trees.answered(kept, sums), now, "fewer of its trees are read otherwise by the engine than they add up to")
        return f"kept {first} of {len(whole.roots)} trees{note}."


def _refuse_other(mine: np.ndarray, known: np.ndarray, what: str) -> None:
    if mine.shape != known.shape or not np.allclose(mine, known, rtol=_CLOSE, atol=_CLOSE * max(1e-9, float(abs(known).max()))):
        raise Unfit(f"{what}.")
