import re
from pathlib import Path

import numpy as np
import pytest

from paredown.encoders import declared_feed, feed, pictures, spectrograms, tokens, waveforms


def image(**changes):
    return {"kind": "image", "input": "input", "shape": [2, 3], "scale": 1.0, "mean": 0.0, "std": 1.0, "layout": "nchw"} | changes


AGE = {"name": "age", "kind": "numeric", "mean": 40.0, "std": 10.0, "fill": 40.0}
JOB = {"name": "job", "kind": "categorical", "values": ["cook", "nurse"]}
TABLE = {"kind": "table", "input": "x", "columns": [JOB, AGE]}


def test_pixels_are_scaled_then_standardized_per_channel():
    raw = np.arange(2 * 2 * 3 * 2, dtype=np.uint8).reshape(2, 2, 3, 2)
    mean, std = np.array([0.1, 0.2]), np.array([0.5, 0.25])
    out = feed.make_encoder(image(shape=[2, 3, 2], scale=1 / 255, mean=mean.tolist(), std=std.tolist()))(raw)
    expected = ((raw / 255 - mean) / std).transpose(0, 3, 1, 2)
    assert list(out) == ["input"]
    assert out["input"].dtype == np.float32
    assert out["input"].flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(out["input"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layout", "shape", "expected"),
    [
        ("nchw", [2, 3], (1, 2, 3)),
        ("nhwc", [2, 3], (2, 3, 1)),
        ("flat", [2, 3], (6,)),
        ("nchw", [2, 3, 4], (4, 2, 3)),
        ("nhwc", [2, 3, 4], (2, 3, 4)),
    ],
)
def test_the_layout_decides_the_shape_of_the_feed(layout, shape, expected):
    spec = image(shape=shape, layout=layout)
    assert feed.feed_shape(spec) == expected
    assert feed.make_encoder(spec)(np.zeros((5, *shape), np.uint8))["input"].shape == (5, *expected)


@pytest.mark.parametrize("make", [lambda a: a, lambda a: a.tolist(), list, lambda a: a.astype(np.float64), lambda a: a.astype(np.int64)])
def test_images_may_come_as_arrays_and_lists_alone_and_together(make):
    raw = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    encode = feed.make_encoder(image(scale=0.5))
    np.testing.assert_array_equal(encode(make(raw))["input"], (raw / 2)[:, None])
    np.testing.assert_array_equal(encode(make(raw[1]))["input"], (raw / 2)[1:, None])


def test_encoding_leaves_the_raw_images_as_they_are():
    raw = np.ones((1, 2, 3), np.float32)
    feed.make_encoder(image(scale=0.5, mean=1.0))(raw)
    assert (raw == 1).all()


def test_wrong_images_are_refused_with_both_shapes():
    encode = feed.make_encoder(image())
    with pytest.raises(ValueError, match=re.escape("shape (4, 3, 3); one image is (2, 3), a batch is (N, 2, 3)")):
        encode(np.zeros((4, 3, 3)))
    with pytest.raises(ValueError, match=re.escape("the images have different shapes; each must be (2, 3)")):
        encode([np.zeros((2, 3)), np.zeros((2, 4))])


def test_unknown_kinds_are_refused_by_name():
    with pytest.raises(ValueError, match="encoder kind 'sound' is not one of image, table, vector"):
        feed.make_encoder({"kind": "sound"})
    with pytest.raises(ValueError, match="layout 'chwn' is not one of nchw, nhwc, flat"):
        feed.make_encoder(image(layout="chwn"))


def test_a_table_becomes_one_matrix_in_the_order_of_the_columns():
    out = feed.make_encoder(TABLE)({"age": np.array([50.0, np.nan, 20.0]), "job": np.array(["nurse", "cook", "poet"], object)})
    np.testing.assert_allclose(out["x"], [[0, 1, 1.0], [1, 0, 0.0], [0, 0, -2.0]])
    assert out["x"].dtype == np.float32
    assert feed.feed_shape(TABLE) == (3,)


ROWS = [{"age": 50, "job": "nurse"}, {"age": None, "job": "cook"}, {"age": "20", "job": None}, {"age": "", "job": "poet", "more": 1}]


def test_rows_as_dicts_give_the_same_matrix_as_columns():
    encode = feed.make_encoder(TABLE)
    columns = {"age": [row["age"] for row in ROWS], "job": [row["job"] for row in ROWS]}
    expected = [[0, 1, 1.0], [1, 0, 0.0], [0, 0, -2.0], [0, 0, 0.0]]
    np.testing.assert_allclose(encode(columns)["x"], expected)
    np.testing.assert_allclose(encode(ROWS)["x"], expected)
    np.testing.assert_allclose(np.concatenate([encode(row)["x"] for row in ROWS]), expected)


def test_codes_are_places_among_the_values_and_unknown_words_are_minus_one():
    spec = {"kind": "table", "input": "x", "columns": [JOB | {"kind": "code"}, AGE]}
    encode = feed.make_encoder(spec)
    rows = [{"job": "nurse", "age": 40}, {"job": "poet", "age": 40}]
    np.testing.assert_array_equal(encode(rows)["x"], [[1, 0], [-1, 0]])
    np.testing.assert_array_equal(encode({"job": ["nurse", "poet"], "age": [40, 40]})["x"], [[1, 0], [-1, 0]])


def test_words_that_are_numbers_in_the_input_are_matched_as_text():
    spec = {"kind": "table", "input": "x", "columns": [{"name": "zone", "kind": "categorical", "values": ["1", "2"]}]}
    np.testing.assert_array_equal(feed.make_encoder(spec)([{"zone": 2}])["x"], [[0, 1]])


def test_wrong_tables_are_refused_with_what_was_found():
    encode = feed.make_encoder(TABLE)
    with pytest.raises(ValueError, match="lack the column 'job'; they need job, age"):
        encode({"age": [1.0]})
    with pytest.raises(ValueError, match="lack the column 'age'"):
        encode([{"age": 1, "job": "cook"}, {"job": "cook"}])
    with pytest.raises(ValueError, match="column 'age' holds 'old'; it needs a number"):
        encode([{"age": "old", "job": "cook"}])
    with pytest.raises(ValueError, match="column 'age' holds 'old'; it needs a number"):
        encode({"age": ["1", "old"], "job": ["cook", "cook"]})
    with pytest.raises(ValueError, match="different lengths: job 2, age 1"):
        encode({"age": [1.0], "job": ["cook", "cook"]})
    with pytest.raises(ValueError, match="the inputs are of type int; give a mapping column -> values, a dict, or a list of dicts"):
        encode(3)
    with pytest.raises(ValueError, match="the inputs are of type ndarray; give"):
        encode(np.zeros((2, 3)))


def test_vectors_pass_through_or_are_standardized():
    raw = np.array([[1.0, 10.0], [3.0, 30.0]])
    plain = feed.make_encoder({"kind": "vector", "input": "x", "width": 2})
    np.testing.assert_array_equal(plain(raw)["x"], raw)
    np.testing.assert_array_equal(plain([1, 10])["x"], raw[:1])
    assert feed.feed_shape({"kind": "vector", "input": "x", "width": 2}) == (2,)
    assert plain(raw)["x"].dtype == np.float32
    scaled = feed.make_encoder({"kind": "vector", "input": "x", "width": 2, "mean": [1.0, 20.0], "std": [2.0, 10.0]})
    np.testing.assert_allclose(scaled(raw)["x"], [[0, -1], [1, 1]])
    with pytest.raises(ValueError, match=re.escape("shape (2, 3); one row is (2,)")):
        plain(np.zeros((2, 3)))


def test_the_modules_stand_alone():
    source = "".join(
        Path(module.__file__).read_text("utf-8") for module in (declared_feed, tokens, pictures, waveforms, spectrograms, feed)
    )
    imports = re.findall(r"^\s*(?:from|import) ([\w.]+)", source, re.M)
    lazy = {"tokenizers", "PIL", "soundfile", "io", "warnings"}
    ours = {f"paredown.encoders.{name}" for name in ("tokens", "pictures", "waveforms", "spectrograms", "declared_feed")}
    assert set(imports) == {"collections.abc", "contextlib", "functools", "math", "pathlib", "typing", "numpy", "re", *ours, *lazy}
    assert not set(re.findall(r"^(?:from|import) ([\w.]+)", source, re.M)) & lazy
    source = "\n".join(line for line in source.splitlines() if not line.startswith("from paredown."))
    space: dict = {}
    exec(compile(source, "predict.py", "exec"), space)
    assert space["make_encoder"](image())(np.zeros((2, 3)))["input"].shape == (1, 1, 2, 3)
