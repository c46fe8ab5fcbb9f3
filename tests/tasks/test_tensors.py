"""Any arrays in, whatever the model says out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders.feed import make_encoder
from paredown.tasks.tensors import Tensors
from paredown.testing.contracts import check_task

DRAW = np.random.default_rng(0)
SOUND, STATE, AT = DRAW.normal(size=(6, 8)).astype(np.float32), DRAW.normal(size=(6, 2, 3)).astype(np.float32), np.arange(6)
TAKES = [{"input": "at", "numbers": "int32", "shape": ["n"]}, {"input": "sound", "numbers": "float32", "shape": ["n", 8]}]


def rows(inputs: Any) -> Rows:
    return Rows(inputs=inputs, labels=None, names=("0",))


@pytest.mark.parametrize("inputs", [SOUND, AT, {"sound": SOUND, "state": STATE, "at": AT}, {"on": SOUND > 0, "state": STATE}])
def test_contract(inputs: Any) -> None:
    check_task(Tensors(), rows(inputs))


def test_arrays_go_to_the_inputs_of_their_names_in_the_order_and_kind_of_the_model() -> None:
    task, given = Tensors(), rows({"sound": SOUND, "state": STATE, "at": AT})
    spec = task.encoder(given, {"takes": TAKES})
    assert spec["inputs"][0] == {"name": "at", "shape": [], "numbers": "int32", "low": 0, "high": 5}
    feed = make_encoder(spec)({"at": AT, "sound": SOUND})
    assert list(feed) == ["at", "sound"]
    assert feed["at"].dtype == np.int32
    assert task.left_out(spec, given) == ["The model does not take these arrays of the rows: state."]
    assert make_encoder(spec)([{"at": 1, "sound": SOUND[0].tolist()}])["at"].tolist() == [1]


def test_a_model_of_one_input_takes_one_array_under_any_name() -> None:
    spec = Tensors().encoder(rows(SOUND), {"takes": TAKES[1:]})
    for inputs in (SOUND, {"sound": SOUND}, {"whatever": SOUND}, SOUND.tolist(), [{"other": row} for row in SOUND]):
        np.testing.assert_array_equal(make_encoder(spec)(inputs)["sound"], SOUND)
    np.testing.assert_array_equal(make_encoder(spec)(SOUND[0])["sound"], SOUND[:1])


def test_made_up_rows_lie_between_the_ends_of_what_was_seen() -> None:
    task = Tensors()
    probe = task.probe(task.encoder(rows({"at": AT + 7, "same": np.full(6, 16000), "sound": SOUND}), {}), 3)
    assert len(probe) == 4
    assert all(7 <= row["at"] <= 12 and row["same"] == 16000 and SOUND.min() <= min(row["sound"]) for row in probe)
    assert len(task.probe({"inputs": [{"name": "x", "shape": [2000, 1000], "numbers": "float32", "low": 0.0, "high": 1.0}]}, 0)) == 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.array(["a"], object), "the inputs are of object with shape (1,).\n  Such a task needs arrays of numbers"),
        ({"a": SOUND, "b": np.array([["x"]] * 6, object)}, "the array 'b' is of object with shape (6, 1)."),
        ({"a": SOUND, "b": np.zeros((6, 0))}, "the array 'b' is of float64 with shape (6, 0)."),
        ([1], "the inputs are a list."),
        ({"a": SOUND, "b": np.where(SOUND > 2, np.inf, np.nan)}, "6 of 6 rows of the array 'b' hold NaN or infinite values, first row 0"),
    ],
)
def test_what_are_no_arrays_of_numbers_is_refused(inputs: Any, message: str) -> None:
    with pytest.raises(BadData, match=re.escape(message)):
        Tensors().check(rows(inputs))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"sound": SOUND, "state": STATE}, "the model takes 'at' (int32, shape ('n',)); the rows have the arrays sound, state."),
        (SOUND, "the model takes 'at' (int32, shape ('n',)); the rows have one array without a name."),
        ({"sound": SOUND, "at": AT + 0.5}, "the array 'at' holds 0.5 in row 0; the model takes whole numbers from -2147483648 to"),
    ],
)
def test_arrays_that_the_model_does_not_take_are_refused(inputs: Any, message: str) -> None:
    with pytest.raises(BadData, match=re.escape(message)):
        Tensors().encoder(rows(inputs), {"takes": TAKES})


def test_nothing_is_scaled() -> None:
    with pytest.raises(UnknownName, match=r"no preprocess option of the task tensors 'mean'"):
        Tensors().encoder(rows(SOUND), {"mean": 0.5})


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (SOUND, "the inputs are a ndarray; give a mapping from at, sound to arrays (N, ...), or a list of such."),
        ({"sound": SOUND}, "there is no array 'at'; the model takes at, sound."),
        ({"sound": SOUND, "at": AT[:2]}, "the arrays have different lengths: at 2, sound 6."),
        ({"sound": SOUND[:, :3], "at": AT}, "the inputs have shape (6, 3); one 'sound' row is (8,)"),
        ({"sound": SOUND, "at": AT / 2}, "the array 'at' holds 0.5 in row 1; the model takes whole numbers"),
        ({"sound": [["a"] * 8] * 6, "at": AT}, "the array 'sound' holds something else than numbers."),
    ],
)
def test_rows_that_cannot_be_fed_are_refused(inputs: Any, message: str) -> None:
    spec = Tensors().encoder(rows({"sound": SOUND, "at": AT}), {"takes": TAKES})
    with pytest.raises(ValueError, match=re.escape(message)):
        make_encoder(spec)(inputs)
