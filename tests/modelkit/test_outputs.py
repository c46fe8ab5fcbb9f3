"""All that a module answers with, as one tensor."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from paredown.core.errors import BadModel
from paredown.core.rows import Rows
from paredown.encoders.feed import feed_shapes, make_encoder
from paredown.kinds.decode import answer, make_decoder
from paredown.modelkit import outputs
from paredown.modelkit.blueprint import open_module
from paredown.modelkit.lower import to_onnx
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.runtimes.torch import Torch
from paredown.tasks.tensors import Tensors
from paredown.testing import tiny
from paredown.training import trainer


@dataclass
class Said:
    mean: Tensor
    maps: Tensor
    more: Any = None


class Two(nn.Module):
    """Takes a sound and a mask by these names, and answers with a dataclass, a tuple inside."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(8, 16), nn.Linear(16, 12)

    def forward(self, sound: Tensor, places: Tensor) -> Any:
        felt = self.two(self.one(sound).relu())
        scaled = felt * places.unsqueeze(1).to(felt.dtype)
        return Said(mean=felt.mean(1), maps=1000 * scaled.reshape(-1, 3, 4), more=(scaled, None))


class HiddenFirst(Two):
    def forward(self, sound: Tensor, places: Tensor) -> Any:
        return {"y": sound, "h": sound.reshape(1, len(sound), -1)}


def two() -> nn.Module:
    torch.manual_seed(0)
    return Two()


def hidden_first() -> nn.Module:
    return HiddenFirst()


def wordless() -> nn.Module:
    class Wordless(Two):
        def forward(self, sound: Tensor, places: Tensor) -> Any:
            return "none"

    return Wordless()


def test_tensors_are_named_by_where_they_stand() -> None:
    x, pair = torch.zeros(2, 3), namedtuple("pair", "left right")
    assert [*outputs.named(x)] == ["output"]
    assert [*outputs.named({"a": x, "b": (x, [x, None]), "c": 3.0})] == ["a", "b.0", "b.1.0"]
    assert [*outputs.named(pair(x, Said(x, x)))] == ["left", "right.mean", "right.maps"]


DRAW = np.random.default_rng(0)
ROWS = Rows(inputs={"places": np.arange(32) % 4, "sound": DRAW.normal(size=(32, 8)).astype(np.float32)}, labels=None, names=("0",))


def looked(factory: str, folder: Path) -> tuple[Any, Any]:
    """The encoder's declaration and a context that knows the outputs."""
    task = Tensors()
    encode = task.encoder(ROWS, {})
    context = replace(tiny.context(folder), data={"train": lambda: ROWS}, encode=make_encoder(encode), decode=task.decoder(("0",), encode))
    found = trainer.look(factory, {}, encode, context)
    encode = {**encode, "inputs": found["inputs"]}
    return encode, replace(context, encode=make_encoder(encode), decode=found["decode"])


def test_a_module_of_two_inputs_and_several_outputs_is_packed_and_exported(tmp_path: Path) -> None:
    encode, context = looked("test_outputs:two", tmp_path / "c")
    assert [entry["name"] for entry in encode["inputs"]] == ["sound", "places"]  # as its forward has them
    assert [(part["name"], part["shape"]) for part in context.decode["parts"]] == [("mean", []), ("maps", [3, 4]), ("more.0", [12])]
    given = trainer.take_baseline("test_outputs:two", {}, feed_shapes(encode), context.decode["width"], context)
    feed, decode = context.encode(ROWS.inputs), make_decoder(context.decode)
    with torch.inference_mode():
        wanted = two()(*(torch.from_numpy(array) for array in feed.values()))
    lowered = to_onnx(given, context.store, tmp_path / "work")
    for engine, candidate in ((Torch, given), (Onnxruntime, lowered)):
        out = tmp_path / engine.__name__
        out.mkdir()
        session = engine().open(out, engine().export(candidate, context.store, out)["file"], {"threads": 1})
        said = answer(context.decode, [], decode(session.run(feed)))
        session.close()
        np.testing.assert_allclose([row["maps"] for row in said], wanted.maps, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose([row["mean"] for row in said], wanted.mean, rtol=1e-3, atol=1e-5)


def test_what_learns_answers_in_units_of_the_spread(tmp_path: Path) -> None:
    encode, context = looked("test_outputs:two", tmp_path)
    given = trainer.take_baseline("test_outputs:two", {}, feed_shapes(encode), context.decode["width"], context)
    module, blueprint = open_module(given, context.store)
    assert len(blueprint.scales) == 3
    found = module(*(torch.from_numpy(array) for array in context.encode(ROWS.inputs).values())).detach()
    sizes = [1, 12, 12]
    powers = [float(((part - part.mean(0)) ** 2).sum(1).mean()) for part in found.split(sizes, dim=1)]
    assert max(powers) < 6 * min(powers)  # a thousand times larger is no longer so


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("hidden_first", r"answers 5 rows with 'h' of shape \(1, 5, 8\), whose first axis is not that of the rows\."),
        ("wordless", r"answers without a tensor\.\n  Return a tensor"),
    ],
)
def test_answers_that_cannot_be_parted_into_rows_are_refused(tmp_path: Path, factory: str, said: str) -> None:
    with pytest.raises(BadModel, match=said):
        looked(f"test_outputs:{factory}", tmp_path)


def test_rows_that_the_module_does_not_take_are_told() -> None:
    with pytest.raises(BadModel, match=r"net does not take these rows \(a \(2, 3\) of float32\): TypeError"):
        outputs.parts(two(), {"a": np.zeros((2, 3), np.float32)}, "net")
