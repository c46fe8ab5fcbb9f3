"""Rows that are encoded while a model learns from them, as they do not fit in memory together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.ground.seeds import stream
from paredown.kinds.known import kind_of
from paredown.rows.ahead import ahead
from paredown.training.train import POOL, Kept, Piece, lengths, part_of, tensors

KEPT_B = 256 << 20
"""Bytes of encoded rows that are kept in memory for all passes."""
_POOL_B = 16 << 20
_ASKED = 512
_PADDING = 4
"""Times that the longest of all rows may be longer than the longest of those that were looked at."""
_SHUFFLED = 1 << 20
"""Rows of which each pass has an order of its own; of more, blocks are put in order, and rows among those of some blocks."""
_BLOCK, _BLOCKS = 256, 64


def feed_of(context: Context, split: str, *, labels: bool = True, most: int | None = None) -> Kept | Streamed:
    """The rows of a split to learn from: encoded once where they are few, else while they are used.

    Args:
        context: Of the study.
        split: Its rows.
        labels: False leaves them out.
        most: Rows that are enough; of more, the study's seed draws so many. None takes all.

    Raises:
        Unfit: The job has no such split.
    """
    rows = context.rows(split)
    which = None
    if most is not None and len(rows) > most:
        which = np.sort(np.random.default_rng(stream(context.seed, "sample", split) % 2**32).choice(len(rows), most, replace=False))
    count = len(rows) if which is None else len(which)
    goals = partial(kind_of(context.decode).goals, decode=context.decode)
    few = context.encode(rows.spread(_ASKED).inputs)
    tokens = any(array.dtype.kind != "f" for array in few.values())
    each_b = _PADDING**tokens * sum(array[0].nbytes for array in few.values())
    if count * each_b <= KEPT_B:
        whole = rows.take(slice(0, len(rows)) if which is None else which)
        return Kept(context.encode(whole.inputs), goals(np.asarray(whole.labels)) if labels else None, context.time)
    return Streamed(rows, context.encode, each_b=each_b, which=which, goals=goals if labels else None, time=context.time)


class Streamed:
    """Rows that are encoded by a thread ahead of their use, some at a time; see `train.Kept`.

    Where all items have one shape, each pass has the order that rows in memory have; of texts, those of like length stand together within
    a pool of batches, and the batches of one pool are used one after the other.

    Args:
        rows: In memory or on disk.
        encode: Raw inputs -> feed.
        each_b: About the bytes of one encoded row.
        which: Positions of the rows that are used; None for all.
        goals: Targets -> what the module learns to answer with; None where no targets are used.
        time: The axis of time of sounds, see `Context`.
    """

    def __init__(
        self,
        rows: Rows,
        encode: Callable[[Any], Mapping[str, Any]],
        *,
        each_b: int,
        which: Any = None,
        goals: Callable[[Any], Any] | None = None,
        time: int | None = None,
    ) -> None:
        self.time = time
        self._rows, self._encode, self._which, self._goals = rows, encode, which, goals
        self._each_b = max(1, each_b)
        few = tensors(encode(rows.take(slice(0, 2)).inputs))
        self.floats = any(item.is_floating_point() for item in few)
        self._tokens = any(not item.is_floating_point() for item in few)

    def __len__(self) -> int:
        return len(self._rows) if self._which is None else len(self._which)

    def _taken(self, places: Any) -> tuple[tuple[Tensor, ...], Tensor | None]:
        rows = self._rows.take(places if self._which is None else self._which[places])
        goal = None if self._goals is None else torch.as_tensor(self._goals(np.asarray(rows.labels)))
        return tensors(self._encode(rows.inputs)), goal

    def _pool(self, batch: int) -> int:
        """Rows that are encoded at a time: whole batches."""
        return batch * max(1, min(POOL, _POOL_B // (batch * self._each_b)))

    def steps(self, batch: int, generator: torch.Generator) -> Iterator[Piece]:
        """The batches of one pass in random order; what is left over waits for another pass."""
        count = len(self)
        if count > _SHUFFLED:
            pools = self._blockwise(batch, generator)
        else:
            order = torch.randperm(count, generator=generator)[: count // batch * batch]
            if not self._tokens:
                steps = order.split(batch)
                order = torch.cat([steps[at] for at in torch.randperm(len(steps), generator=generator).tolist()])
            pools = iter(order.split(self._pool(batch)))
        own = torch.Generator().manual_seed(_drawn(generator)) if self._tokens else generator
        return ahead(piece for pool in pools for piece in self._pieces(pool, batch, own))

    def _pieces(self, pool: Tensor, batch: int, own: torch.Generator) -> Iterator[Piece]:
        inputs, goal = self._taken(pool.numpy())
        sizes, places = lengths(inputs) if self._tokens else None, torch.arange(len(pool))
        if sizes is not None:
            places = torch.argsort(sizes, stable=True)
        steps = places.split(batch)
        for at in torch.randperm(len(steps), generator=own).tolist() if sizes is not None else range(len(steps)):
            rows = steps[at]
            yield pool[rows], part_of(inputs, rows, sizes), None if goal is None else goal[rows]

    def _blockwise(self, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
        """Pools of rows: blocks in random order, and the rows of some blocks in random order among each other."""
        own = torch.Generator().manual_seed(_drawn(generator))
        blocks = torch.randperm(-(-len(self) // _BLOCK), generator=own)
        rest, size = torch.empty(0, dtype=torch.long), self._pool(batch)
        for some in blocks.split(_BLOCKS):
            rows = (some[:, None] * _BLOCK + torch.arange(_BLOCK)).ravel()
            rows = torch.cat([rest, rows[rows < len(self)]])
            rows = rows[torch.randperm(len(rows), generator=own)]
            whole = len(rows) // batch * batch
            rest = rows[whole:]
            yield from rows[:whole].split(size) if whole else ()

    def parts(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """The inputs of all rows in order, some at a time."""
        size = self._pool(batch)
        return ahead(self._taken(np.arange(at, min(at + size, len(self))))[0] for at in range(0, len(self), size))


def _drawn(generator: torch.Generator) -> int:
    return int(torch.randint(2**62, (1,), generator=generator))
