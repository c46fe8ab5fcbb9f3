"""The page in a real browser: it asks for nothing, complains of nothing, can be used by keyboard, and is cut nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import Chromium, browser
from paredown.report import write_report
from paredown.report.words import load

pytestmark = pytest.mark.skipif(browser() is None, reason="no Chromium is installed")
A4_WIDTH = 680
"""Width of an A4 page between its margins of 15 mm, in CSS pixels."""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def page(sample, tmp_path: Path) -> Path:
    return write_report(sample("digits"), tmp_path)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_is_asked_for_and_nothing_is_complained_of(chromium: Chromium, sample, tmp_path: Path, language: str) -> None:
    file = write_report(sample("digits"), tmp_path, language)
    chromium.open(file)
    asked = [event["params"]["request"]["url"] for event in chromium.events if event["method"] == "Network.requestWillBeSent"]
    assert asked == [file.as_uri()]
    loud = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert [event for event in chromium.events if event["method"] in loud] == []
    assert chromium.run("document.documentElement.lang") == language
    assert file.stat().st_size < 1_500_000


def test_the_plots_controls_have_names_and_take_the_keyboard(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    told = chromium.names()
    assert {"Vertical", "Horizontal"} <= {node["name"] for node in told if node["role"] == "combobox"}
    points = [node["name"] for node in told if node["role"] == "link"]
    assert any("as_given @ torch" in name and "CPU time" in name for name in points)
    assert all(points)
    stops = []
    for _ in range(12):
        chromium.press("Tab")
        stops.append(chromium.run("document.activeElement.id || document.activeElement.getAttribute('class') || ''"))
    assert stops.index("plot-y") < stops.index("plot-x")
    assert any("point" in stop for stop in stops)


def test_another_axis_moves_points_and_title(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    places = "[...document.querySelectorAll('.point:not([hidden])')].map(point => point.style.transform)"
    before = chromium.run(places)
    chromium.run(
        "(() => { const pick = document.getElementById('plot-x'); pick.value = 'size'; pick.dispatchEvent(new Event('change')); })()"
    )
    after = chromium.run(places)
    assert len(before) == len(after) > 2
    assert before != after
    titles = chromium.run("[...document.querySelectorAll('#plot-grid .title')].map(one => one.textContent)")
    assert "Size, lower is better" in titles


def test_focus_and_arrows_tell_the_recipe_and_escape_hides_it(chromium: Chromium, sample, page: Path) -> None:
    chromium.open(page)
    chromium.run("document.querySelector('.point.chosen').focus()")
    said = "document.getElementById('plot-tip').hidden ? '' : document.querySelector('#plot-tip code').textContent"
    first = chromium.run(said)
    assert first == sample("digits")["chosen"]["recipe"]
    chromium.press("ArrowRight")
    assert chromium.run(said) not in ("", first)
    chromium.press("Escape")
    assert chromium.run(said) == ""


def test_the_mouse_tells_it_too(chromium: Chromium, page: Path) -> None:
    chromium.open(page)
    chromium.run("document.querySelector('.point.baseline').scrollIntoView({block: 'center', behavior: 'instant'})")
    box = chromium.run(
        "(({x, y, width, height}) => [x + width / 2, y + height / 2])(document.querySelector('.baseline .reach').getBoundingClientRect())"
    )
    chromium.send("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    chromium.until(lambda: chromium.run("!document.getElementById('plot-tip').hidden"))
    assert "as_given" in chromium.run("document.querySelector('#plot-tip code').textContent")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "media"), [(A4_WIDTH, "print"), (390, "screen"), (820, "screen"), (1100, "screen")])
def test_nothing_is_wider_than_the_page(chromium: Chromium, sample, tmp_path: Path, width: int, media: str, language: str) -> None:
    for name in ("digits", "pass", "infeasible"):
        chromium.open(write_report(sample(name), tmp_path, language), width, media)
        assert chromium.run("document.documentElement.scrollWidth") <= width
        cut = (
            "[...document.querySelectorAll('section *:not(svg *)')].filter(one => one.getBoundingClientRect().width"
            f" && one.getBoundingClientRect().right > {width} + 1 && !one.closest('.scroll')).map(one => one.outerHTML.slice(0, 90))"
        )
        assert chromium.run(cut) == []
        if media == "print" or width == 390:
            assert (
                chromium.run("[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1).length") == 0
            )


def test_it_prints_as_pages_of_a4(chromium: Chromium, page: Path) -> None:
    import base64

    chromium.open(page)
    printed = base64.b64decode(chromium.send("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF")
    assert b"/MediaBox [0 0 594" in printed or b"/MediaBox [0 0 595" in printed
    assert 3 <= printed.count(b"/Type /Page\n") <= 12


def test_every_word_stands_in_the_language_of_the_page(chromium: Chromium, sample, tmp_path: Path) -> None:
    chromium.open(write_report(sample("digits"), tmp_path, "zh"))
    heads = chromium.run("[...document.querySelectorAll('h2, h3, th')].map(one => one.textContent)")
    assert heads
    assert set(heads) <= {*load("zh").entries.values()} | {f"准确率：{load('zh')('section.drop', metric='').partition('：')[2]}", "准确率"}
