"""Train a cut model back with the baseline as teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.technique import ENOUGH, Context, DataNeed, Stage, Technique, usual_passes
from paredown.ground.lazy import need
from paredown.ground.seeds import stream


@dataclass(frozen=True, kw_only=True)
class Recover(Technique):
    """Train the same structure on the baseline's answers, so that it gets back what a cut took."""

    epochs: int = knob.count(0, low=0, high=1000, help="Passes over the training data; 0 takes about 500 steps and at least 4 passes.")
    lr: float = knob.number(0.0, low=0.0, high=1.0, help="Peak learning rate; 0 takes 0.004, for networks with layer norms 0.0003.")
    alpha: float = knob.share(0.1, help="Weight of the labels; the teacher's answers have the rest.")
    temperature: float = knob.number(4.0, low=0.1, high=20.0, help="Softens the answers of teacher and student.")
    batch: int = knob.count(64, low=1, high=4096, help="Rows per step.")
    rows: int = knob.count(
        0, low=0, high=1_000_000_000, help="Training rows taken at most, drawn by the seed; 0 takes all, 100 000 where epochs is 0."
    )

    stage: ClassVar[Stage] = Stage.RECOVER
    data: ClassVar[DataNeed] = DataNeed.TRAINING
    source: ClassVar[str] = "Hinton et al. 2015, arXiv:1503.02531"
    departs: ClassVar[str] = "the teacher answers the same augmented inputs"
    use_when: ClassVar[str] = "a step before it cut channels, layers or rank."
    avoid_when: ClassVar[str] = "nothing was cut yet: it then only trains the same model longer."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def passes(self, rows: int) -> int:
        """As many as about 500 steps need, and at least 4, where `epochs` does not say."""
        return self.epochs or usual_passes(500, rows, self.batch)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Train a copy with the baseline as teacher."""
        blueprints = need("paredown.modelkit.blueprint", self.name())
        students = need("paredown.pruning.students", self.name())
        module, blueprint = blueprints.open_module(candidate, context.store)
        note = students.learn(
            module,
            context,
            passes=self.passes,
            most=self.rows or (0 if self.epochs else ENOUGH),
            lr=self.lr,
            alpha=self.alpha,
            temperature=self.temperature,
            distillation="kl",
            batch=self.batch,
            seed=stream(context.seed, self.text(), candidate.digest),
        )
        made: Candidate = blueprints.save_module(module, blueprint, context.store, context.work, note=note)
        return made
