import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from cut_jobs import images, job
from hypothesis import given, settings
from hypothesis import strategies as st

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.ingest.any_source import read_rows
from paredown.study.cuts import stratified
from paredown.study.splits import NAMES, load_splits


def present(splits):
    return {name: rows for name in NAMES if (rows := getattr(splits, name)) is not None}


def keys(rows):
    return Counter(zip(rows.row_digests(), rows.labels.tolist()))


def test_digits_are_cut_into_halves_and_the_rest_as_documented():
    splits = load_splits(job(Path(), all="builtin:digits"), 0, True)
    assert splits.counts == {"train": 584, "calibration": 90, "validation": 224, "test": 899}
    assert splits.names == tuple("0123456789")
    assert splits.test.high == 16
    assert splits.dropped_duplicates == 0
    assert (splits.notes, splits.unlabeled) == ((), None)
    whole = read_rows("builtin:digits", Path(), {}, ())
    assert sum((keys(rows) for rows in present(splits).values()), Counter()) == keys(whole)
    shares = np.bincount(whole.labels) / len(whole)
    for rows in present(splits).values():
        assert np.abs(np.bincount(rows.labels, minlength=10) - shares * len(rows)).max() <= 1


def test_the_seed_decides_the_splits_and_the_order_of_rows_does_not(saved):
    inputs, labels = images(300)
    turned = np.random.default_rng(5).permutation(300)
    folder = saved(a=(inputs, labels), b=(inputs[turned], labels[turned]))
    one, again, other = (load_splits(job(folder, all="a.npz"), seed, True) for seed in (0, 0, 1))
    shuffled = load_splits(job(folder, all="b.npz"), 0, True)
    assert one.digests == again.digests
    assert set(one.digests) == {"train", "calibration", "validation", "test"}
    for name, rows in present(one).items():
        assert keys(rows) == keys(getattr(shuffled, name))
        assert keys(rows) != keys(getattr(other, name))


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ({}, {"test": 150, "train": 97, "calibration": 15, "validation": 38}),
        ({"test": 0.2}, {"test": 60, "train": 156, "calibration": 24, "validation": 60}),
        ({"test": 0.3, "validation": 0.3, "calibration": 0.1}, {"test": 90, "train": 90, "calibration": 30, "validation": 90}),
    ],
)
def test_shares_are_of_all_rows_and_train_is_what_they_leave(saved, shares, counts):
    folder = saved(a=images(300))
    assert load_splits(job(folder, all="a.npz", shares=shares), 0, True).counts == counts


def test_a_model_that_arrives_trained_with_one_source_gets_a_note(saved):
    splits = load_splits(job(saved(a=images(60)), all="a.npz"), 0, False)
    assert "may have seen rows of validation and test" in splits.notes[0]


def test_calibration_and_validation_are_cut_from_train_when_the_job_trains(saved):
    folder = saved(train=images(200), test=images(50, seed=1))
    splits = load_splits(job(folder, train="train.npz", test="test.npz"), 0, True)
    assert splits.counts == {"train": 130, "calibration": 20, "validation": 50, "test": 50}
    assert splits.notes == ("Of the 200 rows of train these were set aside: 20 for calibration and 50 for validation.",)
    parts = [splits.train, splits.calibration, splits.validation]
    assert sum(map(keys, parts), Counter()) == keys(read_rows("train.npz", folder, {}, ()))


def test_what_is_cut_from_a_large_train_is_capped(saved):
    random = np.random.default_rng(0)
    folder = saved(train=(random.random((30_000, 2)), np.arange(30_000) % 2), test=(random.random((10, 2)), np.arange(10) % 2))
    splits = load_splits(job(folder, "tabular-classification", train="train.npz", test="test.npz"), 0, True)
    assert splits.counts == {"train": 27_000, "calibration": 1000, "validation": 2000, "test": 10}


def test_splits_that_are_named_are_used_whole(saved):
    parts = {
        name: images(size, seed=seed)
        for seed, (name, size) in enumerate({"train": 30, "calibration": 9, "validation": 12, "test": 15}.items())
    }
    folder = saved(**parts)
    splits = load_splits(job(folder, **{name: f"{name}.npz" for name in parts}), 0, True)
    assert splits.counts == {"train": 30, "calibration": 9, "validation": 12, "test": 15}
    assert splits.notes == ()


def test_a_model_that_arrives_trained_gets_a_third_of_test_as_validation(saved):
    inputs, labels = images(90, seed=1)
    turned = np.random.default_rng(5).permutation(90)
    folder = saved(train=images(40), test=(inputs, labels), again=(inputs[turned], labels[turned]))
    splits = load_splits(job(folder, train="train.npz", test="test.npz"), 0, False)
    assert splits.counts == {"train": 36, "calibration": 4, "validation": 30, "test": 60}
    assert np.bincount(splits.validation.labels).tolist() == [10, 10, 10]
    assert "names no validation: 30 of the 90 rows of test became validation" in splits.notes[0]
    assert "Of the 40 rows of train these were set aside: 4 for calibration" in splits.notes[1]
    other = load_splits(job(folder, train="train.npz", test="again.npz"), 9, False)
    assert keys(other.test) == keys(splits.test)


@pytest.mark.parametrize(
    ("sources", "counts", "note"),
    [
        (
            ("test", "unlabeled"),
            {"calibration": 5, "validation": 30, "test": 60, "unlabeled": 45},
            "Of the 50 rows of unlabeled these were set aside: 5 for",
        ),
        (
            ("test",),
            {"calibration": 3, "validation": 27, "test": 60},
            "Of the 30 rows of validation these were set aside: 3 for calibration",
        ),
        (
            ("test", "validation"),
            {"calibration": 2, "validation": 22, "test": 90},
            "Of the 24 rows of validation these were set aside: 2 for calibration",
        ),
    ],
)
def test_without_train_calibration_comes_from_unlabeled_or_validation(saved, sources, counts, note):
    folder = saved(test=images(90, seed=1), unlabeled=(images(50, seed=2)[0], None), validation=images(24, seed=3))
    splits = load_splits(job(folder, **{name: f"{name}.npz" for name in sources}), 0, False)
    assert splits.train is None
    assert splits.counts == counts
    assert note in splits.notes[-1]


def test_duplicates_across_splits_are_dropped_but_never_from_test(saved):
    train, y = images(60)
    test, yt = images(20, seed=1)
    test[:3], yt[:3] = train[:3], y[:3]
    test[3], yt[3] = test[4], yt[4]  # a pair inside test stays
    validation, yv = images(20, seed=2)
    validation[0], yv[0] = test[5], yt[5]
    validation[1], yv[1] = train[9], y[9]
    calibration = images(9, seed=3)
    folder = saved(
        train=(train, y),
        test=(test, yt),
        validation=(validation, yv),
        calibration=calibration,
        unlabeled=(np.vstack([train[:1], train[20:22], images(5, seed=4)[0]]), None),
    )
    sources = {name: f"{name}.npz" for name in NAMES}
    splits = load_splits(job(folder, **sources), 0, True)
    assert splits.dropped == {"test": 0, "validation": 1, "calibration": 0, "train": 4, "unlabeled": 3}
    assert splits.dropped_duplicates == 8
    assert splits.counts == {"train": 56, "calibration": 9, "validation": 19, "test": 20, "unlabeled": 5}
    assert splits.notes == (
        "8 rows were dropped because another split has the same input: 1 from validation, 4 from train, 3 from unlabeled.",
    )
    assert keys(splits.test) == keys(read_rows("test.npz", folder, {}, ()))
    for one, other in combinations(present(splits).values(), 2):
        assert not set(one.row_digests()) & set(other.row_digests())


def test_class_indices_are_those_of_train_in_every_split(saved):
    folder = saved(train=(images(40)[0], np.array(["c", "a", "b", "a"] * 10)), test=(images(9, seed=1)[0], np.array(["c", "b", "c"] * 3)))
    splits = load_splits(job(folder, train="train.npz", test="test.npz"), 0, True)
    assert splits.names == splits.test.names == ("a", "b", "c")
    assert splits.test.labels.tolist() == [2, 1, 2] * 3


def test_without_train_the_classes_are_all_that_occur(saved):
    folder = saved(test=(images(8, seed=1)[0], [10, 2] * 4), validation=(images(30, seed=2)[0], [2, 9] * 15))
    splits = load_splits(job(folder, test="test.npz", validation="validation.npz"), 0, False)
    assert splits.names == ("2", "9", "10")
    assert splits.test.labels.tolist() == [2, 0] * 4


TRAIN = "zip,age,sex,label\n" + "".join(
    f"{'A' if at == 0 else ''}{at},{at},{'fm'[at % 2]},{'yes' if at % 3 else 'no'}\n" for at in range(40)
)
TEST = "id,label,sex,age,zip\n1,yes,f,50,100\n2,no,f,51,101\n3,yes,m,52,102\n"


def table(folder, train=TRAIN, test=TEST, trains=True, **columns):
    (folder / "train.csv").write_text(train)
    (folder / "test.csv").write_text(test)
    return load_splits(
        job(folder, "tabular-classification", train="train.csv", test="test.csv", columns={"groups": ["sex"]} | columns), 0, trains
    )


def test_train_decides_what_is_a_word_and_the_order_of_columns(tmp_path):
    splits = table(tmp_path, label="label")
    assert list(splits.test.inputs) == ["zip", "age", "sex"]
    assert splits.test.inputs["zip"].tolist() == ["100", "101", "102"]
    assert splits.test.inputs["age"].tolist() == [50, 51, 52]
    assert splits.test.groups["sex"].tolist() == ["f", "f", "m"]


def test_a_column_that_train_drops_may_be_absent_from_test(tmp_path):
    assert list(table(tmp_path, test=TEST.replace("zip", "street"), drop=["zip"]).test.inputs) == ["age", "sex"]


def test_unlabeled_rows_need_neither_label_nor_groups(tmp_path):
    (tmp_path / "more.csv").write_text("sex,zip,age\nf,1,2\n")
    (tmp_path / "train.csv").write_text(TRAIN)
    (tmp_path / "test.csv").write_text(TEST)
    sources = {"train": "train.csv", "test": "test.csv", "unlabeled": "more.csv"}
    splits = load_splits(job(tmp_path, "tabular-classification", columns={"groups": ["sex"]}, **sources), 0, True)
    assert splits.unlabeled.labels is None
    assert list(splits.unlabeled.inputs) == ["zip", "age", "sex"]


@pytest.mark.parametrize(
    ("train", "test", "text"),
    [
        (TRAIN, TEST.replace("51", "old"), "test.csv:3: column 'age' holds 'old'; it is a column of numbers"),
        (TRAIN, TEST.replace("zip", "street"), "test.csv:1: there is no column 'zip'.\n  Set `features:`"),
        (TRAIN, TEST.replace("yes", "maybe"), "test has the label 'maybe' in 2 rows; train never had it"),
        (TRAIN, "id,label,sex,age,zip\n", "test.csv has a header and no rows"),
        (TRAIN.replace("no\n", "yes\n"), TEST, "the data have 1 class (yes).\n  Classification needs two"),
        (TRAIN.replace("age", "void").replace(",3,", ",,"), TEST, "test.csv:1: there is no column 'void'"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(tmp_path, train, test, text):
    with pytest.raises(BadData, match=re.escape(text)):
        table(tmp_path, train, test)


def test_columns_from_different_kinds_of_source_are_compared(tmp_path):
    (tmp_path / "tables_of_a_user.py").write_text(
        "def words(): return {'a': ['x', 'y'] * 20, 'b': list(range(40))}, [0, 1] * 20\n"
        "def numbers(): return {'b': [1, 2], 'a': [1, 2]}, [0, 1]\n"
        "def fewer(): return {'a': ['x', 'z']}, [0, 1]\n"
        "def array(): return [[1, 2], [2, 3]], [0, 1]\n"
        "def turned(): return {'c': [1, 2], 'b': [99, 98], 'a': ['x', 'z']}, [0, 1]\n"
    )

    def load(test):
        return load_splits(
            job(tmp_path, "tabular-classification", train="tables_of_a_user:words", test=f"tables_of_a_user:{test}"), 0, True
        )

    assert list(load("turned").test.inputs) == ["a", "b"]
    for test, text in {
        "numbers": "test has numbers in the column 'a'; train has words",
        "fewer": "test has no column 'b'; train has it",
        "array": "test has rows of shape (2,) in int64; train has columns",
    }.items():
        with pytest.raises(BadData, match=re.escape(text)):
            load(test)


@pytest.mark.parametrize(
    ("sources", "trains", "text"),
    [
        ({"train": "a.npz"}, True, "data: there is no test, only train"),
        ({}, True, "data: there is no test, only nothing"),
        ({"test": "a.npz"}, True, "data: there is no train, and the job trains the model"),
        ({"all": "a.npz", "test": "a.npz"}, True, "data: all stands beside test"),
        ({"tset": "a.npz"}, True, "data: there is no split 'tset'"),
        ({"train": "a.npz", "test": "a.npz"}, True, "all 45 rows of validation are also in test or another split"),
        ({"train": "a.npz", "test": "wide.npz"}, True, "test has rows of shape (4, 5) in uint8; train has rows of shape (4, 4) in uint8"),
        (
            {"train": "a.npz", "test": "float.npz"},
            True,
            "test has rows of shape (4, 4) in float32; train has rows of shape (4, 4) in uint8",
        ),
        ({"train": "a.npz", "test": "nan.npz"}, True, "test has rows"),
        (
            {"train": "a.npz", "test": "color.npz"},
            True,
            "test has rows of shape (4, 4, 3) in uint8; train has rows of shape (4, 4) in uint8",
        ),
        ({"train": "nan.npz", "test": "nan.npz"}, True, "nan.npz (train): 1 of 9 images hold NaN or infinite values, first row 4"),
        ({"train": "a.npz", "test": "bare.npz"}, True, "bare.npz (test) has no labels"),
        ({"train": "a.npz", "test": "more.npz"}, True, "test has the label '3' in 2 rows; train never had it.\n"),
        ({"train": "a.npz", "test": "gone.npz"}, True, "gone.npz: no such file"),
        (
            {"train": "a.npz", "test": "a.xyz"},
            True,
            "no reader for 'a.xyz'.\n  Give a file that ends in -ubyte, -ubyte.gz, .bio, .conll, .csv, ",
        ),
        ({"all": "tiny.npz"}, True, "all has 3 rows, which would be cut into test 2, train -1"),
        ({"train": "tiny.npz", "test": "a.npz"}, True, "validation has the label '1' in 1 rows; train never had it"),
        ({"test": "tiny.npz", "train": "a.npz"}, False, None),
        ({"test": "one.npz", "train": "a.npz"}, False, "test has 1 rows, which would be cut into test 1, validation 0"),
    ],
)
def test_sources_that_cannot_be_used_are_refused(saved, sources, trains, text):
    broken, classes = np.zeros((9, 4, 4), np.float32), np.arange(9) % 3
    broken[4, 1, 1] = np.nan
    folder = saved(
        a=images(180),
        wide=(np.zeros((9, 4, 5), np.uint8), classes),
        float=(np.zeros((9, 4, 4)), classes),
        color=(np.zeros((9, 4, 4, 3), np.uint8), classes),
        nan=(broken, classes),
        bare=(images(9, seed=1)[0], None),
        more=images(8, 4, seed=1),
        tiny=images(3, seed=3),
        one=images(1, seed=5),
    )
    if text is None:
        assert load_splits(job(folder, **sources), 0, trains).counts["test"] == 2
        return
    with pytest.raises(BadData, match=re.escape(text)):
        load_splits(job(folder, **sources), 0, trains)


def test_a_class_that_only_duplicates_had_is_refused_with_the_cause(saved):
    inputs, labels = images(60, 2)
    labels[0] = 2
    test, yt = images(10, 2, seed=1)
    test[0], yt[0] = inputs[0], 2
    validation, calibration = images(10, 2, seed=2), images(10, 2, seed=3)
    folder = saved(train=(inputs, labels), test=(test, yt), validation=validation, calibration=calibration)
    with pytest.raises(
        BadData, match="test has the label '2' in 1 rows; train never had it once the rows that validation or test has too are dropped"
    ):
        load_splits(job(folder, **{name: f"{name}.npz" for name in NAMES[:4]}), 0, True)


def test_a_class_that_train_lost_is_found_even_when_it_was_named(saved):
    folder = saved(train=(images(40)[0], np.arange(40) % 2), test=images(9, seed=1))
    with pytest.raises(BadData, match="test has the label 'dog' in 3 rows; train never had it"):
        load_splits(job(folder, train="train.npz", test="test.npz", labels=("cat", "cow", "dog")), 0, True)


@pytest.mark.parametrize(
    ("shares", "text"),
    [
        ({"train": 0.5}, "shares: 'train' cannot have one.\n  Give shares to test, calibration, validation"),
        ({"test": 1.5}, "shares: test is 1.5"),
        ({"test": "half"}, "shares: test is 'half'"),
        ({"test": 0.6, "validation": 0.5}, "which would be cut into test 36, train -"),
    ],
)
def test_wrong_shares_are_refused(saved, shares, text):
    with pytest.raises(BadData, match=re.escape(text)):
        load_splits(job(saved(a=images(60)), all="a.npz", shares=shares), 0, True)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_stratified_parts_hold_every_row_once_and_each_class_to_within_one_row(labels, cuts):
    count = len(labels)
    rows = Rows(inputs=np.arange(count, dtype=np.int64), labels=np.array(labels), names=tuple("abcde"))
    first, second = sorted(round(cut * count) for cut in cuts)
    parts = stratified(rows, [first, second - first], "salt")
    assert [len(part) for part in parts] == [first, second - first, count - second]
    assert sorted(np.concatenate([part.inputs for part in parts]).tolist()) == list(range(count))
    for label, total in Counter(labels).items():
        for part in parts:
            assert abs((part.labels == label).sum() - total * len(part) / count) <= 2
