import pytest

from paredown.report.format import at_most, bounds_of, clean, duration, kind_of, number, quality, short, value_of
from paredown.report.words import load

WORDS = load()


def num(value, low=None, high=None, how="measured", unit=""):
    return {"value": value, "low": low, "high": high, "unit": unit, "how": how}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1.37e-5, "time", "13.7 µs"),
        (0.99996e-3, "time", "1.00 ms"),
        (400.0, "time", "400 s"),
        (0.0123, "energy", "12.3 mJ"),
        (3100.0, "energy", "3.10 kJ"),
        (51234, "bytes", "51.2 kB"),
        (512, "bytes", "512 B"),
        (0.9781, "share", "97.8 %"),
        (0.0, "share", "0 %"),
        (1.0, "share", "100 %"),
        (0.99996, "share", "99.996 %"),
        (0.00041, "share", "0.041 %"),
        (-0.0123, "share", "−1.23 %"),
        (0.004, "points", "0.40 pp"),
        (12.43, "ratio", "12.4x"),
        (0.83, "ratio", "0.830x"),
        (60938, "count", "60 938"),
        (1232000, "count", "1.23 M"),
        (73012.3, "rate", "73 000/s"),
        (0.0, "time", "0 s"),
    ],
)
def test_a_measured_value_is_printed_with_prefix_and_three_digits(value, kind, text):
    assert number(num(value), kind, WORDS) == text


def test_a_metric_with_a_unit_of_its_own_is_no_share():
    assert [quality(value, unit) for value, unit in ((0.9781, ""), (1.1268, "nat"), (12.5, "EUR"))] == ["97.8 %", "1.13 nat", "12.5 EUR"]


def test_an_interval_has_the_digits_of_its_value():
    assert number(num(12.43, 11.81, 13.06), "ratio", WORDS, interval=True) == "12.4x [11.8, 13.1]"
    assert number(num(1.37e-5, 1.31e-5, 1.421e-5), "time", WORDS, interval=True) == "13.7 µs [13.1, 14.2]"


def test_a_wide_interval_takes_digits_away():
    assert number(num(1.692e-4, 1.2e-4, 2.1e-4), "time", WORDS) == "170 µs"


def test_an_estimate_has_two_digits_and_says_so_on_demand():
    estimate = num(0.01234, how="estimated")
    assert number(estimate, "energy", WORDS) == "12 mJ"
    assert number(estimate, "energy", WORDS, origin=True) == "12 mJ (estimated)"
    assert number(num(929_411, how="estimated"), "count", WORDS) == "930 000"


@pytest.mark.parametrize(
    ("absent", "text"),
    [
        ({"missing": "no energy counter"}, "missing: no energy counter"),
        (None, "missing: not recorded"),
        (num(float("nan")), "missing: not recorded"),
        (num(float("inf")), "missing: not recorded"),
    ],
)
def test_an_absent_number_is_never_a_zero(absent, text):
    assert number(absent, "energy", WORDS) == text
    assert value_of(absent) is None
    assert bounds_of(absent) is None


def test_a_metric_with_its_own_unit_keeps_it():
    assert number(num(0.1234, unit="nats"), kind_of("quality", "nats"), WORDS) == "0.123 nats"


def test_an_upper_bound_is_never_rounded_down():
    assert at_most(0.01312, "share") == "1.32 %"
    assert at_most(0.0131, "share") == "1.31 %"


@pytest.mark.parametrize(
    ("value", "kind", "text"), [(0.02, "share", "2 %"), (0.5, "ratio", "0.5x"), (5e-5, "time", "50 µs"), (1e5, "bytes", "100 kB")]
)
def test_a_limit_has_as_few_digits_as_it_needs(value, kind, text):
    assert short(value, kind) == text


def test_kinds_come_from_the_unit_else_from_the_table_of_quantities():
    assert [kind_of("size"), kind_of("cpu_time"), kind_of("cpu_time", "x"), kind_of("parameters"), kind_of("of_a_plugin")] == [
        "bytes",
        "time",
        "ratio",
        "count",
        "share",
    ]


def test_work_is_told_in_the_units_people_use():
    assert [duration(seconds, WORDS) for seconds in (0.3, 48.2, 151.7, 7500, None)] == [
        "300 ms",
        "48 s",
        "2 min 32 s",
        "2 h 5 min",
        "missing: not recorded",
    ]


def test_control_characters_become_visible():
    assert clean("a\x1b[31m\nb\ud800") == "a\N{REPLACEMENT CHARACTER}[31m b\N{REPLACEMENT CHARACTER}"


def test_the_ends_of_an_estimate_have_two_digits_of_their_own():
    estimate = {"value": 0.3214, "low": 0.0977, "high": 1.0349, "unit": "J", "how": "estimated"}
    assert number(estimate, "energy", load(), interval=True) == "320 mJ [98, 1 000]"
    assert number(estimate | {"value": 1.36, "high": 12.34}, "energy", load(), interval=True) == "1.4 J [0.098, 12]"
    assert number(estimate | {"low": 0.0}, "energy", load(), interval=True) == "320 mJ [0, 1 000]"
