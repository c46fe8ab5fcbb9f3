"""Folders that the `datasets` library saved."""

import io
import re
import sys

import numpy as np
import pytest
from PIL import Image as Picture

from paredown.core.errors import BadData, MissingExtra
from paredown.datasets.huggingface import Huggingface
from paredown.ingest import sources
from paredown.testing.contracts import check_dataset

datasets = pytest.importorskip("datasets")

CLASSES = datasets.ClassLabel(names=["no", "yes", "maybe"])
TEXTS = ["银行卡", "บัตร", "card"]


@pytest.fixture
def read(tmp_path):
    def save_and_read(table, features=None, labels=(), /, **columns):
        made = datasets.Dataset.from_dict(table, features=features and datasets.Features(features))
        made.save_to_disk(tmp_path / "saved")
        return Huggingface().read("saved", tmp_path, columns, labels)

    return save_and_read


def pictures(*forms):
    random = np.random.default_rng(0)
    return [Picture.fromarray(random.integers(0, 256, form).astype(np.uint8)) for form in forms]


def test_contract(tmp_path):
    datasets.Dataset.from_dict({"a": [1.0, None], "label": ["x", "y"]}).save_to_disk(tmp_path / "saved")
    rows = check_dataset(Huggingface(), "saved", tmp_path)
    np.testing.assert_array_equal(rows.inputs["a"], np.array([1, np.nan], np.float32))


def test_classes_give_the_names_and_groups_and_texts_are_read(read):
    table = {"q": TEXTS, "label": [1, 0, 1], "side": [0, 1, 0], "age": [3, None, 5], "tags": [["x"], [], []]}
    features = {
        "q": datasets.Value("string"), "label": CLASSES, "side": datasets.ClassLabel(names=["l", "r"]),
        "age": datasets.Value("int32"), "tags": datasets.Sequence(datasets.Value("string")),
    }  # fmt: skip
    rows = read(table, features, text="q", groups=["side", "age"])
    assert (rows.inputs.tolist(), rows.names, rows.labels.tolist()) == (TEXTS, ("no", "yes", "maybe"), [1, 0, 1])
    assert {name: column.tolist() for name, column in rows.groups.items()} == {"side": ["l", "r", "l"], "age": ["3", "", "5"]}
    rows = read(table, features, ("yes", "no"), drop=["tags", "q"])
    assert (rows.names, rows.labels.tolist(), rows.inputs["side"].tolist()) == (("yes", "no"), [0, 1, 0], ["l", "r", "l"])
    assert read(table, features, text="q", label=None).labels is None


def test_one_split_of_several_is_named_behind_a_colon_or_as_a_folder(tmp_path):
    parts = {"train": {"a": [1, 2], "label": ["x", "y"]}, "test": {"a": [3], "label": ["y"]}}
    datasets.DatasetDict({name: datasets.Dataset.from_dict(table) for name, table in parts.items()}).save_to_disk(tmp_path / "saved")
    for source in ("saved:test", "saved/test"):
        assert Huggingface.claims(source, tmp_path)
        assert Huggingface().read(source, tmp_path, {}, ()).inputs["a"].tolist() == [3]
    for source, text in {
        "saved": "saved: the folder holds several splits.\n  Write one of `saved:train`, `saved:test`",
        "saved:tets": "saved:tets: there is no split 'tets'. Did you mean 'test'?",
        "saved/test:x": "saved/test:x: the folder holds one data set without splits.\n  Leave out `:x`",
    }.items():
        with pytest.raises(BadData, match=re.escape(text)):
            Huggingface().read(source, tmp_path, {}, ())
    assert not Huggingface.claims("saved:", tmp_path / "saved" / "train")
    assert not Huggingface.claims("builtin:digits", tmp_path)


@pytest.mark.parametrize("form", [(5, 4), (5, 4, 3), (5, 4, 4)])
def test_images_are_one_array_of_pixels(read, form):
    images = pictures(form, form, form)
    rows = read(
        {"img": images, "label": [1, 0, 1], "id": [1, 2, 3]}, {"img": datasets.Image(), "label": CLASSES, "id": datasets.Value("int8")}
    )
    assert np.array_equal(rows.inputs, np.stack([np.asarray(image) for image in images]))
    assert (rows.inputs.dtype, rows.high, rows.names) == (np.uint8, 255.0, ("no", "yes", "maybe"))
    assert read({"a": images, "b": images[::-1], "label": [1, 0, 1]}, {"a": datasets.Image(), "b": datasets.Image(), "label": CLASSES},
                inputs="b").inputs.shape == (3, *form)  # fmt: skip


IMAGE = {"img": datasets.Image(), "label": CLASSES}


@pytest.mark.parametrize(
    ("table", "features", "columns", "message"),
    [
        ({"img": pictures((5, 4), (4, 4)), "label": [0, 1]}, IMAGE, {}, "saved: row 1: the image is 4 x 4 L; row 0 is 4 x 5 L"),
        ({"img": pictures((4, 4), (4, 4, 3)), "label": [0, 1]}, IMAGE, {}, "saved: row 1: the image is 4 x 4 RGB; row 0 is 4 x 4 L"),
        ({"img": [*pictures((4, 4)), None], "label": [0, 1]}, IMAGE, {}, "saved: row 1: there is no image in the folder"),
        ({"img": [{"bytes": b"x", "path": None}], "label": [0]}, IMAGE, {}, "saved: row 0: the image cannot be read: cannot identify"),
        ({"img": pictures((4, 4)), "label": [0]}, IMAGE, {"inputs": "image"}, "there is no column of images 'image'; images are in img"),
        ({"a": pictures((4, 4)), "b": pictures((4, 4)), "label": [0]}, {"a": IMAGE["img"], "b": IMAGE["img"], "label": CLASSES}, {},
         "saved: the columns a, b hold images.\n  Say which with `inputs:`"),
        ({"q": ["a", "b"], "label": [0, -1]}, {"q": datasets.Value("string"), "label": CLASSES}, {"text": "q"},
         "saved: row 1: there is no label"),
        ({"q": ["a", " "], "label": ["x", "y"]}, None, {"text": "q"}, "saved: row 1: the text in 'q' is empty (' ')"),
        ({"a": [[1], [2]], "label": ["x", "y"]}, None, {}, "saved: column 'a' holds list<"),
        ({"a": [1], "lable": ["x"]}, None, {}, "saved: there is no column 'label'. Did you mean 'lable'?"),
    ],
)  # fmt: skip
def test_data_sets_that_cannot_be_used_are_refused(read, table, features, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(table, features, **columns)


def test_images_in_other_modes_and_too_many_pixels_are_refused(read, monkeypatch):
    data = io.BytesIO()
    Picture.new("CMYK", (4, 4)).save(data, "TIFF")
    with pytest.raises(BadData, match=re.escape("saved: row 0: the image is in mode CMYK.\n  Convert it")):
        read({"img": [{"bytes": data.getvalue(), "path": None}], "label": [0]}, IMAGE)
    monkeypatch.setattr(sources, "host", lambda: type("Host", (), {"memory_b": 40_000}))
    flat = [Picture.new("RGB", (200, 100))] * 2
    with pytest.raises(
        BadData, match=re.escape("saved announces 2 x 100 x 200 x 3 pixels: 0.00012 GB in memory; half of this machine's 4e-05 GB")
    ):
        read({"img": flat, "label": [0, 1]}, IMAGE)


def test_rows_that_memory_cannot_hold_are_refused_and_columns_that_are_not_read_do_not_count(read, monkeypatch):
    monkeypatch.setattr(sources, "host", lambda: type("Host", (), {"memory_b": 1_000_000}))
    table = {"q": ["x" * 1_000_000, "y"], "a": [1, 2], "label": ["u", "v"]}
    assert list(read(table, drop=["q"]).inputs) == ["a"]
    with pytest.raises(BadData, match=r"saved announces 2 rows of 2 columns: 0\.002 GB in memory; half of this machine's 0\.001 GB"):
        read(table, text="q")


def test_damaged_folders_are_refused(tmp_path):
    datasets.Dataset.from_dict({"a": [1.0] * 1000, "label": ["x", "y"] * 500}).save_to_disk(tmp_path / "saved")
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    whole = arrow.read_bytes()
    far = whole.replace(b"\2\0\0\0\3\0\0\0", b"\xff\xff\xff\x7f\3\0\0\0")  # where a word ends: read as it stands, it would end the process
    assert far != whole
    for data in (b"", whole[: len(whole) // 2], b"\xff" * 300, far):
        arrow.write_bytes(data)
        with pytest.raises(BadData, match=r"saved is damaged: .+\n  Save it again"):
            Huggingface().read("saved", tmp_path, {}, ())
    arrow.unlink()
    with pytest.raises(BadData, match=r"saved is damaged: "):
        Huggingface().read("saved", tmp_path, {}, ())


def test_without_the_library_the_install_line_is_said(tmp_path, monkeypatch):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=re.escape("saved needs the package datasets") + ".*\n.*" + re.escape("'paredown[datasets]'")):
        Huggingface().read("saved", tmp_path, {}, ())
