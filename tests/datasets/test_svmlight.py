import re
import sys
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file

from paredown.core.errors import BadData, MissingExtra
from paredown.datasets.svmlight import Svmlight
from paredown.ingest import sources
from paredown.testing.contracts import check_dataset

DENSE = np.array([[0, 1.5, 0, 0], [2, 0, 0, -3], [0, 0, 0.25, 0]], np.float32)


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, labels=(), /, **columns):
        (tmp_path / "t.svm").write_text(text)
        return Svmlight().read("t.svm", tmp_path, columns, labels)

    return write_and_read


def test_contract(tmp_path):
    dump_svmlight_file(DENSE, [1, -1, 1], str(tmp_path / "t.libsvm"), zero_based=False)
    rows = check_dataset(Svmlight(), "t.libsvm", tmp_path)
    assert np.array_equal(rows.inputs, DENSE)
    assert (rows.inputs.dtype, rows.names, rows.labels.tolist()) == (np.float32, ("-1", "1"), [1, 0, 1])


def test_indices_start_at_1_unless_the_job_says_0(read):
    assert read("1 1:5 3:7\n0 2:1\n").inputs.tolist() == [[5, 0, 7], [0, 1, 0]]
    assert read("1 0:5 2:7\n0 1:1\n", zero_based=True).inputs.tolist() == [[5, 0, 7], [0, 1, 0]]


def test_comments_signs_and_the_width_of_the_first_split(read):
    rows = read("# made by hand\n+1 qid:3 1:2 # x\n\n-1 2:3\n", width=4)
    assert rows.inputs.tolist() == [[2, 0, 0, 0], [0, 3, 0, 0]]
    assert rows.names == ("-1", "1")
    assert read("1 1:2\n", label=None).labels is None
    assert read("1 1:2\n0 1:3\n", ("no", "yes")).labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", {}, "t.svm has no rows"),
        ("# nothing\n", {}, "t.svm has no rows"),
        ("1 1:2\n0 x:3\n", {}, "t.svm:2: invalid literal for int() with base 10: b'x'.\n  Write `label index:value ...`"),
        ("1 1:2\n\n0 1:two\n", {}, "t.svm:3: could not convert string to float: b'two'"),
        ("1 1:2\nyes 1:2\n", {}, "t.svm:2: could not convert string to float: b'yes'"),
        ("1 1:2\n0 3:1 2:1\n", {}, "t.svm:2: Feature indices in SVMlight/LibSVM data file should be sorted and unique"),
        ("1 0:2\n", {}, "t.svm:1: Invalid index 0 in SVMlight/LibSVM data file.") ,
        ("1 0:2\n", {}, "from 1 on, or set `zero_based: true`"),
        ("1 99999999999:2\n", {}, "t.svm:1: value too large"),
        ("1 5:2\n0 1:1\n", {"width": 4}, "t.svm has 5 columns; the first split has 4"),
        ("1 1:2\n0 1:\xff\n", {}, "t.svm:2: could not convert"),
    ],
)  # fmt: skip
def test_broken_files_are_refused_with_their_line(read, text, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(text, **columns)


def test_dense_rows_that_memory_cannot_hold_are_refused_before_they_are_made(read, monkeypatch):
    monkeypatch.setattr(sources, "host", lambda: type("Host", (), {"memory_b": 8_000_000_000}))
    tracemalloc.start()
    with pytest.raises(
        BadData, match=re.escape("t.svm announces 2 rows of 2000000000 columns: 16 GB in memory; half of this machine's 8 GB")
    ):
        read("1 2000000000:1\n0 1:1\n")
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_without_scikit_learn_the_install_line_is_said(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        MissingExtra, match=re.escape("t.svm needs the package scikit-learn") + ".*\n.*" + re.escape("'paredown[compress]'")
    ):
        read("1 1:2\n")
