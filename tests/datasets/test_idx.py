import gzip
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.datasets.idx import Idx
from paredown.ingest import sources
from paredown.testing.contracts import check_dataset

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 3)).astype(np.uint8)
LABELS = (np.arange(12) % 3).astype(np.uint8)
FASHION = Path(__file__).resolve().parents[3] / "shared" / "data" / "fashion_mnist"


def idx(array, kind=0x08):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "t10k"):
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    return tmp_path


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_contract(folder, part):
    rows = check_dataset(Idx(), f"{part}-images-idx3-ubyte.gz", folder)
    assert np.array_equal(rows.inputs, IMAGES)
    assert (rows.inputs.dtype, rows.high, rows.names, rows.labels.tolist()) == (np.uint8, 255.0, ("0", "1", "2"), LABELS.tolist())


def test_labels_are_found_packed_or_not_or_named(folder):
    (folder / "plain").mkdir()
    (folder / "plain" / "train-images.idx3-ubyte").write_bytes(idx(IMAGES))
    (folder / "plain" / "train-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    (folder / "answers.gz").write_bytes(gzip.compress(idx(LABELS[::-1])))
    (folder / "pixels.idx").write_bytes(idx(IMAGES))
    assert Idx().read("plain/train-images.idx3-ubyte", folder, {}, ()).labels.tolist() == LABELS.tolist()
    named = Idx().read("pixels.idx", folder, {"label": "answers.gz"}, ("a", "b", "c"))
    assert (named.names, named.labels.tolist()) == (("a", "b", "c"), LABELS[::-1].tolist())
    assert Idx().read("pixels.idx", folder, {}, ()).labels is None
    assert Idx().read("train-images-idx3-ubyte.gz", folder, {"label": None}, ()).labels is None


@pytest.mark.parametrize(("kind", "dtype"), [(0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_other_kinds_of_number_are_in_this_machines_order(tmp_path, kind, dtype):
    known = np.arange(6).reshape(3, 2).astype(dtype)
    (tmp_path / "v.idx").write_bytes(idx(known, kind))
    rows = Idx().read("v.idx", tmp_path, {}, ())
    assert np.array_equal(rows.inputs, known)
    assert rows.inputs.dtype.isnative
    assert rows.high is None


def test_packed_files_are_claimed_by_what_is_in_them(folder):
    (folder / "other.gz").write_bytes(gzip.compress(b"a,label\n1,2\n"))
    (folder / "pixels.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (folder / "torn.gz").write_bytes(gzip.compress(idx(IMAGES))[:8])
    found = {name: Idx.claims(name, folder) for name in ("pixels.gz", "other.gz", "torn.gz", "gone.gz", "x-ubyte.gz", "a.idx", "a.csv")}
    assert found == {
        "pixels.gz": True, "other.gz": False, "torn.gz": False, "gone.gz": False, "x-ubyte.gz": True, "a.idx": True, "a.csv": False
    }  # fmt: skip


PACKED = gzip.compress(idx(IMAGES), mtime=0)
CHANGED = PACKED[:-8] + struct.pack("<II", zlib.crc32(b"other"), 160)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PACKED[:-40], "x.idx is damaged or cut short: Compressed file ended before"),
        (PACKED[:7], "x.idx is damaged or cut short"),
        (PACKED[:30] + b"\xff" * 40 + PACKED[70:], "x.idx is damaged or cut short: "),
        (CHANGED, "x.idx is damaged or cut short: CRC check failed"),
        (idx(IMAGES)[:-1], "x.idx announces 12 x 4 x 3 numbers and ends before 144 bytes of them"),
        (gzip.compress(idx(IMAGES)[:-5], mtime=0), "x.idx announces 12 x 4 x 3 numbers and ends before 144 bytes"),
        (idx(IMAGES) + b"x", "x.idx announces 12 x 4 x 3 numbers and goes on after 144 bytes of them"),
        (idx(IMAGES)[:9], "x.idx is damaged or cut short: it ends in its header"),
        (b"", "x.idx is empty, not an idx file (its first bytes are )"),
        (b"a,b,label\n", "x.idx is something else, not an idx file (its first bytes are 612c622c)"),
        (b"PK\3\4abc", "x.idx is a zip archive, not an idx file (its first bytes are 504b0304)"),
        (idx(IMAGES[:0]), "x.idx: there are no rows"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "x.idx announces 4294967295 x 4294967295 x 4294967295 numbers: 7.92e+19 GB in memory"),
    ],
)
def test_files_that_are_no_whole_idx_are_refused(tmp_path, data, message):
    (tmp_path / "x.idx").write_bytes(data)
    with pytest.raises(BadData, match=re.escape(message)):
        Idx().read("x.idx", tmp_path, {}, ())


def test_a_file_that_announces_more_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "host", lambda: type("Host", (), {"memory_b": 1_000_000}))
    (tmp_path / "x.idx.gz").write_bytes(gzip.compress(idx(np.zeros((1000, 30, 30), np.uint8))))
    with pytest.raises(
        BadData, match=re.escape("x.idx.gz announces 1000 x 30 x 30 numbers: 0.0009 GB in memory; half of this machine's 0.001 GB")
    ):
        Idx().read("x.idx.gz", tmp_path, {}, ())


def test_labels_of_another_file_are_refused(folder):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[:5])))
    message = "train-labels-idx1-ubyte.gz has 5 labels; train-images-idx3-ubyte.gz has 12 items"
    with pytest.raises(BadData, match=re.escape(message)):
        Idx().read("train-images-idx3-ubyte.gz", folder, {}, ())
    with pytest.raises(BadData, match=re.escape("t10k-label-idx1-ubyte.gz: no such file in ") + ".*'t10k-labels-idx1-ubyte.gz'"):
        Idx().read("t10k-images-idx3-ubyte.gz", folder, {"label": "t10k-label-idx1-ubyte.gz"}, ())


@pytest.mark.skipif(not FASHION.is_dir(), reason="Fashion-MNIST is not on this machine")
def test_fashion_mnist_is_read_whole():
    rows = Idx().read("t10k-images-idx3-ubyte.gz", FASHION, {}, ())
    assert (rows.inputs.shape, rows.high) == ((10_000, 28, 28), 255.0)
    assert np.bincount(rows.labels).tolist() == [1000] * 10
