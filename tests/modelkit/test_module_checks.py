"""A module is the same thing, and is refused in the same words, whoever brings it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from paredown.core.errors import BadModel
from paredown.modelkit import memory
from paredown.modelkit.blueprint import open_module
from paredown.modelkit.module_checks import bare, refuse_unready, takes_more
from paredown.testing import tiny
from paredown.training.trainer import take_baseline

INPUTS = {tiny.FEED: (1, tiny.SIDE, tiny.SIDE)}


def half() -> nn.Module:
    """In another precision."""
    return tiny.mlp().half()


def lazy() -> nn.Module:
    """Without weights."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))


def wrapped() -> nn.Module:
    """In two wrappers."""
    return nn.DataParallel(torch.compile(tiny.mlp()))


def traced() -> nn.Module:
    """No Python any more."""
    return torch.jit.trace(tiny.mlp(), torch.zeros(1, 1, 6, 6))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (half, r"1\.weight is float16; the model as given is measured in float32\.\n  Give `model\.float\(\)`"),
        (lazy, r"weight has no numbers yet"),
        (traced, r"TorchScript module, whose code is not Python any more"),
    ],
)
def test_what_shrink_refuses_a_job_refuses(tmp_path: Path, factory, said: str) -> None:
    with pytest.raises(BadModel, match=said):
        memory.unwrapped(factory())
    with pytest.raises(BadModel, match=said):
        take_baseline(f"test_module_checks:{factory.__name__}", {}, INPUTS, 3, tiny.context(tmp_path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what torch.compile imports
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
def test_a_module_is_taken_out_of_its_wrappers_and_so_are_its_weights(tmp_path: Path, prefix: str) -> None:
    state = tiny.mlp().state_dict()
    save_file({f"{prefix}{name}": value for name, value in state.items()}, tmp_path / "w.safetensors")
    context = tiny.context(tmp_path / "study")
    module, _ = open_module(take_baseline("test_module_checks:wrapped", {}, INPUTS, 3, context, tmp_path / "w.safetensors"), context.store)
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert type(bare(wrapped())) is nn.Sequential


def test_tensors_are_looked_at() -> None:
    refuse_unready(tiny.mlp())
    with pytest.raises(BadModel, match="weight has no numbers yet"):
        refuse_unready(nn.Linear(2, 2, device="meta"))


def test_only_what_a_forward_needs_counts_as_an_input() -> None:
    class Net(nn.Module):
        def forward(self, x, z, scale=1.0, *more, flag=None):
            return x

    assert takes_more(Net(), 1) == "takes 2 inputs (x, z)"
    assert takes_more(Net(), 2) == ""
    assert takes_more(nn.Linear(2, 2), 1) == ""
    assert takes_more(nn.LSTM(2, 2), 1) == ""
