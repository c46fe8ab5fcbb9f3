"""Shares of a span of time by hour of the clock."""

from __future__ import annotations

import pytest

from paredown.ground.hours import hour_shares


@pytest.mark.parametrize("span", [(1e9 + 1, 1e9 + 1), (1e9, 1e9 + 20_000), (1e9 + 7, 1e9 - 7), (3600.0 * 9, 3600.0 * 10)])
def test_shares_of_hours_add_up(span: tuple[float, float]) -> None:
    shares = dict(hour_shares(*span))
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share > 0 for share in shares.values())


def test_an_hour_takes_its_own_part_of_a_span() -> None:
    assert dict(hour_shares(3600.0 * 10 - 900, 3600.0 * 10 + 2700)) == {"1970-01-01T09": 0.25, "1970-01-01T10": 0.75}
