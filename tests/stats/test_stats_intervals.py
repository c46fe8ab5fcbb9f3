"""Quantiles against published tables and closed forms; intervals against their defining equations."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.stats.intervals import beta_cdf, binomial_cdf, clopper_pearson_upper, normal, root, student, student_cdf, wilson

# Critical values of Student's t as printed in tables (NIST/SEMATECH e-Handbook, table 1.3.6.7.2).
T_TABLE = [
    (0.95, 1, 6.314), (0.975, 1, 12.706), (0.95, 2, 2.920), (0.975, 4, 2.776), (0.95, 9, 1.833), (0.975, 9, 2.262), (0.99, 9, 2.821),
    (0.95, 29, 1.699), (0.975, 29, 2.045), (0.999, 29, 3.396), (0.975, 100, 1.984),
]  # fmt: skip


@pytest.mark.parametrize(("probability", "freedom", "value"), T_TABLE)
def test_student_agrees_with_the_printed_table(probability: float, freedom: int, value: float) -> None:
    assert student(probability, freedom) == pytest.approx(value, abs=6e-4)


@given(st.floats(0.001, 0.999))
def test_student_has_its_closed_forms_at_one_and_two_degrees(p: float) -> None:
    assert student(p, 1) == pytest.approx(math.tan(math.pi * (p - 0.5)), rel=1e-9, abs=1e-9)
    assert student(p, 2) == pytest.approx((2 * p - 1) * math.sqrt(2 / (4 * p * (1 - p))), rel=1e-9, abs=1e-9)


def test_student_becomes_normal_and_is_symmetric() -> None:
    assert student(0.95, 1e7) == pytest.approx(normal(0.95), abs=1e-5)
    assert student(0.05, 9) == -student(0.95, 9)
    assert student_cdf(0.0, 5) == 0.5


@pytest.mark.parametrize(("a", "b"), [(2, 3), (5, 1), (40, 7)])
@pytest.mark.parametrize("x", [0.0, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0])
def test_beta_cdf_at_whole_numbers_is_a_binomial_tail(a: int, b: int, x: float) -> None:
    n = a + b - 1
    tail = sum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert beta_cdf(x, a, b) == pytest.approx(tail, rel=1e-12, abs=1e-15)


def test_binomial_cdf_is_the_sum_of_its_terms() -> None:
    exact = sum(math.comb(50, k) * 0.13**k * 0.87 ** (50 - k) for k in range(8))
    assert binomial_cdf(7, 50, 0.13) == pytest.approx(exact, rel=1e-12)
    assert binomial_cdf(50, 50, 0.9) == 1.0


def test_clopper_pearson_leaves_five_percent_below() -> None:
    bound = clopper_pearson_upper(80, 2000)
    log_term = [
        math.lgamma(2001) - math.lgamma(k + 1) - math.lgamma(2001 - k) + k * math.log(bound) + (2000 - k) * math.log1p(-bound)
        for k in range(81)
    ]
    assert sum(map(math.exp, log_term)) == pytest.approx(0.05, rel=1e-9)
    assert clopper_pearson_upper(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59), rel=1e-9)
    assert clopper_pearson_upper(7, 7) == 1.0


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0.5, 0.99))
def test_wilson_ends_are_where_the_score_equals_z(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    z = normal((1 + confidence) / 2)
    for end in wilson(successes, n, confidence):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(successes / n - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), rel=1e-6, abs=1e-9)


def test_wilson_without_rows_says_nothing() -> None:
    assert wilson(0, 0, 0.9) == (0.0, 1.0)


def test_root_returns_an_end_that_is_not_crossed() -> None:
    assert root(lambda x: x + 2, -1, 1) == -1
    assert root(lambda x: x - 2, -1, 1) == 1
    assert root(lambda x: x - 0.25, -1, 1) == pytest.approx(0.25, abs=1e-14)
