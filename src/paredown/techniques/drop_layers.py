"""Leave out whole blocks of a deep network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.ground.lazy import need
from paredown.kinds.known import as_learned


@dataclass(frozen=True, kw_only=True)
class DropLayers(Technique):
    """Leave out the blocks, such as a transformer's layers, without which the answers move least."""

    keep: float = knob.share(0.5, low=0.05, high=0.95, help="Share of the blocks to keep; at least one of each list stays.")
    samples: int = knob.count(200, low=8, high=10_000, help="Calibration rows that are asked, at most.")

    stage: ClassVar[Stage] = Stage.DEPTH
    data: ClassVar[DataNeed] = DataNeed.CALIBRATION
    source: ClassVar[str] = (
        "Sajjad et al. 2023, arXiv:2004.03844; chosen one by one as in Kim et al. 2024 (Shortened LLaMA), arXiv:2402.02834"
    )
    departs: ClassVar[str] = "the least Kullback-Leibler divergence from the model's own answers decides, asked anew after each block"
    use_when: ClassVar[str] = "the network repeats one block many times and training data are at hand; follow with recover."
    avoid_when: ClassVar[str] = "there are only two or three blocks, or nothing to recover with."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({}, {"keep": 0.34})

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Choose and cut on a copy."""
        blueprints, blocks = need("paredown.modelkit.blueprint", self.name()), need("paredown.pruning.blocks", self.name())
        surgery = need("paredown.modelkit.surgery", self.name())
        module, blueprint = blueprints.open_module(candidate, context.store)
        places = blocks.lists(module, blueprint.example())
        whole = sum(len(module.get_submodule(name)) for name in places)
        count = whole - max(1, round(self.keep * whole))
        if not places or not count:
            raise Unfit(
                f"this module has {whole} blocks that could be left out, of which keep={self.keep:g} keeps all."
                if places
                else "this module has no list of like blocks that could be left out."
            )
        feed = context.encode(context.rows("calibration").spread(self.samples).inputs)
        cuts = blocks.choose(module, places, feed, count, context.progress, **as_learned(context.decode))
        for cut in cuts:
            surgery.operate(module, cut)
        note = "kept " + "; ".join(f"{cut.layer} {', '.join(map(str, cut.kept))}" for cut in cuts) + f" of {whole} blocks."
        made: Candidate = blueprints.save_module(module, blueprint.then(cuts), context.store, context.work, note=note)
        return made
