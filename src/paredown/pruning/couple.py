"""Which channels have to be cut together, found in a run of the module and proven before they count; and the cut, proven again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import gcd

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from paredown.core.errors import Unfit
from paredown.modelkit import sizes
from paredown.modelkit.surgery import Surgery, operate
from paredown.pruning.calibrate import magnitude
from paredown.pruning.dependencies import Limit, TimeUp, Trace, plainly
from paredown.pruning.groups import Group, Member, surgeries
from paredown.pruning.proof import Session, doubled, enlivened, felt, fitting, gradients, running, silenced, some_kept
from paredown.pruning.search import more_counts, proposed

__all__ = ["Group", "Member", "Search", "cut", "groups", "search", "silenced"]

_ROUNDS = 3
_READINGS = ((), (*sizes.HEADS, *sizes.WIDTHS), sizes.HEADS, sizes.WIDTHS)
"""Attributes around a group that may follow its cut, the likeliest first."""


@dataclass
class Search:
    """What a search found.

    Args:
        groups: Proven, in the order of the module.
        whole: Layer -> why its channels stay whole, where that is not because they are inputs or answers.
    """

    groups: list[Group] = field(default_factory=list)
    whole: dict[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What stays whole and why, as one sentence that follows another; the first three, and how many more."""
        some = [f"{name} ({why})" for name, why in self.whole.items()]
        more = f" and {len(some) - 3} more" if len(some) > 3 else ""
        return f" Stays whole, since it could not be proven: {'; '.join(some[:3])}{more}." if some else ""


def groups(module: nn.Module, example: tuple[Tensor, ...]) -> list[Group]:
    """All groups of channels, and of attention heads, that are proven to be cut without changing the module's inputs or outputs.

    Args:
        module: In eval mode.
        example: Inputs for tracing, batch of one.

    Raises:
        Unfit: The module cannot be run or copied, or answers differently when it is asked twice; says why.
    """
    return search(module, example).groups


def search(module: nn.Module, example: tuple[Tensor, ...], limit_s: float | None = None) -> Search:
    """The same, with what stays whole and why.

    Args:
        limit_s: Seconds of work after which what is not yet proven stays whole; None takes 20 and a second per ten million parameters.

    Raises:
        Unfit: See `groups`.
    """
    limit_s = 20 + sum(value.numel() for value in module.parameters()) / 1e7 if limit_s is None else limit_s
    found = Search()
    try:
        _search(module, example, Limit(limit_s), found)
    except TimeUp:
        found.whole.setdefault("all that was not proven by then", f"the search ended after {limit_s:.3g} s")
    except Unfit:
        raise
    except Exception as error:
        raise Unfit(f"the couplings of this module's channels cannot be traced: {type(error).__name__}: {str(error)[:300]}") from error
    found.groups.sort(key=lambda group: int(group.labels.min()))
    return found


def _search(module: nn.Module, example: tuple[Tensor, ...], limit: Limit, found: Search) -> None:
    dice = torch.Generator().manual_seed(0)
    probe = _probe(example, dice, {})
    with plainly():
        fed = tuple(value.clone() for value in probe)
        try:
            first = module(*fed)
        except Exception:  # fixed to the batch of the example
            probe, fed = example, tuple(value.clone() for value in example)
            first = module(*fed)
        if not all(torch.equal(value, before) for value, before in zip(fed, probe)):
            module.register_forward_pre_hook(_with_own_inputs)
        again = module(*probe)
    if not all(torch.allclose(one, other, rtol=0, atol=0, equal_nan=True) for one, other in zip(_leaves(first), _leaves(again))):
        raise Unfit("this module answers differently when it is asked twice; what is random in it has to be off in eval mode.")
    trace = Trace(module, limit)
    trace.run(probe)
    probes = [_probe(example, dice, trace.ids, len(probe[0])) for _ in range(2)]
    session = Session(trace, probes, limit)
    lively = running(lambda fine: enlivened(module, dice, fine), probes)
    with torch.no_grad():
        tame = all(torch.isfinite(item).all() for item in _leaves(lively(*(fitting(value, lively) for value in probes[0]))))
    if not tame:  # random weights are too much for it
        lively = running(lambda fine: doubled(module, fine), probes)
    _Prover(module, lively, session, found).prove()


def _with_own_inputs(module: nn.Module, given: tuple[object, ...]) -> tuple[object, ...]:
    """Of a module that changes its inputs in place: they are copied first, here and in all copies of it."""
    return tuple(value.clone() if isinstance(value, Tensor) else value for value in given)


def _leaves(answers: object) -> list[Tensor]:
    from torch.utils._pytree import tree_leaves

    return [item for item in tree_leaves(answers) if isinstance(item, Tensor)]


def _probe(example: tuple[Tensor, ...], dice: torch.Generator, ids: dict[int, int], batch: int = 2) -> tuple[Tensor, ...]:
    """Random inputs of the example's shapes: numbers where it has fractions, rows of the table where it is looked up in one."""
    out = []
    for at, value in enumerate(example):
        shape = (batch, *value.shape[1:])
        if value.is_floating_point():
            out.append(torch.randn(shape, generator=dice, dtype=value.dtype))
        elif at in ids:
            out.append(torch.randint(1 if ids[at] > 1 else 0, ids[at], shape, generator=dice, dtype=value.dtype))
        else:
            out.append(value[:1].expand(shape).clone())
    return tuple(out)


class _Prover:
    """Tries proposals, and other readings of those that fail, until all are proven or whole."""

    def __init__(self, module: nn.Module, lively: nn.Module, session: Session, found: Search) -> None:
        self.module, self.lively, self.session, self.found = module, lively, session, found
        self.trace = session.trace
        self.dice = np.random.default_rng(0)
        self.reasons: dict[str, str] = {}
        self.gradients = gradients(lively, session.probes[0])

    def prove(self) -> None:
        """Prove what can be proven, the likeliest first."""
        failing = self._sift(proposed(self.module, self.trace, self.trace.ties.solve()))
        if failing and self.trace.ties.boxes:
            wanted = {key for group in failing for key in _keys(group)}
            taken = _places(self.found.groups)
            others = proposed(self.module, self.trace, self.trace.ties.solve(outer=True))
            others = [group for group in others if _keys(group) & wanted and not _places([group]) & taken]
            rest = self._sift(others)
            gone = {key for group in others if not any(group is item for item in rest) for key in _keys(group)}
            failing = [group for group in failing if not _keys(group) & gone]
        for together in _connected(failing):
            for group in _compounds(self.module, together):
                more = more_counts(self.module, group)
                for counts in (more, [count for count in more if count.attribute in sizes.HEADS], []):
                    if self._accepted([replace(group, counts=(*group.counts, *counts))]):
                        failing = [item for item in failing if item not in together]
                        break
        for group in failing:
            self.found.whole.setdefault(group.name, self.reasons.get(group.name, ""))
        self._name_pinned()

    def _name_pinned(self) -> None:
        """Name the layers with products whose channels an operation kept whole."""
        cut = {(member.layer, member.tensor, member.axis) for group in self.found.groups for member in group.members}
        read = np.concatenate([np.zeros(0, np.int64), *self.trace.read])
        products = {name for name, _ in self.trace.keys_of(read)}
        free = self.trace.ties.solve(pinned=False)
        for labels, why in self.trace.ties.pins:
            made = np.setdiff1d(np.flatnonzero(np.isin(free, free[labels])), read) if why else read[:0]
            names = [(*_split(name), axis) for name, axis in self.trace.keys_of(made) if name in products]
            for layer, tensor, _ in [key for key in names if key not in cut][:1]:
                self.found.whole.setdefault(layer or tensor, why)

    def _sift(self, proposals: Sequence[Group]) -> list[Group]:
        """Prove groups, all at once where that goes, then by kinds, as of the blocks of a network; gives those that are not right."""
        if self._accepted(proposals):
            return []
        kinds: dict[object, list[Group]] = {}
        for group in proposals:
            kinds.setdefault(frozenset((re.sub(r"\d+", "", layer), tensor, axis) for layer, tensor, axis in _keys(group)), []).append(group)
        return [group for kind in kinds.values() for group in self._sift_kind(kind)]

    def _sift_kind(self, kind: Sequence[Group]) -> list[Group]:
        """The same for groups of one kind, with whatever attributes follow their cut, by halves where not all are right."""
        for names in _READINGS:
            more = [[count for count in more_counts(self.module, group) if count.attribute in names] for group in kind]
            if (not names or any(more)) and self._accepted(
                [replace(group, counts=(*group.counts, *own)) for group, own in zip(kind, more)]
            ):
                return []
        if len(kind) == 1:
            return list(kind)
        return self._sift_kind(kind[: len(kind) // 2]) + self._sift_kind(kind[len(kind) // 2 :])

    def _accepted(self, proposals: Sequence[Group]) -> bool:
        """Whether groups are right together; then they are found."""
        said = self._tried(proposals)
        if not said and not all(felt(self.gradients, group) for group in proposals):
            said = "nothing in the answer feels it"
        if not said:
            self.found.groups += [replace(group, session=self.session) for group in proposals]
        elif len(proposals) == 1:
            self.reasons.setdefault(proposals[0].name, said)
        return not said

    def _tried(self, proposals: Sequence[Group]) -> str:
        """What is wrong with them in some rounds of random cuts; in one where there is time for few."""
        slow = 10 * _ROUNDS * self.session.slowest > self.session.limit.left()
        for round_ in [1] if slow else range(_ROUNDS):
            kept = [some_kept(group, round_, self.dice) for group in proposals]
            said = self.session.wrong(self.lively, proposals, kept, only=round_)
            if said:
                return said
        return ""


def _keys(group: Group) -> set[tuple[str, str, int]]:
    return {(member.layer, member.tensor, member.axis) for member in group.members}


def _split(name: str) -> tuple[str, str]:
    layer, _, tensor = name.rpartition(".")
    return layer, tensor


def _places(found: Sequence[Group]) -> set[tuple[str, str, int, int]]:
    return {
        (member.layer, member.tensor, member.axis, row)
        for group in found
        for member in group.members
        for rows in member.rows
        for row in rows
    }


def _connected(failing: Sequence[Group]) -> list[list[Group]]:
    """Groups that share tensors, together."""
    out: list[tuple[set[tuple[str, str]], list[Group]]] = []
    for group in failing:
        tensors = {(member.layer, member.tensor) for member in group.members}
        met = [item for item in out if item[0] & tensors]
        out = [item for item in out if not any(item is other for other in met)]
        out.append((tensors.union(*(item[0] for item in met)), [*(one for item in met for one in item[1]), group]))
    return [item[1] for item in out if len(item[1]) > 1]


def _compounds(module: nn.Module, together: Sequence[Group]) -> list[Group]:
    """Groups of which each loses the same share with the others, as the width and the heads of a transformer that divides one by the other.

    The weakest of each go together.
    """
    units = gcd(*(group.channels for group in together))
    if units < 2:
        return []
    rows: dict[tuple[str, str, int], list[list[int]]] = {}
    kinds: dict[tuple[str, str, int], Member] = {}
    labels = []
    felt_at: dict[str, tuple[int, NDArray[np.int64]]] = {}
    for group, score in zip(together, magnitude(module, together)):
        parts = score.argsort(stable=True).reshape(units, -1).tolist()
        labels.append(np.stack([group.labels[part].ravel() for part in parts]))
        for member in group.members:
            key = (member.layer, member.tensor, member.axis)
            kinds.setdefault(key, member)
            mine = rows.setdefault(key, [[] for _ in parts])
            for own, part in zip(mine, parts):
                own += [row for channel in part for row in member.rows[channel]]
        unit = np.array([*score.argsort(stable=True).argsort().div(group.channels // units, rounding_mode="floor").tolist(), -1])
        felt_at |= {layer: (axis, unit[channels]) for layer, (axis, channels) in group.felt.items()}
    return [
        Group(
            channels=units,
            members=[replace(member, rows=rows[key]) for key, member in kinds.items()],
            counts=[count for group in together for count in group.counts],
            felt=felt_at,
            labels=np.concatenate(labels, axis=1),
            classes=together[0].classes,
            normed=any(group.normed for group in together),
        )
    ]


def cut(module: nn.Module, found: Sequence[Group], kept: Sequence[Sequence[int]], rows: tuple[Tensor, ...] | None = None) -> list[Surgery]:
    """Cut the groups of `module` in place to the kept channels; returns the surgeries for the blueprint.

    The whole cut is proven once more before; a group of it that is not right with the others stays whole.

    Args:
        rows: Some real rows, as the module takes them, on which the cut is proven too.
    """
    todo = [(group, list(keep)) for group, keep in zip(found, kept) if len(keep) < group.channels and group.session is not None]
    todo = _right(module, todo, rows)
    done = surgeries([group for group, _ in todo], [keep for _, keep in todo])
    for surgery in done:
        operate(module, surgery)
    return done


def widths_after(found: Sequence[Group], done: Sequence[Surgery]) -> str:
    """How many channels of each group surgeries left, as "conv1 3/8, conv2 12/12"."""
    left = {(surgery.layer, surgery.tensor, surgery.axis): set(surgery.kept) for surgery in done}
    out = []
    for group in found:
        first = group.first
        kept = left.get((first.layer, first.tensor, first.axis))
        count = group.channels if kept is None else sum(rows[0] in kept for rows in first.rows)
        out.append(f"{group.name} {count}/{group.channels}")
    return ", ".join(out)


def _right(module: nn.Module, todo: list[tuple[Group, list[int]]], rows: tuple[Tensor, ...] | None) -> list[tuple[Group, list[int]]]:
    if not todo:
        return todo
    session: Session = todo[0][0].session
    final = Session(session.trace, [*session.probes, *([rows] if rows and _runs(module, rows) else [])], Limit(None))
    dice = torch.Generator().manual_seed(1)
    tried = [
        running(lambda fine: enlivened(module, dice, fine), session.probes),
        running(lambda fine: doubled(module, fine), session.probes),
    ]

    def wrong(some: list[tuple[Group, list[int]]]) -> bool:
        return any(final.wrong(one, [group for group, _ in some], [keep for _, keep in some]) for one in tried)

    return _largest(todo, wrong)


def _runs(module: nn.Module, rows: tuple[Tensor, ...]) -> bool:
    """Whether a module takes these rows: one may be fixed to one at a time."""
    try:
        with torch.no_grad():
            module(*rows)
    except Exception:
        return False
    return True


def _largest(todo: list[tuple[Group, list[int]]], wrong: Callable[[list[tuple[Group, list[int]]]], bool]) -> list[tuple[Group, list[int]]]:
    """The cuts that are right together, by halves; each that is wrong with those before it is left out."""
    good: list[tuple[Group, list[int]]] = []

    def add(some: list[tuple[Group, list[int]]]) -> None:
        if not wrong(good + some):
            good.extend(some)
        elif len(some) > 1:
            add(some[: len(some) // 2])
            add(some[len(some) // 2 :])

    add(todo)
    return good
