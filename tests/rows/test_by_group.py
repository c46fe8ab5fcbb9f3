"""Groups of rows are numbered, and never parted."""

from __future__ import annotations

import numpy as np
import pytest

from paredown.core.errors import BadData
from paredown.core.rows import Rows
from paredown.rows import by_group


def rows(users: list[str]) -> Rows:
    return Rows(inputs=np.arange(len(users), dtype=np.float32)[:, None], labels=None, groups={"user": np.array(users, object)})


def many(seed: int = 0) -> Rows:
    draw = np.random.default_rng(seed)
    return rows([f"u{user}" for user in np.repeat(np.arange(200), draw.integers(1, 12, 200))])


def test_rows_of_one_user_have_one_number() -> None:
    assert by_group.numbered(rows(["b", "a", "b", "c"]), "user").tolist() == [1, 0, 1, 2]


def test_no_user_has_rows_in_two_parts_and_parts_have_about_their_sizes() -> None:
    given = many()
    part, users = by_group.cut(given, [600, 300], "salt", "user"), given.groups["user"]
    of = {user: {*part[users == user].tolist()} for user in users}
    assert all(len(parts) == 1 for parts in of.values())
    sizes = np.bincount(part, minlength=3)
    assert abs(sizes - [600, 300, len(given) - 900]).max() <= 12


def test_the_cut_goes_by_the_names_and_not_by_the_order() -> None:
    given = many()
    order = np.random.default_rng(1).permutation(len(given))
    cut = by_group.cut(given, [500], "salt", "user")
    assert (by_group.cut(given.take(order), [500], "salt", "user") == cut[order]).all()
    assert (by_group.cut(given, [500], "other", "user") != cut).any()


def test_too_few_users_for_the_parts_are_refused() -> None:
    with pytest.raises(
        BadData, match=r"the rows are of 2 groups of 'user', which cannot be cut into 3 parts of 2, 1, 2 rows\.\n  A group is"
    ):
        by_group.cut(rows(["a", "a", "a", "b", "b"]), [2, 1], "salt", "user")


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BadData, match=r"no column 'query' that says which belong together; kept beside the inputs: user\.\n  Name it with"):
        by_group.numbered(rows(["a"]), "query")


def test_users_are_shared_where_most_of_the_first_rows_are_among_the_second() -> None:
    assert by_group.shared(rows(["a", "b", "c"]), rows(["b", "c", "d", "e"]), "user")
    assert not by_group.shared(rows(["a", "b"]), rows(["b", "c"]), "user")


def test_what_is_counted_in_words() -> None:
    assert by_group.blocks_of(rows(["a"]), "") == (None, "rows")
    numbers, said = by_group.blocks_of(rows(["b", "a", "b"]), "user")
    assert (numbers.tolist(), said) == ([1, 0, 1], "groups of 'user'")
