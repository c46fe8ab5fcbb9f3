"""Images of any size and mode: opened, converted, resized and cut as transformers' image processors do it."""

import io
import re
import sys

import numpy as np
import pytest
from PIL import Image

from paredown.encoders import feed

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]


def picture(mode="RGB", size=(37, 23), seed=0):
    random = np.random.default_rng(seed)
    depth = {"L": (), "1": (), "P": (3,), "LA": (2,), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    pixels = random.integers(0, 256, (size[1], size[0], *depth)).astype(np.uint8)
    image = Image.fromarray(pixels, {"P": "RGB", "1": "L"}.get(mode, mode) if mode in ("LA", "CMYK") else None)
    return image.convert(mode) if mode in ("P", "1") else image


def spec(**changes):
    same = {"kind": "image", "input": "input", "shape": [16, 16, 3], "scale": 1 / 255, "mean": MEAN, "std": STD, "layout": "nchw"}
    return same | {"mode": "RGB", "resize": [16, 16], "resample": "bilinear"} | changes


def in_bytes(image, kind="PNG"):
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


PROCESSORS = [
    ("ViTImageProcessorPil", {"size": {"height": 16, "width": 20}, "resample": 2}, {"shape": [16, 20, 3], "resize": [16, 20]}),
    (
        "ViTImageProcessorPil",
        {"size": {"height": 64, "width": 64}, "resample": 3},
        {"shape": [64, 64, 3], "resize": [64, 64], "resample": "bicubic"},
    ),
    (
        "MobileNetV2ImageProcessorPil",
        {"size": {"shortest_edge": 20}, "crop_size": {"height": 15, "width": 16}},
        {"shape": [15, 16, 3], "resize": 20},
    ),
    (
        "MobileNetV2ImageProcessorPil",
        {"size": {"shortest_edge": 10}, "crop_size": {"height": 17, "width": 15}, "resample": 1},
        {"shape": [17, 15, 3], "resize": 10, "resample": "lanczos"},
    ),
    ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 16}, "crop_pct": 0.875}, {"resize": 18, "resample": "bicubic"}),
]


@pytest.mark.parametrize(("name", "options", "changes"), PROCESSORS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_images_become_what_the_processors_of_transformers_make_of_them(name, options, changes, mode):
    transformers = pytest.importorskip("transformers")
    images = [picture(mode, size) for size in ((37, 23), (23, 37), (16, 16), (9, 31))]
    processor = getattr(transformers, name)(**options, image_mean=MEAN, image_std=STD)
    expected = processor([image.convert("RGB") for image in images], return_tensors="np")["pixel_values"]
    encode = feed.make_encoder(spec(**changes))
    np.testing.assert_allclose(encode(images)["input"], expected, atol=2e-6)
    np.testing.assert_allclose(encode([in_bytes(image) for image in images])["input"], expected, atol=2e-6)
    np.testing.assert_allclose(np.concatenate([encode(image)["input"] for image in images]), expected, atol=2e-6)


def test_paths_bytes_pixels_and_open_images_give_the_same(tmp_path):
    image = picture()
    image.save(tmp_path / "a.png")
    encode = feed.make_encoder(spec())
    expected = encode([image])["input"]
    assert expected.shape == (1, 3, 16, 16)
    pixels = np.asarray(image)
    objects = np.empty(1, object)
    objects[0] = in_bytes(image)
    for given in (str(tmp_path / "a.png"), tmp_path / "a.png", [tmp_path / "a.png"], pixels, pixels[None], [pixels.tolist()], objects):
        assert np.array_equal(encode(given)["input"], expected)


def test_arrays_of_several_sizes_are_resized_one_by_one():
    images = [np.asarray(picture(size=size)) for size in ((8, 9), (30, 20))]
    found = feed.make_encoder(spec())(images)["input"]
    assert np.array_equal(found[1], feed.make_encoder(spec())(images[1])["input"][0])


def test_gray_arrays_become_rgb_and_rgb_arrays_gray():
    gray = np.arange(48, dtype=np.uint8).reshape(2, 4, 6)
    found = feed.make_encoder(spec(shape=[4, 6, 3], resize=[4, 6], mean=0.0, std=1.0, scale=1.0, layout="nhwc"))(gray)["input"]
    assert np.array_equal(found, np.repeat(gray[..., None], 3, 3))
    back = feed.make_encoder(spec(shape=[4, 6], mode="L", resize=[4, 6], mean=0.0, std=1.0, scale=1.0))(found.astype(np.uint8))["input"]
    assert np.array_equal(back[:, 0], gray)


def test_photos_are_turned_upright():
    image = picture(size=(20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    upright = image.transpose(Image.Transpose.ROTATE_270)
    encode = feed.make_encoder(spec())
    assert np.array_equal(encode(file.getvalue())["input"], encode(upright)["input"])


def test_files_of_the_right_size_and_mode_need_no_declaration(tmp_path):
    image = picture("L", (5, 4))
    image.save(tmp_path / "a.png")
    plain = {key: value for key, value in spec(shape=[4, 5], mean=0.0, std=1.0).items() if key not in ("mode", "resize", "resample")}
    encode = feed.make_encoder(plain)
    np.testing.assert_allclose(encode(tmp_path / "a.png")["input"][0, 0], np.asarray(image) / 255, rtol=1e-6)
    for mode, size, text in (
        ("RGB", (5, 4), "a.png has mode RGB; the model takes L. Convert it first."),
        ("L", (6, 4), "a.png is 4 x 6 pixels; the model takes 4 x 5. Resize it first."),
    ):
        picture(mode, size).save(tmp_path / "a.png")
        with pytest.raises(ValueError, match=re.escape(text)):
            encode(tmp_path / "a.png")


def deep():
    return Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4) * 4000)


def test_what_is_no_image_is_refused_by_name(tmp_path):
    encode = feed.make_encoder(spec())
    (tmp_path / "text.png").write_text("no image")
    whole = in_bytes(picture())
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    deep().save(tmp_path / "deep.png")
    for given, text in (
        (tmp_path / "text.png", "text.png cannot be opened as an image (UnidentifiedImageError)."),
        (tmp_path / "half.png", "half.png cannot be opened as an image (OSError: "),
        (tmp_path / "none.png", "none.png does not exist."),
        (tmp_path, "cannot be opened as an image (IsADirectoryError"),
        (tmp_path / "deep.png", "deep.png has mode I;16, more than 8 bits per pixel; convert it to 8 bits."),
        ([whole, b"no image"], "image 1 cannot be opened as an image (UnidentifiedImageError)."),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 5), np.uint8)], "image 1 is uint8 of shape (4, 4, 5); give 8-bit pixels"),
        (np.zeros((2, 4, 4, 3), np.float32), "image 0 is float32 of shape (4, 4, 3); give 8-bit pixels"),
        (np.full((2, 4, 4, 3), 256), "image 0 holds values from 256 to 256; 8-bit pixels are 0 to 255."),
    ):
        with pytest.raises(ValueError, match=re.escape(text)):
            encode(given)


def test_without_pillow_the_install_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ValueError, match=r"need pillow: `pip install pillow`\."):
        feed.make_encoder(spec())("a.png")


def test_a_picture_that_could_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    encode = feed.make_encoder(spec())
    for size in ((40, 30), (60, 60)):
        picture(size=size).save(tmp_path / "bomb.png")
        with pytest.raises(ValueError, match=r"bomb.png has more than 1,000 pixels; make it smaller\."):
            encode(tmp_path / "bomb.png")
