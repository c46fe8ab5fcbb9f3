import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import paredown.report
from paredown.report.html import render
from paredown.report.outline import efficiency_sentence
from paredown.report.why import SHOWN, bars, headroom, layers_chart, product, steps_chart
from paredown.report.words import load

CSS = Path(paredown.report.__file__).with_name("page.css").read_text("utf-8")


class Text(HTMLParser):
    def __init__(self, source):
        super().__init__()
        self.words, self.styles = [], []
        self.feed(source)

    def handle_data(self, data):
        self.words.append(data)

    def handle_starttag(self, tag, attributes):
        self.styles += [value for key, value in attributes if key == "style"]

    @property
    def text(self):
        return " ".join(" ".join(self.words).replace("\N{NO-BREAK SPACE}", " ").split())


def explained(steps, whole, threads=None, layers=None):
    """A result of these factors: (kind, text, value)."""
    told = [{"kind": kind, "text": text, "factor": {"value": value, "how": "measured"}, "joined": ""} for kind, text, value in steps]
    ratios = {"cpu_time": {"value": whole, "low": whole * 0.9, "high": whole * 1.1, "how": "measured", "n": 22}}
    return {"verdict": "pass", "chosen": {"ratios": ratios}, "why": {"steps": told, "threads": threads, "layers": layers or {}}}


def test_lengths_add_up_and_each_bar_starts_where_the_last_ended():
    result = explained([("engine", "onnxruntime", 2.0), ("structure", "distill()", 3.0), ("quantize", "q()", 1.5)], 9.0)
    engine, structure, quantize, whole = bars(result, load())
    assert engine.start == whole.start == 0
    assert engine.end == structure.start
    assert structure.end == quantize.start
    assert quantize.end == pytest.approx(whole.end) == pytest.approx(1)
    assert engine.end == pytest.approx(math.log(2) / math.log(9))
    assert product([engine, structure, quantize, whole]) == "2.00 × 3.00 × 1.50 ≈ 9.00x"


def test_a_step_that_made_it_cost_more_goes_back_and_stays_on_the_scale():
    found = bars(explained([("engine", "e", 0.5), ("structure", "s", 8.0)], 4.0), load())
    assert [(round(bar.start, 3), round(bar.end, 3)) for bar in found] == [(0.333, 0.0), (0.0, 1.0), (0.333, 1.0)]
    assert 'class="more"' in steps_chart(explained([("engine", "e", 0.5), ("structure", "s", 8.0)], 4.0), load())


def test_the_defaults_come_on_top_of_the_whole():
    threads = {"from": 8, "to": 1, "factor": {"value": 2.0, "how": "measured"}, "whole": {"value": 12.0}}
    *_, whole, last = bars(explained([("engine", "e", 2.0), ("structure", "s", 3.0)], 6.0, threads), load())
    assert (last.start, last.end) == (pytest.approx(whole.end), 1)
    assert last.label == "On top, against the defaults: threads 1 instead of 8"


def test_defaults_that_show_no_difference_are_not_told():
    threads = {"from": 8, "to": 1, "factor": {"value": 2.0, "low": 0.9, "high": 4.4, "how": "measured"}}
    assert [bar.kind for bar in bars(explained([("engine", "e", 2.0)], 2.0, threads), load())] == ["engine"]


def test_a_single_step_is_the_whole():
    found = bars(explained([("quantize", "q()", 4.0)], 4.0), load())
    assert [bar.kind for bar in found] == ["quantize"]
    assert product(found) == ""


def test_what_was_not_measured_apart_says_why():
    result = explained([("joined", "a() > b()", 4.0)], 4.0)
    result["why"]["steps"][0]["joined"] = "a<b does not fit."
    assert "Not measured apart: a<b does not fit." in Text(steps_chart(result, load())).text


def test_no_steps_or_no_whole_draw_nothing():
    assert bars({}, load()) == bars(explained([], 4.0), load()) == []
    assert bars(explained([("engine", "e", 2.0)], 0.0), load()) == []
    assert steps_chart({}, load()) is None
    assert layers_chart({}, load()) is None


def test_layers_stand_side_by_side_and_the_rest_in_one_row():
    before = [{"name": f"layer.{at}", "op": "MatMul", "wall_s": (at + 1) * 1e-6} for at in range(20)]
    after = [{"name": f"layer.{at}", "op": "MatMulInteger", "wall_s": 1e-6} for at in range(10)]
    text = Text(layers_chart(explained([], 1.0, layers={"fastest_fp32": {"layers": before}, "chosen": {"layers": after}}), load())).text
    assert "layer.19" in text
    assert "layer.0" not in text
    assert f"{20 - SHOWN} other layers" in text
    assert "MatMul → MatMulInteger" in text
    assert "All layers 210 µs 10.0 µs" in text


def test_a_side_without_a_profile_says_why():
    sides = {"fastest_fp32": {"layers": [{"name": "head", "op": "Gemm", "wall_s": 1e-6}]}, "chosen": {"missing": "it cannot say."}}
    assert "Chosen: missing: it cannot say." in Text(layers_chart(explained([], 1.0, layers=sides), load())).text


def test_a_real_study_tells_machine_efficiency_and_factors(sample):
    result = sample("digits")
    words = load()
    assert math.prod(step["factor"]["value"] for step in result["why"]["steps"]) == pytest.approx(
        result["chosen"]["ratios"]["cpu_time"]["value"], rel=1e-5
    )
    assert headroom(result, words).startswith("It ran here on one CPU core of class avx512_vnni in ")
    assert re.match(
        r"Accuracy per joule: .*/J \(estimated\), against .*/J as given: \d+x \[\d+, \d+\]\.", efficiency_sentence(result, words)
    )
    text = Text(render(result)).text
    for part in ("Compression rate", "Why it costs less", "Where the time goes", "Smallest machine"):
        assert part in text


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_text_color_reads_on_its_ground(number):
    """WCAG AA: 4.5 to 1, in light, in dark and in print."""
    rules = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    colors = {
        name: value if len(value) == 7 else "#" + "".join(2 * one for one in value[1:])
        for name, value in re.findall(r"--([\w-]+): (#\w+)", rules[number])
    }
    pairs = [
        ("ink", "paper"),
        ("soft", "paper"),
        ("soft", "wash"),
        ("accent", "paper"),
        ("on-accent", "accent"),
        ("ink", "accent-wash"),
        ("soft", "accent-wash"),
    ]
    for front, ground in pairs:
        light, dark = sorted((luminance(colors[front]), luminance(colors[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, ground)
