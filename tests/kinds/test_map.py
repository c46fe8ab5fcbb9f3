"""A class for each pixel: masks, targets, answers, what differs."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.kinds.decode import answer, decoding, make_answerer, make_decoder, run_lengths, sureness, width_of
from paredown.kinds.known import kind_of
from paredown.kinds.map import Map, planes

NAMES = ("background", "nucleus")
DECODE = Map().decoder(NAMES, [2, 3])


@pytest.mark.parametrize("one", ["map_logit", "map_probability"])
def test_one_number_per_pixel_is_that_of_the_second_of_two_classes(one: str) -> None:
    scores = np.random.default_rng(0).normal(size=(4, 1, 2, 3))
    chance = 1 / (1 + np.exp(-scores))
    spec = decoding(DECODE, [one])
    assert (width_of(DECODE), width_of(spec)) == (12, 6)
    outputs = {one: scores if one == "map_logit" else chance}
    answers = make_decoder(spec)(outputs)
    np.testing.assert_allclose(answers, np.concatenate([1 - chance, chance], 1))
    as_two = make_decoder(DECODE)({"map_logits": np.concatenate([np.zeros_like(scores), scores], 1)})
    np.testing.assert_allclose(answers, as_two)
    assert kind_of(spec).name == "map"
    for shape in ((4, 2, 3), (4, 6), (4, 2, 3, 1)):
        np.testing.assert_array_equal(make_decoder(spec)({one: outputs[one].reshape(shape)}), answers)
    said = make_answerer(spec, NAMES)(outputs)
    np.testing.assert_array_equal(said, answer(spec, NAMES, answers))
    assert said[0].dtype == np.uint8
    np.testing.assert_array_equal(said, (scores[:, 0] > 0).astype(int))
    with pytest.raises(ValueError, match="NaN"):
        make_answerer(spec, NAMES)({one: np.full((1, 1, 2, 3), np.nan)})


@pytest.mark.parametrize("name", ["map_logits", "map_probabilities"])
def test_of_all_classes_the_largest_is_said(name: str) -> None:
    spec = decoding(Map().decoder(["a", "b", "c"], [2, 3]), [name])
    found = np.random.default_rng(1).dirichlet(np.ones(3), (5, 2, 3)).transpose(0, 3, 1, 2)
    answers = make_decoder(spec)({name: np.log(found) if name == "map_logits" else found})
    np.testing.assert_allclose(answers, found)
    said = make_answerer(spec, ["a", "b", "c"])({name: found})
    np.testing.assert_array_equal(said, found.argmax(axis=1))
    np.testing.assert_allclose(sureness(spec, answers), found.max(axis=1).mean(axis=(1, 2)))


def test_a_large_logit_is_no_absent_pixel() -> None:
    answers = make_decoder(DECODE)({"map_logits": np.array([[1e5, -1e5]])[:, :, None, None] * np.ones((1, 2, 2, 3))})
    np.testing.assert_allclose(answers.sum(axis=1), 1)


def test_runs_hold_what_the_image_holds() -> None:
    said = np.array([[0, 0, 2], [2, 1, 1]], np.uint8)
    assert run_lengths(said) == {"size": [2, 3], "runs": [[0, 2], [2, 2], [1, 2]]}
    long = np.random.default_rng(0).integers(0, 2, (40, 7))
    found = run_lengths(long)
    whole = np.concatenate([np.full(count, index) for index, count in found["runs"]])
    np.testing.assert_array_equal(whole.reshape(found["size"]), long)


def test_what_differs_is_told_by_the_pixel() -> None:
    kind = Map()
    before = np.tile(np.array([0.8, 0.2])[None, :, None, None], (2, 1, 10, 20))
    after = before.copy()
    after[0, :, 0, :2] = after[0, ::-1, 0, :2]
    after[1, :, 0, :3] = after[1, ::-1, 0, :3]
    assert kind.changed(before, after).tolist() == [False, True]  # 2 and 3 of 200
    assert kind.moved(None, before, after)["distance"] == pytest.approx(0.6 * 5 / 400)
    targets = kind.as_targets(before)
    assert targets.shape == (2, 10, 20)
    np.testing.assert_allclose(kind.credit(targets, after), [0.99, 0.985])
    assert kind.said(targets, after, NAMES) == [f"'background' is told otherwise at {count} of its 200 pixels" for count in (2, 3)]
    assert kind.said(targets, before, NAMES) == ["all pixels are right"] * 2
    goals = kind.goals(targets, kind.decoder(NAMES, [10, 20]))
    assert (goals.shape, goals.dtype) == ((2, 200), np.int16)


def test_the_planes_of_an_answer_are_told_by_its_shape() -> None:
    three = Map().decoder(["a", "b", "c"], [4, 5])
    assert planes((2, 3, 4, 5), three) == planes((2, 60), three) == "classes"
    assert planes((2, 4, 5, 3), three) == "classes last"
    assert planes((2, 1, 4, 5), three) == planes((2, 3, 2, 2), three) == planes((2, 4, 5), three) == ""
    assert {planes(shape, DECODE) for shape in ((7, 1, 2, 3), (7, 2, 3), (7, 2, 3, 1), (7, 6))} == {"one"}
