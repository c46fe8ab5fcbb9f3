"""Tables of embeddings in 8 or 4 bits, a scale per row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from paredown.core import knob
from paredown.core.candidate import Candidate
from paredown.core.errors import BadKnob, Unfit
from paredown.core.technique import Context, DataNeed, Stage, Technique
from paredown.graphs import graphs
from paredown.ground.lazy import need
from paredown.quantizing import tables

_LEAST = 0.02
"""Share of a graph's bytes that has to go."""


@dataclass(frozen=True, kw_only=True)
class QuantizeEmbeddings(Technique):
    """Store the rows of tables that are looked up, as those of words, users and items, in 8 or 4 bits; needs no data."""

    bits: int = knob.count(8, low=4, high=8, help="Bits of each number: 8 or 4.")

    stage: ClassVar[Stage] = Stage.TABLES
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "Guan et al. 2019, arXiv:1911.02079"
    departs: ClassVar[str] = "of 8 bits the range of a row is never narrowed; scale and least value are fp32 where fp16 is too coarse"
    use_when: ClassVar[str] = "tables are much of the file, as in recommenders and small text encoders; it makes it smaller, not faster."
    avoid_when: ClassVar[str] = "CPU time alone counts."
    ladder: ClassVar[Sequence[Mapping[str, Any]]] = ({}, {"bits": 4})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bits not in (4, 8):
            raise BadKnob(f"{self.name()}: bits is {self.bits}; it needs 4 or 8, since others take the bytes of 8.")

    def apply(self, candidate: Candidate, context: Context) -> Candidate:
        """Put the tables of a copy of the graph into fewer bits.

        Raises:
            Unfit: It looks up no table, or those that it does are next to nothing of it.
        """
        onnx = need("onnx", self.name())
        model = graphs.load_clean(context.store.folder(candidate.digest), self.name())
        whole_b, before_b, after_b, lost, found = model.ByteSize(), 0, 0, list[float](), tables.looked_up(model)
        held = {item.name: item for item in model.graph.initializer}
        for number, name in enumerate(found):
            table = onnx.numpy_helper.to_array(held[name])
            if not np.isfinite(table).all():
                continue
            coded = tables.coded(table, self.bits)
            before_b, after_b = before_b + table.nbytes, after_b + tables.packed_b(coded, self.bits)
            lost.append(_lost(table, coded.rows()))
            tables.replace(model, name, coded, self.bits)
            context.progress(number + 1, len(found))
        if before_b - after_b < _LEAST * whole_b:
            share = f"{before_b / whole_b:.1%} of its bytes are tables of which rows are looked up"
            raise Unfit(f"{share}, and in {self.bits} bits they would be {after_b / whole_b:.1%}: nothing is gained.")
        graphs.strip(model)
        target = context.work / "tables"
        target.mkdir()
        onnx.save(model, target / graphs.GRAPH)
        count = f"{len(found)} table{'s' if len(found) > 1 else ''}"
        note = f"{count} from {before_b} to {after_b} bytes; their numbers moved by {max(lost):.2%} of their spread at most."
        return Candidate(digest=context.store.put(target), form="onnx", parameters=candidate.parameters, note=note)


def _lost(table: np.ndarray, coded: np.ndarray) -> float:
    """Root mean square of the change, as a share of that of the table around its mean."""
    spread = float(np.std(table, dtype=np.float64))
    return float(np.sqrt(np.mean((coded - table) ** 2, dtype=np.float64))) / spread if spread > 0 else 0.0
