"""A direction for each row: how far two are apart, and which documents are relevant to which queries."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.kinds.decode import answer, make_answerer, make_decoder, shape_of, width_of
from paredown.kinds.known import kind_of
from paredown.kinds.vector import NOTHING, Vector, directions, document, query, relevant

KIND = Vector()
DECODE = KIND.decoder(["0", "1", "2"])
WORDS = [document("x"), query("1", [("y", 2), ("x", 1)]), document("y"), query("2", [("y", 1)]), document("z")]


def test_vectors_are_answered_as_they_are() -> None:
    assert (width_of(DECODE), shape_of(DECODE), kind_of(DECODE).name) == (3, (3,), "vector")
    outputs = {"embeddings": np.array([[3.0, 0.0, 4.0], [0.0, 0.5, 0.0]], np.float32)}
    np.testing.assert_array_equal(make_decoder(DECODE)(outputs), outputs["embeddings"])
    assert answer(DECODE, [], make_decoder(DECODE)(outputs)) == make_answerer(DECODE, [])(outputs) == [[3.0, 0.0, 4.0], [0.0, 0.5, 0.0]]


def test_the_direction_counts_and_not_the_length() -> None:
    one = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    other = np.array([[5.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(KIND.credit(one, other), [1.0, 0.5, 0.0, 1.0])
    np.testing.assert_array_equal(KIND.changed(one, other), [False, True, True, False])
    assert KIND.moved(None, one, other) == {"distance": pytest.approx((0 + 0.5 + 1 + 0) / 4)}
    draw = np.random.default_rng(0)
    first, second = draw.normal(size=(2, 50, 8))
    cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    np.testing.assert_allclose(KIND.credit(first, second), (1 + cosine) / 2, rtol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(directions(first), axis=1), 1)


def test_targets_name_documents_by_number_and_what_is_relevant_by_grade() -> None:
    targets, names = KIND.targets(WORDS, "label", ["0", "1", "2"])
    assert names == ("0", "1", "2")
    np.testing.assert_array_equal(
        targets, [[0, -1, -1, -1, -1], [-1, 1, 2, 0, 1], [1, -1, -1, -1, -1], [-1, 1, 1, -1, -1], [2, -1, -1, -1, -1]]
    )
    np.testing.assert_array_equal(KIND.shared(targets), [True, False, True, False, True])
    np.testing.assert_array_equal(relevant(targets), [0, 1])
    np.testing.assert_array_equal(relevant(targets[3:]), [1])
    said = KIND.said(targets, np.zeros((5, 3)), names)
    assert said[0].startswith("a document; the model says 0, 0, 0")
    assert said[1].startswith("a query with 2 relevant documents")
    assert said[3].startswith("a query with 1 relevant document;")
    assert NOTHING == -1


@pytest.mark.parametrize("word", ["positive", "0.5", "\x1fa\x1fb"])
def test_labels_that_say_no_relevance_are_refused(word: str) -> None:
    with pytest.raises(
        BadData, match=r"the column 'label' holds '.*', which says nothing of what is near to what\.\n  .*`metric: agreement`"
    ):
        KIND.targets([*WORDS, word], "label")


def test_what_is_relevant_has_to_be_there() -> None:
    with pytest.raises(BadData, match=r"the document 'w' is relevant to the query '3' and is not there\.\n  Add it to the corpus"):
        KIND.targets([*WORDS, query("3", [("w", 1)])], "label")


def test_a_query_with_too_many_relevant_documents_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paredown.kinds.vector._MOST", 20)
    with pytest.raises(BadData, match=r"the query '1' has 2 relevant documents; among 5 rows there is room for 2 each"):
        KIND.targets(WORDS, "label")
