import re
from importlib import resources
from pathlib import Path

import pytest

from paredown.core.errors import UnknownName
from paredown.core.quantity import quantities
from paredown.report import words as module
from paredown.report.words import languages, load

FOLDER = Path(str(resources.files("paredown.report").joinpath("page.html"))).parent
CODE = "\n".join(file.read_text("utf-8") for file in FOLDER.glob("*.py"))
OPEN_GROUPS = {
    "coefficient",
    "verdict",
    "headline",
    "saved",
    "quantity",
    "metric",
    "estimator",
    "split",
    "level",
    "outcome",
    "how",
    "plot",
    "column",
    "footnote",
    "basis",
    "model",
    "unit",
    "why",
    "meaning",
}
FORBIDDEN = re.compile(r"\b(green|lossless|fair|compliant|certified|carbon neutral)\b|绿色|环保|无损|公平|合规|认证|碳中和", re.IGNORECASE)


def test_every_key_that_the_code_names_exists():
    named = set(re.findall(r'words\(\s*"([a-z_0-9.]+)"', CODE)) | set(re.findall(r'"((?:section|column)\.[a-z_0-9]+)"', CODE))
    assert len(named) > 40
    assert named <= set(load().entries)


def test_every_text_is_used():
    unused = [key for key in load().entries if f'"{key}"' not in CODE and key.split(".")[0] not in OPEN_GROUPS]
    assert unused == []


def test_every_quantity_has_a_name():
    assert {f"quantity.{name}" for name in quantities()} <= set(load().entries)


def test_every_quantity_means_what_the_table_says():
    said = {key.removeprefix("meaning."): text for key, text in load().entries.items() if key.startswith("meaning.")}
    assert said == {name: one.meaning for name, one in quantities().items()}


@pytest.mark.parametrize("language", languages())
def test_languages_have_the_same_keys_and_holes(language):
    english, other = load("en").entries, load(language).entries
    assert set(other) == set(english)
    assert all(set(re.findall(r"{\w+}", english[key])) == set(re.findall(r"{\w+}", other[key])) for key in english)


@pytest.mark.parametrize("language", languages())
def test_no_text_claims_what_a_report_cannot(language):
    assert [text for text in load(language).entries.values() if FORBIDDEN.search(text)] == []


def test_chinese_is_written_in_chinese():
    """Units, ids and marks may stay; every sentence has Chinese letters."""
    latin = [key for key, text in load("zh").entries.items() if not re.search(r"[\u4e00-\u9fff]", re.sub(r"{\w+}", "", text))]
    marks = {"number.weak", "figure.interval", "figure.sides", "page.title", "page.gap", "plot.axis", "column.order", "column.id"}
    marks |= {"impact.comma", "impact.stop", "impact.said"}
    assert set(latin) == marks


def test_an_unknown_key_and_language_name_the_nearest():
    with pytest.raises(UnknownName, match=r"words/en.yaml 'section.trails'. Did you mean 'section.trials'"):
        load()("section.trails")
    with pytest.raises(UnknownName, match=r"no report language 'eng'\. Did you mean 'en'"):
        load("eng")


def test_a_name_that_the_language_lacks_is_shown_as_written():
    assert load().name("metric", "word_error_rate") == "word error rate"


def test_the_words_are_read_once():
    assert module.load("en") is load("en")
