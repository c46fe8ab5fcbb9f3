"""Where models come from: built in, built by a function, given as a graph; what cannot be used is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, UnknownName
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.modelkit.blueprint import open_module
from paredown.models.builtin import Builtin
from paredown.models.onnx import Onnx
from paredown.models.python import Python
from paredown.testing import tiny
from paredown.testing.contracts import check_model_source

INPUTS = {tiny.FEED: (1, tiny.SIDE, tiny.SIDE)}
QUICK = {"train": {"epochs": 1, "batch": 32}}


def spec(kind: str, value: str, **options: Any) -> ModelSpec:
    return ModelSpec(kind=kind, value=value, options=options)


def prepare(source: ModelSource, entry: ModelSpec, folder: Path, inputs: dict[str, tuple[int, ...]] = INPUTS) -> Candidate:
    return source.prepare(entry, folder, inputs, tiny.CLASSES, tiny.context(folder / "study"))


def test_builtin_contract(tmp_path: Path) -> None:
    made = check_model_source(Builtin(), spec("builtin", "digits-cnn", widths=[4, 4, 4], **QUICK), tmp_path, tmp_path / "scratch")
    assert made.form == "torch"


def test_python_contract(tmp_path: Path) -> None:
    check_model_source(Python(), spec("python", "paredown.testing.tiny:mlp"), tmp_path, tmp_path / "scratch")


def test_python_contract_with_training_and_arguments(tmp_path: Path) -> None:
    entry = spec("python", "paredown.testing.tiny:conv_net", arguments={"widths": [4, 6]}, **QUICK)
    assert check_model_source(Python(), entry, tmp_path, tmp_path / "scratch").parameters == 4 * 9 + 8 + 6 * 4 * 9 + 12 + 6 * 3 + 3


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    given = tiny.candidate("onnx", tmp_path / "made")
    return (tmp_path / "made" / "store" / given.digest / "graph.onnx").rename(tmp_path / "model.onnx")


def test_onnx_contract(tmp_path: Path, graph: Path) -> None:
    made = check_model_source(Onnx(), spec("onnx", "model.onnx"), tmp_path, tmp_path / "scratch")
    assert (made.form, made.parameters) == ("onnx", 36 * 16 + 16 + 16 * 3 + 3)


def test_builtin_refuses_unknown_names_and_wrong_inputs(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no builtin model 'digit-cnn'\. Did you mean 'digits-cnn'\?"):
        Builtin().digest(spec("builtin", "digit-cnn"), tmp_path)
    said = r"builtin 'mlp' takes inputs of 1 axes; the task feeds 'input' of shape \(1, 6, 6\)\."
    with pytest.raises(BadModel, match=said):
        prepare(Builtin(), spec("builtin", "mlp"), tmp_path / "a")
    with pytest.raises(BadModel, match=r"builtin 'mlp' takes one input; the task feeds 2: a, b\."):
        prepare(Builtin(), spec("builtin", "mlp"), tmp_path / "b", {"a": (3,), "b": (3,)})


def test_a_digest_follows_all_that_makes_the_model(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("one = 1\n")
    torch.save({}, tmp_path / "w.pt")
    entries = [
        spec("python", "nets:build"),
        spec("python", "nets:other"),
        spec("python", "nets:build", arguments={"depth": 3}),
        spec("python", "nets:build", weights="w.pt"),
    ]
    first = [Python().digest(entry, tmp_path) for entry in entries]
    assert len(set(first)) == 4
    (tmp_path / "nets.py").write_text("one = 2\n")
    (tmp_path / "w.pt").write_bytes(b"other")
    second = [Python().digest(entry, tmp_path) for entry in entries]
    assert not set(first) & set(second)


def test_a_digest_follows_every_module_that_is_imported_from_beside_the_job(tmp_path: Path) -> None:
    (tmp_path / "own" / "deep").mkdir(parents=True)
    (tmp_path / "nets.py").write_text("from own.parts import act\n\ndef build():\n    import late\n")
    for name, text in {"own/__init__.py": "", "own/parts.py": "from .deep import x\n", "own/deep/__init__.py": "", "late.py": ""}.items():
        (tmp_path / name).write_text(text)
    entry, seen = spec("python", "nets:build"), set[str]()
    for number, name in enumerate(["nets.py", "own/__init__.py", "own/parts.py", "own/deep/__init__.py", "late.py"], 1):
        seen.add(Python().digest(entry, tmp_path))
        assert len(seen) == number
        (tmp_path / name).write_text((tmp_path / name).read_text() + "one = 1\n")
    (tmp_path / "unused.py").write_text("")
    assert Python().digest(entry, tmp_path) not in seen


def test_a_model_whose_files_change_while_it_is_opened_is_refused_and_nothing_is_recorded(tmp_path: Path) -> None:
    from paredown.builder import work
    from paredown.builder.build_spec import BuildSpec

    module = tiny.mlp()
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    entry = spec("python", "paredown.testing.tiny:mlp", weights="w.safetensors")
    same = {"name": "x", "task": "array-classification", "encode": {"kind": "array", "input": "input", "shape": []}}
    places = {"store": str(tmp_path / "store"), "artifacts": "", "probe": "", "data": {}}
    build_spec = BuildSpec(decode=tiny.DECODE, labels=["a", "b", "c"], seed=0, threads=1, isa="", **same, **places).json()
    arguments = {"build_spec": build_spec, "spec": entry.__dict__, "folder": str(tmp_path), "inputs": INPUTS, "classes": 3}
    before = Python().digest(entry, tmp_path)
    assert work.baseline({}, digest=before, **arguments)["form"] == "torch"
    save_file({name: 2 * value for name, value in module.state_dict().items()}, tmp_path / "w.safetensors")
    with pytest.raises(BadModel, match=r"changed while it was opened: its digest was \w{16} and is \w{16}\.\n  Nothing was recorded"):
        work.baseline({}, digest=before, **arguments)


def test_weights_are_loaded_from_beside_the_job(tmp_path: Path) -> None:
    module = tiny.mlp()
    (tmp_path / "job").mkdir()
    save_file(module.state_dict(), tmp_path / "job" / "w.safetensors")
    context = tiny.context(tmp_path / "study")
    entry = spec("python", "paredown.testing.tiny:mlp", weights="w.safetensors")
    assert not Python().trains(entry)
    made = Python().prepare(entry, tmp_path / "job", INPUTS, 3, context)
    assert torch.equal(open_module(made, context.store)[0][1].weight, module[1].weight)


@pytest.mark.parametrize(("source", "entry"), [(Onnx(), spec("onnx", "lost.onnx")), (Python(), spec("python", "a:b", weights="lost.pt"))])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, source: ModelSource, entry: ModelSpec) -> None:
    with pytest.raises(BadModel, match=r"lost\.\w+ does not exist\.\n  `(onnx|weights):` names a .*file.*from the job file's folder on"):
        source.digest(entry, tmp_path)
    with pytest.raises(BadModel, match="does not exist"):
        prepare(source, entry, tmp_path)


def test_a_graph_has_to_fit_the_task(tmp_path: Path, graph: Path) -> None:
    entry = spec("onnx", "model.onnx")
    said = r"model\.onnx takes the inputs input: float \(.*1, 6, 6\); the task feeds a, b\.\n  Export it with one input, or with one column"
    with pytest.raises(BadModel, match=said):
        prepare(Onnx(), entry, tmp_path, {"a": (1, 6, 6), "b": (1, 6, 6)})
    with pytest.raises(BadModel, match=r"model\.onnx answers with 3 numbers per row; the data have 7 classes\."):
        Onnx().prepare(entry, tmp_path, INPUTS, 7, tiny.context(tmp_path / "b"))
    graph.write_bytes(b"not a graph")
    with pytest.raises(BadModel, match=r"model\.onnx is not a valid ONNX model: "):
        Onnx().prepare(entry, tmp_path, INPUTS, 3, tiny.context(tmp_path / "c"))


def test_a_graph_with_weights_among_its_inputs_is_taken(tmp_path: Path) -> None:
    held = onnx.numpy_helper.from_array(np.ones((6, 3), np.float32), "w")
    ends = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in (("input", 6), ("logits", 3))}
    old = helper.make_tensor_value_info("w", TensorProto.FLOAT, [6, 3])
    node = helper.make_node("MatMul", ["input", "w"], ["logits"])
    model = helper.make_graph([node], "old", [ends["input"], old], [ends["logits"]], [held])
    onnx.save(helper.make_model(model, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "old.onnx")
    made = prepare(Onnx(), spec("onnx", "old.onnx"), tmp_path, {"input": (6,)})
    assert made.parameters == 18


def test_memory_contract_and_what_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.modelkit import memory
    from paredown.models.memory import Memory

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.syspath_prepend(str(tmp_path))
    made = memory.freeze(tiny.mlp(), tmp_path)
    entry = spec("memory", made["fingerprint"], sha256=made["sha256"])
    check_model_source(Memory(), entry, tmp_path, tmp_path / "scratch")
    with pytest.raises(
        BadModel, match=r"`memory: [0-9a-f]{16}` stands with nothing; it needs `sha256`(.|\n)*Only `paredown\.shrink` writes"
    ):
        Memory().digest(spec("memory", made["fingerprint"]), tmp_path)
    with pytest.raises(BadModel, match=r"module-[0-9a-f]{16}\.safetensors does not exist"):
        Memory().prepare(entry, tmp_path / "elsewhere", INPUTS, tiny.CLASSES, tiny.context(tmp_path / "other"))
