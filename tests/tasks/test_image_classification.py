import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders import feed
from paredown.tasks.image_classification import ImageClassification

TASK = ImageClassification()


def rows(images, high=None):
    return Rows(inputs=images, labels=np.zeros(len(images), np.int64), names=("a", "b"), high=high)


def pixels(*shape, most=255):
    return np.random.default_rng(0).integers(0, most + 1, shape).astype(np.uint8)


def test_the_name_is_the_one_in_job_files():
    assert TASK.name() == "image-classification"


@pytest.mark.parametrize(
    ("images", "high", "scale"),
    [
        (pixels(3, 4, 4), None, 1 / 255),
        (pixels(3, 4, 4, most=16), 16.0, 1 / 16),
        (np.zeros((3, 4, 4), np.float32), None, 1.0),
        (np.zeros((3, 4, 4), np.float32), 2.0, 0.5),
    ],
)
def test_pixels_are_scaled_to_one_unless_they_are_already(images, high, scale):
    TASK.check(rows(images, high))
    assert TASK.encoder(rows(images, high), {})["scale"] == scale


def test_statistics_of_train_make_mean_zero_and_spread_one_per_channel():
    images = pixels(50, 6, 6, 3)
    spec = TASK.encoder(rows(images), {"mean": "train", "std": "train"})
    assert json.loads(json.dumps(spec)) == spec
    out = feed.make_encoder(spec)(images)["input"]
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_statistics_of_a_constant_image_do_not_divide_by_zero():
    spec = TASK.encoder(rows(np.full((3, 4, 4), 7, np.uint8)), {"std": "train"})
    assert spec["std"] == 1.0


def test_options_are_taken_as_given():
    spec = TASK.encoder(rows(pixels(2, 4, 4, 3)), {"scale": 0.01, "mean": [0.1, 0.2, 0.3], "std": 0.5, "layout": "nhwc"})
    assert spec == {
        "kind": "image",
        "input": "input",
        "shape": [4, 4, 3],
        "scale": 0.01,
        "mean": [0.1, 0.2, 0.3],
        "std": 0.5,
        "layout": "nhwc",
    }


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"scale": "much"}, "scale is 'much'.\n  Give a number."),
        ({"scale": [1, 2]}, "scale has 2 numbers"),
        ({"mean": True}, "mean is True.\n  Give a number, or 3 of them, or the word train"),
        ({"mean": [1, 2]}, "mean has 2 numbers; the images have 3 channels"),
        ({"std": [1, 0, 1]}, "std is [1.0, 0.0, 1.0]"),
        ({"std": float("nan")}, "std is nan"),
        ({"crop": 3}, "there is no resize, which crop and resample go with"),
        ({"resize": 0}, "resize is 0.\n  Give a whole number of pixels from 1 to 4096, or [height, width]."),
        ({"resize": [4]}, "resize is [4]"),
        ({"resize": "big"}, "resize is 'big'"),
        ({"resize": 4, "crop": [4, 5000]}, "crop is [4, 5000]"),
    ],
)
def test_wrong_options_are_refused(options, text):
    with pytest.raises(BadData, match=re.escape(text)):
        TASK.encoder(rows(pixels(2, 4, 4, 3)), options)


def test_unknown_options_are_refused_with_the_nearest():
    with pytest.raises(UnknownName, match=re.escape("no preprocess option 'scala'. Did you mean 'scale'?")):
        TASK.encoder(rows(pixels(2, 4, 4)), {"scala": 1})
    with pytest.raises(UnknownName, match=re.escape("no layout 'nwch'.")):
        TASK.encoder(rows(pixels(2, 4, 4)), {"layout": "nwch"})
    with pytest.raises(UnknownName, match=re.escape("no mode 'RBG'. Did you mean 'RGB'?")):
        TASK.encoder(rows(pixels(2, 4, 4)), {"mode": "RBG"})
    with pytest.raises(UnknownName, match=re.escape("no resample 'cubic'. Did you mean 'bicubic'?")):
        TASK.encoder(rows(pixels(2, 4, 4)), {"resize": 3, "resample": "cubic"})


def files(*sizes, mode="RGB"):
    found = np.empty(len(sizes), object)
    for at, size in enumerate(sizes):
        file = io.BytesIO()
        Image.fromarray(pixels(*size, 3)).convert(mode).save(file, "PNG")
        found[at] = file.getvalue()
    return found


@pytest.mark.parametrize(
    ("images", "options", "expected"),
    [
        (files((9, 7), (4, 6)), {"resize": 8}, {"shape": [8, 8, 3], "mode": "RGB", "resize": 8, "resample": "bilinear"}),
        (files((9, 7)), {"resize": [6, 8], "mode": "L"}, {"shape": [6, 8], "mode": "L", "resize": [6, 8], "resample": "bilinear"}),
        (pixels(2, 5, 5), {"resize": 6, "crop": 4}, {"shape": [4, 4], "mode": "L", "resize": 6, "resample": "bilinear"}),
        (pixels(2, 5, 5, 4), {"resize": 6}, {"shape": [6, 6, 3], "mode": "RGB", "resize": 6, "resample": "bilinear"}),
        (pixels(2, 5, 5), {"mode": "RGB"}, {"shape": [5, 5, 3], "mode": "RGB"}),
        (pixels(2, 5, 5, 3), {"mode": "L"}, {"shape": [5, 5], "mode": "L"}),
    ],
)
def test_images_are_converted_and_resized_where_the_job_says_so(images, options, expected):
    given = rows(images)
    TASK.check(given)
    spec = TASK.encoder(given, options)
    assert {key: spec[key] for key in ("shape", "mode", "resize", "resample") if key in spec} == expected
    assert spec["scale"] == 1 / 255
    probe = TASK.probe(spec, 0)
    encode = feed.make_encoder(spec)
    assert encode(probe)["input"].shape == (4, *feed.feed_shape(spec)) == encode(probe.tolist())["input"].shape
    assert encode(images)["input"].shape == (len(images), *feed.feed_shape(spec))


def test_statistics_of_train_are_those_of_the_resized_images():
    images = files(*[(9, 7 + at) for at in range(30)])
    spec = TASK.encoder(rows(images), {"resize": 8, "mean": "train", "std": "train"})
    out = feed.make_encoder(spec)(images)["input"]
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (np.zeros((2, 4, 4), np.float32), "the images are float32 with 1 channel.\n  Only 8-bit"),
        (pixels(2, 4, 4, 2), "uint8 with 2 channels"),
    ],
)
def test_only_8_bit_pixels_are_resized(images, text):
    with pytest.raises(BadData, match=re.escape(text)):
        TASK.encoder(rows(images), {"resize": 8})


def broken(value):
    images = np.zeros((4, 2, 2), np.float32)
    images[2, 1, 0] = value
    return images


@pytest.mark.parametrize(
    ("images", "high", "text"),
    [
        (np.zeros((5, 7), np.uint8), None, "the images have shape (5, 7)"),
        (np.zeros((5, 3, 0)), None, "the images have shape (5, 3, 0)"),
        (np.zeros((5, 3, 8, 8), np.uint8), None, "shape (5, 3, 8, 8): 8 channels stand last"),
        (np.array([["a"]]), None, "ndarray of <U1"),
        ({"age": np.zeros(3)}, None, "the inputs are columns"),
        (broken(np.nan), None, "1 of 4 images hold NaN or infinite values, first row 2"),
        (broken(np.inf), None, "1 of 4 images hold NaN or infinite values, first row 2"),
        (np.full((2, 2, 2), 17, np.uint8), 16.0, "values from 17 to 17; the data say 0 to 16"),
        (broken(-1), 16.0, "values from -1 to 0; the data say 0 to 16"),
    ],
)
def test_wrong_images_are_refused(images, high, text):
    data = Rows(inputs=images, labels=None, high=high)
    with pytest.raises(BadData, match=re.escape(text)):
        TASK.check(data)


@pytest.mark.parametrize(("high", "dtype", "most"), [(None, np.uint8, 255), (16.0, np.uint8, 16)])
def test_the_probe_stays_within_what_a_pixel_can_be(high, dtype, most):
    spec = TASK.encoder(rows(pixels(3, 8, 8, most=16), high), {})
    probe = TASK.probe(spec, 1)
    assert probe.shape == (4, 8, 8)
    assert probe.dtype == dtype
    assert 0 <= probe.min() < probe.max() <= most
    assert np.array_equal(probe, TASK.probe(spec, 1))
    assert not np.array_equal(probe, TASK.probe(spec, 2))


def test_the_probe_of_unscaled_images_is_between_zero_and_one():
    probe = TASK.probe(TASK.encoder(rows(np.zeros((2, 4, 4), np.float32)), {}), 0)
    assert 0 <= probe.min() < probe.max() < 1


def test_logits_of_all_classes_come_out():
    assert TASK.decoder(("a", "b"), {}) == {"kind": "softmax", "output": "logits", "classes": 2}
