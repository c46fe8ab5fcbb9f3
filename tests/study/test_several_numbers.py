"""Several numbers, or several marks, as the label of a row, from files of different kinds through the cuts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cut_jobs import job

from paredown.core.errors import BadData
from paredown.study.splits import load_splits

SAID = np.random.default_rng(0).normal(size=(300, 2)).round(6)


def write(folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lines = [(at, *pair) for at, pair in enumerate(SAID.tolist())]
    (folder / "all.csv").write_text("a,u,v\n" + "".join(f"{at},{u!r},{v!r}\n" for at, u, v in lines))
    (folder / "all.jsonl").write_text("".join(json.dumps({"a": at, "u": u, "v": v}) + "\n" for at, u, v in lines))
    (folder / "lists.jsonl").write_text("".join(json.dumps({"a": at, "y": [u, v]}) + "\n" for at, u, v in lines))
    pq.write_table(pa.table({"a": np.arange(300.0), "u": SAID[:, 0], "v": SAID[:, 1]}), folder / "all.parquet")
    np.savez(folder / "all.npz", X=np.arange(300.0)[:, None], y=SAID)
    np.savez(folder / "two.npz", X=np.arange(300.0)[:, None], u=SAID[:, 0], v=SAID[:, 1])
    (folder / "made.py").write_text(
        "import numpy as np\n\n\ndef load():\n    with np.load(__file__.replace('made.py', 'all.npz')) as file:\n"
        "        return file['X'], file['y'].tolist()\n"
    )


@pytest.mark.parametrize(
    ("source", "label", "names"),
    [
        ("all.csv", ["u", "v"], ("u", "v")),
        ("all.jsonl", ["u", "v"], ("u", "v")),
        ("lists.jsonl", "y", ("y 0", "y 1")),
        ("all.parquet", ["v", "u"], ("v", "u")),
        ("all.npz", None, ("label 0", "label 1")),
        ("two.npz", ["u", "v"], ("label 0", "label 1")),
        ("python:made:load", None, ("label 0", "label 1")),
    ],
)
def test_several_numbers_are_the_same_from_every_kind_of_source(tmp_path: Path, source: str, label, names) -> None:
    write(tmp_path)
    splits = load_splits(job(tmp_path, "tabular-regression", columns={} if label is None else {"label": label}, all=source), 0, True)
    assert splits.names == splits.test.names == names
    kept = []
    for split in (splits.train, splits.calibration, splits.validation, splits.test):
        assert split is not None
        inputs = split.inputs["a"] if isinstance(split.inputs, dict) else split.inputs[:, 0]
        wanted = SAID[inputs.astype(int)]
        np.testing.assert_array_equal(split.labels, wanted[:, ::-1] if names[0] == "v" else wanted)
        kept += inputs.tolist()
    assert sorted(kept) == list(range(300))


def test_a_row_that_two_splits_have_with_its_numbers_is_dropped(tmp_path: Path) -> None:
    head = "a,b,u,v\n"
    lines = [f"{at},{at * 7 % 11},{u!r},{v!r}\n" for at, (u, v) in enumerate(SAID.tolist())]
    other = lines[3].rsplit(",", 1)[0] + ",9.5\n"  # the same input with another answer gives nothing away
    (tmp_path / "train.csv").write_text(head + "".join(lines[:200]) + lines[210] + other)
    (tmp_path / "test.csv").write_text(head + "".join([*lines[200:], lines[3].replace("\n", "")]) + "\n")
    columns = {"label": ["u", "v"]}
    splits = load_splits(job(tmp_path, "tabular-regression", columns=columns, train="train.csv", test="test.csv"), 0, True)
    assert splits.counts["test"] == 101
    assert splits.dropped_duplicates == 2


def test_columns_of_marks_are_labels_in_the_models_order(tmp_path: Path) -> None:
    marks = np.random.default_rng(1).integers(0, 2, (200, 3))
    (tmp_path / "all.csv").write_text("q,x,y,z\n" + "".join(f"text {at},{a},{b},{c}\n" for at, (a, b, c) in enumerate(marks)))
    this = job(tmp_path, "text-multilabel", columns={"text": "q", "label": ["x", "y", "z"]}, all="all.csv")
    for model, order in (((), [0, 1, 2]), (("z", "x", "y"), [2, 0, 1]), (("LABEL_0", "LABEL_1", "LABEL_2"), [0, 1, 2])):
        splits = load_splits(this, 0, False, model)
        rows = [int(text.split()[1]) for text in splits.test.inputs.tolist()]
        assert splits.names == (model or ("x", "y", "z"))
        np.testing.assert_array_equal(splits.test.labels, marks[rows][:, order])
    with pytest.raises(BadData, match=r"a label is 3 numbers \(x, y, z\); there are 2 names of outputs \(x, y\)"):
        load_splits(this, 0, False, ("x", "y"))


@pytest.mark.parametrize(
    ("task", "label", "row", "said"),
    [
        ("tabular-regression", ["u", "v"], "9,1.5,", r"all\.csv:12: the row has no label \(''\ in 'v'\)\.\n  Give it one"),
        ("tabular-regression", ["u", "v"], "9,1.5,much", r"all\.csv:12: column 'v' holds 'much'; it is a column of numbers"),
        ("tabular-multilabel", ["u", "v"], "9,1,0", r"all: row 0 has the labels 0\.5, 0\.25\.\n  Each column says of a label"),
        ("tabular-classification", ["u", "v"], "9,1,0", r"all has 2 numbers as a label, and a row is of one class"),
        ("tabular-regression", ["u", "w"], "9,1,0", r"all\.csv:1: there is no column 'w'"),
    ],
)
def test_what_is_no_such_label_is_refused(tmp_path: Path, task: str, label: list[str], row: str, said: str) -> None:
    (tmp_path / "all.csv").write_text("a,u,v\n" + "".join(f"{at},{0.5 + at},0.25\n" for at in range(10)) + row + "\n")
    with pytest.raises(BadData, match=said):
        load_splits(job(tmp_path, task, columns={"label": label}, all="all.csv"), 0, True)


def test_splits_with_other_numbers_are_refused(tmp_path: Path) -> None:
    for split, width in (("train", 2), ("test", 3)):
        np.savez(tmp_path / f"{split}.npz", X=np.arange(60.0)[:, None] + width * 100, y=np.random.default_rng(0).normal(size=(60, width)))
    with pytest.raises(BadData, match=r"test has 3 numbers as a label, train has 2\.\n  Give all splits the same columns"):
        load_splits(job(tmp_path, "tabular-regression", train="train.npz", test="test.npz"), 0, True)


def test_numbers_in_a_program_go_through_its_own_file(tmp_path: Path) -> None:
    from paredown.inmemory import in_program

    rows = in_program.labeled("test", (np.arange(300.0)[:, None], SAID.tolist()), {})
    assert in_program.guessed(rows, as_images=False) == ("tabular-regression", "an array (300, 1), and y has 2 numbers per row")
    name = in_program.keep(rows, "test", tmp_path)
    for known in ((), ("left", "right")):
        splits = load_splits(job(tmp_path, "tabular-regression", labels=known, all=name), 0, True)
        assert splits.names == (known or ("label 0", "label 1"))
        np.testing.assert_array_equal(splits.test.labels, SAID[splits.test.inputs[:, 0].astype(int)])
