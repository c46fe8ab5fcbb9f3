"""A part of a text: targets, answers, what differs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.kinds.decode import ABSENT, LONGEST, answer, best_spans, make_answerer, make_decoder
from paredown.kinds.known import kind_of
from paredown.kinds.spans import Spans, overlaps

DECODE = Spans().decoder(("begin", "end"), [5])


def said(*rows: tuple[int, int, int]) -> np.ndarray:
    """Logits (N, 2, 5) of texts with so many words, whose part is from one word to another."""
    out = np.full((len(rows), 2, 5), -ABSENT)
    for row, (words, first, last) in zip(out, rows):
        row[:, :words] = 0.0
        row[0, first] = row[1, last] = 6.0
    return out


def test_the_likeliest_part_begins_before_it_ends() -> None:
    outputs = {"span_logits": said((5, 1, 2), (3, 2, 2), (1, 0, 0))}
    answers = make_decoder(DECODE)(outputs)
    np.testing.assert_allclose(answers.sum(axis=2), 1.0)
    assert (answers[1, :, 3:] == 0).all()
    assert answer(DECODE, (), answers) == [[1, 2], [2, 2], [0, 0]] == make_answerer(DECODE, ("begin", "end"))(outputs)
    turned = make_decoder(DECODE)({"span_logits": said((5, 3, 1))})
    ends, sure = best_spans(turned)
    assert ends[0, 0] <= ends[0, 1]
    assert sure[0] < 0.1
    long = np.zeros((1, 2, LONGEST + 5))
    long[0, 0, 0] = long[0, 1, LONGEST] = 0.9
    long[0, 1, 3] = 0.1
    assert best_spans(long)[0].tolist() == [[0, 3]]


def test_a_part_is_right_by_its_words() -> None:
    kind = kind_of(DECODE)
    assert isinstance(kind, Spans)
    answers = make_decoder(DECODE)({"span_logits": said((5, 1, 2), (3, 2, 2), (5, 0, 3))})
    np.testing.assert_allclose(make_decoder(DECODE)({"span_logits": kind.undecoded(answers, DECODE)}), answers, atol=1e-6)
    rows = [
        {"text": [0, 1, 2, 3, 1], "parts": [[1, 2, [1, 2]]]},
        {"text": [1, 2, 3], "parts": [[0, 1, [1, 2]], [1, 2, [2, 3]]]},
        {"text": [0, 1, 2, 3, 1], "parts": [[1, 3, [1, 2, 3]]]},  # the first word does not count
    ]
    targets, names = kind.targets([json.dumps(row) for row in rows], "label")
    assert names == ("begin", "end")
    exact, f1 = overlaps(targets, answers)
    assert exact.tolist() == [1, 0, 1]
    np.testing.assert_allclose(f1, [1.0, 2 / 3, 1.0])
    np.testing.assert_array_equal(kind.credit(targets, answers), f1)
    np.testing.assert_array_equal(kind.goals(targets, DECODE), [[1, 2], [0, 1], [1, 3]])
    np.testing.assert_array_equal(kind.goals(targets, Spans().decoder((), [3])), [[1, 2], [0, 1], [1, -1]])
    np.testing.assert_array_equal(overlaps(kind.as_targets(answers), answers)[0], 1.0)
    assert kind.said(targets, answers, ())[1] == "words 1 to 2 are right; the model says 3 to 3"
    other = make_decoder(DECODE)({"span_logits": said((5, 1, 3), (3, 2, 2), (5, 0, 3))})
    assert kind.changed(answers, other).tolist() == [True, False, False]
    assert 0.1 < kind.moved(targets, answers, other)["distance"] < 0.2
    assert kind.blind(targets).startswith("always ")
    with pytest.raises(BadData, match=r"the column 'label' holds no parts of a text \(KeyError\)\.\n  Give rows in the format of SQuAD"):
        kind.targets(['{"text": []}'], "label")
