"""What each kind says of answers and targets."""

from __future__ import annotations

import re

import numpy as np
import pytest

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import LISTED
from paredown.kinds.decode import make_decoder
from paredown.kinds.known import KINDS, kind_named, kind_of
from paredown.kinds.labels import Labels, parted, separator_of
from paredown.kinds.numbers import Numbers
from paredown.kinds.one_class import OneClass


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_found_by_its_name_and_by_what_decodes_it(name: str) -> None:
    kind = kind_named(name)
    size, count = ([2, 2] if name == "map" else [4], 2 if name == "spans" else 3) if kind.by_place else ([], 3)
    decode = kind.decoder(["a", "b", "c"], size)
    assert kind_of(decode) is kind
    assert decode["output"] == kind.graph_outputs[0]
    outputs = {decode["output"]: np.random.default_rng(0).normal(size=(6, count, *size))}
    answers = make_decoder(decode)(outputs)
    np.testing.assert_allclose(make_decoder(decode)({decode["output"]: kind.undecoded(answers, decode)}), answers, atol=1e-6)
    assert not kind.changed(answers, answers).any()
    targets = kind.as_targets(answers)
    assert kind.moved(targets, answers, answers)["distance"] == 0.0
    assert len(kind.said(targets, answers, ["a", "b", "c"])) == 6
    assert (kind.sureness(answers) is None) == bool(kind.unsure)
    assert kind.blind(targets).startswith("always ")


def test_what_is_no_kind_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"no kind of answers 'class_'\. Did you mean 'class'"):
        kind_named("class_")
    with pytest.raises(UnknownName, match="no output that is decoded 'y'"):
        kind_of({"kind": "softmax", "output": "y", "classes": 2})


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (["a|b", "x y"], [["a", "b"], ["x y"]]), (["sky blue", "red;sky blue"], [["sky blue"], ["red", "sky blue"]]),
        (["4,27", "[]"], [["4", "27"], []]), (["['x y', 'z']"], [["x y", "z"]]), (["a b", "a"], [["a", "b"], ["a"]]),
        ([LISTED, f"{LISTED}x,y{LISTED}z"], [[], ["x,y", "z"]]), (["a|b,c", "{a|}"], [["a", "b,c"], ["a"]]),
    ],
)  # fmt: skip
def test_the_labels_in_cells_are_parted_as_the_column_has_it(words: list[str], labels: list[list[str]]) -> None:
    by = separator_of(words)
    assert [parted(word, by) for word in words] == labels


def test_cells_may_say_0_or_1_of_each_label() -> None:
    for words in (["0,0,1", "0,0,0"], [f"{LISTED}0{LISTED}0{LISTED}1", f"{LISTED}0{LISTED}0{LISTED}0"], ["[0 0 1]", "[0 0 0]"]):
        targets, names = Labels().targets(words, "tags")
        np.testing.assert_array_equal(targets, [[0, 0, 1], [0, 0, 0]])
        assert names == ("0", "1", "2")
    assert Labels().targets(["0,0,1"], "tags", ["x", "y", "z"])[1] == ("x", "y", "z")
    with pytest.raises(BadData, match=r"the column 'tags' says 0 or 1 of 2, 3 labels\.\n  Each row needs as many as there are labels"):
        Labels().targets(["0,0,1", "1,1"], "tags")
    with pytest.raises(BadData, match=r"says 0 or 1 of 3 labels, and 2 are known"):
        Labels().targets(["0,0,1"], "tags", ["x", "y"])


def test_labels_become_marks_in_the_order_of_their_names() -> None:
    targets, names = Labels().targets(["10|2", "2", "[]"], "tags")
    assert names == ("2", "10")
    np.testing.assert_array_equal(targets, [[1, 1], [1, 0], [0, 0]])
    targets, names = Labels().targets(["1", "0,2"], "tags", ["joy", "fear", "rage"])  # places in the model's names
    assert names == ("joy", "fear", "rage")
    np.testing.assert_array_equal(targets, [[0, 1, 0], [1, 0, 1]])
    with pytest.raises(BadData, match=r"the column 'tags' has the label 'love', which is not one of the 2 that are known \(joy, fear\)\."):
        Labels().targets(["joy|love"], "tags", ["joy", "fear"])
    with pytest.raises(BadData, match=r"the column 'tags' has 1 label \(joy\)\.\n  Several labels per row are written `a\|b`"):
        Labels().targets(["joy", "[]"], "tags")


def test_labels_are_compared_label_by_label() -> None:
    kind, before, after = Labels(), np.array([[0.9, 0.2], [0.4, 0.8]]), np.array([[0.6, 0.4], [0.6, 0.8]])
    np.testing.assert_array_equal(kind.changed(before, after), [False, True])
    targets = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(kind.credit(targets, after), [1.0, 0.5])
    assert kind.moved(targets, before, after) == {"distance": pytest.approx((0.3 + 0.2 + 0.2 + 0.0) / 4)}
    assert kind.said(targets, before, ["x", "y"])[0] == "labels x; the model says x"
    np.testing.assert_allclose(kind.sureness(before), [0.8, 0.6])


def test_a_decimal_comma_is_told() -> None:
    with pytest.raises(BadData, match=r"holds '-0,012', which is no finite number\.\n  .* in every row; write decimals with a point; corr"):
        Numbers().targets(["-0,012"], "cnt")


@pytest.mark.parametrize("word", ["abc", "nan", "inf", "1,5"])
def test_a_target_that_is_no_number_is_refused(word: str) -> None:
    with pytest.raises(BadData, match=r"`labels:` names 2 numbers \(a, b\); the column 'cnt' holds one for each row"):
        Numbers().targets(["1.5"], "cnt", ["a", "b"])
    with pytest.raises(BadData, match=re.escape(f"the column 'cnt' holds {word!r}, which is no finite number.")):
        Numbers().targets(["1.5", word], "cnt")


def test_numbers_are_learned_in_units_of_their_spread() -> None:
    kind = Numbers()
    targets, names = kind.targets(["1.5", "-2e3"], "cnt")
    np.testing.assert_array_equal(targets, [[1.5], [-2000.0]])
    assert names == ("cnt",)
    decode = kind.decoder(names) | {"mean": [10.0], "std": [4.0]}
    goals = kind.goals(np.array([[14.0], [2.0]]), decode)
    np.testing.assert_array_equal(goals, [[1.0], [-2.0]])
    assert goals.dtype == np.float32
    np.testing.assert_array_equal(kind.goals(targets, kind.decoder(names)), targets)
    spread = np.array([[0.0], [2.0]])
    assert kind.moved(spread, np.zeros((2, 1)), np.array([[0.5], [9.0]])) == {"distance": (0.5 + 1.0) / 2}  # cut at 1
    np.testing.assert_array_equal(kind.changed(np.array([[1e9], [1.0]]), np.array([[1e9 + 1], [1.1]])), [False, True])
    assert kind.said(targets, targets, names) == ["1.5; the model says 1.5", "-2000; the model says -2000"]


def test_of_classes_it_is_told_which_were_lost() -> None:
    kind, before, after = OneClass(), np.eye(3)[[0, 1, 2]], np.eye(3)[[1, 1, 0]]
    found = kind.moved(np.array([0, 1, 0]), before, after)
    assert found == {"lost": pytest.approx(1 / 3), "gained": pytest.approx(1 / 3), "distance": pytest.approx(2 / 3)}
    np.testing.assert_array_equal(kind.credit(np.array([0, 1, 0]), after), [0, 1, 1])
    assert kind.said(np.array([2]), before[:1], ["a", "b", "c"]) == ["label 'c', the model says 'a'"]


def test_what_another_answer_is_depends_on_its_kind() -> None:
    first, second = np.array([[0.6, 0.4], [0.5, 0.5], [0.1, 0.9]]), np.array([[0.9, 0.6], [0.5, 0.5], [0.4, 0.6]])
    assert KINDS["class"].changed(first, second).tolist() == [False, False, False]
    assert KINDS["labels"].changed(first, second).tolist() == [True, False, False]
    assert KINDS["numbers"].changed(first, second).tolist() == [True, False, True]
    assert KINDS["class"].changed(first, second[:, ::-1]).tolist() == [True, False, True]
    assert KINDS["labels"].changed(np.array([[0.5], [0.5]]), np.array([[0.499999], [1.0]])).tolist() == [True, False]
    numbers = np.array([[1e6, 0.0], [1e-9, 1.0], [-2.0, 3.0]])
    assert KINDS["numbers"].changed(numbers, numbers * (1 + 5e-7)).tolist() == [False, False, False]
    assert KINDS["numbers"].changed(numbers, numbers * (1 + 5e-6)).tolist() == [True, True, True]
    assert KINDS["numbers"].changed(numbers, np.array([[1e6, 1e-30], [2e-9, 1.0], [-2.0, 3.0]])).tolist() == [True, True, False]
