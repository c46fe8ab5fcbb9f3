import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, UnknownName
from paredown.core.job import ModelSpec
from paredown.core.rows import Rows
from paredown.core.technique import Context
from paredown.encoders.tokens import WORDS, make_text_encoder
from paredown.graphs.graphs import GRAPH
from paredown.ground.store import FolderStore
from paredown.kinds.decode import ABSENT, width_of
from paredown.kinds.known import KINDS
from paredown.modelkit.blueprint import open_module
from paredown.modelkit.lower import to_onnx
from paredown.modelkit.tokenizer import encoding, numbers
from paredown.models.huggingface import Huggingface
from paredown.runtimes.onnxruntime import Onnxruntime
from paredown.tasks.question_answering import QuestionAnswering
from paredown.tasks.text_classification import TextClassification
from paredown.tasks.token_classification import TokenClassification
from paredown.testing import tiny
from paredown.training.train import predict

UNIT = Huggingface()
LABELS = tiny.texts(3).names
ODD = ["LOST card", "pay money rate loan visit branch open hours", "?", "卡 丢了 pin", "card " * 60]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.pretrained(tmp_path_factory.mktemp("trained"), LABELS)


def spec(folder: Path, **options: Any) -> ModelSpec:
    return ModelSpec(kind="huggingface", value=str(folder), options=options)


def prepared(
    model: ModelSpec, scratch: Path, classes: int = tiny.CLASSES, kind: str = "class"
) -> tuple[Candidate, Context, dict[str, Any]]:
    options = UNIT.preprocess(model, scratch, scratch)
    task = TokenClassification() if kind == "tokens" else TextClassification()
    spec = task.encoder(tiny.texts(), options)
    encode = make_text_encoder(spec, scratch)
    work = scratch / "work"
    work.mkdir()
    names = ("x",) * classes
    context = Context(
        data={"train": tiny.texts}, encode=encode,
        decode=task.decoder(names, spec) if kind == "tokens" else KINDS[kind].decoder(names), teacher=Candidate(digest="none", form="none"),
        ask=lambda feed: None, store=FolderStore(scratch / "store"), seed=0, threads=1, work=work,
    )  # fmt: skip
    shapes = dict.fromkeys(spec["inputs"], ("tokens",))
    return UNIT.prepare(model, scratch, shapes, width_of(context.decode), context), context, encode(ODD)


def original(folder: Path, texts: list[str]) -> np.ndarray:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits.numpy()


def test_the_module_answers_like_the_original_pipeline(given: Path, tmp_path: Path) -> None:
    candidate, context, feed = prepared(spec(given), tmp_path)
    module, blueprint = open_module(candidate, context.store)
    np.testing.assert_allclose(predict(module, feed, batch=2).numpy(), original(given, ODD), atol=1e-5)
    assert list(blueprint.inputs) == list(feed) == ["input_ids", "attention_mask"]
    assert candidate.parameters == sum(item.numel() for item in module.parameters())
    assert "id2label" not in json.dumps(blueprint.json())


def test_the_labels_are_the_models_own_unless_it_is_fine_tuned(given: Path) -> None:
    assert UNIT.labels(spec(given), given) == LABELS
    assert UNIT.labels(spec(given, finetune={}), given) == ()


def test_a_model_that_does_not_tell_texts_apart_is_not_fed_their_kinds(given: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(given, tmp_path / "given"))
    words, config = (json.loads((folder / name).read_text()) for name in ("tokenizer_config.json", "config.json"))
    words["model_input_names"] = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    assert "token_type_ids" in UNIT.preprocess(spec(folder), tmp_path, tmp_path)["inputs"]
    del config["type_vocab_size"]  # as those of DistilBERT, which often lie beside a tokenizer of BERT
    (folder / "config.json").write_text(json.dumps(config))
    assert [*UNIT.preprocess(spec(folder), tmp_path, tmp_path)["inputs"]] == ["input_ids", "attention_mask"]


def test_a_new_head_is_trained_by_the_job(tmp_path: Path) -> None:
    bare = tiny.pretrained(tmp_path / "bare")
    model = spec(bare, finetune={"epochs": 25, "lr": 3e-3, "batch": 16})
    assert UNIT.trains(model)
    candidate, context, _ = prepared(model, tmp_path)
    module, _ = open_module(candidate, context.store)
    fresh = tiny.texts(90, seed=5)
    answers = predict(module, context.encode(fresh.inputs)).argmax(1).numpy()
    assert (answers == fresh.labels).mean() > 0.8


def test_the_digest_follows_weights_tokenizer_and_options(given: Path, tmp_path: Path) -> None:
    digests = {UNIT.digest(spec(given), given), UNIT.digest(spec(given, finetune={"epochs": 1}), given)}
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        changed = shutil.copytree(given, tmp_path / name)
        (changed / name).write_bytes((given / name).read_bytes() + b" ")
        digests.add(UNIT.digest(spec(changed), given))
    assert len(digests) == 5
    assert UNIT.digest(spec(given), given) in digests


def test_the_digest_follows_every_file_that_opening_reads(given: Path, tmp_path: Path) -> None:
    """Shards under the names that an index gives them, an adapter, generation, templates; not what is only beside."""
    folder = shutil.copytree(given, tmp_path / "folder")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "part-one", "b": "sub/part.two", "c": "gone"}}')
    read = ["part-one", "sub/part.two", "generation_config.json", "chat_template.jinja", "additional_chat_templates/tool.jinja"]
    read += ["adapter_config.json", "spiece.model", "vocab.txt"]
    for name in [*read, "README.md", "training_args.bin"]:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    seen = {UNIT.digest(spec(folder), folder)}
    for number, name in enumerate(read, 2):
        (folder / name).write_text('{"changed": 1}')
        seen.add(UNIT.digest(spec(folder), folder))
        assert len(seen) == number
    (folder / "README.md").write_text("other")
    assert UNIT.digest(spec(folder), folder) in seen


def test_a_head_that_is_new_or_of_another_width_is_refused(given: Path, tmp_path: Path) -> None:
    bare = tiny.pretrained(tmp_path / "bare")
    with pytest.raises(BadModel, match=r"answers with 2 numbers per row; the data need 3.\n  Train a new head with `finetune: {}`"):
        prepared(spec(bare), tmp_path)
    two = tiny.pretrained(tmp_path / "two", num_labels=3)
    with pytest.raises(BadModel, match=r"has no trained head: classifier.bias, classifier.weight would be random"):
        prepared(spec(two), shutil.copytree(two, tmp_path / "other"))
    with pytest.raises(BadModel, match="answers with 3 numbers per row; the data need 4"):
        prepared(spec(given), shutil.copytree(given, tmp_path / "third"), classes=4)


def test_settings_of_the_training_are_checked(given: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"no setting of train 'epoch'. Did you mean 'epochs'?"):
        prepared(spec(given, finetune={"epoch": 1}), tmp_path)


def broken(given: Path, folder: Path, **config: Any) -> ModelSpec:
    shutil.copytree(given, folder)
    found = json.loads((given / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps({key: value for key, value in found.items() if value is not None}))
    return spec(folder)


def test_folders_that_hold_no_model_are_refused(given: Path, tmp_path: Path) -> None:
    cases = [
        (spec(tmp_path / "no" / "where"), r"no/where is no folder.\n  `huggingface:` names a folder with config.json"),
        (spec(tmp_path), "has no config.json.\n  Give the folder that `model.save_pretrained"),
        (
            broken(given, tmp_path / "code", auto_map={"AutoModel": "own.py"}),
            r"asks for code of its own \(`auto_map`\), which is never run",
        ),
        (broken(given, tmp_path / "kind", model_type=None), "names no `model_type`"),
    ]
    for model, message in cases:
        with pytest.raises(BadModel, match=message):
            UNIT.preprocess(model, tmp_path, tmp_path)
    (tmp_path / "code" / "config.json").write_text("{")
    with pytest.raises(BadModel, match=r"config.json cannot be read"):
        UNIT.labels(spec(tmp_path / "code"), tmp_path)
    (tmp_path / "kind" / "model.safetensors").unlink()
    with pytest.raises(BadModel, match=r"kind has no weights.\n  It needs model.safetensors"):
        UNIT.digest(spec(tmp_path / "kind"), tmp_path)


def test_weights_of_another_structure_are_refused(given: Path, tmp_path: Path) -> None:
    model = broken(given, tmp_path / "deep", num_hidden_layers=4)
    with pytest.raises(BadModel, match=r"holds no weights for 16 tensors of its own structure, first bert.encoder.layer.3"):
        prepared(model, tmp_path)
    (tmp_path / "deep" / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BadModel, match="deep cannot be opened as a classifier"):
        UNIT.prepare(model, tmp_path, {"input_ids": ("tokens",)}, 3, tiny.context(tmp_path / "again"))


def test_an_id_that_the_hub_does_not_give_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadModel, match="no-such/model is no folder beside the job file, and the hub did not give it: "):
        UNIT.digest(ModelSpec(kind="huggingface", value="no-such/model"), tmp_path)


def test_a_slow_tokenizer_and_one_without_padding_are_refused(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow:
        is_fast = False

    monkeypatch.setattr(transformers.PreTrainedTokenizerFast, "from_pretrained", lambda *_, **__: Slow())
    with pytest.raises(BadModel, match=r"the tokenizer Slow runs in Python only; an artifact needs the fast form, a tokenizer.json"):
        UNIT.preprocess(spec(given), tmp_path, tmp_path)
    monkeypatch.undo()
    bare = shutil.copytree(given, tmp_path / "bare")
    settings = json.loads((bare / "tokenizer_config.json").read_text())
    (bare / "tokenizer_config.json").write_text(json.dumps({key: value for key, value in settings.items() if key != "pad_token"}))
    with pytest.raises(BadModel, match="bare: the tokenizer has no token for padding"):
        UNIT.preprocess(spec(bare), tmp_path, tmp_path)
    (bare / "tokenizer.json").write_text("{}")
    with pytest.raises(BadModel, match="bare: the tokenizer cannot be opened"):
        UNIT.preprocess(spec(bare), tmp_path, tmp_path)


def test_a_tokenizer_may_be_named_beside_the_model(given: Path, tmp_path: Path) -> None:
    alone = UNIT.preprocess(spec(given, tokenizer=str(given / "tokenizer.json")), tmp_path, tmp_path)
    assert alone["pad"] == {"id": 0, "type_id": 0, "direction": "right"}
    with pytest.raises(BadModel, match="nothing holds no tokenizer"):
        UNIT.digest(spec(given, tokenizer="nothing"), tmp_path)
    (tmp_path / "words.json").write_text("{}")
    with pytest.raises(BadModel, match=r"words.json is no tokenizer"):
        UNIT.preprocess(spec(given, tokenizer="words.json"), tmp_path, tmp_path)


def test_a_tokenizer_that_is_whole_is_read_as_it_is_whatever_class_the_model_s_kind_has(given: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(given, tmp_path / "given"))
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "qwen2"}
    (folder / "config.json").write_text(json.dumps(config))
    settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"tokenizer_class": "TokenizersBackend"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    wanted = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("lost card").ids
    (tmp_path / "work").mkdir()
    encoding(folder, tmp_path / "work")
    assert numbers(folder, ["lost card"]) == [wanted]
    assert Tokenizer.from_file(str(tmp_path / "work" / "tokenizer.json")).encode("lost card").ids == wanted


def test_a_model_that_takes_one_number_of_tokens_gets_rows_of_that_length(tmp_path: Path) -> None:
    folder = tiny.pretrained(tmp_path / "given", LABELS)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "max_position_embeddings": 64}
    config = transformers.NystromformerConfig(**sizes, vocab_size=64, num_landmarks=4, segment_means_seq_len=16, num_labels=3)
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    encode = TextClassification().encoder(tiny.texts(), UNIT.preprocess(spec(folder), tmp_path, tmp_path))
    context = tiny.context(tmp_path / "study")
    assert UNIT.limits(spec(folder), tmp_path, encode, context) == {"length": 16, "max_length": 16}
    (tmp_path / "bert").mkdir()
    other = tiny.pretrained(tmp_path / "bert", LABELS)
    assert (
        UNIT.limits(
            spec(other), tmp_path, TextClassification().encoder(tiny.texts(), UNIT.preprocess(spec(other), tmp_path, tmp_path)), context
        )
        == {}
    )


def scratch(folder: Path) -> Path:
    folder.mkdir()
    return folder


def with_head(given: Path, folder: Path, **said: Any) -> ModelSpec:
    """The same model with a head of another kind, trained or not, as transformers saves it."""
    wanted = len(said.get("id2label", "abc"))
    config = transformers.AutoConfig.from_pretrained(given, **said, num_labels=wanted)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.AutoModelForSequenceClassification.from_pretrained(given, config=config, ignore_mismatched_sizes=True).save_pretrained(
            folder
        )
    for file in given.iterdir():
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    return spec(folder)


@pytest.mark.parametrize(
    ("said", "kind", "output"),
    [
        ({"problem_type": "regression", "id2label": {0: "score"}}, "numbers", "values"),
        ({"problem_type": "multi_label_classification"}, "labels", "label_logits"),
    ],
)
def test_a_head_of_another_kind_is_taken_where_the_task_asks_for_it(given: Path, tmp_path: Path, said: Any, kind: str, output: str) -> None:
    model = with_head(given, tmp_path / "head", **said)
    width = len(said.get("id2label", "abc"))
    candidate, context, feed = prepared(model, scratch(tmp_path / "fine"), width, kind)
    module, blueprint = open_module(candidate, context.store)
    assert blueprint.answers == output
    np.testing.assert_allclose(predict(module, feed).numpy(), original(tmp_path / "head", ODD), atol=1e-5)
    with pytest.raises(BadModel, match=r"(says `problem_type: \w+`|has one label, 'score'): \S+, .*; a classification answers"):
        prepared(model, scratch(tmp_path / "one"), width, "class")
    other = "labels" if kind == "numbers" else "numbers"
    with pytest.raises(BadModel, match=r"says `problem_type: \w+`; the task's answers are (labels|numbers)\.\n  Name the task"):
        prepared(model, scratch(tmp_path / "other"), width, other)


def test_a_head_for_each_token_answers_for_each_word(given: Path, tmp_path: Path) -> None:
    folder = tmp_path / "head"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.AutoModelForTokenClassification.from_pretrained(given).save_pretrained(folder)
    for file in given.iterdir():
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    candidate, context, feed = prepared(spec(folder), scratch(tmp_path / "fine"), kind="tokens")
    module, blueprint = open_module(candidate, context.store)
    assert blueprint.answers == "token_logits"
    found = predict(module, feed).numpy().reshape(len(ODD), 3, -1)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        fed = {name: torch.from_numpy(array) for name, array in feed.items() if name != WORDS}
        by_token = model(**fed).logits.numpy()
    for row, places in enumerate(feed[WORDS]):
        words = min(max(places), found.shape[2])  # those behind the longest of train have no answer
        np.testing.assert_allclose(found[row, :, :words].T, by_token[row, (places > 0) & (places <= words)], atol=1e-5)
        assert (found[row, 0, words:] == ABSENT).all()
        assert (found[row, 1:, words:] == 0).all()
    with pytest.raises(BadModel, match=r"says `architectures: \S+`: token classification, each word has a class; a classification answers"):
        prepared(spec(folder), scratch(tmp_path / "one"))
    exported = to_onnx(candidate, context.store, scratch(tmp_path / "lowered"))
    session = Onnxruntime().open(context.store.folder(exported.digest), GRAPH, {"threads": 1})
    np.testing.assert_allclose(session.run(feed)["token_logits"], found, atol=1e-4)


def test_a_head_that_answers_questions_says_where_the_answer_begins_and_ends(given: Path, tmp_path: Path) -> None:
    folder = tmp_path / "head"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        transformers.AutoModelForQuestionAnswering.from_pretrained(given, num_labels=2).save_pretrained(folder)
    for file in given.iterdir():
        if not (folder / file.name).exists():
            shutil.copy(file, folder)
    pairs = np.array([["where card", "pay  money rate"], ["open?", "loan visit branch open hours pin lost"]], object)
    task, scratch_folder = QuestionAnswering(), scratch(tmp_path / "fine")
    encode_spec = task.encoder(Rows(inputs=pairs, labels=None), UNIT.preprocess(spec(folder), scratch_folder, scratch_folder))
    encode = make_text_encoder(encode_spec, scratch_folder)
    decode = task.decoder(("begin", "end"), encode_spec)
    (work := scratch_folder / "work").mkdir()
    context = Context(
        data={}, encode=encode, decode=decode, teacher=Candidate(digest="none", form="none"), ask=lambda feed: None,
        store=FolderStore(scratch_folder / "store"), seed=0, threads=1, work=work,
    )  # fmt: skip
    shapes = dict.fromkeys(encode_spec["inputs"], ("tokens",))
    candidate = UNIT.prepare(spec(folder), scratch_folder, shapes, width_of(decode), context)
    module, _ = open_module(candidate, context.store)
    feed = encode(pairs)
    found = predict(module, feed).numpy().reshape(2, 2, -1)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    with torch.inference_mode():
        said = model(**{name: torch.from_numpy(array) for name, array in feed.items() if not name.startswith("word_")})
    for row, words in enumerate((3, 7)):
        np.testing.assert_allclose(found[row, 0, :words], said.start_logits[row].numpy()[feed["word_places"][row] > 0], atol=1e-5)
        np.testing.assert_allclose(found[row, 1, :words], said.end_logits[row].numpy()[feed["word_ends"][row] > 0], atol=1e-5)
        assert (found[row, :, words:] == -ABSENT).all()
    np.testing.assert_array_equal(np.sort(feed["word_ends"][1])[-7:], range(1, 8))
    with pytest.raises(BadModel, match=r"says `architectures: \S+`: question answering, the answer is a part of the text"):
        prepared(spec(folder), scratch(tmp_path / "one"))
