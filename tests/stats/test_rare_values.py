import pytest

from paredown.stats.rare_values import FEWEST, identifies, merged, shared


def test_what_20_rows_share_is_known_by_its_name_and_the_rest_is_one():
    values = ["b"] * FEWEST + ["a"] * (FEWEST + 1) + ["c"] * (FEWEST - 1) + ["d"]
    assert list(shared(values).items()) == [("a", 21), ("b", 20)]
    assert merged(values) == {"a": "a", "b": "b", "c": "other values", "d": "other values"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([f"{at}@example.org" for at in range(500)], True),
        (["n/a"] * 249 + [f"person {at}" for at in range(251)], True),
        (["cold"] * 250 + [f"person {at}" for at in range(250)], False),
        ([""] * 900 + [f"person {at}" for at in range(30)], True),
        (["red", "green"] * 19, True),
        (["red", "green"] * 20, False),
        (["", " "], False),
    ],
)
def test_a_column_tells_who_a_row_is_where_most_of_its_values_are_rare(values, expected):
    assert identifies(values) is expected
