import json
import math

import numpy as np
import pytest

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders.feed import feed_shapes, make_encoder, shared_rows
from paredown.rows.windows import Places, Windows
from paredown.tasks.series_forecasting import SeriesForecasting
from paredown.testing.contracts import check_task

W = 4


def rows(missing=(), names=("y +1",), count=60) -> Rows:
    draw = np.random.default_rng(0)
    y = draw.normal(5, 2, count + W).astype(np.float32)
    y[list(missing)] = np.nan
    wind = np.array([("N", "S")[at % 2] for at in range(count + W)], object)
    places = Places(np.arange(count), W)
    inputs = {"y": Windows(y, places), "wind": Windows(wind, places)}
    return Rows(inputs=inputs, labels=draw.normal(size=(count, len(names))), names=names)


def test_contract() -> None:
    check_task(SeriesForecasting(), rows(missing=(3, 9), names=("y +1", "y +6")), {"mask": True, "missing": ["NA"]})


def test_each_step_is_encoded_as_a_row_of_a_table() -> None:
    made = rows()
    encoder = SeriesForecasting().encoder(made, {})
    assert feed_shapes(encoder) == {"input": (W, 3)}
    y = made.inputs["y"].covered().astype(np.float64)
    fed = make_encoder(encoder)(made.take(slice(0, 5)).inputs)["input"]
    np.testing.assert_allclose(fed[2, :, 0], (y[2 : 2 + W] - y[:63].mean()) / y[:63].std(), rtol=1e-5)
    assert fed[2, :, 1].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(("fill", "wanted"), [("last", [math.nan, 2, 2, 3]), ("mean", [math.nan, 2, math.nan, 3])])
def test_a_missing_number_is_the_last_one_in_its_window(fill: str, wanted: list[float]) -> None:
    encoder = SeriesForecasting().encoder(rows(missing=(5,)), {"fill": fill, "mask": True, "standardize": False, "missing": ["NA"]})
    [column, _] = encoder["columns"]
    window = {"y": ["NA", "2", None, 3], "wind": ["N", "S", "", "W"]}
    fed = make_encoder(encoder)([window])["input"][0]
    np.testing.assert_allclose(fed[:, 0], [column["fill"] if value != value else value for value in wanted], rtol=1e-6)
    assert fed[:, 1:3].tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert fed[:, 3].tolist() == [1, 0, 1, 0]
    assert feed_shapes(encoder) == {"input": (W, 4)}


def test_all_forms_of_input_are_one_feed() -> None:
    made = rows()
    encoder = SeriesForecasting().encoder(made, {})
    encode = make_encoder(encoder)
    y, wind = (made.inputs[name].steps for name in ("y", "wind"))
    whole = encode(made.inputs)["input"]
    steps = [{"y": float(value), "wind": word} for value, word in zip(y, wind)]
    as_text = [{"y": str(float(value)), "wind": word, "other": "1"} for value, word in zip(y[:10], wind)]
    np.testing.assert_array_equal(encode(steps)["input"][:60], whole)
    np.testing.assert_array_equal(encode(as_text)["input"], whole[:7])
    np.testing.assert_array_equal(encode({"y": y[:W], "wind": wind[:W].tolist()})["input"], whole[:1])
    np.testing.assert_array_equal(encode({"y": y[: W + 2].tolist(), "wind": wind[: W + 2].tolist()})["input"], whole[:3])
    np.testing.assert_array_equal(
        encode([{"y": y[at : at + W].tolist(), "wind": wind[at : at + W].tolist()} for at in (3, 1)])["input"], whole[[3, 1]]
    )
    assert (shared_rows(encoder, steps), shared_rows(encoder, [{"y": [1.0] * W}]), shared_rows({"kind": "table"}, steps)) == (W - 1, 0, 0)


def test_an_array_of_windows_stands_for_columns_of_numbers() -> None:
    made = rows()
    only = Rows(inputs={"y": made.inputs["y"]}, labels=made.labels, names=made.names)
    encode = make_encoder(SeriesForecasting().encoder(only, {}))
    y = made.inputs["y"][:5]
    np.testing.assert_array_equal(encode(y[:, :, None])["input"], encode({"y": y})["input"])
    np.testing.assert_array_equal(encode(y[0][:, None])["input"], encode({"y": y[:1]})["input"])
    with pytest.raises(ValueError, match="this model takes words too: give the steps as rows with the columns y, wind"):
        make_encoder(SeriesForecasting().encoder(made, {}))(y[:, :, None])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([{"y": 1.0, "wind": "N"}] * 3, r"column 'y' has the shape \(3,\); a window is 4 steps, a batch is \(N, 4\)"),
        ([{"y": [1.0] * 5, "wind": ["N"] * 5}], r"column 'y' has the shape \(1, 5\)"),
        ([{"wind": ["N"] * 4}], "the inputs lack the column 'y'; they need y, wind"),
        ({"y": [1.0] * 4}, "the inputs lack the column 'wind'"),
        ({"y": [1.0] * 4, "wind": ["N"] * 5}, "the columns have different lengths"),
        ([{"y": ["a", 1, 1, 1], "wind": ["N"] * 4}], "column 'y' holds 'a'; it needs a number"),
        ([1.0, 2.0], "the inputs are of type list; give rows of steps"),
        (7, "the inputs are of type int"),
        (np.zeros((4, 3)), "this model takes words too"),
    ],
)
def test_inputs_that_are_no_window_are_refused(inputs, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_encoder(SeriesForecasting().encoder(rows(), {}))(inputs)


def test_the_last_known_value_is_what_one_would_say_without_a_model() -> None:
    made = rows(missing=(7,), names=("y +1", "y +6"))
    y = made.inputs["y"].steps
    found = SeriesForecasting().naive(made)
    assert found.shape == (60, 2)
    np.testing.assert_array_equal(found[0], [y[3], y[3]])
    assert found[4].tolist() == [y[6], y[6]]
    assert SeriesForecasting().naive(Rows(inputs={"wind": made.inputs["wind"]}, labels=None, names=("y +1",))) is None


def test_what_ships_says_itself_and_options_are_checked() -> None:
    task, made = SeriesForecasting(), rows()
    encoder = task.encoder(made, {})
    assert task.ships(encoder) == ["2 category values (of the column 'wind' 2)", "the mean of 1 column of numbers, and the spread"]
    assert task.left_out(encoder, made) == []
    assert task.rare(encoder) == ""
    assert json.loads(json.dumps(encoder)) == encoder
    with pytest.raises(UnknownName, match="zero"):
        task.encoder(made, {"fill": "zero"})
    with pytest.raises(BadData, match=r"preprocess: mask is 1\.\n  Write true or false"):
        task.encoder(made, {"mask": 1})
    with pytest.raises(UnknownName, match="colour"):
        task.encoder(made, {"colour": True})
    made.inputs["y"].steps[5] = np.inf
    with pytest.raises(BadData, match="column 'y' holds infinite values in 1 rows"):
        task.check(made)
