"""Encoders as sentence-transformers saves them, against their own way of answering."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.technique import Context
from paredown.encoders.tokens import make_text_encoder
from paredown.ground.store import FolderStore
from paredown.modelkit.blueprint import open_module
from paredown.modelkit.lower import to_onnx
from paredown.models.huggingface import Huggingface
from paredown.models.python import Python
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.text_embedding import TextEmbedding
from paredown.testing import tiny
from paredown.training.train import predict

UNIT = Huggingface()
ODD = ["LOST card", "pay money rate loan visit branch open hours", "?", "卡 丢了 pin", "card " * 60]


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(kind="huggingface", value=str(folder))


def scratch(path: Path) -> Path:
    path.mkdir()
    return path


def test_an_encoder_answers_with_vectors_as_its_folder_says(tmp_path: Path) -> None:
    folder = tiny.pretrained(tmp_path / "encoder")
    (folder / "1_Pooling").mkdir()
    names = ["Transformer", "Pooling", "Normalize"]
    paths = dict(zip(names, ("", "1_Pooling", "2_Normalize")))
    modules = [{"idx": at, "path": paths[name], "type": f"sentence_transformers.models.{name}"} for at, name in enumerate(names)]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', "utf-8")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 12}', "utf-8")
    before = UNIT.digest(spec(folder), folder)
    assert UNIT.width(spec(folder), folder) == 32
    candidate, context, _ = embedding(folder, tmp_path)
    assert candidate.note.startswith("A text's vector is the mean of its tokens, of length 1, as modules.json says; 12 tokens at most")
    assert context["max_length"] == 12
    module, blueprint = open_module(candidate, context["store"])
    assert blueprint.answers == "embeddings"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    asked = tokenizer(ODD, padding=True, truncation=True, max_length=12, return_tensors="pt")
    with torch.inference_mode():
        tokens, mask = model(**asked).last_hidden_state, asked["attention_mask"][:, :, None]
    want = torch.nn.functional.normalize((tokens * mask).sum(1) / mask.sum(1)).numpy()
    np.testing.assert_allclose(predict(module, context["encode"](ODD)).numpy(), want, atol=1e-5)
    assert not any("pooler" in name for name in module.state_dict())
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}', "utf-8")
    assert UNIT.digest(spec(folder), folder) != before


@pytest.mark.slow
def test_a_lowered_encoder_answers_as_its_module_does(tmp_path: Path) -> None:
    candidate, context, _ = embedding(tiny.pretrained(tmp_path / "encoder"), tmp_path)
    assert candidate.note.startswith("encoder has no modules.json")
    module, _ = open_module(candidate, context["store"])
    exported = to_onnx(candidate, context["store"], scratch(tmp_path / "lowered"))
    session = Onnxruntime().open(context["store"].folder(exported.digest), "graph.onnx", {"threads": 1})
    feed = context["encode"](ODD)
    np.testing.assert_allclose(session.run(feed)["embeddings"], predict(module, feed).numpy(), atol=1e-5)


def embedding(folder: Path, scratch: Path) -> tuple[Candidate, dict[str, Any], dict[str, Any]]:
    model, task = spec(folder), TextEmbedding()
    options = UNIT.preprocess(model, scratch, scratch)
    encoder = task.encoder(tiny.texts(), options)
    names = tuple(map(str, range(UNIT.width(model, scratch))))
    work = scratch / "work"
    work.mkdir()
    context = Context(
        data={"train": tiny.texts}, encode=make_text_encoder(encoder, scratch), decode=task.decoder(names, encoder),
        teacher=Candidate(digest="none", form="none"), ask=lambda feed: None, store=FolderStore(scratch / "store"), seed=0, threads=1,
        work=work,
    )  # fmt: skip
    encoder |= UNIT.limits(model, scratch, encoder, context)
    candidate = UNIT.prepare(model, scratch, dict.fromkeys(encoder["inputs"], ("tokens",)), len(names), context)
    encode = make_text_encoder(encoder, scratch)
    return candidate, {"store": context.store, "encode": encode, "max_length": encoder["max_length"]}, encoder


def test_a_model_with_a_head_is_taken_without_it(tmp_path: Path) -> None:
    candidate, context, _ = embedding(tiny.pretrained(tmp_path / "model", ("a", "b", "c")), tmp_path)
    module, _ = open_module(candidate, context["store"])
    assert predict(module, context["encode"](ODD)).shape == (5, 32)
    assert not any("classifier" in name for name in module.state_dict())


def test_a_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny.pretrained(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    save_file({name: value for name, value in weights.items() if "layer.1.output" not in name}, folder / "model.safetensors")
    with pytest.raises(BadModel, match=r"holds no weights for \d+ tensors of its own structure"):
        embedding(folder, tmp_path)


def test_a_module_of_ones_own_says_how_wide_it_answers(tmp_path: Path) -> None:
    given = ModelSpec(kind="python", value="my_net:build", options={"outputs": 384})
    assert Python().width(given, tmp_path) == Python().outputs(given, tmp_path) == 384
    assert Python().outputs(replace(given, options={}), tmp_path) == 0
    for wrong in (0, True, "many"):
        with pytest.raises(BadModel, match=r"`outputs: .*` is no whole number from 1 on\.\n  Write how many numbers my_net:build answers"):
            Python().outputs(replace(given, options={"outputs": wrong}), tmp_path)
