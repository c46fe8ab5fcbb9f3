import json
import os
import re
from html.parser import HTMLParser

import pytest

from paredown.core.errors import CannotWrite, UnknownName
from paredown.report import write_report
from paredown.report.html import render
from paredown.report.markup import Markup, escape, prose, tag

NAMES = ("pass", "infeasible", "inconclusive", "digits")
VOID = {"meta", "link", "br", "img", "input", "hr"}
FORBIDDEN = re.compile(r"\b(green|lossless|fair|compliant|certified|carbon neutral)\b", re.IGNORECASE)


class Page(HTMLParser):
    """What a page holds: its text, tags and attributes; and whether every element is closed in order."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self.attributes += [(name, key, value) for key, value in attributes]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return " ".join("".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_whole_and_refers_to_nothing_outside(sample, name):
    source = render(sample(name))
    page = Page(source)
    links = [value for _, key, value in page.attributes if key in ("src", "href", "action", "srcset")]
    assert links
    assert all(link.startswith("#trial-") for link in links)
    assert not re.search(r"@import|url\(|https?://(?!www\.w3\.org/2000/svg)", source)
    ids = [value for _, key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links} <= set(ids)
    assert not FORBIDDEN.search(page.text.replace("Green Software Foundation", ""))


def test_the_answer_comes_first(sample):
    text = Page(render(sample("pass"))).text
    said = [
        "✓ Pass",
        "12.5 times less CPU time per inference",
        "Accuracy: 97.9 %, against 98.3 % as given.",
        "at most 1.31 %",
        "930 000",
        "The recipe",
    ]
    places = [text.index(part) for part in said]
    assert places == sorted(places)


def test_an_infeasible_page_names_the_rule_and_the_smallest_relaxation(sample):
    text = Page(render(sample("infeasible"))).text
    assert "Nothing that was tried passes the policy strict and takes less than the model as given." in text
    assert "The rule that binds: quality." in text
    assert "drop 0.2 % → 1.4 %" in text
    assert "missing: no energy reading" in text


def test_every_failed_trial_stands_with_its_reason(sample):
    result = sample("pass")
    text = Page(render(result)).text
    failed = [trial for trial in result["trials"] if trial["state"] == "failed"]
    assert failed
    assert all(trial["recipe"] in text and trial["reason"] in text for trial in failed)


def test_engines_stand_side_by_side_with_the_reason_of_those_that_were_not_used(sample):
    number = {"value": 2e-5, "how": "measured", "unit": "s"}
    shown = {"recipe": "quantize_static() @ quick", "readings": {"cpu_time": number}, "ratios": {"cpu_time": {"value": 4.0, "unit": "x"}}}
    result = sample("digits") | {
        "runtimes": [
            {"name": "quick", "version": "1.2", "reason": None, "trials": 3, "failed": 1, "as_given": None, "best": shown},
            {"name": "slow", "reason": "it is not installed."},
        ]
    }
    text = Page(render(result)).text
    assert "Engines side by side" in text
    assert "quick1.23––20.0 µs4.00xquantize_static() @ quick" in text
    assert "slow–––––it is not installed." in text
    assert "Engines side by side" not in Page(render(sample("pass"))).text


def poisoned(tree, bad):
    """The same tree with every text replaced, but for the words that steer the page."""
    steering = {"verdict", "state", "role", "how", "unit", "outcome", "level", "scale", "minimize", "language"}
    if isinstance(tree, dict):
        return {key: value if key in steering else poisoned(value, bad) for key, value in tree.items()}
    if isinstance(tree, list):
        return [poisoned(value, bad) for value in tree]
    return bad if isinstance(tree, str) else tree


@pytest.mark.parametrize(
    "bad", ["<script>alert(1)</script>", "</script><b id='x'>", '"><svg onload=alert(1)>', "{unit}$title ${x} {", "\ud800\x00\x1b[31m"]
)
def test_no_text_of_a_user_becomes_markup(sample, bad):
    result = sample("pass")
    clean, dirty = Page(render(result)), Page(render(poisoned(result, bad)))
    assert dirty.tags.count("script") == clean.tags.count("script")
    assert "b" not in [name for name, key, value in dirty.attributes if (key, value) == ("id", "x")]
    assert not [key for _, key, _ in dirty.attributes if key.startswith("on")]
    render(poisoned(result, bad)).encode("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_any_field_may_be_absent_or_null(sample, name):
    result = sample(name)
    for key in result:
        Page(render({other: value for other, value in result.items() if other != key}))
        Page(render(result | {key: None}))
    for side in ("baseline", "chosen", "nearest", "search", "policy", "rows"):
        for key in result[side] or {}:
            Page(render(result | {side: result[side] | {key: None}}))
    for key in result["trials"][3]:
        Page(render(result | {"trials": [trial | {key: None} for trial in result["trials"]]}))
    for key in result["findings"][0]:
        Page(render(result | {"findings": [finding | {key: None} for finding in result["findings"]]}))
    assert "No verdict" in Page(render({})).text


def test_many_trials_stay_well_below_the_size_limit(sample):
    result = sample("pass")
    result["trials"] = [trial | {"id": number * 100 + trial["id"]} for number in range(25) for trial in result["trials"]]
    assert len(render(result).encode()) < 1_200_000


def test_the_plot_knows_every_measured_trial_and_its_words(sample):
    result = sample("pass")
    data = json.loads(re.search(r'id="plot-data">(.*?)</script>', render(result)).group(1))
    done = {str(trial["id"]) for trial in result["trials"] if trial["state"] == "done"}
    assert set(data["trials"]) == done == set(data["axes"]["cpu_time"]["at"])
    assert ["CPU time", "13.7 µs"] in data["trials"]["15"]["facts"]


def test_an_interval_that_holds_one_claims_nothing(sample):
    result = sample("pass")
    result["chosen"]["ratios"]["cpu_time"] |= {"value": 1.1, "low": 0.9, "high": 1.3}
    assert "No difference shown" in Page(render(result)).text
    result["chosen"]["ratios"]["cpu_time"] |= {"value": 0.5, "low": 0.4, "high": 0.6}
    assert "2.0 times more CPU time per inference" in Page(render(result)).text


def test_elements_escape_what_they_hold():
    assert tag("p", "a<b", class_='x"y', data_id=3, hidden=True, title=None) == '<p class="x&quot;y" data-id="3" hidden>a&lt;b</p>'
    assert tag("p", Markup("<b>"), None) == "<p><b></p>"
    assert escape("\x00") == "\N{REPLACEMENT CHARACTER}"
    assert prose("about 13.7 µs in 5 runs of 240 000") == "about 13.7\N{NO-BREAK SPACE}µs in 5 runs of 240\N{NO-BREAK SPACE}000"


def test_the_file_is_written_whole_or_not_at_all(sample, tmp_path, monkeypatch):
    file = write_report(sample("pass"), tmp_path)
    before = file.read_bytes()
    assert file == tmp_path / "report.html"
    assert before.startswith(b"<!doctype html>")

    def stop(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(CannotWrite, match=r"report\.html: disk full"):
        write_report(sample("infeasible"), tmp_path)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_an_unknown_language_is_refused_by_name(sample, tmp_path):
    with pytest.raises(UnknownName, match="no report language 'klingon'"):
        write_report(sample("pass"), tmp_path, "klingon")
    assert list(tmp_path.iterdir()) == []


def test_each_estimator_of_the_energy_stands_with_watts_energy_and_basis(sample):
    text = Page(render(sample("digits"))).text
    for part in (
        "vCPU curve1.4 W [1.1, 1.6]23 µJ [16, 31]EPYC 4th Gen is newer than the table",
        "TDP share2.0 W [1.3, 3.8]35 µJ [18, 74]EPYC 4th Gen, its own row",
        "load profile1.6 W [1.0, 2.3]27 µJ [15, 44]",
        "the interval holds all estimators, whose highest is 3.7x their lowest",
        "this virtual machine's CPU above idle; memory, disks, network and cooling are not in it",
        "Per virtual CPU: 460 mW [170, 640] idle, 1.4 W [1.0, 3.8] more when busy.",
    ):
        assert part in text


def test_on_a_physical_machine_the_boundary_does_not_speak_of_a_virtual_one(sample):
    result = sample("digits")
    result["host"]["virtual"] = False
    text = Page(render(result)).text
    assert "this machine's CPU above idle" in text
    assert "this virtual machine's" not in text


def test_energy_that_was_counted_has_no_estimators(sample):
    result = sample("digits")
    result["chosen"]["estimators"] = {}
    assert "Energy by estimator" not in Page(render(result)).text
