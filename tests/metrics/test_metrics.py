import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from paredown.core.errors import BadData, BadModel
from paredown.kinds.known import KINDS
from paredown.metrics.accuracy import Accuracy
from paredown.metrics.loss import Loss
from paredown.metrics.macro_f1 import MacroF1
from paredown.metrics.python import Python


@st.composite
def answers(draw):
    count, classes, seed = draw(st.integers(1, 60)), draw(st.integers(2, 5)), draw(st.integers(0, 10_000))
    random = np.random.default_rng(seed)
    labels = random.integers(0, draw(st.integers(1, classes)), count)
    return labels, random.dirichlet(np.ones(classes), count)


@given(answers())
def test_metrics_equal_those_of_scikit_learn(pair):
    labels, probabilities = pair
    predicted, classes = probabilities.argmax(1), probabilities.shape[1]
    assert math.isclose(Accuracy().over_set(labels, probabilities), accuracy_score(labels, predicted))
    assert math.isclose(MacroF1().over_set(labels, probabilities), f1_score(labels, predicted, average="macro"))
    assert math.isclose(Loss().over_set(labels, probabilities), log_loss(labels, probabilities, labels=range(classes)), abs_tol=1e-12)


@given(answers())
def test_scores_per_row_average_to_the_metric(pair):
    for metric in (Accuracy(), Loss()):
        scores = metric.per_item(*pair)
        assert metric.per_item_scores
        assert scores.shape == (len(pair[0]),)
        assert math.isclose(scores.mean(), metric.over_set(*pair))
    assert MacroF1().per_item(*pair) is None
    assert not MacroF1.per_item_scores


@given(answers())
def test_chance_is_what_the_most_frequent_class_gets(pair):
    labels, probabilities = pair
    classes = probabilities.shape[1]
    constant = np.eye(classes)[[np.bincount(labels).argmax()] * len(labels)]
    shares = np.tile(np.bincount(labels, minlength=classes) / len(labels), (len(labels), 1))
    assert math.isclose(Accuracy().chance(labels, classes), Accuracy().over_set(labels, constant))
    assert math.isclose(MacroF1().chance(labels, classes), MacroF1().over_set(labels, constant))
    assert math.isclose(Loss().chance(labels, classes), Loss().over_set(labels, shares), abs_tol=1e-12)


def test_a_sure_wrong_answer_costs_a_finite_loss():
    assert math.isclose(Loss().over_set(np.array([0]), np.array([[0.0, 1.0]])), -math.log(2**-52))


SOURCE = """
def recall(y_true, y_pred):
    return float(((y_pred == 1) & (y_true == 1)).sum() / (y_true == 1).sum())
def cost(y_true, y_pred):
    return (y_true != y_pred).mean() * 5
cost.better = "lower"
def kept(y_true, y_pred):
    kept.calls = [*getattr(kept, "calls", []), (y_true, y_pred)]
    return float((y_true == y_pred).mean())
def broken(y_true, y_pred):
    raise KeyError("price")
def text(y_true, y_pred):
    return "0.5"
def nothing(y_true, y_pred):
    return float("nan")
number = 3
"""
LABELS = np.array([0, 1, 1, 0, 0])
PROBABILITIES = np.eye(2)[[0, 1, 0, 0, 1]]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "metrics_of_a_user.py").write_text(SOURCE)
    return tmp_path


def test_a_function_of_the_user_is_a_metric(folder):
    recall, cost = Python("metrics_of_a_user:recall", folder), Python("metrics_of_a_user:cost", folder)
    assert recall.over_set(LABELS, PROBABILITIES) == 0.5
    assert recall.chance(LABELS, 2) == 0.0
    assert recall.per_item(LABELS, PROBABILITIES) is None
    assert math.isclose(cost.over_set(LABELS, PROBABILITIES), 2.0)
    assert (recall.better, cost.better) == ("higher", "lower")


@pytest.mark.parametrize(
    ("name", "text"),
    [("broken", "metrics_of_a_user:broken raised KeyError: 'price'"), ("text", "returned '0.5'"), ("nothing", "returned nan")],
)
def test_functions_that_give_no_number_are_refused(folder, name, text):
    with pytest.raises(BadData, match=text):
        Python(f"metrics_of_a_user:{name}", folder).over_set(LABELS, PROBABILITIES)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("metrics_of_a_user:number", "metrics_of_a_user:number is of type int"),
        ("metrics_of_a_user:nobody", "has no 'nobody'"),
        ("no_such_module_of_a_user:cost", "no module 'no_such_module_of_a_user'"),
    ],
)
def test_names_of_no_function_are_refused(folder, target, text):
    with pytest.raises(BadModel, match=text):
        Python(target, folder).over_set(LABELS, PROBABILITIES)


def test_a_function_is_called_with_what_the_kind_of_answers_is(folder):
    labels, scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([[0.5, 0.4], [0.4, 0.9], [0.9, 0.6]])
    metric = Python("metrics_of_a_user:kept", folder, "labels")
    assert (metric.over_set(labels, scores), metric.chance(labels, 2)) == (1.0, pytest.approx(4 / 6))
    calls = metric._function.calls[-2:]
    assert all(each.dtype == np.int64 and each.shape == (3, 2) for pair in calls for each in pair)
    assert calls[1][1].tolist() == [[1, 1]] * 3

    numbers = Python("metrics_of_a_user:kept", folder, "numbers")
    assert (numbers.over_set(labels, labels), numbers.chance(labels[:, :1], 1)) == (1.0, 0.0)
    (wide, _), (_, narrow) = numbers._function.calls[-2:]
    assert wide.shape == (3, 2)
    assert narrow == pytest.approx(np.full(3, 2 / 3))
    assert [Python("metrics_of_a_user:kept", folder, kind).bounded for kind in ("class", "labels", "numbers")] == [True, True, False]
    tags, said = np.array([[1, 0, -1]]), np.eye(2)[[[1, 1, 0]]].transpose(0, 2, 1)
    tokens = Python("metrics_of_a_user:kept", folder, "tokens")
    assert tokens.over_set(tags, said) == pytest.approx(2 / 3)
    assert tokens._function.calls[-1][1].tolist() == [[1, 1, -1]]
    assert tokens.chance(tags, 2) == pytest.approx(2 / 3)
    maps, image, seen = Python("metrics_of_a_user:kept", folder, "map"), np.array([[[1, 0, -1]]]), np.eye(2)[[[[1, 1, 0]]]]
    assert maps.over_set(image, seen.transpose(0, 3, 1, 2)) == pytest.approx(2 / 3)
    assert maps._function.calls[-1][1].tolist() == [[[1, 1, -1]]]
    assert maps.over_set(*maps.condensed(image, seen.transpose(0, 3, 1, 2))) == pytest.approx(2 / 3)
    assert maps.chance(image, 2) == pytest.approx(2 / 3)
    spans, parts = Python("metrics_of_a_user:kept", folder, "spans"), KINDS["spans"].as_targets(np.eye(3)[[[1, 2]]])
    spans.over_set(parts, np.eye(3)[[[0, 2]]])
    assert [each.tolist() for each in spans._function.calls[-1]] == [[[1, 2]], [[0, 2]]]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("class", r"called with two arrays \(N,\) of class indices"),
        ("labels", r"called with two arrays \(N, labels\) of 0 and 1"),
        ("numbers", r"called with two arrays of numbers, \(N,\) for one column and \(N, columns\) for several"),
    ],
)
def test_a_function_that_raises_is_told_what_it_is_called_with(folder, kind, text):
    targets = LABELS if kind == "class" else PROBABILITIES
    with pytest.raises(BadData, match=f"metrics_of_a_user:broken raised KeyError: 'price'.\n  It is {text}"):
        Python("metrics_of_a_user:broken", folder, kind).over_set(targets, PROBABILITIES)
