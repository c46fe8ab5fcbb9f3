"""Names of users and items become whole numbers, and what ships of them is the user's word."""

from __future__ import annotations

import json

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.encoders import feed
from paredown.tasks.recommendation import Recommendation
from paredown.testing.contracts import check_task

TASK = Recommendation()
DRAW = np.random.default_rng(0)


def rows(**columns: np.ndarray) -> Rows:
    count = len(next(iter(columns.values())))
    return Rows(inputs=columns, labels=DRAW.integers(1, 11, (count, 1)).astype(float), names=("rating",))


def names(count: int, different: int, prefix: str) -> np.ndarray:
    return np.array([f"{prefix}{at % different}" for at in range(count)], object)


USERS, ITEMS = names(1500, 30, "u"), names(1500, 50, "i")  # of each 30 rows or more
AGE = DRAW.normal(40, 9, 1500)


def test_contract() -> None:
    check_task(TASK, rows(user=USERS, item=ITEMS, age=AGE))


def test_names_are_numbers_from_1_and_what_train_never_had_is_0() -> None:
    spec = TASK.encoder(rows(user=USERS, item=ITEMS, age=AGE), {})
    assert json.loads(json.dumps(spec)) == spec
    asked = {"user": ["u0", "nobody", "u9"], "item": ["nothing", "i0", "i49"], "age": [AGE.mean(), AGE.mean(), AGE.mean() + AGE.std()]}
    found = feed.make_encoder(spec)(asked)["input"]
    places = {"user": sorted({*USERS}), "item": sorted({*ITEMS})}
    known = [[1 + places["user"].index("u0"), 0, 0], [0, 1 + places["item"].index("i0"), 0]]
    known.append([1 + places["user"].index("u9"), 1 + places["item"].index("i49"), 1])
    np.testing.assert_allclose(found, known, atol=1e-6)
    one_by_one = [feed.make_encoder(spec)({key: values[at] for key, values in asked.items()})["input"][0] for at in range(3)]
    np.testing.assert_allclose(one_by_one, found, atol=1e-6)


def test_more_names_than_words_of_a_table_are_taken() -> None:
    spec = TASK.encoder(rows(user=names(4000, 2000, "u"), item=names(4000, 40, "i")), {"rare": "keep"})
    assert [len(column["values"]) for column in spec["columns"]] == [2000, 40]
    assert "2000 of its 2000 values fewer than 20" in TASK.rare(spec)
    assert "'user' 2000, 2000 of them of fewer than 20 training rows, as `rare: keep` says" in TASK.ships(spec)[0]


def test_names_that_few_rows_share_ship_only_where_somebody_says_so() -> None:
    rare = rows(user=names(1500, 500, "u"), item=ITEMS)
    with pytest.raises(
        BadData, match=r"column 'user': fewer than 20 training rows share most of its names, .*\n  Write `preprocess: {rare: keep}`"
    ):
        TASK.encoder(rare, {})
    some = np.concatenate([USERS[:1400], names(100, 100, "rare")])
    spec = TASK.encoder(rows(user=some, item=ITEMS), {})
    assert not any(value.startswith("rare") for value in spec["columns"][0]["values"])
    assert feed.make_encoder(spec)({"user": ["rare7"], "item": ["i0"]})["input"][0, 0] == 0


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"user": np.arange(40.0), "item": np.arange(40.0)}, r"have 0 columns of names \(none\); those of numbers: user, item\."),
        ({"user": USERS, "item": np.arange(1500.0)}, r"have 1 column of names \(user\); those of numbers: item\."),
    ],
)
def test_fewer_than_two_columns_of_names_are_refused(columns: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(BadData, match=said + r"\n  Say which of these are names: `data: {categorical: \[user, item\]}`\."):
        TASK.check(rows(**columns))
    with pytest.raises(BadData, match="a recommendation is of an item to a user"):
        TASK.check(Rows(inputs=np.zeros((4, 2), np.float32), labels=np.zeros((4, 1))))
