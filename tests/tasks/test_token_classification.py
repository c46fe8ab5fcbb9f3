"""The place of each word among the tokens, and the encoder that says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders.tokens import WORDS, make_text_encoder, word_places
from paredown.tasks.token_classification import TokenClassification
from paredown.testing.contracts import check_task

TASK = TokenClassification()
OPTIONS = {"tokenizer": "tokenizer.json", "max_length": 24, "pad": {"id": 3, "type_id": 0, "direction": "right"}}
TEXTS = ("Ada Lovelace wrote .", "我的 卡 在", "é 🙂 \u200b 7", "a b c d e f g h i j k l m n o p q r s t u v w x y z")


def rows(*texts: str) -> Rows:
    sizes = [len(text.split()) for text in texts]
    labels = np.full((len(texts), max(sizes)), -1, np.int64)
    for row, size in zip(labels, sizes):
        row[:size] = np.arange(size) % 3
    return Rows(inputs=np.array(texts, object), labels=labels, names=("O", "B-x", "I-x"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of bytes that puts a space before words, as RoBERTa's does, and drops what has no width."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({word: at for at, word in enumerate(["<s>", "</s>", "<unk>", "<pad>", *alphabet])}, []))
    tokenizer.normalizer = normalizers.Replace("\u200b", "")
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", [("<s>", 0), ("</s>", 1)])
    made = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(made / "tokenizer.json"))
    return made


def test_contract(folder: Path) -> None:
    check_task(TASK, rows(*TEXTS), OPTIONS, folder)


def places(folder: Path, text: str, **options: Any) -> list[int]:
    encode = make_text_encoder(TASK.encoder(rows(*TEXTS), OPTIONS | options), folder)
    return [int(place) for place in encode([text])[WORDS][0] if place]


def test_each_word_has_its_place_at_its_first_token(folder: Path) -> None:
    assert places(folder, "Ada wrote .") == [1, 2, 3]
    assert places(folder, "  é\t🙂  7 ") == [1, 2, 3]
    assert places(folder, "a \u200b b") == [1, 3]  # of the second the tokenizer leaves nothing
    assert places(folder, TEXTS[3]) == [*range(1, 12)]  # 24 tokens hold two ends and no more words than these
    spec = TASK.encoder(rows(*TEXTS), OPTIONS)
    assert spec["words"] == 24
    assert spec["inputs"][WORDS] == "words"
    assert TASK.decoder(("O", "B-x", "I-x"), spec) == {"kind": "softmax", "output": "token_logits", "classes": 3, "size": [24]}
    encode = make_text_encoder(spec, folder)
    batch = encode(["Ada wrote .", ["Ada", "wrote"]])[WORDS]
    np.testing.assert_array_equal(batch[0], encode("Ada wrote .")[WORDS][0])
    assert sorted({*batch[1].tolist()}) == [0, 1, 2]
    assert word_places("ab cd", [(0, 0), (0, 1), (1, 2), (2, 4), (4, 5), (0, 0)]) == [0, 1, 0, 2, 0, 0]
    left = make_text_encoder(spec | {"pad": {"id": 3, "type_id": 0, "direction": "left"}}, folder)(["a b", "a b c d"])[WORDS]
    assert [row[row > 0].tolist() for row in left] == [[1, 2], [1, 2, 3, 4]]
    assert left[0, :3].tolist() == [0, 0, 0]


def test_what_does_not_fit_is_refused(folder: Path) -> None:
    wrong = rows("a b", "a b c")
    wrong.labels[0, 2] = 1
    with pytest.raises(BadData, match=r"row 0 has 3 tags for 2 words between spaces: 'a b'\.\n  Give one tag per word"):
        TASK.refuse_misfits(wrong)
    TASK.refuse_misfits(rows("a b", "a b c"))
    with pytest.raises(BadData, match=r"preprocess: words is 0\.\n  Give the most words of a row"):
        TASK.encoder(rows(*TEXTS), OPTIONS | {"words": 0})
    pairs = Rows(inputs=np.array([("a", "b")], object), labels=None)
    with pytest.raises(BadData, match="the rows are pairs of texts"):
        TASK.encoder(pairs, OPTIONS)
