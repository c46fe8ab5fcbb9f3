"""Whether a cut is right: the module with channels cut out answers like the module in which nothing reads them.

Both are tried on random inputs and with random weights, so that no weight that happens to be zero hides a mistake. Where a norm goes over
channels that were cut, the silenced module normalizes over those that are kept.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from paredown.modelkit.surgery import operate, replace
from paredown.pruning.dependencies import Limit, Step, TimeUp, Trace, counted, plainly, tensors_of
from paredown.pruning.groups import Group, surgeries

_FINE = 30_000_000
"""Numbers up to which a module is tried in double precision."""


def copied(module: nn.Module) -> nn.Module:
    """A copy of the structure that shares all tensors with the module."""
    return copy.deepcopy(module, {id(value): value for value in (*module.parameters(), *module.buffers())})


def running(made: Callable[[bool], nn.Module], probes: Sequence[tuple[Tensor, ...]]) -> nn.Module:
    """A copy made in double precision where it is small and runs so, else as it is."""
    fine = made(True)
    if sum(value.numel() for value in fine.parameters()) <= _FINE:
        try:
            with torch.no_grad():
                fine(*(fitting(value, fine) for value in probes[0]))
            return fine
        except Exception:  # numbers made inside its forward are of one precision
            pass
    return made(False)


def enlivened(module: nn.Module, generator: torch.Generator, fine: bool) -> nn.Module:
    """A copy with random weights and statistics of a usual size; `fine` is in double precision."""
    lively = copied(module)
    for name, value in tensors_of(module).items():
        kind = torch.float64 if fine and value.dtype == torch.float32 else value.dtype
        statistic = name.rpartition(".")[2]
        if not isinstance(value, nn.Parameter) and statistic not in ("running_mean", "running_var"):
            fresh = value.detach().to(kind).clone()
        elif value.dim() > 1:
            fresh = torch.randn(value.shape, generator=generator, dtype=kind) / max(1, value[0].numel()) ** 0.5
        else:
            fresh = torch.rand(value.shape, generator=generator, dtype=kind) + (0.5 if statistic != "running_mean" else -0.5)
        replace(lively, value, fresh)
    return lively


def doubled(module: nn.Module, fine: bool) -> nn.Module:
    """A copy with the same weights; `fine` is in double precision."""
    same = copied(module)
    for value in tensors_of(module).values():
        if fine and value.dtype == torch.float32:
            replace(same, value, value.detach().double())
    return same


class _Silent(TorchDispatchMode):
    """Runs a module and lets the norms over channels that are gone see those that are kept."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see Trace

    def __init__(self, masks: Mapping[Step, tuple[int, Tensor]]) -> None:
        super().__init__()
        self.masks, self.seen = masks, Counter[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        step = counted(func, self.seen)
        if step not in self.masks:
            return func(*args, **(kwargs or {}))
        axis, kept = self.masks[step]
        source, *rest = args
        some, name = source.index_select(axis, kept), func.overloadpacket.__name__
        if name not in ("native_layer_norm", "native_group_norm"):
            return func(some, *rest, **(kwargs or {}))
        if name == "native_layer_norm":
            _, *beside = rest
            beside = [item.index_select(0, kept) if isinstance(item, Tensor) else item for item in beside]
            made = func(some, [len(kept)], *beside)
        else:
            weight, bias, batch, _, space, *beside = rest
            own = [None if item is None else item.index_select(0, kept) for item in (weight, bias)]
            made = func(some.contiguous(), *own, batch, len(kept), space, *beside)
        return torch.zeros_like(source).index_copy(axis, kept, made[0]), *made[1:]


class Session:
    """One search's means of proof.

    Args:
        trace: The run that the groups come from.
        probes: Several inputs for the module.
        limit: At its end nothing more is tried.
    """

    def __init__(self, trace: Trace, probes: Sequence[tuple[Tensor, ...]], limit: Limit) -> None:
        self.trace, self.probes, self.limit = trace, probes, limit
        self.slowest = 0.0
        self._ranges: dict[tuple[int, int], float] = {}

    def wrong(self, module: nn.Module, groups: Sequence[Group], kept: Sequence[Sequence[int]], only: int | None = None) -> str:
        """What is wrong with a cut of a module, tried with the weights that it has; empty where nothing is.

        Args:
            only: The probe to try it on, by its number; None takes all of them.

        Raises:
            TimeUp: There is no time left to try it.
        """
        start = self.limit.left()
        if start < self.slowest:
            raise TimeUp
        try:
            small = copied(module)
            for surgery in surgeries(groups, kept):
                operate(small, surgery)
            silent = silenced(module, groups, kept)
            masks = self._masks(groups, kept)
            for at in range(len(self.probes)) if only is None else [only % len(self.probes)]:
                probe = tuple(fitting(value, module) for value in self.probes[at])
                with torch.no_grad():
                    mine = _numbers(small(*probe))
                with plainly(), _Silent(masks):
                    right = _numbers(silent(*probe))
                if [item.shape for item in mine] != [item.shape for item in right]:
                    return "the cut module answers in another shape"
                with torch.no_grad():
                    if (id(module), at) not in self._ranges:
                        self._ranges[id(module), at] = max(float(item.abs().max()) for item in _numbers(module(*probe)))
                scale = self._ranges[id(module), at]
                apart = max(float((one - other).abs().max()) for one, other in zip(mine, right))
                slack = 1e-5 if right[0].dtype == torch.float64 else 2e-4
                if not apart <= slack * scale:
                    return f"the cut module answers otherwise than the silenced one ({apart / max(scale, 1e-30):.1g} of its range apart)"
        except TimeUp:
            raise
        except Exception as error:
            return f"the cut module fails: {type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''}"
        finally:
            self.slowest = max(self.slowest, start - self.limit.left()) if start < math.inf else 0.0
        return ""

    def _masks(self, groups: Sequence[Group], kept: Sequence[Sequence[int]]) -> dict[Step, tuple[int, Tensor]]:
        lost = [group.labels[sorted(set(range(group.channels)) - set(keep))].ravel() for group, keep in zip(groups, kept)]
        out = {}
        for step, found in self.trace.norms.items():
            for layer, axis in found:
                labels = layer.numpy().ravel()
                gone = np.logical_or.reduce([np.isin(group.classes[labels], item) for group, item in zip(groups, lost)])
                if gone.any():
                    out[step] = (axis, torch.from_numpy(np.flatnonzero(~gone)))
        return out


def fitting(value: Tensor, module: nn.Module) -> Tensor:
    """An input in the precision of the module's parameters."""
    kinds = {item.dtype for item in module.parameters()}
    return value.double() if value.is_floating_point() and torch.float64 in kinds else value


def silenced(module: nn.Module, groups: Sequence[Group], kept: Sequence[Sequence[int]]) -> nn.Module:
    """A copy in which nothing reads the channels that are not kept; norms over them still see them."""
    silent = copied(module)
    for group, keep in zip(groups, kept):
        gone = sorted(set(range(group.channels)) - set(keep))
        for member in group.members:
            if member.side == "in" and gone:
                layer = silent.get_submodule(member.layer)
                value = layer._parameters.get(member.tensor, layer._buffers.get(member.tensor))
                assert value is not None
                rows = torch.tensor([row for channel in gone for row in member.rows[channel]])
                replace(silent, value, value.detach().index_fill(member.axis, rows, 0))
    return silent


def _numbers(answers: Any) -> list[Tensor]:
    return [item for item in tree_leaves(answers) if isinstance(item, Tensor) and item.is_floating_point()]


def gradients(module: nn.Module, probe: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """Name of each parameter that the answers depend on -> a gradient of theirs; all of them are trained from then on."""
    own = {name: value.requires_grad_() for name, value in module.named_parameters() if value.is_floating_point()}
    try:
        with torch.enable_grad():
            answers = _numbers(module(*(fitting(value, module) for value in probe)))
            whole = sum((item * torch.linspace(0.5, 1.5, item.numel(), dtype=item.dtype).reshape(item.shape)).sum() for item in answers)
            found = torch.autograd.grad(whole, list(own.values()), allow_unused=True) if isinstance(whole, Tensor) else ()
    except RuntimeError:  # its forward keeps no gradients
        return {}
    return {name: value for name, value in zip(own, found) if value is not None}


def felt(found: Mapping[str, Tensor], group: Group) -> bool:
    """Whether the answers depend on something that reads the group: a cut of what nobody feels proves nothing."""
    for member in group.members:
        gradient = found.get(f"{member.layer}.{member.tensor}".lstrip("."))
        if (
            member.side == "in"
            and gradient is not None
            and bool(gradient.index_select(member.axis, torch.tensor(member.rows).ravel()).any())
        ):
            return True
    return False


def some_kept(group: Group, round_: int, dice: np.random.Generator) -> list[int]:
    """Channels to keep in a try: all but the last, all but the first and a few, about half."""
    if round_ == 0:
        return list(range(group.channels - 1))
    count = int(dice.integers(1, max(1, group.channels // (4 if round_ == 1 else 2)) + 1))
    lost = {*dice.choice(group.channels, count, replace=False).tolist(), *([0] if round_ == 1 else [])}
    return [at for at in range(group.channels) if at not in lost] or [group.channels - 1]
