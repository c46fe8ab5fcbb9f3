"""A class for each word: targets, answers, what differs."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.rows import LISTED
from paredown.kinds.decode import ABSENT, answer, make_answerer, make_decoder, shape_of, width_of
from paredown.kinds.known import kind_of
from paredown.kinds.places import NOTHING, classes_at, sized
from paredown.kinds.tokens import Tokens

TAGS = ("O", "B-PER", "I-PER")
DECODE = Tokens().decoder(TAGS, [4])


def said(*rows: list[int]) -> np.ndarray:
    """Logits (N, 3, 4) whose largest are these classes; NOTHING is a word that the row does not have."""
    out = np.zeros((len(rows), 3, 4))
    for row, classes in zip(out, rows):
        for at, one in enumerate([*classes, *[NOTHING] * (4 - len(classes))]):
            row[0 if one == NOTHING else one, at] = ABSENT if one == NOTHING else 5.0
    return out


def listed(*tags: str) -> str:
    return "".join(LISTED + tag for tag in tags)


def test_words_that_a_row_lacks_have_no_probability_and_no_answer() -> None:
    assert (width_of(DECODE), shape_of(DECODE)) == (12, (3, 4))
    outputs = {"token_logits": said([1, 2, 0], [0])}
    answers = make_decoder(DECODE)(outputs)
    assert answers.shape == (2, 3, 4)
    np.testing.assert_allclose(answers.sum(axis=1), [[1, 1, 1, 0], [1, 0, 0, 0]])
    assert answer(DECODE, TAGS, answers) == [["B-PER", "I-PER", "O"], ["O"]] == make_answerer(DECODE, TAGS)(outputs)
    np.testing.assert_array_equal(make_decoder(DECODE)({"token_logits": outputs["token_logits"].reshape(2, 12)}), answers)
    with pytest.raises(ValueError, match=r"the model's output has shape \(2, 3, 3\); it has to be \(N, 12\)"):
        make_decoder(DECODE)({"token_logits": outputs["token_logits"][:, :, :3]})
    with pytest.raises(ValueError, match="holds NaN or infinite values in 1 of 2 rows, first in row 1"):
        make_decoder(DECODE)({"token_logits": np.where(np.arange(2)[:, None, None] == 1, np.nan, outputs["token_logits"])})


def test_the_kind_of_a_token_declaration_is_tokens() -> None:
    kind = kind_of(DECODE)
    assert isinstance(kind, Tokens)
    answers = make_decoder(DECODE)({"token_logits": said([1, 2, 0], [0])})
    np.testing.assert_allclose(make_decoder(DECODE)({"token_logits": kind.undecoded(answers, DECODE)}), answers, atol=1e-6)
    other = make_decoder(DECODE)({"token_logits": said([1, 2, 1], [0])})
    assert kind.changed(answers, other).tolist() == [True, False]
    assert 0.2 < kind.moved(None, answers, other)["distance"] < 0.25  # one of four words is another
    targets = kind.as_targets(answers)
    np.testing.assert_array_equal(targets, [[1, 2, 0, -1], [0, -1, -1, -1]])
    np.testing.assert_allclose(kind.credit(targets, other), [2 / 3, 1.0])
    assert kind.said(targets, other, TAGS) == ["word 3 is 'O', the model says 'B-PER'", "all tags are right"]
    sure = kind.sureness(answers)
    assert sure is not None
    np.testing.assert_allclose(sure, answers.max(), rtol=1e-12)  # of the least sure word; those that are not there do not count
    np.testing.assert_array_equal(kind.goals(np.array([[1, 2]]), DECODE), [[1, 2, -1, -1]])
    assert kind.blind(targets).startswith("always ")


def test_a_word_that_the_model_was_not_given_is_answered_wrongly() -> None:
    answers = make_decoder(DECODE)({"token_logits": said([1, 2, 0, 0])})
    targets = np.array([[1, 2, 0, 0, 0]])
    np.testing.assert_array_equal(classes_at(targets, answers), [[1, 2, 0, 0, -1]])
    assert Tokens().credit(targets, answers).tolist() == [0.8]
    assert Tokens().said(targets, answers, TAGS) == ["word 5 is 'O', the model says nothing"]
    np.testing.assert_array_equal(sized(np.ones((1, 2, 3)), (3, 2), 0), [[[1, 1], [1, 1], [0, 0]]])


def test_tags_are_sorted_by_what_they_are_of() -> None:
    targets, names = Tokens().targets([listed("B-b", "I-b", "O"), listed("B-a")], "tags")
    assert names == ("O", "B-a", "B-b", "I-b")
    np.testing.assert_array_equal(targets, [[2, 3, 0], [1, -1, -1]])
    targets, names = Tokens().targets([listed("2", "0")], "tags", TAGS)
    np.testing.assert_array_equal(targets, [[2, 0]])
    assert names == TAGS
    with pytest.raises(BadData, match=r"the column 'tags' has the tag 'B-x', which is not one of the 3 that are known \(O, B-PER, I-PER\)"):
        Tokens().targets([listed("O", "B-x")], "tags", TAGS)
    with pytest.raises(BadData, match=r"the column 'tags' has 1 tag \(O\)\.\n  Each row needs a list with one tag per word"):
        Tokens().targets([listed("O", "O")], "tags")
