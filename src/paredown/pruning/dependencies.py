"""One run of a module in which the labels of its parameters are followed through every operation.

The run is a real one, with whatever Python the module's forward does; the operations are seen below autograd, where attention, recurrent
layers and einsum are made of a few dozen plain ones. What is found is a proposal: the proof decides (proof.py).

Source: the coupling of layers after Fang et al. 2023 (DepGraph), arXiv:2301.12900.
Departs: ties of single positions instead of rules per kind of layer.
"""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from paredown.pruning import operations
from paredown.pruning.labels import Labels, Ties

Step = tuple[str, int]
"""An operation of a run: its name, and how many of that name came before."""


def counted(func: Any, seen: Counter[str]) -> Step:
    """The step that an operation is, after those already `seen`."""
    seen[func.__name__] += 1
    return func.__name__, seen[func.__name__]


class Limit:
    """Seconds of this thread's own work, so that what is found does not depend on what else runs; three times as long at most.

    Args:
        seconds: None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.work, self.start = time.thread_time(), time.monotonic()

    def left(self) -> float:
        """Seconds left."""
        if self.seconds is None:
            return math.inf
        return min(self.seconds + self.work - time.thread_time(), 3 * self.seconds + self.start - time.monotonic())


class TimeUp(Exception):  # an end of the search, caught where it began
    """The search ran out of its time."""


@contextmanager
def plainly() -> Iterator[None]:
    """Inside, attention and recurrent layers run as the plain operations that they are made of."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Name -> parameter, or buffer of fractions; a tensor with several names has its first."""
    buffers = {name: value for name, value in module.named_buffers() if value.is_floating_point()}
    return dict(module.named_parameters()) | buffers


class Trace(TorchDispatchMode):
    """What one run of a module showed.

    Args:
        module: In eval mode; not changed.
        limit: At its end the run is given up.

    Raises:
        TimeUp: It was given up.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled under it, and looking after that imports a compiler for seconds

    def __init__(self, module: nn.Module, limit: Limit) -> None:
        super().__init__()
        self.ties = Ties()
        self.limit = limit
        self.owned = tensors_of(module)
        self.starts: dict[tuple[str, int], int] = {}
        self.end = 1
        """The first label after those of the parameters."""
        self.step: Step = ("", 0)
        """The operation that runs."""
        self.norms: dict[Step, list[tuple[Tensor, int]]] = {}
        """Operation -> (labels, axis) over which it takes a mean, or the like."""
        self.norm_layers: list[tuple[str, Tensor]] = []
        """(module, labels) of norms over channels, which have their width as an attribute."""
        self.read: list[NDArray[np.int64]] = []
        """Labels of parameters along which a product sums up."""
        self.taken: dict[str, list[Labels]] = {}
        """Module that owns parameters -> what each call of it was given."""
        self.ids: dict[int, int] = {}
        """Input that was looked up in a table -> how many rows the table has."""
        self.before: torch.Size | None = None
        """The shape that the first operand had; one done in place changes it."""
        self._seen: Counter[str] = Counter()
        self._known: Any = WeakTensorKeyDictionary()
        self._module, self._inside = module, [""]

    def run(self, inputs: Sequence[Tensor]) -> None:
        """Run the module and follow its labels."""
        for name, value in self.owned.items():
            layers = []
            for axis, size in enumerate(value.shape):
                self.starts[name, axis] = self.ties.count
                row = self.ties.fresh(size)
                if size > 1:
                    layers.append(row.reshape([size if at == axis else 1 for at in range(value.dim())]))
            self._known[value] = Labels(tuple(layers))
        self.end = self.ties.count
        for value in inputs:
            self._known[value] = Labels(fixed=True)
        self._inputs = {value.untyped_storage().data_ptr(): at for at, value in enumerate(inputs)}
        hooks = []
        for name, layer in self._module.named_modules():
            hooks.append(layer.register_forward_pre_hook(lambda _, given, name=name: self._enter(name, given)))
            hooks.append(layer.register_forward_hook(lambda *_: self._leave()))
        try:
            with plainly(), self:
                answers = self._module(*inputs)
        finally:
            for hook in hooks:
                hook.remove()
        for answer in tree_leaves(answers):
            if isinstance(answer, Tensor):
                found = self.of(answer)
                self.ties.pin((*found.layers, *found.sums), "")

    def _enter(self, name: str, given: Any) -> None:
        self._inside.append(name)
        first = next((item for item in tree_leaves(given) if isinstance(item, Tensor)), None)
        if first is not None:
            self.taken.setdefault(name, []).append(self.of(first))

    def _leave(self) -> None:
        self._inside.pop()

    @property
    def inside(self) -> str:
        """The module whose forward runs."""
        return self._inside[-1]

    def of(self, value: Tensor) -> Labels:
        """What is known of a tensor."""
        found: Labels | None = self._known.get(value)
        if found is None:  # parameter.data is another object for the same numbers
            place = (value.data_ptr(), value.shape, value.stride())
            same = (item for item in self.owned.values() if (item.data_ptr(), item.shape, item.stride()) == place)
            found = next((self._known[item] for item in same), Labels()) if value.numel() else Labels()
        return found

    def say(self, value: Tensor, labels: Labels) -> None:
        """Note what is known of a tensor."""
        self._known[value] = labels

    def keys_of(self, labels: NDArray[np.int64]) -> list[tuple[str, int]]:
        """The (tensor, axis) that some labels belong to, each once."""
        keys, starts = list(self.starts), np.array(list(self.starts.values()))
        owned = labels[(labels > 0) & (labels < self.end)]
        return [keys[at] for at in np.unique(np.searchsorted(starts, owned, side="right") - 1)]

    def looked_up(self, table: Tensor, places: Tensor) -> None:
        """Note that a tensor of row numbers was looked up in a table."""
        at = self._inputs.get(places.untyped_storage().data_ptr())
        if at is not None:
            self.ids[at] = min(table.shape[0], self.ids.get(at, table.shape[0]))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation and say what its results are."""
        if self.limit.left() < 0:
            raise TimeUp
        kwargs = kwargs or {}
        self.before = args[0].shape if args and isinstance(args[0], Tensor) else None
        given = [self.of(item) for item in tree_leaves((args, kwargs)) if isinstance(item, Tensor)]
        out = func(*args, **kwargs)
        made = [item for item in tree_leaves(out) if isinstance(item, Tensor)]
        labeled = any(item.layers or item.sums for item in given)
        fixed = any(item.fixed for item in given)
        self.step = counted(func, self._seen)
        if labeled:
            labels = operations.follow(self, func, args, kwargs, out)
        else:
            labels = [Labels(fixed=fixed and func.overloadpacket not in operations.CONSTANT)] * len(made)
        for value, known in zip(made, labels):
            self.say(value, known)
        return out
