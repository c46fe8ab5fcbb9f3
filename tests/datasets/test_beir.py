"""Folders in the form of BEIR."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from paredown.core.errors import BadData
from paredown.datasets.beir import Beir
from paredown.datasets.csv import Csv
from paredown.ingest.any_source import read_rows
from paredown.kinds.vector import document, query
from paredown.testing.contracts import check_dataset

DOCUMENTS = [{"_id": "d1", "title": "Snow", "text": "It falls."}, {"_id": "d2", "title": "", "text": "一二三"}, {"id": 3, "text": "Rain."}]
QUERIES = [{"_id": "q1", "text": "white?"}, {"_id": "q2", "text": "wet?"}, {"_id": "q3", "text": "none?"}]
JUDGED = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\t3\t1\nq2\td1\t1\n"


def folder(tmp_path: Path, judged: str = JUDGED, documents: object = DOCUMENTS, queries: object = QUERIES, packed: bool = False) -> Path:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text(judged, "utf-8")
    for name, items in (("corpus", documents), ("queries", queries)):
        text = items if isinstance(items, str) else "".join(json.dumps(item) + "\n" for item in items)  # type: ignore[attr-defined]
        if packed:
            (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (tmp_path / f"{name}.jsonl").write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_documents_come_first_and_then_the_queries_that_are_judged(tmp_path: Path, packed: bool) -> None:
    rows = check_dataset(Beir(), "qrels/test.tsv", folder(tmp_path, packed=packed))
    assert rows.inputs.tolist() == ["Snow It falls.", "一二三", "Rain.", "white?", "wet?"]
    words = [rows.names[at] for at in rows.labels]
    assert words == [document("d1"), document("d2"), document("3"), query("q1", [("d1", 2)]), query("q2", [("3", 1), ("d1", 1)])]
    assert read_rows("qrels/test.tsv", tmp_path, {"label": None}, ()).labels is None


def test_other_tables_are_left_to_their_reader(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("text\tlabel\na\tb\nc\td\n", "utf-8")
    assert not Beir.claims("x.tsv", tmp_path)
    assert not Beir.claims("absent.tsv", tmp_path)
    assert Csv.claims("x.tsv", tmp_path)
    assert Beir.claims("test.tsv", folder(tmp_path) / "qrels")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"judged": JUDGED + "q9\td1\t1\n"}, r"qrels/test\.tsv:6: there is no query 'q9'\.\n  Add it"),
        ({"judged": JUDGED + "q1\td9\t1\n"}, r"qrels/test\.tsv:6: there is no document 'd9'\.\n  Add it"),
        ({"judged": JUDGED + "q1\td1\n"}, r"qrels/test\.tsv:6: the line is 'q1\\td1'\.\n  It has to be a query's identifier"),
        ({"judged": JUDGED + "q1\td1\t0.5\n"}, r"qrels/test\.tsv:6: the line is"),
        ({"judged": JUDGED + "q1\td1\tnan\n"}, r"qrels/test\.tsv:6: the line is"),
        ({"judged": "query-id\tcorpus-id\tscore\nq1\td1\t0\n"}, r"no query has a relevant document, one of a score above 0"),
        ({"documents": [*DOCUMENTS, DOCUMENTS[0]]}, r"corpus\.jsonl:4: there are two documents 'd1'"),
        ({"queries": [*QUERIES, QUERIES[0]]}, r"queries\.jsonl:4: there are two queries 'q1'"),
        ({"queries": [*QUERIES, {"text": "x"}]}, r"queries\.jsonl:4: the line is no text with an identifier"),
        ({"documents": [*DOCUMENTS, {"_id": "x", "text": ["a"]}]}, r"corpus\.jsonl:4: the line is no text with an identifier"),
        ({"documents": [*DOCUMENTS, {"_id": "x", "text": " "}]}, r"corpus\.jsonl:4.* empty"),
        ({"documents": "not json\n"}, r"corpus\.jsonl:1: the line is not JSON"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadData, match=said):
        Beir().read("qrels/test.tsv", folder(tmp_path, **changes), {}, ())  # type: ignore[arg-type]


def test_absent_and_damaged_files_are_told(tmp_path: Path) -> None:
    here = folder(tmp_path)
    (here / "queries.jsonl").unlink()
    with pytest.raises(BadData, match=r"qrels/test\.tsv: there is no queries\.jsonl beside it or one folder above"):
        Beir().read("qrels/test.tsv", here, {}, ())
    (here / "queries.jsonl.gz").write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(BadData, match=r"queries\.jsonl\.gz cannot be unpacked: "):
        Beir().read("qrels/test.tsv", here, {}, ())
    (here / "queries.jsonl.gz").write_bytes(b"plain")
    with pytest.raises(BadData, match=r"queries\.jsonl\.gz cannot be unpacked: Not a gzipped file"):
        Beir().read("qrels/test.tsv", here, {}, ())
