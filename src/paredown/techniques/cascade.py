"""A cheap model answers when it is sure, a dearer one otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from paredown.core import knob
from paredown.core.technique import Composition

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Cascade(Composition):
    """Ask the cheap model first and the dearer one only where the first is not sure."""

    at: float = knob.share(
        0.9, help="The first model's answer stands when it is at least this sure: by its highest probability; of labels, by the least sure."
    )

    source: ClassVar[str] = "Streeter 2018, ICML; Wang et al. 2018 (IDK cascades), arXiv:1706.00885"
    departs: ClassVar[str] = "one threshold on how sure the first is, chosen on validation"
    use_when: ClassVar[str] = "most inputs are easy, and a cheap model knows which."
    avoid_when: ClassVar[str] = "the worst-case latency counts: hard inputs pay for both models."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({},)

    def program(self) -> dict[str, Any]:
        """{"kind": "cascade", "at": threshold}."""
        return {"kind": "cascade", "at": self.at}

    def settings(self, first: Any, second: Any, targets: Any, kind: Any) -> list[dict[str, Any]]:
        """The lowest threshold at which the pair is as right on validation as the second alone, if the first answers a quarter.

        None where answers of this kind do not say how sure a model is.
        """
        import numpy as np

        sure = kind.sureness(first)
        if sure is None:
            return []
        grid = np.arange(1001) / 1000
        step = np.searchsorted(grid, sure, side="right") - 1
        order = np.argsort(-step, kind="stable")
        # right answers that the pair has more than the second alone when the first answers its surest rows; rows of one step go together
        lead = np.cumsum((kind.credit(targets, first) - kind.credit(targets, second))[order])
        last = np.flatnonzero(np.diff(step[order], append=-1))
        good = last[lead[last] >= -_ROUNDING]
        if not len(good) or good[-1] + 1 < len(first) / 4:
            return []
        return [{"at": float(grid[step[order[good[-1]]]])}]
