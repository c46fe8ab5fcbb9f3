"""Outputs to answers, for each kind."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from paredown.kinds.decode import answer, decoding, make_answerer, make_decoder, sureness, width_of

SIGMOID = {"kind": "sigmoid", "output": "label_logits", "classes": 3}
VALUES = {"kind": "values", "output": "values", "width": 2}
SOFTMAX = {"kind": "softmax", "output": "logits", "classes": 3}


@given(arrays(np.float32, (4, 3), elements=st.floats(-500, 500, width=32)))
def test_softmax_is_stable_and_keeps_the_largest(logits):
    out = make_decoder(SOFTMAX)({"logits": logits})
    assert out.dtype == np.float64
    np.testing.assert_allclose(out.sum(1), 1)
    exact = np.array(
        [[1 / sum(np.exp(np.clip(np.float64(other) - np.float64(own), None, 700)) for other in row) for own in row] for row in logits]
    )
    np.testing.assert_allclose(out, exact, rtol=1e-9, atol=1e-300)


def test_probabilities_pass_and_the_only_output_needs_no_name():
    shares = np.array([[0.2, 0.3, 0.5]], np.float32)
    decode = make_decoder(SOFTMAX | {"kind": "probabilities"})
    np.testing.assert_allclose(decode({"anything": shares}), shares)


def test_the_fast_answer_is_the_slow_answer():
    logits = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    fast, decode = make_answerer(SOFTMAX, ["a", "b", "c"]), make_decoder(SOFTMAX)
    slow = answer(SOFTMAX, ["a", "b", "c"], decode({"logits": logits}))
    assert fast({"logits": logits}) == slow
    assert [fast({"logits": row[None]})[0] for row in logits] == slow
    assert set(slow) == {"a", "b", "c"}


def test_wrong_outputs_are_refused_with_what_was_found():
    decode = make_decoder(SOFTMAX)
    with pytest.raises(ValueError, match="no output 'logits'; it has a, b"):
        decode({"a": np.zeros((1, 3)), "b": np.zeros((1, 3))})
    with pytest.raises(ValueError, match=re.escape("shape (2, 4); it has to be (N, 3)")):
        decode({"logits": np.zeros((2, 4))})
    with pytest.raises(ValueError, match=re.escape("shape (2, 4); it has to be (N, 3)")):
        make_answerer(SOFTMAX, ["a", "b", "c"])({"logits": np.zeros((2, 4))})
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="NaN or infinite values in 1 of 3 rows, first in row 1"):
            decode({"logits": np.array([[0, 1, 2], [0, bad, 0], [1, 1, 1.0]])})


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(
        ValueError,
        match="decoder kind 'argmax' is not one of softmax, probabilities, sigmoid, label_probabilities, spans, logit, probability, values",
    ):
        make_decoder({"kind": "argmax", "output": "y", "classes": 2})


def test_each_label_has_a_probability_of_its_own():
    logits = np.array([[0.0, 800.0, -800.0]], np.float32)
    found = make_decoder(SIGMOID)({"label_logits": logits})
    np.testing.assert_allclose(found, [[0.5, 1.0, 0.0]])
    told = decoding(SIGMOID, ["label_probabilities"])
    assert told == {**SIGMOID, "kind": "label_probabilities", "output": "label_probabilities"}
    np.testing.assert_array_equal(make_decoder(told)({"label_probabilities": np.array([[1.0001, -0.0001, 0.3]])}), [[1.0, 0.0, 0.3]])
    assert answer(SIGMOID, ["a", "b", "c"], found) == make_answerer(SIGMOID, ["a", "b", "c"])({"label_logits": logits}) == [["a", "b"]]
    np.testing.assert_allclose(sureness(SIGMOID, np.array([[0.9, 0.2, 0.6], [0.5, 1.0, 1.0]])), [0.6, 0.5])


def test_numbers_come_back_in_the_unit_of_the_data():
    outputs = {"values": np.array([[1.0, -1.0], [0.0, 2.0]], np.float32)}
    np.testing.assert_array_equal(make_decoder(VALUES)(outputs), outputs["values"])
    scaled = VALUES | {"mean": [10.0, 0.0], "std": [2.0, 3.0]}
    np.testing.assert_array_equal(make_decoder(scaled)(outputs), [[12.0, -3.0], [10.0, 6.0]])
    assert make_answerer(scaled, ["a", "b"])(outputs) == [[12.0, -3.0], [10.0, 6.0]]
    one = {"kind": "values", "output": "values", "width": 1}
    assert make_answerer(one, ["a"])({"values": np.array([[1.5], [2.0]])}) == [1.5, 2.0]
    assert (width_of(VALUES), width_of(SIGMOID), decoding(VALUES, ["values"])) == (2, 3, VALUES)
    with pytest.raises(ValueError, match="NaN or infinite values in 1 of 1 rows"):
        make_answerer(one, ["a"])({"values": np.array([[np.nan]])})
