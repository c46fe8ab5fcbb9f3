from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders.tokens import make_text_encoder
from paredown.tasks.text_classification import TextClassification
from paredown.testing.contracts import check_task

TASK = TextClassification()
TEXTS = ("where is my card", "我的卡在哪里", "บัตรของฉันอยู่ที่ไหน", "أين بطاقتي", "カードはどこ", "é 🙂 7")
PAD = {"id": 3, "type_id": 0, "direction": "right"}
OPTIONS = {"tokenizer": "tokenizer.json", "max_length": 16, "pad": PAD}


def rows(*texts: Any) -> Rows:
    inputs = np.empty((len(texts), *((2,) if isinstance(texts[0], tuple) else ())), object)
    for at, text in enumerate(texts):
        inputs[at] = text
    return Rows(inputs=inputs, labels=np.arange(len(texts)) % 2, names=("no", "yes"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of bytes, so that every script is taken; 0 begins, 1 ends, 3 pads."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: at for at, word in enumerate(["<s>", "</s>", "<unk>", "<pad>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(words, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ends = [("<s>", 0), ("</s>", 1)]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", ends)
    made = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(made / "tokenizer.json"))
    return made


def encoder(folder: Path, given: Rows, **options: Any) -> Any:
    return make_text_encoder(TASK.encoder(given, OPTIONS | options), folder)


@pytest.mark.parametrize("given", [rows(*TEXTS), rows(*zip(TEXTS, reversed(TEXTS)))], ids=["texts", "pairs"])
def test_contract(given: Rows, folder: Path) -> None:
    check_task(TASK, given, OPTIONS, folder)


def test_rows_are_padded_to_the_longest_of_their_batch_and_cut_at_the_limit(folder: Path) -> None:
    encode = encoder(folder, rows(*TEXTS))
    feed = encode(["ab", "a", "a" * 99])
    assert [line.tolist() for line in feed["attention_mask"]] == [[1] * 4 + [0] * 12, [1] * 3 + [0] * 13, [1] * 16]
    assert feed["input_ids"][1].tolist() == [0, feed["input_ids"][0, 1], 1] + [3] * 13
    assert feed["input_ids"][2, 15] == 1
    assert encode("ab")["input_ids"].shape == (1, 4)
    assert encode(["ab", "a"])["input_ids"].shape == (2, 4)


def test_padding_may_stand_on_the_left(folder: Path) -> None:
    feed = encoder(folder, rows(*TEXTS), pad=PAD | {"direction": "left"})(["ab", "a"])
    assert feed["attention_mask"].tolist() == [[1, 1, 1, 1], [0, 1, 1, 1]]


def test_pairs_are_joined_and_told_apart(folder: Path) -> None:
    inputs = {"a": "ids", "b": "mask", "c": "types"}
    feed = encoder(folder, rows(("x", "yz"), ("x", "y")), inputs=inputs)(("x", "yz"))
    assert feed["c"].tolist() == [[0, 0, 0, 1, 1, 1]]
    assert list(feed) == ["a", "b", "c"]


def test_no_row_is_shorter_than_two_tokens(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    feed = encoder(tmp_path, rows("a"))("a")
    assert feed["input_ids"].tolist() == [[0, 3]]
    assert feed["attention_mask"].tolist() == [[1, 0]]


def test_texts_may_come_as_rows_or_columns(folder: Path) -> None:
    encode = encoder(folder, rows(*TEXTS), columns=["query"])
    expected = encode(["ab", "c"])["input_ids"].tolist()
    for form in (
        np.array(["ab", "c"]),
        np.array(["ab", "c"], object),
        ("ab", "c"),
        [{"query": "ab", "x": 1}, {"query": "c"}],
        {"query": ["ab", "c"]},
    ):
        assert encode(form)["input_ids"].tolist() == expected
    pair = encoder(folder, rows(("a", "b")), columns=["p", "q"])
    expected = pair([("a", "b"), ("c", "d")])["input_ids"].tolist()
    for form in (
        [["a", "b"], ["c", "d"]],
        np.array([["a", "b"], ["c", "d"]]),
        {"p": ["a", "c"], "q": ["b", "d"]},
        [{"p": "a", "q": "b"}, {"p": "c", "q": "d"}],
    ):
        assert pair(form)["input_ids"].tolist() == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "there is no text in the inputs; give one or more"),
        ([3], "row 0 is 3; it has to be a text"),
        (["a", None], "row 1 is None; it has to be a text"),
        ([{"text": "a"}], "row 0 lacks the column 'query'; it has text"),
        ({"text": ["a"]}, "the inputs lack the column 'query'; they have text"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row(folder: Path, given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encoder(folder, rows(*TEXTS), columns=["query"])(given)


def test_a_data_frame_is_read_by_its_columns(folder: Path) -> None:
    frame = pytest.importorskip("pandas").DataFrame({"x": [1, 2], "query": ["ab", "c"]})
    encode = encoder(folder, rows(*TEXTS), columns=["query"])
    assert encode(frame)["input_ids"].tolist() == encode(["ab", "c"])["input_ids"].tolist()
    with pytest.raises(ValueError, match="the inputs lack the column 'query'; they have x"):
        encode(frame[["x"]])


def test_columns_of_pairs_fit_together(folder: Path) -> None:
    encode = encoder(folder, rows(("a", "b")), columns=["p", "q"])
    with pytest.raises(ValueError, match="the inputs lack the column 'q'; they have p"):
        encode({"p": ["a"]})
    with pytest.raises(ValueError, match="the columns have different lengths: p 2, q 1"):
        encode({"p": ["a", "b"], "q": ["c"]})


def test_a_pair_has_two_texts(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"row 1 is \('a', 'b', 'c'\); it has to be a pair of texts"):
        encoder(folder, rows(("a", "b")))([("a", "b"), ("a", "b", "c")])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 3)), r"the inputs are an array \(2, 3\) of float64.\n  Such a task needs texts"),
        ({"a": np.array(["x"]), "b": np.array(["y"])}, "the inputs are the columns a, b.\n  Such a task needs texts; name their column"),
        (["a"], "the inputs are a list"),
        (np.array(["a", 3], object), "row 1 holds 3, which is no text"),
        (np.array(["a", " \u3000"], object), "row 1 holds an empty text"),
    ],
)
def test_rows_that_are_no_texts_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(BadData, match=message):
        TASK.check(Rows(inputs=inputs, labels=None))


def test_options_are_checked() -> None:
    with pytest.raises(UnknownName, match=r"no preprocess option 'max_len'. Did you mean 'max_length'?"):
        TASK.encoder(rows("a"), {"tokenizer": "t", "max_len": 3})
    with pytest.raises(BadData, match="texts need a tokenizer, and the model names none"):
        TASK.encoder(rows("a"), {})
    with pytest.raises(BadData, match=r"max_length is 2.\n  Give the most tokens of a row, a whole number from 4 on"):
        TASK.encoder(rows("a"), OPTIONS | {"max_length": 2})
    with pytest.raises(UnknownName, match="no role of an input 'tokens'"):
        TASK.encoder(rows("a"), OPTIONS | {"inputs": {"x": "tokens"}})
