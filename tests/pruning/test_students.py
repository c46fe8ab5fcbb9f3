"""Students by share, by function and by folder; they learn from a teacher of any form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paredown.core.errors import NotTrusted, Unfit
from paredown.ground import trust
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import open_module, save_module, write_folder
from paredown.pruning import students
from paredown.techniques.distill import Distill
from paredown.testing import tiny


@pytest.fixture
def ours() -> Iterator[None]:
    """The word for functions of the tests, as `paredown apply` gives it for those of its recipe."""
    with trust.trusting(["paredown.testing.tiny:conv_net", "paredown.testing.tiny:mlp"]):
        yield


def test_a_share_takes_the_strongest_channels(tmp_path: Path) -> None:
    given = tiny.candidate("torch", tmp_path, "conv_net")
    module, blueprint, origin = students.make("half", given, tiny.context(tmp_path, teacher=given), 0)
    assert (module[0].out_channels, module[3].out_channels) in {(4, 6), (4, 8)}
    assert module(torch.zeros(2, 1, 6, 6)).shape == (2, 3)
    rebuilt = blueprint.build()
    assert [value.shape for value in rebuilt.state_dict().values()] == [value.shape for value in module.state_dict().values()]
    assert "4/8" in origin


@pytest.mark.usefixtures("ours")
def test_a_student_from_a_function_or_a_folder(tmp_path: Path) -> None:
    given = tiny.candidate("onnx", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    first, blueprint, origin = students.make("paredown.testing.tiny:conv_net", given, context, 1)
    again, _, _ = students.make("paredown.testing.tiny:conv_net", given, context, 1)
    other, _, _ = students.make("paredown.testing.tiny:conv_net", given, context, 2)
    assert torch.equal(first[0].weight, again[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert blueprint.inputs == {"input": [1, 6, 6]}
    assert origin == "student built by paredown.testing.tiny:conv_net."
    write_folder(first, blueprint, tmp_path / "mine")
    opened, _, origin = students.make(str(tmp_path / "mine"), given, context, 9)
    assert torch.equal(opened[0].weight, first[0].weight)
    assert origin == "student from mine."


def test_a_function_that_the_user_has_not_named_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe may come from the ledger of a study that somebody else has written."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "stranger.py").write_text(
        "import torch\n\nopen(__file__ + '.ran', 'w').close()\n\n\ndef net():\n    return torch.nn.Linear(36, 3)\n"
    )
    given = tiny.candidate("onnx", tmp_path)
    context = tiny.context(tmp_path, teacher=given)
    said = r"(?s)distill\(student='stranger:net'\): the model is built by 'stranger:net', .* not called\..*`--trust stranger:net`"
    with pytest.raises(NotTrusted, match=said):
        students.make("stranger:net", given, context, 1)
    assert not (tmp_path / "stranger.py.ran").exists()
    with trust.trusting(["stranger:net"]), suppress(Exception):  # what it builds does not matter here
        students.make("stranger:net", given, context, 1)
    assert (tmp_path / "stranger.py.ran").exists()


def test_a_student_that_is_not_there_is_unfit(tmp_path: Path) -> None:
    given = tiny.candidate("torch", tmp_path)
    said = r"no student 'tenth'; write one of half, third, quarter, .*, a `pkg\.mod:function`, or a folder with blueprint\.json"
    with pytest.raises(Unfit, match=said):
        students.make("tenth", given, tiny.context(tmp_path), 0)


def test_a_network_without_channels_has_no_narrower_student(tmp_path: Path) -> None:
    from paredown.modelkit.blueprint import Blueprint

    store = FolderStore(tmp_path / "store")
    blueprint = Blueprint(factory="modelkit_nets:silent", inputs={"input": (1, 6, 6)})
    given = save_module(blueprint.build(), blueprint, store, store.scratch())
    with pytest.raises(Unfit, match="no channels of this module can be cut, so that no narrower student can be made from it"):
        students.make("half", given, tiny.context(tmp_path), 0)


@pytest.mark.usefixtures("ours")
def test_a_black_box_teaches_through_its_answers(tmp_path: Path) -> None:
    given = tiny.candidate("onnx", tmp_path)
    asked: list[int] = []

    def ask(feed: dict[str, np.ndarray]) -> np.ndarray:
        asked.append(len(feed[tiny.FEED]))
        return tiny.logits(feed)

    context = replace(tiny.context(tmp_path, teacher=given), ask=ask)
    made = Distill(student="paredown.testing.tiny:mlp", epochs=90, lr=0.01, batch=32, alpha=0.0).apply(given, context)
    assert sum(asked) == 90 * 96
    module, _ = open_module(made, context.store)
    feed = tiny.encode(tiny.rows(60, 5).inputs)
    mine = module(torch.from_numpy(feed[tiny.FEED])).argmax(1).numpy()
    assert (mine == tiny.logits(feed).argmax(1)).mean() > 0.8
    assert "learned 90 epochs on 96 rows, last loss" in made.note


def test_unlabeled_rows_teach_when_the_labels_have_no_weight(tmp_path: Path) -> None:
    given = tiny.candidate("torch", tmp_path)
    whole = tiny.context(tmp_path, teacher=given)
    context = replace(whole, data={"unlabeled": lambda: replace(tiny.rows(40), labels=None)})
    made = Distill(epochs=1, alpha=0.0).apply(given, context)
    assert "on 40 rows" in made.note
    assert "on 40 rows" in Distill(epochs=1, alpha=0.5).apply(given, context).note, "without labels their weight is 0"
    with pytest.raises(Unfit, match=r"the job has no (train|unlabeled) data"):
        Distill(epochs=1, alpha=0.0).apply(given, replace(whole, data={}))


def test_a_pretrained_student_has_to_read_the_same_tokens(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    given = tiny.pretrained(tmp_path / "student", layers=1)
    transformers = pytest.importorskip("transformers")
    fast = transformers.AutoTokenizer.from_pretrained(given)

    def encode(texts: Any) -> dict[str, np.ndarray]:
        made = fast(list(texts), padding=True, return_tensors="np")
        return {name: made[name].astype(np.int64) for name in ("input_ids", "attention_mask")}

    context = replace(tiny.context(tmp_path / "context"), data={"train": tiny.texts}, encode=encode)
    module, blueprint, note = students.make(str(given), context.teacher, context, seed=0)
    assert module(*blueprint.example(2)).shape == (2, tiny.CLASSES)
    assert blueprint.inputs == {"input_ids": ["tokens"], "attention_mask": ["tokens"]}
    assert note == "student from the pretrained student."
    other = Tokenizer.from_file(str(given / "tokenizer.json"))
    other.normalizer = None
    other.save(str(given / "tokenizer.json"))
    shouted = replace(context, data={"train": lambda: replace(tiny.texts(), inputs=np.array(["CARD"] * 96, object))})
    with pytest.raises(Unfit, match="the student student reads other tokens than the model as given; a pretrained student needs the same"):
        students.make(str(given), context.teacher, shouted, seed=0)


def test_a_pretrained_student_is_for_texts_only(tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "config.json").write_text("{}")
    context = tiny.context(tmp_path / "context")
    with pytest.raises(Unfit, match="the student student is a pretrained model, which can be a student for texts only"):
        students.make(str(tmp_path / "student"), context.teacher, context, seed=0)
