"""Numbers and lists of labels from files of different kinds, through the cuts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cut_jobs import job

from paredown.core.errors import BadData
from paredown.study.splits import load_splits


def values(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=count).round(6)


def test_numbers_are_the_same_from_every_kind_of_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = values(400)
    (tmp_path / "all.csv").write_text("a,y\n" + "".join(f"{at},{value}\n" for at, value in enumerate(said)))
    (tmp_path / "all.jsonl").write_text("".join(json.dumps({"a": at, "y": value}) + "\n" for at, value in enumerate(said)))
    pq.write_table(pa.table({"a": np.arange(400.0), "y": said}), tmp_path / "all.parquet")
    np.savez(tmp_path / "all.npz", X=np.arange(400.0)[:, None], y=said)
    found = []
    for name in ("all.csv", "all.jsonl", "all.parquet", "all.npz"):
        columns = {} if name.endswith("npz") else {"label": "y"}
        splits = load_splits(job(tmp_path, "tabular-regression", columns=columns, all=name), 0, True)
        assert (splits.counts["test"], splits.names) == (200, ("label" if name.endswith("npz") else "y",))
        assert splits.test.labels.shape == (200, 1)
        column = splits.test.inputs[:, 0] if name.endswith("npz") else splits.test.inputs["a"]
        np.testing.assert_array_equal(splits.test.labels[:, 0], said[column.astype(int)])
        found.append({int(at) for at in column})
        kept = np.concatenate([getattr(splits, split).labels[:, 0] for split in ("train", "calibration", "validation", "test")])
        np.testing.assert_array_equal(np.sort(kept), np.sort(said))
    assert found[0] == found[1] == found[2]


def test_the_digest_of_rows_follows_the_numbers(tmp_path: Path) -> None:
    digests = []
    for shift in (0.0, 0.0, 1e-9):
        (tmp_path / "all.csv").write_text("a,y\n" + "".join(f"{at},{value + shift!r}\n" for at, value in enumerate(values(100).tolist())))
        digests.append(load_splits(job(tmp_path, "tabular-regression", columns={"label": "y"}, all="all.csv"), 0, True).digests)
    assert digests[0] == digests[1] != digests[2]


def test_lists_of_labels_are_the_same_from_every_kind_of_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(1)
    said = [[name for name in ("fear", "joy", "rage") if draw.random() < 0.4] for _ in range(300)]
    texts = [f"text {at}" for at in range(300)]
    (tmp_path / "all.tsv").write_text("q\ttags\n" + "".join(f"{text}\t{'|'.join(each) or '[]'}\n" for text, each in zip(texts, said)))
    (tmp_path / "all.jsonl").write_text("".join(json.dumps({"q": text, "tags": each}) + "\n" for text, each in zip(texts, said)))
    pq.write_table(pa.table({"q": texts, "tags": said}), tmp_path / "all.parquet")
    for name in ("all.tsv", "all.jsonl", "all.parquet"):
        splits = load_splits(job(tmp_path, "text-multilabel", columns={"text": "q", "label": "tags"}, all=name), 0, True)
        assert splits.names == ("fear", "joy", "rage")
        rows = [int(text.split()[1]) for text in splits.test.inputs.tolist()]
        wanted = [[float(label in said[at]) for label in splits.names] for at in rows]
        np.testing.assert_array_equal(splits.test.labels, wanted)
    splits = load_splits(
        job(tmp_path, "text-multilabel", labels=("rage", "calm", "joy", "fear"), columns={"text": "q", "label": "tags"}, all="all.tsv"),
        0,
        True,
    )
    assert splits.names == ("rage", "calm", "joy", "fear")
    assert not splits.test.labels[:, 1].any()


def test_marks_in_an_array_are_lists_of_labels(tmp_path: Path) -> None:
    marks = np.random.default_rng(2).integers(0, 2, (200, 4))
    np.savez(tmp_path / "all.npz", X=np.arange(200.0)[:, None], y=marks)
    splits = load_splits(job(tmp_path, "tabular-multilabel", all="all.npz"), 0, True)
    np.testing.assert_array_equal(splits.test.labels, marks[splits.test.inputs[:, 0].astype(int)])


@pytest.mark.parametrize(
    ("task", "cells", "said"),
    [
        (
            "tabular-classification",
            ["0.5", "1", "2.25"],
            "all has the label '0.5' in 34 rows, a fraction: regression, the answer is a number; a",
        ),
        ("tabular-regression", ["1", "many", "2"], r"all\.csv:3: column 'y' holds 'many'; it is a column of numbers\."),
        ("tabular-multilabel", ["a", "a", "a"], r"the column 'y' has 1 label \(a\)\.\n  Several labels per row are written"),
    ],
)
def test_labels_of_another_kind_are_refused(tmp_path: Path, task: str, cells: list[str], said: str) -> None:
    (tmp_path / "all.csv").write_text("a,y\n" + "".join(f"{at},{cells[at % 3]}\n" for at in range(100)))
    with pytest.raises(BadData, match=said):
        load_splits(job(tmp_path, task, columns={"label": "y"}, all="all.csv"), 0, True)


def test_a_list_is_no_class(tmp_path: Path) -> None:
    (tmp_path / "all.jsonl").write_text("".join(json.dumps({"a": at, "y": ["x", "z"][: at % 2 + 1]}) + "\n" for at in range(60)))
    with pytest.raises(BadData, match="all has a list of labels in one row \\(x\\): multi-label, each of several labels may hold at once"):
        load_splits(job(tmp_path, "tabular-classification", columns={"label": "y"}, all="all.jsonl"), 0, True)


def test_many_numbers_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from paredown.rows import blocks, columns

    monkeypatch.setattr(columns, "held", lambda rows, most_b=0: rows)
    monkeypatch.setattr(blocks, "IN_MEMORY_B", 0)
    said = values(2000)
    (tmp_path / "all.csv").write_text("a,y\n" + "".join(f"{at},{value}\n" for at, value in enumerate(said)))
    splits = load_splits(job(tmp_path, "tabular-regression", columns={"label": "y"}, all="all.csv"), 0, True)
    assert splits.train is not None
    for part in splits.train.parts():
        np.testing.assert_array_equal(part.labels[:, 0], said[part.inputs["a"].astype(int)])


def test_a_label_that_train_never_has_is_refused(tmp_path: Path) -> None:
    for split, more in (("train", ""), ("test", "|violet")):
        first = 0 if split == "train" else 500
        lines = [f"{first + at},{'red|green' if at % 2 else 'green'}{more if at == 3 else ''}\n" for at in range(100)]
        (tmp_path / f"{split}.csv").write_text("a,y\n" + "".join(lines))
    with pytest.raises(
        BadData, match=r"(test|validation) has the label 'violet' in 1 rows; train never had it\.\n  Add such rows to train"
    ):
        load_splits(job(tmp_path, "tabular-multilabel", columns={"label": "y"}, train="train.csv", test="test.csv"), 0, True)


def test_the_order_of_a_trained_models_labels_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "all.csv").write_text("a,y\n" + "".join(f"{at},{'red|green' if at % 2 else 'green'}\n" for at in range(100)))
    this = job(tmp_path, "tabular-multilabel", columns={"label": "y"}, all="all.csv")
    said = r"the labels are words \(green, red\), and the model does not name its outputs; which is which is not guessed\.\n  Name"
    with pytest.raises(BadData, match=said):
        load_splits(this, 0, False)
    assert load_splits(this, 0, False, ("red", "green")).names == ("red", "green")
    assert load_splits(this, 0, True).names == ("green", "red")


def test_whole_numbers_that_may_be_no_classes_are_told_so(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 1000)):
        (tmp_path / f"{split}.csv").write_text("a,y\n" + "".join(f"{first + at},{(first + at) * 7}\n" for at in range(80)))
    with pytest.raises(BadData, match=r"train never had it\.\n.* If it is a number write `task: \.\.\.-regression`\."):
        load_splits(job(tmp_path, "tabular-classification", columns={"label": "y"}, train="train.csv", test="test.csv"), 0, True)
