import io
import re

import pytest
from rich.console import Console

from paredown.report.terminal import LISTED, show

NAMES = ("pass", "infeasible", "inconclusive", "digits")


def printed(result, width=80, terminal=False):
    out = io.StringIO()
    show(result, Console(file=out, width=width, force_terminal=terminal, color_system="standard" if terminal else "auto"))
    return out.getvalue()


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_wider_than_the_console_and_none_is_colored_in_a_file(sample, name, width):
    text = printed(sample(name), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text


def test_the_answer_comes_first(sample):
    text = flat(printed(sample("pass")))
    assert text.startswith("✓ Pass digits 12.5 times less CPU time per inference")
    for part in ("12.5x [11.9, 13.1]", "at most 1.31 %", "paid back after 930 000 inferences (estimated)", "2.12x"):
        assert part in text


def test_a_wide_console_shows_the_fastest_fp32_side_too(sample):
    result = sample("pass")
    assert "29.0 µs" in printed(result, 120).split("Findings")[0]
    assert "29.0 µs" not in printed(result, 80).split("Findings")[0]


def test_an_infeasible_result_names_rule_and_relaxation(sample):
    text = flat(printed(sample("infeasible")))
    assert "The rule that binds: quality." in text
    assert "drop 0.2 % → 1.4 %" in text
    assert "Energy: missing: no energy counter" in text
    assert "The nearest miss" in text


def test_failures_stand_with_their_reasons(sample):
    result = sample("pass")
    text = flat(printed(result, 200))
    assert all(trial["reason"] in text for trial in result["trials"] if trial["state"] == "failed")


def test_a_long_list_is_cut_and_says_by_how_much(sample):
    result = sample("pass")
    done = [trial for trial in result["trials"] if trial["state"] == "done"]
    result["trials"] = [trial | {"id": number * 100 + trial["id"]} for number in range(3) for trial in done]
    assert f"{3 * len(done) - LISTED} more trials stand in report.html." in printed(result)


def test_a_users_text_is_neither_markup_nor_control(sample):
    result = sample("pass")
    result["name"] = "[red]x[/red]\x1b[2J"
    result["trials"][3]["recipe"] = "[/nothing] [bold]"
    text = printed(result, 120, terminal=True)
    assert "[red]x[/red]" in text
    assert "[/nothing] [bold]" in text
    assert "\x1b[2J" not in text


@pytest.mark.parametrize("name", NAMES)
def test_any_field_may_be_absent_or_null(sample, name):
    result = sample(name)
    for key in result:
        printed({other: value for other, value in result.items() if other != key})
        printed(result | {key: None})
    for key in result["trials"][3]:
        printed(result | {"trials": [trial | {key: None} for trial in result["trials"]]})
    for key in result["findings"][0]:
        printed(result | {"findings": [finding | {key: None} for finding in result["findings"]]})
    assert "No verdict" in printed({})


@pytest.mark.parametrize("name", NAMES)
def test_no_word_claims_what_a_report_cannot(sample, name):
    assert not re.search(r"\b(green|lossless|fair|compliant|certified|carbon neutral)\b", printed(sample(name), 120), re.IGNORECASE)


def test_the_estimators_of_the_energy_their_spread_and_the_boundary_are_named(sample):
    text = flat(printed(sample("digits")))
    assert "Energy by estimator: vCPU curve 23 µJ [16, 31], TDP share 35 µJ [18, 74], load profile 27 µJ [15, 44]." in text
    assert "the interval holds all estimators, whose highest is 3.7x their lowest" in text
    assert "this virtual machine's CPU above idle; memory, disks, network and cooling are not in it" in text
    counted = sample("digits")
    counted["chosen"]["estimators"] = {}
    assert "estimator" not in flat(printed(counted))


def test_what_the_budget_left_undecided_is_not_put_on_the_data_and_no_limit_is_offered():
    nearest = {"recipe": "a @ b", "binds": "energy", "relaxation": "energy max: no other limit helps. energy is missing: no time."}
    result = {"verdict": "inconclusive", "policy": {"name": "frugal"}, "nearest": nearest | {"relaxations": [{"needed": None}]}}
    for undecided, said in (("no time", "There was no time to decide the policy frugal."), ("", "The data at hand cannot decide")):
        text = flat(printed(result | {"undecided": undecided}))
        assert said in text
        assert "energy max: no other limit helps. energy is missing: no time." in text
        assert "smallest change" not in text
