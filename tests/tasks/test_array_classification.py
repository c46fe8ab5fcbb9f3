"""Arrays are fed as they are."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders.feed import feed_shape, make_encoder
from paredown.tasks.array_classification import ArrayClassification
from paredown.testing.contracts import check_task

LABELS = np.arange(6) % 2


def rows(inputs: object) -> Rows:
    return Rows(inputs=inputs, labels=LABELS, names=("a", "b"))


@pytest.mark.parametrize("shape", [(3, 8, 8), (5,), (2, 3, 4, 5)])
def test_contract(shape: tuple[int, ...]) -> None:
    check_task(ArrayClassification(), rows(np.zeros((6, *shape), np.float32)))


def test_nothing_is_scaled_or_moved() -> None:
    images = np.random.default_rng(0).normal(100, 50, (6, 3, 4, 4)).astype(np.float32)
    spec = ArrayClassification().encoder(rows(images), {"input": "pixels"})
    assert feed_shape(spec) == (3, 4, 4)
    assert np.array_equal(make_encoder(spec)(images)["pixels"], images)
    with pytest.raises(ValueError, match=r"the inputs have shape \(6, 4, 4, 3\); one row is \(3, 4, 4\)"):
        make_encoder(spec)(images.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"a": np.zeros(6)}, "the inputs are a dict"),
        (np.zeros(6), r"an array \(6,\) of float64"),
        (np.where(np.eye(6) > 0, np.inf, 0)[:, :1], "1 of 6 rows hold NaN or infinite values, first row 0"),
    ],
)
def test_what_is_no_array_of_finite_numbers_is_refused(inputs: object, message: str) -> None:
    with pytest.raises(BadData, match=message):
        ArrayClassification().check(rows(inputs))


def test_an_option_that_scales_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"'scale'(.|\n)*Arrays are fed as they are"):
        ArrayClassification().encoder(rows(np.zeros((6, 2))), {"scale": 2})
