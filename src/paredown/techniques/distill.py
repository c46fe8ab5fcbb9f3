"""Teach a smaller network the baseline's answers."""

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
class Distill(Technique):
    """Make a new, smaller student and train it on the baseline's answers."""

    student: str = knob.text(
        "half",
        help="half, third, quarter, sixth or eighth of every layer's width; or `pkg.mod:function`; or a folder with a blueprint.json.",
    )
    alpha: float = knob.share(
        0.1, help="Weight of the labels; the teacher's answers have the rest. 1 is plain retraining of a smaller model."
    )
    temperature: float = knob.number(4.0, low=0.1, high=20.0, help="Softens the answers of teacher and student; used by loss kl.")
    loss: str = knob.choice("kl", "mse", help="kl compares softened probabilities, mse centered logits.")
    epochs: int = knob.count(0, low=0, high=1000, help="Passes over the training data; 0 takes about 900 steps and at least 8 passes.")
    lr: float = knob.number(0.0, low=0.0, high=1.0, help="Peak learning rate; 0 takes 0.004, for networks with layer norms 0.0003.")
    batch: int = knob.count(64, low=1, high=4096, help="Rows per step.")
    rows: int = knob.count(
        0, low=0, high=1_000_000_000, help="Training rows taken at most, drawn by the seed; 0 takes all, 100 000 where epochs is 0."
    )

    stage: ClassVar[Stage] = Stage.ARCHITECTURE
    data: ClassVar[DataNeed] = DataNeed.TRAINING
    source: ClassVar[str] = "Hinton et al. 2015, arXiv:1503.02531"
    departs: ClassVar[str] = (
        "a student by share starts from the baseline's strongest channels; every other batch blends rows, which only a teacher can answer"
    )
    use_when: ClassVar[str] = "training or unlabeled data are at hand and more than about 2x is wanted."
    avoid_when: ClassVar[str] = "there are only a few hundred rows and the margin is tight."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({}, {"student": "quarter"})

    def fits(self, candidate: Candidate) -> str | None:
        """A student by share needs the baseline's tensors; one from a function can be taught by any model."""
        return super().fits(candidate) if ":" not in self.student else None

    def passes(self, rows: int) -> int:
        """As many as about 900 steps need, and at least 8, where `epochs` does not say."""
        return self.epochs or usual_passes(900, rows, self.batch)

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Build the student and train it with the baseline as teacher."""
        blueprints = need("paredown.modelkit.blueprint", self.name())
        students = need("paredown.pruning.students", self.name())
        seed = stream(context.seed, self.text(), candidate.digest)
        module, blueprint, origin = students.make(self.student, candidate, context, seed)
        note = students.learn(
            module,
            context,
            passes=self.passes,
            most=self.rows or (0 if self.epochs else ENOUGH),
            lr=self.lr,
            alpha=self.alpha,
            temperature=self.temperature,
            distillation=self.loss,
            batch=self.batch,
            seed=seed,
        )
        made: Candidate = blueprints.save_module(module, blueprint, context.store, context.work, note=f"{origin} {note}")
        return made
