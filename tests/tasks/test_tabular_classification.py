import json
import re

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from paredown.core.errors import BadData, UnknownName
from paredown.core.rows import Rows
from paredown.encoders import feed
from paredown.tasks.tabular_classification import TabularClassification

TASK = TabularClassification()
RANDOM = np.random.default_rng(0)
AGE = RANDOM.normal(40, 9, 63).astype(np.float32)
JOB = np.array(["cook", "nurse", "poet"] * 21, object)


def rows(inputs):
    return Rows(inputs=inputs, labels=None, names=("a", "b"))


def test_the_name_is_the_one_in_job_files():
    assert TASK.name() == "tabular-classification"


def test_encoding_equals_that_of_scikit_learn():
    spec = TASK.encoder(rows({"job": JOB, "age": AGE}), {})
    assert json.loads(json.dumps(spec)) == spec
    found = feed.make_encoder(spec)({"job": JOB, "age": AGE})["input"]
    words = OneHotEncoder(sparse_output=False).fit_transform(JOB[:, None])
    numbers = StandardScaler().fit_transform(AGE[:, None].astype(np.float64))
    np.testing.assert_allclose(found, np.hstack([words, numbers]), atol=1e-5)


def test_without_options_numbers_stay_raw_and_words_become_codes():
    spec = TASK.encoder(rows({"job": JOB, "age": AGE}), {"standardize": False, "one_hot": False})
    found = feed.make_encoder(spec)({"job": JOB[:3], "age": AGE[:3]})["input"]
    np.testing.assert_allclose(found, np.column_stack([[0, 1, 2], AGE[:3]]), rtol=1e-6)


@pytest.mark.parametrize("standardize", [True, False])
def test_a_missing_number_becomes_the_mean_and_a_missing_word_is_a_word(standardize):
    age, job = AGE.copy(), JOB.copy()
    age[3], job[3] = np.nan, ""
    TASK.check(rows({"age": age, "job": job}))
    spec = TASK.encoder(rows({"age": age, "job": job}), {"standardize": standardize})
    found = feed.make_encoder(spec)({"age": age[3:4], "job": job[3:4]})["input"]
    mean = np.delete(AGE, 3).astype(np.float64).mean()
    np.testing.assert_allclose(found, [[0 if standardize else mean, 1, 0, 0, 0]], rtol=1e-6, atol=1e-6)


def test_a_constant_column_does_not_divide_by_zero():
    spec = TASK.encoder(rows({"age": np.full(5, 3, np.float32)}), {})
    np.testing.assert_array_equal(feed.make_encoder(spec)({"age": np.array([3.0, 5.0])})["input"], [[0], [2]])


def test_a_plain_array_is_standardized_only_when_asked():
    array = RANDOM.normal(5, 3, (40, 2)).astype(np.float32)
    array[:, 1] = 4
    TASK.check(rows(array))
    np.testing.assert_array_equal(feed.make_encoder(TASK.encoder(rows(array), {}))(array)["input"], array)
    found = feed.make_encoder(TASK.encoder(rows(array), {"standardize": True}))(array)["input"]
    np.testing.assert_allclose(found, StandardScaler().fit_transform(array.astype(np.float64)), atol=1e-5)


def test_wrong_options_are_refused():
    with pytest.raises(UnknownName, match=re.escape("no preprocess option 'standardise'. Did you mean 'standardize'?")):
        TASK.encoder(rows({"age": AGE}), {"standardise": True})
    with pytest.raises(UnknownName, match=re.escape("no way with rare words 'keeep'. Did you mean 'keep'?")):
        TASK.encoder(rows({"age": AGE}), {"rare": "keeep"})
    with pytest.raises(BadData, match=r"one_hot is 'yes'\.\n  Write true or false"):
        TASK.encoder(rows({"age": AGE}), {"one_hot": "yes"})


def test_logits_of_all_classes_come_out():
    assert TASK.decoder(("a", "b", "c"), {}) == {"kind": "softmax", "output": "logits", "classes": 3}


RARE = np.array(["cook"] * 22 + ["nurse"] * 20 + ["poet"] * 19 + [""] * 2, object)
WHO = np.array([f"person{at}@example.org" for at in range(63)], object)


@pytest.mark.parametrize(
    ("one_hot", "expected"), [(True, [[0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]]), (False, [[1], [2], [-1], [-1], [0]])]
)
def test_what_fewer_than_20_rows_share_is_one_with_what_train_never_had_and_missing_stays_apart(one_hot, expected):
    spec = TASK.encoder(rows({"job": RARE}), {"one_hot": one_hot})
    assert spec["columns"][0]["values"] == ["", "cook", "nurse"]
    found = feed.make_encoder(spec)([{"job": word} for word in ("cook", "nurse", "poet", "clown", "")])["input"]
    np.testing.assert_array_equal(found, expected)
    assert feed.feed_shape(spec) == found.shape[1:]
    assert TASK.left_out(spec, rows({"job": RARE})) == [
        "1 value of the column 'job' that fewer than 20 training rows share count as one, \"other\", as does what train never had."
    ]


@pytest.mark.parametrize(
    "who",
    [
        WHO,
        np.array(["n/a"] * 25 + [f"{at} Main Street" for at in range(38)], object),
        np.array(["Ann", "Bo", "Cy", "Di"] * 16, object)[:63],
    ],
)
def test_a_column_that_tells_who_a_row_is_is_left_out_with_a_word(who):
    table = rows({"who": who, "job": JOB})
    spec = TASK.encoder(table, {})
    assert [column["name"] for column in spec["columns"]] == ["job"]
    (said,) = TASK.left_out(spec, table)
    assert said.startswith("The column 'who' is left out: most of 63 rows share its value with fewer than 20 others")
    assert feed.make_encoder(spec)([{"job": "cook"}, {"job": "poet", "who": "Ann"}])["input"].shape == (2, 3)
    with pytest.raises(
        BadData, match="no column is left of who: in each, most rows hold a value that fewer than 20 of the 63 training rows"
    ):
        TASK.encoder(rows({"who": who}), {})


def test_a_number_that_few_rows_have_is_left_out():
    few = np.where(np.arange(63) < 19, AGE, np.nan).astype(np.float32)
    table = rows({"age": AGE, "dose": few})
    spec = TASK.encoder(table, {})
    assert [column["name"] for column in spec["columns"]] == ["age"]
    assert TASK.left_out(spec, table)[0].startswith("The column 'dose' is left out: only 19 of 63 rows have a value")
    assert [column["name"] for column in TASK.encoder(table, {"rare": "keep"})["columns"]] == ["age", "dose"]


def test_a_model_that_arrives_trained_keeps_its_width_and_what_that_shows_is_known():
    table = rows({"job": RARE, "who": WHO})
    spec = TASK.encoder(table, {"rare": "keep"})
    assert feed.feed_shape(spec) == (4 + 63,)
    assert "'who' 63, 63 of them of fewer than 20 training rows, as `rare: keep` says" in TASK.ships(spec)[0]
    assert TASK.left_out(spec, table) == []
    assert "example.org" not in str(TASK.probe(spec, 3))
    assert TASK.rare(spec).startswith(
        "column 'job': 1 of its 4 values fewer than 20 training rows share, and it would ship; the model arrives"
    )
    dose = TASK.encoder(rows({"dose": np.where(np.arange(63) < 1, AGE, np.nan)}), {"rare": "keep"})
    assert TASK.rare(dose).startswith("column 'dose': the mean of what fewer than 20 training rows share")
    common = TASK.encoder(rows({"job": JOB, "age": AGE}), {"rare": "keep"})
    assert (TASK.rare(common), feed.feed_shape(common)) == ("", (4,))
    assert TASK.rare(TASK.encoder(rows(np.zeros((5, 2), np.float32)), {"standardize": True})) == ""


def test_what_ships_is_said():
    assert TASK.ships(TASK.encoder(rows({"job": JOB, "age": AGE}), {})) == [
        "3 category values (of the column 'job' 3)",
        "the mean of 1 column of numbers, and the spread",
    ]
    assert TASK.ships(TASK.encoder(rows(np.zeros((5, 2), np.float32)), {"standardize": True})) == ["mean and spread of 2 numbers"]


def test_a_column_of_too_many_words_is_refused():
    names = np.array([f"id{at}" for at in range(1500)], object)
    with pytest.raises(BadData, match="column 'who' holds 1500 different words in 1500 rows; up to 1000"):
        TASK.encoder(rows({"who": names}), {"rare": "keep"})


def with_value(value, at=2):
    column = np.zeros(5, np.float32)
    column[at] = value
    return column


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({}, "no feature columns"),
        ({"age": with_value(np.inf)}, "column 'age' holds infinite values in 1 rows, first row 2"),
        ({"age": np.full(5, np.nan)}, "column 'age' holds no value in 5 rows"),
        ({"job": np.array(["", " "], object)}, "column 'job' holds no value in 2 rows"),
        ({"job": np.array(["cook", 3], object)}, "column 'job' holds 3 in row 1"),
        (np.zeros((5, 2, 2)), "an array (5, 2, 2) of float64"),
        (np.zeros(5), "an array (5,) of float64"),
        (np.array([["a"]]), "an array (1, 1) of <U1"),
        ([[1, 2]], "the inputs are a list"),
        (np.column_stack([np.zeros(5), with_value(np.nan, 4)]), "1 of 5 rows hold NaN or infinite values, first row 4"),
    ],
)
def test_wrong_rows_are_refused(inputs, text):
    with pytest.raises(BadData, match=re.escape(text)):
        TASK.check(rows(inputs))


def test_the_probe_is_four_rows_that_the_encoder_takes():
    spec = TASK.encoder(rows({"job": JOB, "age": AGE}), {})
    probe = TASK.probe(spec, 5)
    assert len(probe) == 4
    assert probe == TASK.probe(spec, 5) != TASK.probe(spec, 6)
    assert json.loads(json.dumps(probe)) == probe
    assert feed.make_encoder(spec)(probe)["input"].shape == (4, 4)
    assert not {row["age"] for row in probe} & set(AGE.tolist())


def test_the_probe_of_a_vector_has_its_width():
    assert TASK.probe({"kind": "vector", "input": "input", "width": 3}, 0).shape == (4, 3)
