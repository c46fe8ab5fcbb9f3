"""Losses against closed forms, changed batches against brute force, training repeatable and to some use."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from paredown.ground import digests
from paredown.modelkit.nets import digits_cnn, mlp
from paredown.testing import tiny
from paredown.training import augment, losses
from paredown.training.train import Kept, Training, fit, predict

ROWS = tiny.rows()
FEED = tiny.encode(ROWS.inputs)


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


LOGITS = [torch.randn(7, 4, generator=draw(seed)) * 3 for seed in (1, 2)]
STUDENT, TEACHER = (item.numpy().astype(np.float64) for item in LOGITS)


def test_supervised_is_the_mean_negative_log_likelihood() -> None:
    labels = np.array([0, 1, 2, 3, 0, 1, 2])
    found = losses.supervised("class", LOGITS[0], torch.from_numpy(labels))
    assert float(found) == pytest.approx(-np.log(softmax(STUDENT)[np.arange(7), labels]).mean(), rel=1e-5)
    shares = softmax(TEACHER)
    found = losses.supervised("class", LOGITS[0], torch.from_numpy(shares).float())
    assert float(found) == pytest.approx(-(shares * np.log(softmax(STUDENT))).sum(1).mean(), rel=1e-5)
    with pytest.raises(ValueError, match=r"no loss for answers of the kind 'hinge'; there are: class, labels, numbers, .*map"):
        losses.supervised("hinge", LOGITS[0], torch.from_numpy(labels))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_kl_is_scaled_by_the_squared_temperature(temperature: float) -> None:
    mine, goal = softmax(STUDENT / temperature), softmax(TEACHER / temperature)
    expected = temperature**2 * (goal * np.log(goal / mine)).sum(1).mean()
    assert float(losses.distillation("class", "kl", *LOGITS, temperature)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.distillation("class", "kl", LOGITS[0], LOGITS[0] + 5.0, temperature)) == pytest.approx(0.0, abs=1e-5)


def test_mse_does_not_see_a_shift() -> None:
    expected = ((STUDENT - STUDENT.mean(1, keepdims=True) - TEACHER + TEACHER.mean(1, keepdims=True)) ** 2).mean()
    assert float(losses.distillation("class", "mse", *LOGITS, 1.0)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.distillation("class", "mse", LOGITS[0], LOGITS[0] + 5.0, 1.0)) == pytest.approx(0.0, abs=1e-5)
    with pytest.raises(ValueError, match=r"no distillation loss 'cosine'; there are: kl, mse\."):
        losses.distillation("class", "cosine", *LOGITS, 1.0)


@pytest.mark.parametrize(("shape", "reach"), [((40, 1, 6, 6), 1), ((40, 3, 16, 24), 2)])
def test_a_shift_is_a_window_of_the_padded_image(shape: tuple[int, ...], reach: int) -> None:
    images = torch.rand(shape, generator=draw())
    before = images.clone()
    moved = augment.shift(images, draw(1))
    assert torch.equal(images, before)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    height, width = shape[2:]
    seen = set()
    for whole, part in zip(padded, moved.numpy()):
        fits = [
            (down, right)
            for down in range(2 * reach + 1)
            for right in range(2 * reach + 1)
            if np.array_equal(whole[:, down : down + height, right : right + width], part)
        ]
        assert len(fits) == 1
        seen |= set(fits)
    # 40 images find nearly all moves, in both directions
    assert len(seen) > 0.6 * (2 * reach + 1) ** 2


@pytest.mark.parametrize(("shape", "across"), [((200, 3, 4, 5), 3), ((200, 9, 7, 3), 2)])
def test_about_half_of_the_images_are_mirrored_and_the_others_stay(shape: tuple[int, ...], across: int) -> None:
    images = torch.rand(shape, generator=draw())
    flipped = augment.flip(images, draw(1))
    mirrored = np.flip(images.numpy(), across)
    same = [np.array_equal(new, old) for new, old in zip(flipped.numpy(), images.numpy())]
    turned = [np.array_equal(new, other) for new, other in zip(flipped.numpy(), mirrored)]
    assert all(one != other for one, other in zip(same, turned))
    assert 70 < sum(turned) < 130


def test_only_images_are_mirrored() -> None:
    images, table = torch.rand(8, 1, 6, 6), torch.rand(8, 4)
    changed = augment.mirrored((images, table), draw())
    assert not torch.equal(changed[0], images)
    assert torch.equal(changed[1], table)


@pytest.mark.parametrize("flip", [True, False])
def test_a_network_sees_mirrored_images_only_where_training_says_so(flip: bool) -> None:
    class Looks(torch.nn.Module):
        """Remembers whether light ever came from the right."""

        def __init__(self) -> None:
            super().__init__()
            self.head, self.right = torch.nn.Linear(36, 3), False

        def forward(self, images: Tensor) -> Tensor:
            self.right |= bool(images[..., 3:].any())
            return self.head(images.flatten(1))

    lamps = np.zeros((32, 1, 6, 6), np.float32)
    lamps[..., :2] = 1
    module = Looks()
    fit(module, {"input": lamps}, np.zeros(32, int), Training(epochs=1, augment=False, flip=flip), kind="class", seed=0)
    assert module.right == flip


def test_a_mix_lies_between_its_two_rows() -> None:
    inputs = torch.rand(30, 5, generator=draw())
    mixed = augment.mix(inputs, draw(1))
    order = torch.randperm(30, generator=draw(1))
    weight = (mixed - inputs[order]) / (inputs - inputs[order])
    for row, other in zip(weight, order != torch.arange(30)):
        if other:
            assert float(row.max() - row.min()) < 1e-3
            assert -1e-4 <= float(row[0]) <= 1 + 1e-4


def test_a_batch_keeps_its_shapes_and_changes_only_what_it_can() -> None:
    images, table, codes = torch.rand(8, 1, 6, 6), torch.rand(8, 4), torch.arange(8).view(8, 1)
    for blend in (False, True):
        for inputs in ((images,), (table,), (images, table), (table, codes), (codes,)):
            changed = augment.batch(inputs, draw(), blend=blend)
            assert [(item.shape, item.dtype) for item in changed] == [(item.shape, item.dtype) for item in inputs]
    assert torch.equal(augment.batch((table,), draw(), blend=False)[0], table)
    assert not torch.equal(augment.batch((table,), draw(), blend=True)[0], table)
    assert torch.equal(augment.batch((codes,), draw(), blend=True)[0], codes)


@pytest.mark.parametrize(("shape", "time"), [((40, 1, 5, 24), 3), ((40, 24, 5), 1), ((40, 1, 24), 2), ((40, 24), 1)])
def test_a_sound_is_moved_along_its_time_alone(shape: tuple[int, ...], time: int) -> None:
    sounds = torch.rand(shape, generator=draw())
    before = sounds.clone()
    (moved,) = augment.batch((sounds,), draw(1), blend=False, time=time)
    assert torch.equal(sounds, before)
    seen = set()
    for whole, part in zip(sounds.numpy(), moved.numpy()):
        padded = np.pad(whole, [(3, 3) if axis == time - 1 else (0, 0) for axis in range(whole.ndim)], mode="edge")
        fits = [at for at in range(7) if np.array_equal(np.take(padded, range(at, at + 24), time - 1), part)]
        assert len(fits) == 1
        seen |= {*fits}
    assert seen == set(range(7))
    (mixed,) = augment.batch((sounds,), draw(1), blend=True, time=time)
    assert mixed.shape == shape
    assert not torch.equal(mixed, moved)


@pytest.mark.parametrize("time", [None, 3])
def test_training_moves_what_has_a_time_and_a_network_never_sees_other_bands(time: int | None) -> None:
    class Looks(torch.nn.Module):
        """Remembers whether anything ever stood in another band than the first."""

        def __init__(self) -> None:
            super().__init__()
            self.head, self.elsewhere = torch.nn.Linear(36, 3), False

        def forward(self, sounds: Tensor) -> Tensor:
            self.elsewhere |= bool(sounds[:, :, 1:].any())
            return self.head(sounds.flatten(1))

    bands = np.zeros((32, 1, 6, 6), np.float32)
    bands[:, :, 0] = np.arange(6)
    module = Looks()
    fit(module, Kept({"input": bands}, np.zeros(32, int), time), None, Training(epochs=1), kind="class", seed=0)
    assert module.elsewhere == (time is None)


def net(seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tiny.conv_net()


def digest(module: torch.nn.Module) -> str:
    return digests.of_value({name: value.numpy().tobytes().hex() for name, value in module.state_dict().items()})


def test_training_is_repeatable_and_leaves_no_trace() -> None:
    how = Training(epochs=2, batch=32)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    modules = [net() for _ in range(3)]
    for module, seed in zip(modules, (5, 5, 6)):
        fit(module, FEED, ROWS.labels, how, kind="class", seed=seed)
        assert not module.training
        assert all(item.is_contiguous() for item in module.parameters())
    assert digest(modules[0]) == digest(modules[1]) != digest(modules[2])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_training_lowers_the_loss_and_learns_the_rows(trained: torch.nn.Module) -> None:
    labels = torch.from_numpy(ROWS.labels)
    before = float(losses.supervised("class", predict(net(), FEED), labels))
    after = float(losses.supervised("class", predict(trained, FEED), labels))
    assert after < before / 3
    assert float((predict(trained, FEED).argmax(1) == labels).float().mean()) > 0.95


def test_a_student_without_labels_learns_its_teacher(trained: torch.nn.Module) -> None:
    student, seen = net(3), []

    def teacher(*inputs: Tensor) -> Tensor:
        seen.append(len(inputs[0]))
        return trained(*inputs)

    steps: list[tuple[int, int]] = []
    how = Training(epochs=16, lr=0.01, batch=32, alpha=0.0)
    before = float(losses.distillation("class", "kl", predict(student, FEED), predict(trained, FEED), 2.0))
    fit(student, FEED, None, how, kind="class", seed=0, teacher=teacher, progress=lambda *step: steps.append(step))
    after = float(losses.distillation("class", "kl", predict(student, FEED), predict(trained, FEED), 2.0))
    assert after < before / 2
    assert seen == [32] * 3 * 16
    assert steps == [(step, 3 * 16) for step in range(1, 3 * 16 + 1)]


def test_the_labels_alone_never_ask_the_teacher() -> None:
    def teacher(*inputs: Tensor) -> Tensor:
        raise AssertionError("asked")

    fit(net(), FEED, ROWS.labels, Training(epochs=1, alpha=1.0), kind="class", seed=0, teacher=teacher)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_over_any_number_of_axes_train(axes: int) -> None:
    layer = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[axes - 1](1, 3, 2)
    module = torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(3 * 2**axes, 2))
    before = layer.weight.detach().clone()
    feed = {"input": np.random.default_rng(0).random((20, 1, *[3] * axes), np.float32)}
    fit(module, feed, np.arange(20) % 2, Training(epochs=1), kind="class", seed=0)
    assert not torch.equal(layer.weight, before)
    assert layer.weight.is_contiguous()


def test_fewer_rows_than_a_batch_still_train() -> None:
    module = net()
    before = copy.deepcopy(module.state_dict())
    fit(module, {"input": FEED["input"][:5]}, ROWS.labels[:5], Training(epochs=1, batch=64), kind="class", seed=0)
    assert not torch.equal(module.state_dict()["8.weight"], before["8.weight"])


def test_predict_answers_all_rows_in_order() -> None:
    module = net().eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(FEED["input"]))
    torch.testing.assert_close(predict(module, FEED, batch=7), expected, rtol=1e-5, atol=1e-6)


def test_the_nets_have_the_shapes_and_sizes_they_say() -> None:
    cnn = digits_cnn()
    assert cnn.eval()(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    # three convolutions without bias, three norms, one linear layer
    assert sum(item.numel() for item in cnn.parameters()) == 9 * 32 + 9 * 32 * 64 + 9 * 64 * 64 + 2 * (32 + 64 + 64) + 64 * 10 + 10
    assert mlp(5, 3)(torch.zeros(2, 5)).shape == (2, 3)
    assert sum(item.numel() for item in mlp(5, 3, hidden=(4,)).parameters()) == 5 * 4 + 4 + 4 * 3 + 3


@pytest.mark.parametrize("epochs", [1, 3, 9, 11])
def test_any_number_of_steps_trains(epochs: int) -> None:
    net = mlp(36, 3, (4,))
    feed = {"input": FEED["input"][:20].reshape(20, -1)}
    fit(net, feed, ROWS.labels[:20], Training(epochs=epochs, batch=64), kind="class", seed=0)


def test_images_with_channels_last_are_shifted_in_space_not_in_color() -> None:
    images = torch.zeros(8, 12, 12, 3)
    images[..., 0] = 1
    assert torch.equal(augment.shift(images, draw()), images)


def test_a_batch_norm_whose_statistics_never_follow_keeps_them_while_it_learns() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8, momentum=0.0), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    inputs = np.random.default_rng(0).normal(3.0, 2.0, (256, 4)).astype(np.float32)
    labels = (inputs[:, 0] > 3).astype(np.int64)
    fit(module, {"input": inputs}, labels, Training(epochs=60, lr=1e-2, batch=64, augment=False), kind="class", seed=0)
    with torch.inference_mode():
        assert (module(torch.from_numpy(inputs)).argmax(1).numpy() == labels).mean() > 0.95
