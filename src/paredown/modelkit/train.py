"""One training loop for baselines, students and recovery."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from paredown.ground.seeds import stream
from paredown.modelkit import augment, losses


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
        augment: True changes each batch at random.
    """

    epochs: int = 20
    lr: float = 3e-3
    batch: int = 64
    weight_decay: float = 0.01
    alpha: float = 1.0
    temperature: float = 2.0
    distillation: str = "kl"
    augment: bool = True


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


def fit(
    module: nn.Module,
    feed: Mapping[str, Any],
    labels: Any,
    how: Training,
    *,
    loss: str,
    seed: int,
    threads: int = 1,
    teacher: Callable[..., Tensor] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> float:
    """Train `module` in place and leave it in eval mode.

    Args:
        module: Takes the feed's tensors in order, returns logits (N, classes).
        feed: Input name -> array (N, ...), float32.
        labels: Array (N,) of class indices; None when `how.alpha` is 0.
        how: See Training.
        loss: The task's loss.
        seed: Root of the random streams.
        threads: CPU threads.
        teacher: Inputs -> logits (N, classes); needed when `how.alpha` is below 1.
        progress: Called with (epochs done, epochs) after each.

    Returns:
        Mean loss of the last epoch.
    """
    inputs = tensors(feed)
    count = len(inputs[0])
    goal = None if labels is None else torch.as_tensor(labels, dtype=torch.long)
    batch = min(how.batch, count)
    per_epoch = max(1, count // batch)
    steps = max(1, how.epochs * per_epoch)
    last = 0.0
    with _repeatable(seed, threads) as generator:
        optimizer = torch.optim.AdamW(module.parameters(), lr=how.lr, weight_decay=how.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=how.lr, total_steps=max(steps + 1, 12), pct_start=0.1)
        module.train()
        for epoch in range(how.epochs):
            order = torch.randperm(count, generator=generator)
            total = 0.0
            for step in range(per_epoch):
                rows = order[step * batch : (step + 1) * batch]
                part = tuple(item[rows] for item in inputs)
                # a teacher answers any input, so every other batch is a blend; labels fit only rows as they are
                blend = how.augment and teacher is not None and how.alpha < 1 and step % 2 == 1
                alpha = 0.0 if blend else how.alpha
                if how.augment:
                    part = augment.batch(part, generator, blend=blend)
                logits = module(*part)
                value = logits.new_zeros(())
                if alpha > 0 and goal is not None:
                    value = value + alpha * losses.supervised(loss, logits, goal[rows])
                if alpha < 1 and teacher is not None:
                    with torch.no_grad():
                        answers = teacher(*part)
                    value = value + (1 - alpha) * losses.distillation(how.distillation, logits, answers, how.temperature)
                optimizer.zero_grad(set_to_none=True)
                value.backward()
                torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                total += float(value.detach())
            last = total / per_epoch
            progress(epoch + 1, how.epochs)
    module.eval()
    return last


def predict(module: nn.Module, feed: Mapping[str, Any], batch: int = 256) -> Tensor:
    """Logits (N, classes) of all rows, in eval mode and without gradients."""
    inputs = tensors(feed)
    with torch.inference_mode():
        parts = [module(*(item[start : start + batch] for item in inputs)) for start in range(0, len(inputs[0]), batch)]
    return torch.cat(parts)
