"""What training minimizes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def supervised(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    """The task's own loss.

    Args:
        name: "cross_entropy".
        logits: (N, classes).
        labels: (N,) class indices, or (N, classes) shares of classes.

    Raises:
        ValueError: No loss of that name.
    """
    if name != "cross_entropy":
        raise ValueError(f"no loss {name!r}; there is: cross_entropy.")
    return functional.cross_entropy(logits, labels)


def distillation(name: str, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """How far the student's logits are from the teacher's.

    Args:
        name: "kl": T^2 * KL(softmax(teacher / T) || softmax(student / T)); "mse": mean squared difference of the centered logits.
        student, teacher: (N, classes).
        temperature: T > 0, used by "kl" only.

    Raises:
        ValueError: No loss of that name.

    Source: Hinton et al. 2015, arXiv:1503.02531; "mse" after Kim et al. 2021, arXiv:2105.08919.
    Departs: "mse" centers each row first, since softmax does not see a shift.
    """
    if name == "kl":
        goal = functional.log_softmax(teacher / temperature, dim=1)
        mine = functional.log_softmax(student / temperature, dim=1)
        return functional.kl_div(mine, goal, reduction="batchmean", log_target=True) * temperature**2
    if name == "mse":
        return torch.mean((student - student.mean(1, keepdim=True) - teacher + teacher.mean(1, keepdim=True)) ** 2)
    raise ValueError(f"no distillation loss {name!r}; there are: kl, mse.")
