import decimal
import re
import sys
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from paredown.core.errors import BadData, MissingExtra
from paredown.datasets import parquet
from paredown.datasets.parquet import Parquet
from paredown.ingest import sources
from paredown.testing.contracts import check_dataset

TABLE = {
    "n": [1, None, 3],
    "price": [decimal.Decimal("1.50"), None, decimal.Decimal("2.25")],
    "word": ["01", None, "银行"],
    "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
    "code": pa.array([7, 8, 7]).dictionary_encode(),
    "yes": [True, None, False],
    "label": ["b", "a", "b"],
}


@pytest.fixture
def read(tmp_path):
    def write_and_read(table, labels=(), /, **columns):
        pq.write_table(pa.table(table), tmp_path / "t.parquet")
        return Parquet().read("t.parquet", tmp_path, columns, labels)

    return write_and_read


def test_contract(tmp_path):
    pq.write_table(pa.table({"a": [1.0, 2.0], "label": ["x", "y"]}), tmp_path / "t.pq")
    assert len(check_dataset(Parquet(), "t.pq", tmp_path)) == 2


def test_columns_of_every_flat_type_are_read(read):
    rows = read(TABLE, groups=["code", "n"], categorical=["code"])
    for name, values in {"n": [1, np.nan, 3], "price": [1.5, np.nan, 2.25], "yes": [1, np.nan, 0]}.items():
        np.testing.assert_array_equal(rows.inputs[name], np.array(values, np.float32))
    assert [rows.inputs[name].tolist() for name in ("word", "kind", "code")] == [["01", "", "银行"], ["u", "v", "u"], ["7", "8", "7"]]
    assert {name: column.tolist() for name, column in rows.groups.items()} == {"code": ["7", "8", "7"], "n": ["1", "", "3"]}
    assert (rows.names, rows.labels.tolist()) == (("a", "b"), [1, 0, 1])
    np.testing.assert_array_equal(read(TABLE).inputs["code"], [7, 8, 7])


def test_texts_pairs_and_labels_that_are_numbers(read):
    table = {"q": ["a", "ไทย"], "r": ["x", "y"], "label": [10, 2], "when": pd.to_datetime(["2026-01-01"] * 2)}
    rows = read(table, text=["q", "r"])
    assert (rows.inputs.tolist(), rows.names, rows.labels.tolist()) == ([["a", "x"], ["ไทย", "y"]], ("2", "10"), [1, 0])
    assert read(table, text="q", label=None).labels is None


def test_the_index_that_pandas_writes_is_no_column(tmp_path):
    pd.DataFrame({"a": [1, 2, 3], "label": [0, 1, 0]}).iloc[[2, 0, 1]].to_parquet(tmp_path / "t.parquet")
    assert list(Parquet().read("t.parquet", tmp_path, {}, ()).inputs) == ["a"]


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ({"a": [[1], [2]], "label": [0, 1]}, {}, "t.parquet: column 'a' holds list<element: int64>.\n  A column is numbers, words"),
        ({"a": [{"b": 1}], "label": [0]}, {}, "t.parquet: column 'a' holds struct<b: int64>"),
        ({"a": [b"x"], "label": [0]}, {}, "t.parquet: column 'a' holds binary"),
        ({"a": pd.to_datetime(["2026-01-01"]), "label": [0]}, {}, "t.parquet: column 'a' holds timestamp["),
        ({"a": [1], "lable": [0]}, {}, "t.parquet: there is no column 'label'. Did you mean 'lable'?"),
        ({"a": [1.0, np.inf], "label": [0, 1]}, {}, "t.parquet: row 1: column 'a' holds inf"),
        ({"a": [1, 2], "label": ["x", None]}, {}, "t.parquet: row 1: there is no label"),
        ({"a": pa.array([], pa.int64()), "label": pa.array([], pa.string())}, {}, "t.parquet: there are no rows"),
        ({"q": ["a", ""], "label": [0, 1]}, {"text": "q"}, "t.parquet: row 1: the text in 'q' is empty ('')"),
        ({"q": ["a", None], "label": [0, 1]}, {"text": "q"}, "t.parquet: row 1: the text in 'q' is missing"),
        ({"q": [1, 2], "label": [0, 1]}, {"text": "q"}, "t.parquet: row 0: the text in 'q' is 1"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(read, table, columns, message):
    with pytest.raises(BadData, match=re.escape(message)):
        read(table, **columns)


def test_files_cut_short_changed_or_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(1000)), "label": ["x", "y"] * 500}), path)
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-9] + b"\xff" + whole[-8:], whole[:4] + b"\xff" * 200 + whole[204:], whole[:8]):
        path.write_bytes(data)
        with pytest.raises(BadData, match=r"t\.parquet is not a whole parquet file: .+\n  Write it again"):
            Parquet().read("t.parquet", tmp_path, {}, ())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x", b"\0" * 1_000_000)
    with pytest.raises(BadData, match=r"t\.parquet is a zip archive, not a parquet file\.\n  Unpack it"):
        Parquet().read("t.parquet", tmp_path, {}, ())
    for data, what in ((b"", "empty"), (b"a,label\n", "something else")):
        path.write_bytes(data)
        with pytest.raises(BadData, match=f"t.parquet is {what}, not a parquet file"):
            Parquet().read("t.parquet", tmp_path, {}, ())


def test_a_bomb_is_refused_from_its_description_before_it_is_unpacked(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": np.zeros(3_000_000), "label": np.zeros(3_000_000, np.int64)}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 100_000
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_, **__: pytest.fail("it was unpacked"))
    small = type("Host", (), {"memory_b": 100_000_000})
    monkeypatch.setattr(sources, "host", lambda: small)
    monkeypatch.setattr(parquet, "_SMALL_B", 1)
    text = "t.parquet announces 3000000 rows of 2 columns: 0.096 GB in memory; half of this machine's 0.1 GB is the most"
    with pytest.raises(BadData, match=re.escape(text)):
        Parquet().read("t.parquet", tmp_path, {}, ())


def test_columns_that_are_not_read_need_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_SMALL_B", 1)
    monkeypatch.setattr(sources, "host", lambda: type("Host", (), {"memory_b": 1_000_000}))
    pq.write_table(
        pa.table({"a": [1, 2], "blob": [np.random.default_rng(0).bytes(2_000_000)] * 2, "label": [0, 1]}), tmp_path / "t.parquet"
    )
    assert list(Parquet().read("t.parquet", tmp_path, {"drop": ["blob"]}, ()).inputs) == ["a"]


def test_a_long_text_in_many_rows_stands_in_memory_once(tmp_path):
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"q": column, "label": np.arange(20_000) % 2}), tmp_path / "t.parquet", store_schema=False)
    rows = Parquet().read("t.parquet", tmp_path, {"text": "q"}, ())  # 20 GB, if each row had its own
    assert (len(rows), len(rows.inputs[0]), rows.inputs[0] is rows.inputs[-1]) == (20_000, 1_000_000, True)


def test_without_pyarrow_the_install_line_is_said(monkeypatch, tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtra, match=re.escape("t.parquet needs the package pyarrow") + ".*\n.*" + re.escape("'paredown[compress]'")):
        Parquet().read("t.parquet", tmp_path, {}, ())
