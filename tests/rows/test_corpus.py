"""Documents are in every split; queries are cut."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.job import Job
from paredown.core.rows import Rows
from paredown.kinds.vector import NOTHING, relevant
from paredown.metrics.ndcg import Ndcg
from paredown.rows import corpus
from paredown.study.jobfile import read_job
from paredown.study.splits import load_splits

DOCUMENTS, TRAIN, TEST = 60, 40, 12


def job(tmp_path: Path, **data: str) -> Job:
    (tmp_path / "qrels").mkdir()
    texts = [json.dumps({"_id": f"d{at}", "text": f"document {at}"}) for at in range(DOCUMENTS)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(texts), "utf-8")
    asked = [json.dumps({"_id": f"q{at}", "text": f"query {at}"}) for at in range(TRAIN + TEST)]
    (tmp_path / "queries.jsonl").write_text("\n".join(asked), "utf-8")
    for name, queries in (("train", range(TRAIN)), ("test", range(TRAIN, TRAIN + TEST))):
        lines = [f"q{at}\td{(7 * at) % DOCUMENTS}\t1\nq{at}\td{(7 * at + 1) % DOCUMENTS}\t2\n" for at in queries]
        (tmp_path / "qrels" / f"{name}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines), "utf-8")
    (tmp_path / "model").mkdir()
    file = {
        "model": {"huggingface": "model"}, "task": "text-embedding", "metric": "ndcg@10", "policy": "frugal",
        "data": data or {"train": "qrels/train.tsv", "test": "qrels/test.tsv"},
    }  # fmt: skip
    (tmp_path / "job.yaml").write_text(json.dumps(file), "utf-8")
    return read_job(tmp_path / "job.yaml")


def parted(rows: Rows) -> tuple[list[str], list[str]]:
    texts = rows.inputs.tolist()
    if rows.labels is not None:
        assert [text.startswith("document") for text in texts] == (rows.labels[:, 0] != NOTHING).tolist()
    return [text for text in texts if text.startswith("document")], [text for text in texts if text.startswith("query")]


def test_queries_are_cut_and_each_split_has_the_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MOST", {"validation": 30, "calibration": 8})
    splits = load_splits(job(tmp_path), 0, False, ["0", "1"])
    every = [f"document {at}" for at in range(DOCUMENTS)]
    found = {split: parted(getattr(splits, split)) for split in ("train", "validation", "calibration", "test")}
    assert found["test"] == (every, [f"query {at}" for at in range(TRAIN, TRAIN + TEST)])
    assert found["train"][0] == every
    assert splits.train is not None
    assert splits.train.labels is None  # no row of it has an answer of its own to learn
    queries = [query for split in ("train", "validation", "calibration") for query in found[split][1]]
    assert sorted(queries) == sorted(f"query {at}" for at in range(TRAIN))  # each in one of them
    assert (len(found["validation"][1]), len(found["calibration"][1])) == (10, 4)
    assert (len(found["validation"][0]), len(found["calibration"][0])) == (30, 8)
    assert not splits.dropped_duplicates
    validation = splits.validation
    assert {*relevant(validation.labels).tolist()} <= {*validation.labels[:, 0].tolist()}
    for text, (_, first, grade, *_) in zip(validation.inputs.tolist()[30:], validation.labels[30:].tolist()):
        at = 7 * int(text.removeprefix("query ")) % DOCUMENTS + grade - 1
        assert validation.inputs[validation.labels[:, 0] == first].tolist() == [f"document {at % DOCUMENTS}"]
    assert any("Each of the 10 queries of validation is asked among 30 of the 60 documents" in note for note in splits.notes)
    assert 0 < Ndcg(k=10, kind="vector").over_set(validation.labels, np.random.default_rng(0).normal(size=(len(validation), 4))) < 1
    again = load_splits(read_job(tmp_path / "job.yaml"), 0, False, ["0", "1"])
    assert again.digests == splits.digests
    other = load_splits(read_job(tmp_path / "job.yaml"), 1, False, ["0", "1"])
    assert other.digests["test"] == splits.digests["test"]
    assert other.digests["validation"] != splits.digests["validation"]


def test_without_train_a_third_of_the_queries_of_test_is_validation(tmp_path: Path) -> None:
    splits = load_splits(job(tmp_path, test="qrels/test.tsv"), 0, False, ["0", "1"])
    assert [len(parted(getattr(splits, split))[1]) for split in ("test", "validation")] == [8, 3]
    assert len(parted(splits.test)[0]) == len(parted(splits.validation)[0]) == DOCUMENTS


def test_a_split_without_queries_is_refused() -> None:
    rows = Rows(inputs=np.array(["a", "b"], object), labels=np.array([0, 1]))
    with pytest.raises(BadData, match=r"test has no query\.\n  Give it some"):
        corpus.apart({"test": rows}, np.array([True, True]))
