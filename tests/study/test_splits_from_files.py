"""Splits from files of different kinds: texts, sparse rows, folders."""

import numpy as np
import pytest
from cut_jobs import job

from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.datasets.csv import Csv
from paredown.ingest.any_source import read_rows
from paredown.study import splits as splits_module
from paredown.study.splits import load_splits


class Texts(Task):
    """Any rows, until the task for texts is there."""

    raw = "text"

    def check(self, rows):
        assert rows.inputs.dtype == object

    def encoder(self, train, options): ...
    def decoder(self, names): ...
    def probe(self, encoder, seed): ...


@pytest.mark.parametrize("text", ["a", ["a", "b"]])
def test_texts_are_cut_and_their_duplicates_dropped(tmp_path, monkeypatch, text):
    real = splits_module.registry.get
    monkeypatch.setattr(splits_module.registry, "get", lambda kind, name: Texts if kind == "tasks" else real(kind, name))
    lines = [f"问题{at},答{at},{'xy'[at % 2]}\n" for at in range(60)]
    (tmp_path / "train.csv").write_text("a,b,label\n" + "".join(lines))
    (tmp_path / "test.jsonl").write_text("".join(f'{{"b": "答{at}", "a": "问题{at}", "label": "x"}}\n' for at in (2, 100, 101, 102)))
    (tmp_path / "more.txt").write_text("问题101\n\nنص\n")
    sources = {"train": "train.csv", "test": "test.jsonl"} | ({"unlabeled": "more.txt"} if text == "a" else {})
    splits = load_splits(job(tmp_path, "text-classification", columns={"text": text}, **sources), 0, True)
    assert sum(splits.dropped.values()) == (2 if text == "a" else 1)
    assert splits.counts["train"] + splits.counts["calibration"] + splits.counts["validation"] == 59
    if text == "a":
        assert splits.unlabeled.inputs.tolist() == ["نص"]
    (tmp_path / "numbers_of_a_user.py").write_text("def load(): return [[1.0], [2.0]], ['x', 'y']\n")
    found = "texts" if text == "a" else "pairs of texts"
    with pytest.raises(BadData, match=rf"test has rows of shape \(1,\) in float32; train has {found}\."):
        load_splits(job(tmp_path, "text-classification", columns={"text": text}, train="train.csv", test="numbers_of_a_user:load"), 0, True)


def test_sparse_rows_are_as_wide_as_those_of_train(tmp_path):
    (tmp_path / "train.svm").write_text("".join(f"{at % 2} 1:{at} 5:1\n" for at in range(40)))
    (tmp_path / "test.svm").write_text("".join(f"{at % 2} 2:{at + 1}\n" for at in range(4)))
    splits = load_splits(job(tmp_path, "tabular-classification", train="train.svm", test="test.svm"), 0, True)
    assert splits.test.inputs.shape == (4, 5)
    (tmp_path / "test.svm").write_text("1 6:1\n0 1:1\n")
    with pytest.raises(BadData, match=r"test\.svm has 6 columns; the first split has 5"):
        load_splits(job(tmp_path, "tabular-classification", train="train.svm", test="test.svm"), 0, True)


def test_a_reader_may_claim_a_folder_by_what_is_in_it(tmp_path, monkeypatch):
    class Shelf(DatasetReader):
        """Folders with a file named shelf."""

        @classmethod
        def claims(cls, source, folder):
            return (folder / source / "shelf").is_file()

        def read(self, source, folder, columns, labels):
            return Rows(inputs=np.zeros((2, 1)), labels=None)

    (tmp_path / "old").mkdir()
    monkeypatch.setattr(splits_module.registry, "working", lambda kind: [Csv, Shelf])
    with pytest.raises(BadData, match=r"no reader for the folder 'old'\.\n  Name a file in it, a folder that"):
        read_rows("old", tmp_path, {}, ())
    (tmp_path / "old" / "shelf").touch()
    assert len(read_rows("old", tmp_path, {}, ())) == 2


def test_an_unknown_task_is_refused_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((60, 4, 4)), y=np.arange(60) % 3)
    with pytest.raises(UnknownName, match="no task 'image-classificatoin'"):
        load_splits(job(tmp_path, "image-classificatoin", all="a.npz"), 0, True)
