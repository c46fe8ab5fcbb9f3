"""Amounts with units."""

from __future__ import annotations

import math
import re

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
        (amounts.volume, 0, "it needs to be above 0", "`2e6 / month for 12 months`"),
        (amounts.volume, "0 / month for 12 months", "it needs to be above 0", "`2e6 / month for 12 months`"),
        (
            lambda text: amounts.amount(text, "g/kWh"),
            "380000 g/kWh",
            "that is 380000 g/kWh, more than any power station emits (3000 g/kWh)",
            "`34 g/kWh`",
        ),
        (amounts.volume, True, "a number per period", "`2e6 / month for 12 months`"),
    ],
)
def test_what_is_wrong_and_what_to_write(parse: object, value: object, found: str, do: str) -> None:
    with pytest.raises(BadAmount) as caught:
        parse(value)  # type: ignore[operator]
    assert found in caught.value.found
    assert do in caught.value.do
    assert str(caught.value) == f"{caught.value.found}\n  {caught.value.do}"


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("380 t/GWh", "g/kWh", 380.0),
        ("34 g/MWh", "g/kWh", 0.034),
        ("0.84 lb/kWh", "g/kWh", 0.84 * 453.59237),
        ("900 lb/MWh", "g/kWh", 900 * 0.45359237),
        ("0.4 kg/kWh", "g/kWh", 400.0),
        ("400000 mg/kWh", "g/kWh", 400.0),
        ("100 g/MJ", "g/kWh", 360.0),
        ("1800 mL/kWh", "L/kWh", 1.8),
        ("1.8 m3/MWh", "L/kWh", 1.8),
        ("30 Wh/GB", "J/B", 30 * 3600 / 1e9),
        ("1 GJ/TB", "J/B", 1e-3),
        ("1200 mW/TB", "W/B", 1.2e-12),
    ],
)
def test_every_exact_unit_of_a_factor_is_taken(text: str, unit: str, value: float) -> None:
    assert amounts.amount(text, unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", ["380000 g/kWh", "380 kg/kWh", "3001 t/GWh", "6.7 lb/kWh", "900 g/kJ"])
def test_there_is_one_ceiling_of_an_intensity(text: str) -> None:
    with pytest.raises(BadAmount):
        amounts.amount(text, "g/kWh")
    assert amounts.amount("3000 g/kWh", "g/kWh") == 3000


PREFIX = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
BASE = {"s": {"s": 1.0}, "g": {"g": 1.0}, "J": {"J": 1.0, "Wh": 3600.0}, "L": {"L": 1.0, "l": 1.0}, "B": {"B": 1.0, "b": 0.125}}
LETTERS = st.sampled_from([*PREFIX, *(prefix.swapcase() for prefix in PREFIX)])


def independent(text: str, unit: str) -> float | None:
    """What a text means by SI's own rules: a prefix and a base unit, each in its own case; of a byte there are no parts."""
    sides = text.split("/")
    sizes = [
        {
            f"{prefix}{name}": factor * size
            for prefix, factor in PREFIX.items()
            for name, size in BASE[base].items()
            if factor >= 1 or base != "B"
        }.get(side)
        for side, base in zip(sides, unit.split("/"), strict=True)
    ]
    if None in sizes:
        return None
    return sizes[0] if len(sizes) == 1 else sizes[0] / sizes[1]  # type: ignore[operator]


@given(st.sampled_from(["s", "g", "J", "L", "B", "g/J", "L/J", "J/B"]), st.data())
def test_what_is_taken_or_suggested_is_the_same_physical_amount(unit: str, data: st.DataObject) -> None:
    cased = {base: [*sizes, *(name.swapcase() for name in sizes)] for base, sizes in BASE.items()}
    text = "/".join(f"{data.draw(LETTERS)}{data.draw(st.sampled_from(cased[base]))}" for base in unit.split("/"))
    name, one = {"g/J": ("g/kWh", 3.6e6), "L/J": ("L/kWh", 3.6e6)}.get(unit, (unit, 1.0))
    meant = independent(text, unit)
    try:
        found = amounts.amount(f"1e-9 {text}", name)
    except BadAmount as error:
        suggested = re.search(r"Did you mean `\S+ (\S+)`", str(error))
        if suggested and meant is not None:
            assert independent(suggested[1], unit) == pytest.approx(meant), (text, suggested[1])
        return
    assert meant is not None, text
    assert found == pytest.approx(1e-9 * meant * one, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "unit", "right"),
    [
        ("380 gCO2/kWh", "g/kWh", "g/kWh"),
        ("380 g CO2e/kWh", "g/kWh", "g/kWh"),
        ("380 g per kWh", "g/kWh", "g/kWh"),
        ("380 G/KWH", "g/kWh", "g/kWh"),
        ("0.38 tonnes/MWh", "g/kWh", "t/MWh"),
        ("840 lbs/MWh", "g/kWh", "lb/MWh"),
        ("2 hours", "s", "h"),
        ("300 KJ", "J", "kJ"),
        ("5 mj", "J", ""),
        ("5 Mg", "g", ""),
        ("5 Ms", "s", ""),
        ("5 ML", "L", ""),
        ("50 Mb", "B", ""),
        ("380 g/mWh", "g/kWh", ""),
        ("380 ton/MWh", "g/kWh", ""),
        ("1 oz/kWh", "g/kWh", ""),
    ],
)
def test_only_spellings_of_the_same_unit_are_suggested(text: str, unit: str, right: str) -> None:
    with pytest.raises(BadAmount) as caught:
        amounts.amount(text, unit)
    number = text.split(maxsplit=1)[0]
    assert (caught.value.do == f"Did you mean `{number} {right}`?") == bool(right), caught.value.do
    assert ("Did you mean" in caught.value.do) == bool(right)


def test_a_whole_number_without_end_is_not_finite() -> None:
    assert not amounts.is_finite(10**400)
    with pytest.raises(BadAmount, match="a finite number"):
        amounts.volume(10**400)


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
