"""What is minimized where answers are vectors."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from paredown.training.losses import distillation, supervised


def test_vectors_learn_directions_and_what_is_near_to_what() -> None:
    draw = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(20, 6, generator=draw), torch.randn(20, 6, generator=draw)
    cosine = functional.cosine_similarity(student, teacher)
    between = [functional.cosine_similarity(side[:, None], side[None], dim=2) for side in (student, teacher)]
    want = (1 - cosine).mean() + ((between[0] - between[1]) ** 2).mean()
    assert float(distillation("vector", "kl", student, teacher, 4.0)) == pytest.approx(float(want), rel=1e-5)
    assert float(distillation("vector", "mse", 3 * teacher, teacher, 4.0)) == pytest.approx(0, abs=1e-5)
    assert float(supervised("vector", student, teacher)) == pytest.approx(float((1 - cosine).mean()), rel=1e-5)


def test_many_rows_are_held_against_each_other_some_at_a_time() -> None:
    draw = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(600, 3, generator=draw), torch.randn(600, 3, generator=draw)
    one, other = functional.normalize(student), functional.normalize(teacher)
    apart = sum(float(((a @ a.T - b @ b.T) ** 2).sum()) / len(a) for a, b in zip(one.split(256), other.split(256)))
    want = float((1 - (one * other).sum(1)).mean()) + apart / 600
    assert float(distillation("vector", "kl", student, teacher, 1.0)) == pytest.approx(want, rel=1e-5)
