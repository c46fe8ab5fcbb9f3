"""Amounts with units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paredown.ground import amounts
from paredown.ground.amounts import BadAmount, Ratio, show


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (amounts.seconds, "20 ms", 0.02),
        (amounts.seconds, "2h", 7200.0),
        (amounts.seconds, " 20 min ", 1200.0),
        (amounts.seconds, "3 µs", 3e-6),
        (amounts.bytes_of, "50 MB", 50e6),
        (amounts.bytes_of, "1.5 GiB", 1.5 * 2**30),
        (amounts.bytes_of, "7 B", 7.0),
        (amounts.joules, "300 kJ", 300e3),
        (amounts.joules, "0.1 Wh", 360.0),
        (amounts.joules, "1 kWh", 3.6e6),
        (amounts.percent, "95 %", 0.95),
        (amounts.percent, "1%", 0.01),
        (amounts.lifetime, "4 years", 4 * 365 * 86400.0),
        (amounts.lifetime, "35040 h", 4 * 365 * 86400.0),
        (amounts.part, "2/64", 0.03125),
        (amounts.part, "3 %", 0.03),
    ],
)
def test_amounts_in_si_units(parse: object, text: object, value: float) -> None:
    assert parse(text) == pytest.approx(value, rel=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "total", "over_s"),
    [
        ("2e6 / month for 12 months", 24e6, 365.25 * 86400),
        ("10 / day for 2 weeks", 140.0, 14 * 86400),
        ("1/second for 1 hour", 3600.0, 3600.0),
        ("1e3 / month for 1 year", 12e3, 365.25 * 86400),
        (5e6, 5e6, None),
    ],
)
def test_a_volume_is_a_total_and_how_long_it_is_asked(text: object, total: float, over_s: float | None) -> None:
    found, found_s = amounts.volume(text)
    assert found == pytest.approx(total, rel=1e-12)
    assert found_s == (over_s and pytest.approx(over_s, rel=1e-12))


def test_drops_and_ratios() -> None:
    assert amounts.drop("1 %") == (0.01, True)
    assert amounts.drop("1.5pp") == (0.015, False)
    assert amounts.ratio("0.5 x baseline") == Ratio(0.5, False)
    assert amounts.ratio("1x baseline as found") == Ratio(1.0, True)
    assert amounts.ratio("2 × baseline") == Ratio(2.0, False)
    assert amounts.ratio("20 ms") is None
    assert amounts.ratio(20) is None


def test_a_quantity_without_unit_takes_numbers_and_shares() -> None:
    assert amounts.amount(0.9, "") == 0.9
    assert amounts.amount("90 %", "") == pytest.approx(0.9)
    assert amounts.amount(60000, "1") == 60000.0
    assert amounts.amount("100 /s", "1/s") == amounts.amount("100 1/s", "1/s") == 100.0


@pytest.mark.parametrize(
    ("parse", "value", "found", "do"),
    [
        (amounts.drop, 1.5, "it needs a unit", "Write `1.5 %` (relative) or `1.5 pp` (points)."),
        (amounts.drop, "2", "it needs a unit", "Write `2 %` (relative) or `2 pp` (points)."),
        (amounts.drop, "2 ms", "'ms' is no unit of a drop", "`2 pp`"),
        (amounts.drop, "101 %", "more than 100", "`1 %`"),
        (amounts.drop, "-1 %", "0 or more", "`1 %`"),
        (amounts.drop, True, "a number with its unit", "`1 %`"),
        (amounts.percent, 0.95, "it needs a unit", "`95 %`"),
        (amounts.percent, "95 pp", "'pp' is not `%`", "`95 %`"),
        (amounts.percent, "120 %", "more than 100 %", "`95 %`"),
        (amounts.seconds, 20, "it needs a unit", "`20 ms`, `2 s` or `20 min`"),
        (amounts.seconds, "20 MB", "that is an amount of bytes, not a time", "`20 ms`"),
        (amounts.seconds, "soon", "a number with its unit", "`20 ms`"),
        (amounts.seconds, "1e999 s", "a finite number", "`20 ms`"),
        (amounts.seconds, math.nan, "a finite number", "`20 ms`"),
        (amounts.bytes_of, "50 mb", "there is no unit 'mb' for an amount of bytes", "Did you mean `50 MB`?"),
        (amounts.bytes_of, "50 quarts", "no unit 'quarts'", "`50 MB` or `1.5 GiB`"),
        (amounts.ratio, "half the baseline", "no multiple of the baseline", "`0.5 x baseline`"),
        (amounts.ratio, "0 x baseline", "0 times the baseline", "`0.5 x baseline`"),
        (amounts.volume, "2e6 per month", "a number per period", "`2e6 / month for 12 months`"),
        *((amounts.seconds, text, "a decimal point", "`20 ms`") for text in ("0,5 s", "1 000 s", "1_000 s", "1'000 s", "1,000.5 s")),
        (amounts.volume, "1e300 / second for 1e300 years", "a finite number", "`2e6 / month for 12 months`"),
        (amounts.volume, True, "a number per period", "`2e6 / month for 12 months`"),
    ],
)
def test_what_is_wrong_and_what_to_write(parse: object, value: object, found: str, do: str) -> None:
    with pytest.raises(BadAmount) as caught:
        parse(value)  # type: ignore[operator]
    assert found in caught.value.found
    assert do in caught.value.do
    assert str(caught.value) == f"{caught.value.found}\n  {caught.value.do}"


def test_show_speaks_the_unit_of_the_limit() -> None:
    assert show(0.0231, "20 ms") == "23.1 ms"
    assert show(0.0123, "1 %") == "1.23 %"
    assert show(0.0123, "3 pp") == "1.23 pp"
    assert show(0.61, "0.5 x baseline") == "0.61 x baseline"
    assert show(61.2e6, "50 MB", up=True) == "62 MB"
    assert show(0.0166, "1%", up=True) == "1.7%"
    assert show(0.868, "0.9", up=False) == "0.86"
    assert show(0.0, "1 %", up=True) == "0 %"
    assert show(math.inf, "1 %", up=True) == "inf %"


@given(st.floats(1e-9, 1e9), st.sampled_from(["20 ms", "2 h", "50 MiB", "300 kJ", "1 %", "0.5 x baseline", "1000000"]))
def test_a_limit_rounded_up_holds_the_value_and_rounded_down_too(value: float, like: str) -> None:
    parse = {"20 ms": amounts.seconds, "2 h": amounts.seconds, "50 MiB": amounts.bytes_of, "300 kJ": amounts.joules}.get(like)
    if parse is not None:
        high, low = parse(show(value, like, up=True)), parse(show(value, like, up=False))
        assert low <= value * (1 + 1e-8)
        assert value * (1 - 1e-8) <= high <= value * 1.11
