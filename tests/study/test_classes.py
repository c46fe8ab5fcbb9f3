"""Whose names the classes have: the job's, the model's, or those in the data."""

import re

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.job import DataSpec, Job, ModelSpec
from paredown.core.policy import Policy
from paredown.core.rows import Rows
from paredown.study.classes import one_set_of_classes
from paredown.study.splits import load_splits


def rows(*labels):
    names = tuple(dict.fromkeys(labels))
    return Rows(inputs=np.arange(len(labels))[:, None], labels=np.array([names.index(label) for label in labels]), names=names)


BARE = Rows(inputs=np.zeros((1, 1)), labels=None)


@pytest.mark.parametrize(
    ("data", "given", "model", "names", "index"),
    [
        (["b", "a", "b"], (), (), ("b", "a"), [0, 1, 0]),
        (["b", "a"], (), ("c", "a", "b"), ("c", "a", "b"), [2, 1]),  # fewer classes than the model has
        (["2", "0"], (), ("c", "a", "b"), ("c", "a", "b"), [2, 0]),
        (["1", "0"], (), ("LABEL_0", "LABEL_1"), ("LABEL_0", "LABEL_1"), [1, 0]),
        (["LABEL_1", "LABEL_0"], (), ("LABEL_0", "LABEL_1"), ("LABEL_0", "LABEL_1"), [1, 0]),
        (["1", "2"], (), ("2", "1", "3"), ("2", "1", "3"), [1, 0]),  # by name before by index
        (["pos", "neg"], ("neg", "pos"), ("LABEL_0", "LABEL_1"), ("neg", "pos"), [1, 0]),
        (["pos", "neg"], ("neg", "pos"), ("NEGATIVE", "POSITIVE"), ("neg", "pos"), [1, 0]),
        (["b", "a"], ("a", "b"), ("a", "b"), ("a", "b"), [1, 0]),
    ],
)
def test_labels_are_the_models_by_name_or_by_index(data, given, model, names, index):
    parts, found = one_set_of_classes({"train": rows(*data), "unlabeled": BARE}, given, model)
    assert (found, parts["train"].labels.tolist(), parts["unlabeled"].labels) == (names, index, None)
    assert parts["train"].names == parts["unlabeled"].names == names


@pytest.mark.parametrize(
    ("data", "given", "model", "message"),
    [
        (
            ["Card", "loan"],
            (),
            ("card", "loan"),
            "train has the label 'Card' in 1 rows; the model does not have it. Did you mean 'card'?\n  The data have Card, loan; "
            "the model has card, loan. Correct the labels, or set `labels:` to the data's names in the model's order.",
        ),
        (["YES", "no"], (), ("no", "yes"), "the label 'YES' in 1 rows; the model does not have it. Did you mean 'yes'?"),
        (
            ["1", "2"],
            (),
            ("a", "b"),
            "train has the label '1' in 1 rows; the model does not have it.\n  The data have 1, 2; the model has a, b. Correct the labels, "
            "or set `labels:` to the data's names in the model's order. Whole numbers are indices from 0 to 1.",
        ),
        (["0", "a"], (), ("a", "b"), "train has the label '0' in 1 rows"),
        (
            ["loan", "card", "loan"],
            (),
            ("LABEL_0", "LABEL_1"),
            "the model calls its 2 classes LABEL_0, LABEL_1; the data have card, loan.\n  Set `labels:` to the data's names in the model's "
            "order; it is never guessed.",
        ),
        (["0", "1"], ("a", "b", "c"), ("x", "y"), "`labels:` has 3 names (a, b, c); the model has 2 classes (x, y)"),
        (["a", "b"], ("b", "a"), ("a", "b"), "`labels:` has the model's names in another order (b, a); the model has a, b.\n  Leave"),
        (["a", "a"], (), (), "the data have 1 class (a)"),
        ([str(at) for at in range(8)], (), ("a", "b"), "The data have 0, 1, 2, 3, 4, 5, ... (8 in all); the model has a, b"),
    ],
)
def test_labels_that_the_model_does_not_know_are_refused_with_both_sides(data, given, model, message):
    with pytest.raises(BadData, match=re.escape(message)):
        one_set_of_classes({"train": rows(*data), "test": rows(data[-1], data[0])}, given, model)


def test_the_names_of_a_model_go_through_the_splits(tmp_path):
    (tmp_path / "train.csv").write_text("a,label\n" + "".join(f"{at},{'yes' if at % 2 else 'no'}\n" for at in range(40)))
    (tmp_path / "test.csv").write_text("a,label\n" + "".join(f"{100 + at},{'yes' if at % 2 else 'no'}\n" for at in range(9)))

    def load(model, labels=()):
        data = DataSpec(sources={"train": "train.csv", "test": "test.csv"}, labels=labels)
        spec = ModelSpec(kind="python", value="x:y")
        job = Job(
            name="j", model=spec, task="tabular-classification", data=data, metric="accuracy", policy=Policy(name="p"), folder=tmp_path
        )
        return load_splits(job, 0, False, model_labels=model)

    splits = load(("maybe", "yes", "no"))
    assert splits.names == splits.test.names == splits.train.names == ("maybe", "yes", "no")
    assert set(splits.test.labels.tolist()) == {1, 2}
    assert load(("LABEL_0", "LABEL_1"), ("no", "yes")).names == ("no", "yes")
    with pytest.raises(BadData, match=r"the model calls its 2 classes LABEL_0, LABEL_1; the data have no, yes"):
        load(("LABEL_0", "LABEL_1"))
