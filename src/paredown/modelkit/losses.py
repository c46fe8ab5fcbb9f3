"""What training minimizes, by the kind of answers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def supervised(kind: str, answers: Tensor, goals: Tensor) -> Tensor:
    """How far answers are from what is right, as `Kind.goals` has it.

    Args:
        kind: "class": cross entropy; "labels": binary cross entropy, the mean over labels; "numbers": mean squared difference.
        answers: (N, outputs), before decoding.
        goals: (N,) class indices or (N, classes) shares of them; (N, outputs) for labels and numbers.

    Raises:
        ValueError: No such kind.
    """
    if kind == "class":
        return functional.cross_entropy(answers, goals)
    if kind == "labels":
        return functional.binary_cross_entropy_with_logits(answers, goals)
    if kind == "numbers":
        return functional.mse_loss(answers, goals)
    raise ValueError(f"no loss for answers of the kind {kind!r}; there are: class, labels, numbers.")


def distillation(kind: str, name: str, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the student's answers are from the teacher's.

    Args:
        kind: As for `supervised`; numbers have one way, the mean squared difference.
        name: "kl": T^2 * KL(teacher || student) of the probabilities at temperature T, softmax for classes, each label's own for labels
            (summed over these); "mse": mean squared difference of the logits, which of classes are centered.
        student, teacher: (N, outputs), before decoding.
        temperature: T > 0, used by "kl" only.

    Raises:
        ValueError: No loss of that name.

    Source: Hinton et al. 2015, arXiv:1503.02531; "mse" after Kim et al. 2021, arXiv:2105.08919; labels after Yang et al. 2023 (multi-label
        logits distillation), arXiv:2308.06453.
    Departs: "mse" centers each row of classes first, since softmax does not see a shift.
    """
    if name not in ("kl", "mse"):
        raise ValueError(f"no distillation loss {name!r}; there are: kl, mse.")
    if kind == "numbers":
        return functional.mse_loss(student, teacher)
    if name == "kl":
        if kind == "labels":
            student, teacher = _two_classes(student), _two_classes(teacher)
        goal = functional.log_softmax(teacher / temperature, dim=-1)
        mine = functional.log_softmax(student / temperature, dim=-1)
        return functional.kl_div(mine, goal, reduction="batchmean", log_target=True) * temperature**2
    if kind == "labels":
        return functional.mse_loss(student, teacher)
    return torch.mean((student - student.mean(1, keepdim=True) - teacher + teacher.mean(1, keepdim=True)) ** 2)


def _two_classes(logits: Tensor) -> Tensor:
    """The logits of each label against none, (N, L, 2), whose softmax is its probability."""
    return torch.stack([logits, torch.zeros_like(logits)], dim=-1)
