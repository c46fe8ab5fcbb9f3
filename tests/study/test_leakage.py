import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.job import DataSpec, Job, ModelSpec
from paredown.core.policy import Policy
from paredown.core.rows import Rows
from paredown.study.leakage import by_chance, without_leaks
from paredown.study.splits import load_splits


def people(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Eight columns of small whole numbers and words, as COMPAS has them: most people share their row with somebody."""
    draw = np.random.default_rng(seed)
    return {
        "age": np.clip(draw.gamma(4, 6, count) + 18, 18, 70).astype(np.int64) // 3,
        "sex": draw.choice(["Male", "Female"], count, p=[0.8, 0.2]).astype(object),
        "race": draw.choice(["A", "B", "C", "D", "E"], count, p=[0.5, 0.34, 0.09, 0.06, 0.01]).astype(object),
        "priors": np.minimum(draw.geometric(0.4, count) - 1, 30),
        "juvenile": (draw.random(count) < 0.05).astype(np.int64),
        "misdemeanors": (draw.random(count) < 0.06).astype(np.int64),
        "other": (draw.random(count) < 0.07).astype(np.int64),
        "charge": draw.choice(["F", "M"], count, p=[0.65, 0.35]).astype(object),
    }


def measured(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A number that hardly repeats, and two columns that do."""
    draw = np.random.default_rng(seed)
    return {"age": draw.integers(18, 80, count), "sex": draw.integers(0, 2, count), "dose": draw.normal(size=count)}


def rows(columns: dict[str, np.ndarray]) -> Rows:
    labels = np.random.default_rng(9).integers(0, 2, len(next(iter(columns.values()))))
    return Rows(
        inputs={name: column if column.dtype == object else column.astype(np.float32) for name, column in columns.items()}, labels=labels
    )


def both(first: Rows, second: Rows) -> list[Rows]:
    return [first, second]


def one_hot(columns: dict[str, np.ndarray]) -> Rows:
    flags = [column == value for column in columns.values() for value in sorted(set(column.tolist()))]
    return Rows(inputs=np.stack(flags, 1).astype(np.float32), labels=None)


def leaning(count: int) -> Rows:
    """Forty answers that mostly agree with each other: columns that are anything but independent."""
    draw = np.random.default_rng(3)
    return Rows(inputs=((draw.random((count, 1)) < 0.5) ^ (draw.random((count, 40)) < 0.02)).astype(np.float32), labels=None)


COPIED = rows(measured(3000))
DISTINCT = Rows(inputs=np.random.default_rng(4).normal(size=(2000, 6)).astype(np.float32), labels=None)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([rows(people(3000))], True),
        ([rows(people(150))], True),
        ([rows(people(600, seed)) for seed in (1, 2, 3)], True),
        ([one_hot(people(3000))], True),
        ([leaning(2000)], True),
        ([rows({"age": people(500)["age"]})], True),
        ([rows({"age": people(900)["age"], "sex": people(900)["sex"], "always": np.ones(900)})], True),
        ([COPIED, COPIED.take(slice(0, 900))], False),
        ([COPIED, COPIED.take(slice(0, 1))], False),
        ([rows(people(800) | {"id": np.arange(800)}), rows(people(800) | {"id": np.arange(800)})], False),
        ([DISTINCT, DISTINCT], False),
        ([DISTINCT], False),
    ],
    ids=["people", "few", "files", "one-hot", "leaning", "one column", "constant", "copies", "one copy", "row id", "twice", "distinct"],
)
def test_people_share_rows_by_chance_and_copies_do_not(parts: list[Rows], expected: bool) -> None:
    assert by_chance(parts) is expected


def job(folder: Path, **sources: str) -> Job:
    data = DataSpec(sources=sources, columns={"label": "again"})
    model, policy = ModelSpec(kind="builtin", value="x"), Policy(name="p")
    return Job(name="j", model=model, task="tabular-classification", data=data, metric="accuracy", policy=policy, folder=folder)


def save(file: Path, columns: dict[str, np.ndarray], seed: int = 0) -> Path:
    draw = np.random.default_rng(seed + 100)
    count = len(next(iter(columns.values())))
    label = (draw.random(count) < 0.2 + 0.6 * (columns["age"] % 2)).astype(int)
    lines = zip(*columns.values(), label)
    file.write_text("\n".join([",".join([*columns, "again"]), *(",".join(map(str, line)) for line in lines)]) + "\n")
    return file.parent


def shares(note: str) -> dict[str, tuple[int, int]]:
    return {split: (int(equal), int(count)) for equal, count, split in re.findall(r"(\d+) of (\d+) \(\d+%\) of (\w+)", note)}


@pytest.mark.parametrize("trains", [True, False])
def test_all_training_rows_of_a_coarse_table_are_kept_and_their_share_is_said(tmp_path: Path, trains: bool) -> None:
    splits = load_splits(job(save(tmp_path / "all.csv", people(7214)), all="all.csv"), 0, trains)
    assert splits.counts == {"train": 2344, "calibration": 361, "validation": 902, "test": 3607}
    assert splits.dropped_duplicates == 0
    inputs = {split: {*getattr(splits, split).row_digests()} for split in splits.counts}
    elsewhere = {*inputs["test"], *inputs["validation"], *inputs["calibration"]}
    equal = sum(digest in elsewhere for digest in splits.train.row_digests())
    assert splits.equal["train"] == equal > 0.7 * 2344
    assert shares(splits.notes[-1])["train"] == (equal, 2344)
    assert splits.notes[-1].endswith("They are kept: in a table of few values people share a row by chance.")


@pytest.mark.parametrize("trains", [True, False])
def test_files_of_their_own_follow_the_same_rule(tmp_path: Path, trains: bool) -> None:
    save(tmp_path / "train.csv", people(2000))
    save(tmp_path / "test.csv", people(1500, 1), 1)
    splits = load_splits(job(tmp_path, train="train.csv", test="test.csv"), 0, trains)
    assert sum(splits.counts.values()) == 3500
    assert splits.dropped_duplicates == 0
    assert shares(splits.notes[-1]) == {split: (splits.equal[split], count) for split, count in splits.counts.items()}
    assert not any("is not in" in note or "too; chance" in note for note in splits.notes)


def test_equal_people_with_both_answers_are_spread_over_all_splits(tmp_path: Path) -> None:
    """Else those who answered one way would be trained on, and those who answered the other way be asked about."""
    columns = {"age": np.arange(4000) % 20, "sex": np.array(["f", "m"] * 2000, object)}
    splits = load_splits(job(save(tmp_path / "all.csv", columns), all="all.csv"), 0, True)
    trained, asked = (Counter(zip(rows.row_digests(), rows.labels.tolist())) for rows in (splits.train, splits.test))
    assert trained.keys() == asked.keys()
    assert max(abs(asked[key] / 2000 - trained[key] / len(splits.train)) for key in asked) < 0.02


def test_copies_in_a_table_that_tells_rows_apart_are_dropped_as_ever(tmp_path: Path) -> None:
    whole = measured(1000)
    save(tmp_path / "train.csv", whole)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    other = lines[1][:-1] + str(1 - int(lines[1][-1]))
    (tmp_path / "test.csv").write_text("\n".join([lines[0], other, *lines[2:102]]) + "\n")
    splits = load_splits(job(tmp_path, train="train.csv", test="test.csv"), 0, True)
    assert splits.dropped_duplicates == 100
    assert splits.equal == {}
    assert splits.notes[-1].startswith("100 rows were dropped because another split has the same input: ")


def test_a_file_that_is_another_one_or_a_part_of_it_is_named(tmp_path: Path) -> None:
    save(tmp_path / "train.csv", people(3000))
    lines = (tmp_path / "train.csv").read_text().splitlines()
    (tmp_path / "same.csv").write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    with pytest.raises(
        BadData,
        match=re.escape("test (same.csv) and train (train.csv) hold the same 3000 rows.")
        + "|"
        + re.escape("train (train.csv) and test (same.csv) hold the same 3000 rows."),
    ):
        load_splits(job(tmp_path, train="train.csv", test="same.csv"), 0, True)
    (tmp_path / "part.csv").write_text("\n".join(lines[:1001]) + "\n")
    notes = load_splits(job(tmp_path, train="train.csv", test="part.csv"), 0, True).notes
    assert re.match(r"0 of \d+ different rows of test are not in train too; chance would leave about \d+\. If test was taken out", notes[0])


def test_only_an_equal_input_with_an_equal_label_is_a_leak() -> None:
    inputs = np.arange(8, dtype=np.float32).reshape(4, 2)
    test = Rows(inputs=inputs[:2], labels=np.array([0, 1]))
    train = Rows(inputs=inputs, labels=np.array([0, 0, 1, 1]))
    more = Rows(inputs=inputs[1:], labels=None)
    kept, dropped = without_leaks(
        {"train": train, "test": test, "unlabeled": Rows(inputs=np.vstack([more.inputs, np.full((1, 2), 9, np.float32)]), labels=None)}
    )
    assert kept["train"].inputs.tolist() == inputs[1:].tolist()
    assert dropped == {"test": 0, "train": 1, "unlabeled": 3}
