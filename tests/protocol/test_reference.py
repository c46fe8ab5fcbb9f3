"""The reference work: its median has an interval that needs no distribution."""

from __future__ import annotations

import random

from paredown.protocol.reference import reference, reference_s


def test_the_reference_work_takes_about_a_millisecond() -> None:
    assert 1e-5 < min(reference_s() for _ in range(5)) < 0.1


def test_the_interval_of_the_median_holds_it_in_95_of_100_also_where_samples_are_skew() -> None:
    draw, held = random.Random(5), 0
    for _ in range(500):
        found = reference([draw.lognormvariate(0, 0.5) for _ in range(60)])
        assert found is not None
        held += found.low <= 1 <= found.high  # type: ignore[operator]
    assert held / 500 >= 0.93


def test_few_samples_have_no_interval() -> None:
    assert reference([1.0] * 5) is None
