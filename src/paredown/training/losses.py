"""What training minimizes, by the kind of answers."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from paredown.core.task import CONTINUOUS
from paredown.kinds.decode import ABSENT
from paredown.kinds.known import KINDS

BY_PLACE = tuple(kind.name for kind in KINDS.values() if kind.by_place)
"""Kinds whose rows have a class at each of many places."""
_SOME = 256
"""Rows whose similarities are held against each other."""


def supervised(kind: str, answers: Tensor, goals: Tensor, classes: int = 0) -> Tensor:
    """How far answers are from what is right, as `Kind.goals` has it.

    Args:
        kind: "class": cross entropy, of "tokens" the mean over words, of "map" the mean over pixels and 1 - the soft Dice coefficient, for
            classes of few pixels; "labels": binary cross entropy, the mean over labels; "numbers" and "tensors": mean squared difference;
            "vector": 1 minus the cosine, the mean over rows.
        answers: (N, outputs), before decoding.
        goals: (N,) class indices or (N, classes) shares of them; (N, places) class indices, -1 where nothing is right; (N, outputs) for
            labels and numbers.
        classes: Of each place, where a row has several.

    Raises:
        ValueError: No such kind.

    Source: soft Dice: Milletari et al. 2016 (V-Net), arXiv:1606.04797; the sum of both, over a batch as if it were one image: Isensee et
        al. 2021 (nnU-Net), Nature Methods 18:203.
    Departs: Dice is the mean over the classes that the batch has, the background too.
    """
    if kind == "map":
        return _of_pixels(answers.reshape(len(answers), classes, -1), goals.reshape(len(goals), -1).long())
    if kind in BY_PLACE:
        answers, goals = _places(kind, answers, classes), goals.reshape(-1)
        there = (goals >= 0) & (answers[:, 0] < ABSENT / 2)
        return functional.cross_entropy(answers[there], goals[there]) if bool(there.any()) else answers.sum() * 0.0
    if kind == "class":
        return functional.cross_entropy(answers, goals)
    if kind == "labels":
        return functional.binary_cross_entropy_with_logits(answers, goals)
    if kind == "vector":
        return (1 - functional.cosine_similarity(answers, goals)).mean()
    if kind in CONTINUOUS:
        return functional.mse_loss(answers, goals)
    raise ValueError(f"no loss for answers of the kind {kind!r}; there are: {', '.join(KINDS)}.")


def _of_pixels(scores: Tensor, goals: Tensor) -> Tensor:
    """Cross entropy and 1 - Dice of scores (N, classes, pixels); -1 in goals (N, pixels) counts for nothing."""
    there = goals >= 0
    if not bool(there.any()):
        return scores.sum() * 0.0
    logs = functional.log_softmax(scores, dim=1)
    shares = logs.exp() * there[:, None]
    at = shares.gather(1, goals.clamp_min(0)[:, None])[:, 0][there]
    has = torch.bincount(goals[there], minlength=scores.shape[1]).to(scores.dtype)
    both = torch.zeros_like(has).index_add(0, goals[there], at)
    dice = (2 * both + 1) / (shares.sum((0, 2)) + has + 1)
    return functional.nll_loss(logs, goals, ignore_index=-1) + 1 - dice[has > 0].mean()


def _places(kind: str, answers: Tensor, classes: int) -> Tensor:
    """(N, classes * places) as (N * places, classes); of spans, both of whose ends choose among places, as (N * 2, places)."""
    if kind == "spans":
        return answers.reshape(2 * len(answers), -1)
    return answers.reshape(len(answers), classes, -1).transpose(1, 2).reshape(-1, classes)


def by_place(kind: str, answers: Tensor, classes: int) -> Tensor:
    """Answers (N, outputs); where rows are answered place by place as rows of classes, (places that there are, classes)."""
    if kind not in BY_PLACE:
        return answers
    rows = _places(kind, answers, classes)
    if kind == "map":
        return rows
    return rows[rows[:, 0] < ABSENT / 2]


def distillation(kind: str, name: str, student: Tensor, teacher: Tensor, temperature: float, classes: int = 0) -> Tensor:
    """How far the student's answers are from the teacher's.

    Args:
        kind: As for `supervised`; numbers and tensors have one way, the mean squared difference; so have vectors: 1 minus the cosine, and
            the mean squared difference of the cosines between rows, which is what a search goes by.
        name: "kl": T^2 * KL(teacher || student) of the probabilities at temperature T, softmax for classes, each label's own for labels
            (summed over these); "mse": mean squared difference of the logits, which of classes are centered.
        student, teacher: (N, outputs), before decoding.
        temperature: T > 0, used by "kl" only.
        classes: Of each place, where a row has several; each is a row of its own then.

    Raises:
        ValueError: No loss of that name.

    Source: Hinton et al. 2015, arXiv:1503.02531; "mse" after Kim et al. 2021, arXiv:2105.08919; labels after Yang et al. 2023 (multi-label
        logits distillation), arXiv:2308.06453; the cosines between rows after Tung & Mori 2019 (similarity-preserving), arXiv:1907.09682.
    Departs: "mse" centers each row of classes first, since softmax does not see a shift.
    """
    if name not in ("kl", "mse"):
        raise ValueError(f"no distillation loss {name!r}; there are: kl, mse.")
    if kind == "vector":
        return _directions(student, teacher)
    student, teacher = by_place(kind, student, classes), by_place(kind, teacher, classes)
    if kind in CONTINUOUS:
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


def _directions(student: Tensor, teacher: Tensor) -> Tensor:
    """1 minus the cosine, and the mean squared difference of the cosines between the rows of some at a time."""
    mine, goal = functional.normalize(student, dim=1), functional.normalize(teacher, dim=1)
    apart = [(one @ one.T - other @ other.T).square().sum() / len(one) for one, other in zip(mine.split(_SOME), goal.split(_SOME))]
    return (1 - (mine * goal).sum(dim=1)).mean() + torch.stack(apart).sum() / max(1, len(mine))


def _two_classes(logits: Tensor) -> Tensor:
    """The logits of each label against none, (N, L, 2), whose softmax is its probability."""
    return torch.stack([logits, torch.zeros_like(logits)], dim=-1)
