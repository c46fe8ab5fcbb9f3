"""Remove the channels and neurons that the output feels least; shapes really shrink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.ground.lazy import need
from paredown.ground.seeds import stream
from paredown.kinds.known import as_learned

_ENOUGH = 1000
"""Calibration rows that are asked: which channels are felt least hardly moves after a few hundred."""


@dataclass(frozen=True, kw_only=True)
class PruneChannels(Technique):
    """Remove the channels and neurons that the output feels least, wherever in the network they are."""

    keep: float = knob.share(0.5, low=0.02, high=1.0, help="Share of the multiply-adds to keep.")
    criterion: str = knob.choice(
        "fisher", "magnitude", help="fisher asks how the answers to calibration rows change; magnitude looks at the weights alone."
    )
    round_to: int = knob.count(8, low=1, high=64, help="Widths stay multiples of this where a layer is wide enough; engines work in tiles.")

    stage: ClassVar[Stage] = Stage.WIDTH
    data: ClassVar[DataNeed] = DataNeed.CALIBRATION
    source: ClassVar[str] = "Kwon et al. 2022, arXiv:2204.09656; coupling after Fang et al. 2023, arXiv:2301.12900"
    departs: ClassVar[str] = "channels beside heads and neurons; greedy by loss per multiply-add saved, counted anew after each cut"
    use_when: ClassVar[str] = "the network is wide for its task; follow with recover."
    avoid_when: ClassVar[str] = "more than about half is cut in one step without training data to recover."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({"keep": 0.4}, {"keep": 0.15})

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Score, choose and cut a copy; batch norms are measured again."""
        blueprints = need("paredown.modelkit.blueprint", self.name())
        widths = need("paredown.pruning.widths", self.name())
        calibrate = need("paredown.pruning.calibrate", self.name())
        couple, train = need("paredown.pruning.couple", self.name()), need("paredown.training.train", self.name())
        module, blueprint = blueprints.open_module(candidate, context.store)
        found = couple.search(module, blueprint.example())
        groups = found.groups
        if not groups:
            raise Unfit(f"no channels of this module can be cut without changing its inputs or outputs.{found.said}")
        rows = context.rows("calibration").spread(_ENOUGH)
        feed = context.encode(rows.inputs)
        if self.criterion == "fisher":
            seed = stream(context.seed, self.text(), candidate.digest)
            scores = calibrate.fisher(module, groups, feed, **as_learned(context.decode), seed=seed, progress=context.progress)
        else:
            scores = calibrate.magnitude(module, groups)
        kept = widths.allocate(module, blueprint.example(), groups, scores, keep=self.keep, round_to=self.round_to)
        surgeries = couple.cut(module, groups, kept, train.tensors(context.encode(rows.take(slice(0, 2)).inputs)))
        if not surgeries:
            raise Unfit(f"keep={self.keep:g} with round_to={self.round_to} leaves every width as it is; lower keep or round_to.")
        calibrate.refresh_norms(module, feed)
        note = f"kept {couple.widths_after(groups, surgeries)}.{found.said}"
        made: Candidate = blueprints.save_module(module, blueprint.then(surgeries), context.store, context.work, note=note)
        return made
