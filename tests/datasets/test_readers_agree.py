"""The same rows are the same, whatever file they come from."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.datasets.builtin import Builtin
from paredown.datasets.csv import Csv
from paredown.datasets.jsonl import Jsonl
from paredown.datasets.npz import Npz
from paredown.datasets.parquet import Parquet
from paredown.datasets.python import Python
from paredown.testing.contracts import check_dataset

# a csv file cannot hold a NUL, half of a surrogate pair, or outer spaces; nor can it tell the word 1 from the number 1
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12).map(str.strip).filter(bool)
WORD = TEXT.map(lambda text: f"w{text}")
NUMBER = st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(-(2.0**90), 2.0**90, width=32))
ROW = st.tuples(TEXT, TEXT, WORD, NUMBER, st.sampled_from(["no", "yes", "夏"]))
NAMES = ("a", "b", "word", "number", "label")


def write(folder: Path, rows: list) -> None:
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([NAMES, *(["" if cell is None else cell for cell in row] for row in rows)])
    with (folder / "t.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(dict(zip(NAMES, row)), ensure_ascii=False) + "\n" for row in rows)
    columns = [
        [None if cell is None else float(cell) for cell in column] if name == "number" else column
        for name, column in zip(NAMES, zip(*rows))
    ]
    pq.write_table(pa.table(columns, names=NAMES), folder / "t.parquet")


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8))
@pytest.mark.parametrize("entries", [{"text": ["a"]}, {"text": ["b", "a"]}, {"features": ["word", "number"], "categorical": ["word"]}])
def test_csv_jsonl_and_parquet_give_the_same_rows(tmp_path_factory, entries, rows):
    folder = tmp_path_factory.mktemp("agree")
    write(folder, rows)
    found = [
        reader.read(f"t.{end}", folder, {"groups": ["word"], "numeric": ["number"], **entries}, ())
        for reader, end in ((Csv(), "csv"), (Jsonl(), "jsonl"), (Parquet(), "parquet"))
    ]
    assert len({one.digest() for one in found}) == 1
    assert len({tuple(one.groups["word"]) for one in found}) == 1
    if "text" in entries:
        assert found[0].inputs.tolist() == [row[0] if len(entries["text"]) == 1 else [row[1], row[0]] for row in rows]


def test_contracts_of_the_plain_readers(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("a,label\n1,x\n2,y\n")
    np.savez(tmp_path / "t.npz", X=np.eye(2), y=[0, 1])
    (tmp_path / "contract_loader.py").write_text("def load(): return [[1], [2]], ['x', 'y']\n")
    monkeypatch.delitem(sys.modules, "contract_loader", raising=False)
    for reader, source in ((Csv(), "t.csv"), (Npz(), "t.npz"), (Builtin(), "builtin:digits"), (Python(), "python:contract_loader:load")):
        assert len(check_dataset(reader, source, tmp_path)) >= 2
