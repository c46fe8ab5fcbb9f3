"""The fast layout is taken only where a module answers and learns alike in it; what a forward may do does not depend on it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from paredown.core.errors import BadModel
from paredown.modelkit.layout import fast_layout
from paredown.pruning import calibrate
from paredown.training.train import Training, fit, part_of

ROWS = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Maps(nn.Module):
    """Two convolutions, then what `vector` makes of their maps (N, 8, 4, 4)."""

    def __init__(self, vector: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Conv2d(6, 8, 3, padding=1)
        self.head, self.vector = nn.Linear(128, 3), vector

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.max_pool2d(self.second(self.norm(self.first(images)).relu()), 2)
        return self.head(self.vector(maps))


def asserted(maps: Tensor) -> Tensor:
    assert maps.is_contiguous()
    return maps.flatten(1)


BY_PLACE = {
    "size": lambda maps: maps.view(maps.size(0), -1),
    "number": lambda maps: maps.view(-1, 8 * 4 * 4),
    "strides": lambda maps: maps.as_strided((len(maps), 128), (128, 1)),  # raises nowhere: reads other numbers
    "storage": lambda maps: torch.cat([maps, maps]).as_strided((len(maps), 128), (128, 1)),
    "asserted": asserted,
    "transposed": lambda maps: maps.permute(0, 2, 3, 1).contiguous().view(len(maps), -1),
}


@pytest.mark.parametrize("name", BY_PLACE)
def test_what_a_forward_does_with_its_maps_trains_as_it_stands(name: str) -> None:
    module = Maps(BY_PLACE[name])
    other = Maps(lambda maps: (maps.permute(0, 2, 3, 1) if name == "transposed" else maps).reshape(len(maps), -1))
    other.load_state_dict(copy.deepcopy(module.state_dict()))
    feed, labels = {"input": ROWS.numpy()}, np.arange(6) % 3
    for each in (module, other):
        fit(each, feed, labels, Training(epochs=3, batch=4, lr=1e-3), kind="class", seed=0)
    with torch.no_grad():
        torch.testing.assert_close(module(ROWS), other(ROWS), rtol=1e-2, atol=1e-3)
    assert all(value.is_contiguous() for value in module.parameters())


def test_the_fast_layout_is_taken_where_it_works() -> None:
    found = {}
    for name, vector in {**BY_PLACE, "flatten": lambda maps: maps.flatten(1)}.items():
        with fast_layout(Maps(vector), (ROWS,)) as layout:
            found[name] = layout == torch.channels_last
    assert found == {**dict.fromkeys(BY_PLACE, False), "transposed": True, "flatten": True}
    with fast_layout(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), (ROWS,)) as layout:
        assert layout == torch.contiguous_format


def test_what_fails_in_training_mode_alone_is_seen_too() -> None:
    class Aux(Maps):
        def forward(self, images: Tensor) -> Tensor:
            maps = nn.functional.max_pool2d(self.second(self.norm(self.first(images)).relu()), 2)
            return self.head(maps.view(len(maps), -1) if self.training else maps.flatten(1))

    with fast_layout(Aux(torch.flatten), (ROWS,)) as layout:
        assert layout == torch.contiguous_format


def test_trying_leaves_no_trace() -> None:
    module = Maps(lambda maps: nn.functional.dropout(maps.flatten(1), 0.5, True))
    module.train()
    module.norm.eval()
    module.first.weight.grad = torch.ones_like(module.first.weight)
    before, drawn = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    with fast_layout(module, (ROWS,)):
        pass
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert module.training
    assert not module.norm.training
    assert torch.equal(module.first.weight.grad, torch.ones_like(module.first.weight))
    assert module.head.weight.grad is None


def test_a_batch_of_one_row_trains_with_the_statistics_of_batch_norms_as_they_are() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    before = copy.deepcopy(module.state_dict())
    for rows, batch in ((1, 64), (5, 1)):
        how = Training(epochs=1, batch=batch, augment=False)
        fit(module, {"input": ROWS[:rows].numpy()}, np.arange(rows) % 3, how, kind="class", seed=0)
    assert torch.equal(module.state_dict()["2.running_mean"], before["2.running_mean"])
    assert not torch.equal(module.state_dict()["1.weight"], before["1.weight"])
    calibrate.refresh_norms(module, {"input": ROWS[:1].numpy()})
    assert torch.equal(module.state_dict()["2.running_var"], before["2.running_var"])


class Trained(nn.Module):
    """Answers with logits in eval mode, and with what `more` makes of them in training mode."""

    def __init__(self, more: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.head, self.more = nn.Linear(192, 3), more

    def forward(self, images: Tensor) -> object:
        logits = self.head(images.flatten(1))
        return self.more(logits) if self.training else logits


@pytest.mark.parametrize("more", [lambda logits: (logits, -logits), lambda logits: {"out": logits, "aux": -logits}])
def test_auxiliary_heads_that_exist_in_training_alone_are_left_aside(more: Callable[[Tensor], object]) -> None:
    module, plain = Trained(more), Trained(lambda logits: logits)
    plain.load_state_dict(copy.deepcopy(module.state_dict()))
    for each in (module, plain):
        fit(each, {"input": ROWS.numpy()}, np.arange(6) % 3, Training(epochs=1), kind="class", seed=0)
    assert torch.equal(module.head.weight, plain.head.weight)


def test_a_module_that_does_not_train_says_so_in_words() -> None:
    def wrong(logits: Tensor) -> object:
        raise TypeError("forward() missing 'targets'")

    def trained(module: nn.Module) -> None:
        fit(module, {"input": ROWS.numpy()}, np.arange(6) % 3, Training(epochs=1), kind="class", seed=0)

    with pytest.raises(
        BadModel, match=r"fails in training mode, on a batch of 6 rows: TypeError: forward\(\) missing 'targets'\n.*`model\.train"
    ):
        trained(Trained(wrong))
    with pytest.raises(BadModel, match=r"in training mode the model answers with a float without logits \(N, classes\)"):
        trained(Trained(lambda logits: 1.5))
    frozen = Trained(lambda logits: logits).requires_grad_(False)
    with pytest.raises(BadModel, match=r"answers with logits that no parameter can change\.\n.*`requires_grad_\(True\)`"):
        trained(frozen)


def test_rows_without_their_padding_are_contiguous() -> None:
    tokens = torch.arange(20).view(4, 5)
    sizes = torch.tensor([2, 3, 3, 2])
    assert all(part.is_contiguous() for part in part_of((tokens, tokens), slice(0, 3), sizes))
