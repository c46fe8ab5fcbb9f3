"""Teach a small network for tables a black box's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.classical import tails
from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.technique import ENOUGH, Context, DataNeed, Stage, Technique, usual_passes
from paredown.graphs import graphs
from paredown.ground.lazy import need
from paredown.ground.seeds import stream


@dataclass(frozen=True, kw_only=True)
class DistillToMlp(Technique):
    """Train a small network, made for the columns of the table, on the answers of a model whose inside cannot be cut."""

    width: int = knob.count(64, low=2, high=4096, help="Units of each hidden layer.")
    layers: int = knob.count(2, low=1, high=8, help="Hidden layers.")
    steps: int = knob.count(16, low=1, high=256, help="Steps that a column is cut into, at most; columns of few values have as many fewer.")
    alpha: float = knob.share(0.1, help="Weight of the labels; the teacher's answers have the rest.")
    epochs: int = knob.count(0, low=0, high=1000, help="Passes over the training data; 0 takes about 6000 steps.")
    lr: float = knob.number(0.0, low=0.0, high=1.0, help="Peak learning rate; 0 takes 0.004.")
    batch: int = knob.count(128, low=1, high=4096, help="Rows per step.")
    rows: int = knob.count(
        0, low=0, high=1_000_000_000, help="Training rows taken at most, drawn by the seed; 0 takes all, 100 000 where epochs is 0."
    )

    stage: ClassVar[Stage] = Stage.ARCHITECTURE
    form: ClassVar[str] = "onnx"
    data: ClassVar[DataNeed] = DataNeed.TRAINING
    source: ClassVar[str] = "Hinton et al. 2015, arXiv:1503.02531; the network's first layer: Gorishniy et al. 2022, arXiv:2203.05556"
    departs: ClassVar[str] = "every other batch blends rows, which only a teacher can answer"
    use_when: ClassVar[str] = (
        "the model answers rows of numbers and is no network, as gradient boosting, a forest or a support vector machine."
    )
    avoid_when: ClassVar[str] = "there are only a few hundred rows, or most of the work is in what makes numbers of texts."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({}, {"width": 32}, {"width": 16, "steps": 8})

    def passes(self, rows: int) -> int:
        """As many as about 6000 steps need, where `epochs` does not say."""
        return self.epochs or usual_passes(6000, rows, self.batch)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Make the network from the columns of train, and train it with the model as teacher.

        Where the model makes numbers of words and texts before it answers, that part stays, and the network learns on these numbers.

        Raises:
            Unfit: The model does not take rows of numbers, and makes none of what it takes.
        """
        onnx: Any = need("onnx", self.name())
        blueprints: Any = need("paredown.modelkit.blueprint", self.name())
        tables: Any = need("paredown.pruning.table_students", self.name())
        seed = stream(context.seed, self.text(), candidate.digest)
        parts = (
            tails.halves(onnx.load(context.store.folder(candidate.digest) / graphs.GRAPH)) if context.store.has(candidate.digest) else None
        )
        module, blueprint, note = tables.taught(
            context if parts is None else tables.between(context, parts),
            hidden=(self.width,) * self.layers,
            steps=self.steps,
            passes=self.passes,
            most=self.rows or (0 if self.epochs else ENOUGH),
            alpha=self.alpha,
            lr=self.lr,
            batch=self.batch,
            seed=seed,
        )
        made: Candidate = blueprints.save_module(module, blueprint, context.store, context.work, note=note)
        if parts is None:
            return made
        lowered = need("paredown.modelkit.lower", self.name()).to_onnx(made, context.store, context.work)
        whole = tails.joined(parts, onnx.load(context.store.folder(lowered.digest) / graphs.GRAPH))
        graphs.strip(whole)
        target = context.work / "joined"
        target.mkdir()
        onnx.save(whole, target / graphs.GRAPH)
        note = f"{note} It stands behind what makes numbers of the rows, which stays."
        return Candidate(digest=context.store.put(target), form="onnx", parameters=tails.parameters_of(whole), note=note)
