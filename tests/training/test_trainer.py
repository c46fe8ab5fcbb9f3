"""Baselines come from weights that can be read safely, or are trained; everything else is refused with the way out."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from paredown.core.errors import BadModel, Unfit, UnknownName
from paredown.modelkit.blueprint import open_module
from paredown.testing import tiny
from paredown.training.trainer import take_baseline, train_baseline

FACTORY = "paredown.testing.tiny:conv_net"
INPUTS = {tiny.FEED: (1, tiny.SIDE, tiny.SIDE)}


@pytest.fixture
def state(trained: torch.nn.Module) -> dict[str, torch.Tensor]:
    return dict(trained.state_dict())


def take(tmp_path: Path, weights: Path | None, factory: str = FACTORY) -> torch.nn.Module:
    context = tiny.context(tmp_path / "study")
    return open_module(take_baseline(factory, {}, INPUTS, 3, context, weights), context.store)[0]


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.bin"])
def test_weights_are_read(tmp_path: Path, name: str, state: dict[str, torch.Tensor]) -> None:
    (save_file if name.endswith(".safetensors") else torch.save)(state, tmp_path / name)
    module = take(tmp_path, tmp_path / name)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


class Trap:
    """Would run code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (Trap.target, "w"))

    target = ""


def test_pickled_modules_are_refused_and_not_run(tmp_path: Path, trained: torch.nn.Module) -> None:
    said = r"(?s)w\.pt cannot be read as weights: .*Pickled modules are refused\. Save with `safetensors\.torch\.save_file\("
    torch.save(trained, tmp_path / "w.pt")
    with pytest.raises(BadModel, match=said):
        take(tmp_path / "a", tmp_path / "w.pt")
    Trap.target = str(tmp_path / "trapped")
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BadModel, match=said):
        take(tmp_path / "b", tmp_path / "w.pt")
    torch.save({"a": Trap()}, tmp_path / "w.pt")
    with pytest.raises(BadModel, match=said):
        take(tmp_path / "c", tmp_path / "w.pt")
    assert not (tmp_path / "trapped").exists()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state | {"8.weight": torch.zeros(5, 12)}, tmp_path / "wide.safetensors")
    with pytest.raises(BadModel, match=r"(?s)wide\.safetensors does not fit the module: .*8\.weight.*\[5, 12\].*\[3, 12\]"):
        take(tmp_path / "a", tmp_path / "wide.safetensors")
    torch.save({"8.weight": state["8.weight"]}, tmp_path / "few.pt")
    with pytest.raises(BadModel, match=r"(?s)few\.pt does not fit the module: .*Missing key.*0\.weight"):
        take(tmp_path / "b", tmp_path / "few.pt")
    torch.save(torch.zeros(3), tmp_path / "one.pt")
    with pytest.raises(BadModel, match=r"one\.pt holds a Tensor; it must hold a state dict \(name -> tensor\)\."):
        take(tmp_path / "c", tmp_path / "one.pt")


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("modelkit_nets:silent", r"modelkit_nets:silent answers a batch of 2 with \(2,\); it must be logits of shape \(2, 3\)\."),
        ("modelkit_nets:alone", r"modelkit_nets:alone answers with 1 number per row, and the labels have 3 values: regression, the answer"),
        ("modelkit_nets:stubborn", r"modelkit_nets:stubborn cannot take the task's feed \(input \(1, 6, 6\)\): RuntimeError: not today"),
    ],
)
def test_a_module_that_does_not_answer_logits_is_refused(tmp_path: Path, factory: str, message: str) -> None:
    with pytest.raises(BadModel, match=message):
        take(tmp_path, None, factory)


def test_training_starts_from_the_weights_and_learns(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    context = tiny.context(tmp_path / "study")
    made = train_baseline(FACTORY, {}, INPUTS, 3, {"epochs": 12, "lr": 0.01, "batch": 32}, context)
    module, _ = open_module(made, context.store)
    rows = tiny.rows(48, 9)
    answers = module(torch.from_numpy(tiny.encode(rows.inputs)[tiny.FEED])).argmax(1).numpy()
    assert (answers == rows.labels).mean() > 0.9
    save_file(state, tmp_path / "w.safetensors")
    still = train_baseline(FACTORY, {}, INPUTS, 3, {"epochs": 1, "lr": 1e-9}, context, weights=tmp_path / "w.safetensors")
    module, _ = open_module(still, context.store)
    torch.testing.assert_close(module[8].weight, state["8.weight"], rtol=1e-5, atol=1e-6)


def test_a_setting_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no setting of train 'epoch'\. Did you mean 'epochs'\?"):
        train_baseline(FACTORY, {}, INPUTS, 3, {"epoch": 3}, tiny.context(tmp_path))


def test_training_without_rows_is_unfit(tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(Unfit, match="the job has no train data"):
        train_baseline(FACTORY, {}, INPUTS, 3, {"epochs": 1}, replace(tiny.context(tmp_path), data={}))


def test_diverged_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="holds NaN or infinite numbers after this step; a lower learning rate is the usual way out"):
        train_baseline(FACTORY, {}, INPUTS, 3, {"epochs": 3, "lr": 1e30}, tiny.context(tmp_path))
