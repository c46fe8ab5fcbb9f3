"""One training loop for baselines, students and recovery."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from paredown.core.errors import BadModel
from paredown.ground.files import PART, replace
from paredown.ground.seeds import stream
from paredown.modelkit.layout import fast_layout
from paredown.training import augment, losses

_KEPT_B = 2 << 30
"""Bytes of a teacher's answers that are kept; of more each is asked again."""
PASSED, LEARNED = 1 << 22, 1 << 19
"""Numbers of a pass without gradients, and pixels of a step where each of them has a class."""
POOL = 32
"""Batches among which rows are sorted by length: enough to leave little padding, few enough to stay random."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    Args:
        epochs: Passes over the data.
        lr: Peak learning rate of AdamW, warmed up over the first tenth and lowered to zero along a cosine.
        batch: Rows per step.
        weight_decay: Of AdamW.
        alpha: Weight of the labels' loss; the teacher's has 1 - alpha. 1 uses no teacher.
        temperature: Of the distillation loss "kl".
        distillation: "kl" or "mse".
        augment: True changes each batch of numbers at random; tokens are never changed.
        flip: True mirrors half of the images left to right; for things that look the same in a mirror, unlike letters and digits;
            sounds stay.
    """

    epochs: int = 20
    lr: float = 3e-3
    batch: int = 64
    weight_decay: float = 0.01
    alpha: float = 1.0
    temperature: float = 2.0
    distillation: str = "kl"
    augment: bool = True
    flip: bool = False


@contextmanager
def _repeatable(seed: int, threads: int) -> Iterator[torch.Generator]:
    """Seed every stream and fix the thread count, so that the same work gives the same tensors."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream(seed, "torch"))
        generator = torch.Generator().manual_seed(stream(seed, "batches"))
        try:
            yield generator
        finally:
            torch.set_num_threads(before)


def tensors(feed: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """A feed's arrays as tensors, in order."""
    return tuple(torch.from_numpy(array) for array in feed.values())


def lengths(inputs: tuple[Tensor, ...]) -> Tensor | None:
    """Tokens of each row (N,), from the input that is a mask of ones and then zeros; None where there is none, as with images."""
    for item in inputs if len(inputs) > 1 else ():
        if item.dim() == 2 and not item.is_floating_point():
            falls = (item[:, 1:] <= item[:, :-1]).all() and (item[:, 0] == 1).all() and (item >= 0).all()
            if bool(falls):
                return item.sum(1)
    return None


def part_of(inputs: tuple[Tensor, ...], rows: Tensor | slice, sizes: Tensor | None) -> tuple[Tensor, ...]:
    """Some rows of all inputs, without the columns that are padding in all of them; at least two columns stay. All are contiguous."""
    if sizes is None:
        return tuple(item[rows] for item in inputs)
    longest, width = max(2, int(sizes[rows].max())), len(sizes) and max(item.shape[1] for item in inputs if item.dim() == 2)
    parts = (item[rows, :longest] if item.dim() == 2 and item.shape[1] == width else item[rows] for item in inputs)
    return tuple(part.contiguous() for part in parts)


def fewer(batch: int, item: Sequence[int], most: int) -> int:
    """Rows per step or pass: `batch`, or fewer where one is large, as images whose every layer is as large.

    Args:
        batch: Where rows are small.
        item: The shape of a row.
        most: Numbers of all rows together.
    """
    return max(1, min(batch, most // max(1, math.prod(item))))


def batches(count: int, batch: int, sizes: Tensor | None, generator: torch.Generator) -> Iterator[Tensor]:
    """Rows of each step of one pass, in random order; rows of like length stand together, so that little is padding.

    Args:
        count: Rows.
        batch: Rows per step; what is left over waits for another pass.
        sizes: Tokens per row, or None.
        generator: Source of random numbers.
    """
    # what is left over is taken off before rows are sorted: after it, it would be the longest ones in every pass
    order = torch.randperm(count, generator=generator)[: count // batch * batch]
    if sizes is not None:
        pool = batch * POOL
        order = torch.cat([part[torch.argsort(sizes[part], stable=True)] for part in order.split(pool)])
    steps = order.split(batch)
    yield from (steps[at] for at in torch.randperm(len(steps), generator=generator).tolist())


Piece = tuple[Tensor, tuple[Tensor, ...], Tensor | None]
"""One step: positions of its rows, their inputs, and their labels where they have some."""


class Feed(Protocol):
    """Rows to learn from; `floats` says whether an input is of numbers, which can be changed at random, `time` which axis is time."""

    floats: bool
    time: int | None

    def __len__(self) -> int: ...

    def steps(self, batch: int, generator: torch.Generator) -> Iterator[Piece]:
        """The batches of one pass in random order."""

    def parts(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """The inputs of all rows in order, some at a time."""


class Kept:
    """Rows that were encoded together and stay in memory.

    Args:
        feed: Input name -> array (N, ...).
        labels: What is right of each row, as `Kind.goals` has it, or None.
        time: The axis of time of sounds, see `Context`.
    """

    def __init__(self, feed: Mapping[str, Any], labels: Any = None, time: int | None = None) -> None:
        self._inputs, self.time = tensors(feed), time
        self._sizes = lengths(self._inputs)
        self._goal = None if labels is None else torch.as_tensor(labels)
        self.floats = any(item.is_floating_point() for item in self._inputs)

    def __len__(self) -> int:
        return len(self._inputs[0])

    def steps(self, batch: int, generator: torch.Generator) -> Iterator[Piece]:
        """The batches of one pass in random order; see `batches`."""
        for rows in batches(len(self), batch, self._sizes, generator):
            yield rows, part_of(self._inputs, rows, self._sizes), None if self._goal is None else self._goal[rows]

    def parts(self, batch: int) -> Iterator[tuple[Tensor, ...]]:
        """All at once: they are in memory."""
        yield self._inputs


def fit(
    module: nn.Module,
    feed: Mapping[str, Any] | Feed,
    labels: Any,
    how: Training,
    *,
    kind: str,
    classes: int = 0,
    seed: int,
    threads: int = 1,
    teacher: Callable[..., Tensor] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    answers: Path | None = None,
) -> float:
    """Train `module` in place and leave it in eval mode.

    Args:
        module: Takes the feed's tensors in order, returns answers before decoding (N, outputs).
        feed: Input name -> array (N, ...), float32; or rows that are encoded while they are used, which have their labels with them.
        labels: What is right of each row, as `Kind.goals` has it; None when `how.alpha` is 0.
        how: See Training.
        kind: The kind of answers, which says what is minimized.
        classes: Of each place, where a row is answered place by place.
        seed: Root of the random streams.
        threads: CPU threads.
        teacher: Inputs -> answers (N, outputs); needed when `how.alpha` is below 1.
        progress: Called with (steps done, steps) after each.
        answers: File in which the teacher's answers to rows as they are stay, for whoever learns from the same rows again.

    Returns:
        Mean loss of the last epoch.
    """
    source = Kept(feed, labels) if isinstance(feed, Mapping) else feed
    count = len(source)
    # a teacher answers any input, so every other batch of numbers is a blend; labels fit only rows as they are
    changes = how.augment and source.floats
    known = None
    if teacher is not None and how.alpha < 1 and not (changes or how.flip) and _fit_on_disk(teacher, source):
        known = answered(teacher, source, answers)
    batch = min(how.batch, count)
    per_epoch = max(1, count // batch)
    steps = max(1, how.epochs * per_epoch)
    last = 0.0
    with _repeatable(seed, threads) as generator, fast_layout(module, _first(source, batch)):
        optimizer = torch.optim.AdamW(module.parameters(), lr=how.lr, weight_decay=how.weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=how.lr, total_steps=max(steps + 1, 12), pct_start=0.1)
        _to_training(module, batch)
        for epoch in range(how.epochs):
            total = 0.0
            for step, (rows, part, goal) in enumerate(source.steps(batch, generator)):
                blend = changes and teacher is not None and how.alpha < 1 and step % 2 == 1
                alpha = 0.0 if blend else how.alpha
                flip = how.flip and source.time is None
                part, goal = _changed(part, goal if alpha > 0 else None, kind, flip, changes, blend, source.time, generator)
                logits = _trained_answer(module, part)
                value = logits.new_zeros(())
                if alpha > 0 and goal is not None:
                    value = value + alpha * losses.supervised(kind, logits, goal, classes)
                if alpha < 1 and teacher is not None:
                    with torch.no_grad():
                        said = teacher(*part) if known is None else torch.from_numpy(known[rows.numpy()])
                    value = value + (1 - alpha) * losses.distillation(kind, how.distillation, logits, said, how.temperature, classes)
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                total += float(value.detach())
                progress(epoch * per_epoch + step + 1, steps)
            last = total / per_epoch
    module.eval()
    return last


def _changed(
    part: tuple[Tensor, ...], goal: Tensor | None, kind: str, flip: bool, changes: bool, blend: bool, time: Any, generator: torch.Generator
) -> tuple[tuple[Tensor, ...], Tensor | None]:
    """A batch changed at random, and what is right of it, which moves with its pixels where each has a class."""

    def change(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        inputs = augment.mirrored(inputs, generator) if flip else inputs
        return augment.batch(inputs, generator, blend=blend, time=time) if changes else inputs

    return augment.with_masks(change, part, goal) if kind == "map" and goal is not None and (flip or changes) else (change(part), goal)


def _first(source: Feed, batch: int) -> tuple[Tensor, ...]:
    """The inputs of the first rows of all."""
    parts = source.parts(batch)
    return tuple(item[:batch] for item in next(iter(parts)))


def _to_training(module: nn.Module, batch: int) -> None:
    """Training mode; batch norms keep their statistics where one row is all that they would be measured on, and where these never follow
    what is learned: a momentum of 0 leaves them as they are, and the module would answer by others than it learned with."""
    module.train()
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.track_running_stats and (batch == 1 or layer.momentum == 0.0):
            layer.eval()


def _trained_answer(module: nn.Module, part: tuple[Tensor, ...]) -> Tensor:
    """Logits (N, classes) of a module in training mode; where it then gives more, as those of auxiliary heads, the first of them.

    Raises:
        BadModel: Its forward fails in training mode, or gives no logits, or they have no gradient.
    """
    try:
        answer = module(*(item.clone() for item in part))  # a forward may change them in place, and the teacher sees them next
    except Exception as error:  # a user's forward raises what it likes
        said = str(error).strip().splitlines()
        raise BadModel(
            f"the model answers in eval mode and fails in training mode, on a batch of {len(part[0])} rows: "
            f"{type(error).__name__}{f': {said[0][:200]}' if said else ''}\n"
            "  Its forward has to run after `model.train()` too; without train and unlabeled nothing is trained."
        ) from error
    found = [answer, *(answer.values() if isinstance(answer, Mapping) else answer if isinstance(answer, tuple | list) else ())]
    logits = next((item for item in found if isinstance(item, Tensor) and item.dim() == 2 and len(item) == len(part[0])), None)
    if logits is None or not logits.requires_grad:
        what = f"a {type(answer).__name__} without logits (N, classes)" if logits is None else "logits that no parameter can change"
        raise BadModel(
            f"in training mode the model answers with {what}.\n  It has to give logits that follow from parameters which learn; "
            "`requires_grad_(True)` lets a frozen one learn."
        )
    return logits


def predict(module: Callable[..., Tensor], feed: Mapping[str, Any], batch: int = 256) -> Tensor:
    """Logits (N, classes) of all rows, without gradients; rows of like length are asked together.

    Args:
        module: In eval mode; takes the feed's tensors in order.
        feed: Input name -> array (N, ...).
        batch: Rows per call.
    """
    return _predicted(module, tensors(feed), batch)


def _predicted(module: Callable[..., Tensor], inputs: tuple[Tensor, ...], batch: int) -> Tensor:
    sizes = lengths(inputs)
    order = torch.arange(len(inputs[0])) if sizes is None else torch.argsort(sizes, stable=True)
    batch = min(fewer(batch, item.shape[1:], PASSED) for item in inputs)
    with torch.no_grad():
        parts = [module(*part_of(inputs, rows, sizes)) for rows in order.split(batch)]
    answers = torch.cat(parts)
    return torch.empty_like(answers).index_copy_(0, order, answers)


def _fit_on_disk(teacher: Callable[..., Tensor], source: Feed) -> bool:
    """Whether a teacher's answers to all rows are few enough to be kept: those of pixels may not be."""
    with torch.no_grad():
        one = teacher(*_first(source, 1))
    return bool(len(source) * one.numel() * one.element_size() <= _KEPT_B)


def answered(module: Callable[..., Tensor], feed: Feed, file: Path | None, batch: int = 256) -> Any:
    """Logits (N, classes) of all rows as an array; from a file where they are known, which is written where they are not.

    Args:
        module: As for `predict`.
        feed: Rows.
        file: Takes the answers, which are read from it as they are asked for; None keeps them in memory.
        batch: Rows per call.
    """
    if file is None:
        return np.concatenate([_predicted(module, part, batch).numpy() for part in feed.parts(batch)])
    with suppress(OSError, ValueError):
        known = np.load(file, mmap_mode="r", allow_pickle=False)
        if known.ndim == 2 and len(known) == len(feed):
            return known
    part_file = file.with_name(f".{file.name}{PART}")
    with part_file.open("wb") as out:
        for part in feed.parts(batch):
            found = np.ascontiguousarray(_predicted(module, part, batch).numpy(), np.float32)
            if not out.tell():
                shape = (len(feed), found.shape[1])
                np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
            out.write(found.data)
    replace(part_file, file)
    return np.load(file, mmap_mode="r", allow_pickle=False)
