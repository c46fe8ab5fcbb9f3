"""A module from memory: the same again from its file, one fingerprint for one behaviour, nothing opened that was not sealed here."""

from __future__ import annotations

import pickle
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from paredown.core.errors import BadModel, Damaged
from paredown.modelkit import fingerprint, memory


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


SCALE = 2.0


def helped(x: torch.Tensor) -> torch.Tensor:
    return x * SCALE


class Tied(nn.Module):
    """Two layers with one weight, a buffer that is saved, one that is not, and a lambda."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.register_buffer("kept", torch.full((4,), 3.0))
        self.register_buffer("lost", torch.full((4,), 5.0), persistent=False)
        self.act = lambda x: torch.tanh(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return helped(self.second(self.act(self.first(x))) + self.kept + self.lost)


def frozen(model: nn.Module, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    patch.syspath_prepend(str(folder))
    return memory.freeze(model, folder)


def test_a_module_comes_back_with_tied_weights_and_what_is_in_no_state_dict(tmp_path: Path, monkeypatch) -> None:
    from safetensors.torch import load_file

    model = Tied()
    entry = frozen(model, tmp_path / "given", monkeypatch)
    again = memory.build(**entry)
    again.load_state_dict(load_file(tmp_path / "given" / memory.tensors_of(entry["fingerprint"])))
    assert again.second.weight is again.first.weight
    assert isinstance(again.first.weight, nn.Parameter)
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    assert np.array_equal(memory.logits(again, [rows]), memory.logits(model, [rows]))


def test_the_weights_are_not_in_the_file_of_code(tmp_path: Path, monkeypatch) -> None:
    entry = frozen(nn.Linear(500, 500), tmp_path / "given", monkeypatch)
    assert (tmp_path / "given" / memory.file_of(entry["fingerprint"])).stat().st_size < 5000


def test_a_module_that_lies_there_is_not_written_again(tmp_path: Path, monkeypatch) -> None:
    model = Tied()
    before = frozen(model, tmp_path / "given", monkeypatch)
    assert memory.freeze(model, tmp_path / "given") == before


def test_only_the_recorded_file_is_opened(tmp_path: Path, monkeypatch) -> None:
    entry = frozen(nn.Linear(4, 3), tmp_path / "given", monkeypatch)
    file = tmp_path / "given" / memory.file_of(entry["fingerprint"])
    with pytest.raises(Damaged, match=r"has the digest [0-9a-f]{16}; 0000 was recorded"):
        memory.build(entry["fingerprint"], "0000")
    file.write_bytes(pickle.dumps(nn.Linear(4, 3)))
    import hashlib

    with pytest.raises(Damaged, match=r"was not written by your paredown on this machine"):
        memory.build(entry["fingerprint"], hashlib.sha256(file.read_bytes()).hexdigest())
    file.unlink()
    with pytest.raises(Damaged, match=r"module-[0-9a-f]{16}\.pkl is gone from the study's folder"):
        memory.build(**entry)


def test_code_that_needs_what_is_not_installed_says_so(tmp_path: Path, monkeypatch) -> None:
    module = types.ModuleType("gone_package")
    module.__file__ = "/site-packages/gone_package.py"
    exec("import torch\nclass Layer(torch.nn.Linear):\n    pass\n", module.__dict__)
    monkeypatch.setitem(sys.modules, "gone_package", module)
    entry = frozen(module.Layer(4, 3), tmp_path / "given", monkeypatch)
    monkeypatch.delitem(sys.modules, "gone_package")
    with pytest.raises(BadModel, match=r"the model's code cannot be opened here: No module named 'gone_package'"):
        memory.build(**entry)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 3))
    model[0].lock = threading.Lock()
    with pytest.raises(BadModel, match=r"the attribute '0\.lock' \(lock\) cannot be written into the study: TypeError"):
        memory.freeze(model, tmp_path)
    lock = threading.Lock()

    class Locked(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with lock:
                return super().forward(x)

    with pytest.raises(BadModel, match=r"the class .*Locked of the model cannot be written"):
        memory.freeze(Locked(4, 3), tmp_path)


def test_what_is_around_a_module_is_taken_off() -> None:
    model = nn.Linear(4, 3)
    assert memory.unwrapped(nn.DataParallel(model)) is model
    assert memory.unwrapped(torch.compile(model, backend="eager")) is model


def test_nan_answers_are_counted() -> None:
    class Log(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.log()

    with pytest.raises(BadModel, match=r"NaN or infinite numbers in 1 of 2 rows that were tried, first in row 1"):
        memory.logits(Log(), [np.array([[1, 2], [3, -4]], np.float32)])


def local_net(text: str) -> nn.Module:
    """A module whose class comes from a text, as from a cell of a notebook."""
    space = {"nn": nn, "torch": torch, "__name__": "__main__"}
    exec(text, space)
    torch.manual_seed(0)
    return space["Net"]()


CELL = """
def twice(x):
    return x * 2

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.rate = 0.5

    def forward(self, x):
        for _ in range(2):
            x = twice(x) if x.dim() else x
        return self.layer(x) * self.rate
"""


def test_one_fingerprint_for_one_behaviour() -> None:
    first = fingerprint.of(local_net(CELL))
    assert fingerprint.of(local_net(CELL)) == first
    assert fingerprint.of(local_net("# a comment\n\n" + CELL.replace("return x * 2", "# why\n\n    return x * 2"))) == first
    assert fingerprint.of(local_net(CELL).eval()) == first
    assert fingerprint.of(local_net("import torch\n" + CELL)) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return x * 2", "return x * 3"),
        ("return x * 2", "return x + 2"),
        ("range(2)", "range(3)"),
        ("self.rate = 0.5", "self.rate = 0.25"),
        ("if x.dim() else x", "if not x.dim() else x"),
        ("nn.Linear(4, 3)", "nn.Linear(4, 3, bias=False)"),
        ("(nn.Module)", "(nn.Module, __import__('abc').ABC)"),
    ],
)
def test_another_behaviour_has_another_fingerprint(old: str, new: str) -> None:
    assert old in CELL
    assert fingerprint.of(local_net(CELL.replace(old, new))) != fingerprint.of(local_net(CELL))


def test_what_a_module_takes_from_another_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def helping(text: str) -> str:
        module = types.ModuleType("helping_layers")
        module.__file__ = str(tmp_path / "helping_layers.py")
        exec(compile(text, module.__file__, "exec"), vars(module))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return fingerprint.of(local_net("import helping_layers as other\n" + CELL.replace("twice(x) if", "other.twice(x) if")))

    first = helping("def twice(x):\n    return x * 2\n")
    assert helping("# a comment\ndef twice(x):\n    return x * 2\n\n\ndef unused():\n    pass\n") == first
    assert helping("def twice(x):\n    return x * 3\n") != first


def test_another_weight_has_another_fingerprint() -> None:
    model = local_net(CELL)
    first = fingerprint.of(model)
    model.layer.weight.data[0, 0] += 1e-6
    assert fingerprint.of(model) != first


def test_a_module_that_ends_in_softmax_is_taken_with_its_probabilities(tmp_path: Path, monkeypatch) -> None:
    from paredown.core.job import ModelSpec
    from paredown.modelkit.blueprint import open_module, read_blueprint
    from paredown.models.memory import Memory
    from paredown.testing import tiny

    model = nn.Sequential(tiny.mlp(), nn.Softmax(1))
    images = np.random.default_rng(0).normal(size=(5, 1, 6, 6)).astype(np.float32)
    shares = memory.logits(model, [images])
    entry = frozen(model, tmp_path / "given", monkeypatch)
    spec = ModelSpec(kind="memory", value=entry["fingerprint"], options={"sha256": entry["sha256"]})
    context = tiny.context(tmp_path / "study")
    made = Memory().prepare(spec, tmp_path / "given", {tiny.FEED: (1, 6, 6)}, 3, context)
    assert read_blueprint(context.store.folder(made.digest)).answers == "probabilities"
    with torch.no_grad():
        again = open_module(made, context.store)[0](torch.from_numpy(images)).softmax(1)
    np.testing.assert_allclose(again, shares, atol=1e-6)


def test_weights_that_are_computed_from_others_are_written_as_they_come_out() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 8)), nn.utils.parametrizations.spectral_norm(nn.Linear(8, 3)))
    for _ in range(3):
        model(torch.randn(2, 4))  # spectral_norm goes on with its estimate in training
    model.eval()
    plain = memory.unwrapped(model)
    rows = torch.randn(5, 4)
    assert torch.equal(plain(rows), model(rows))
    assert [type(layer) for layer in plain] == [nn.Linear, nn.Linear]
    assert nn.utils.parametrize.is_parametrized(model[0])
