"""A result on one line and in a notebook's cell: the verdict, three ratios, where the report is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paredown.report.format import clean, value_of
from paredown.report.markup import Markup, recipe, tag
from paredown.report.outline import at, headline, nearest_sentences, quality_sentence, subject, table, times, trial_title, unit, verdict
from paredown.report.words import load

SHOWN = ("cpu_time", "energy", "size")


def line(result: Mapping[str, Any]) -> str:
    """`pass: 4.2 times less CPU time per inference, ...: quantize_dynamic() @ onnxruntime(threads=1)`.

    Args:
        result: The content of result.json; any field may be absent.
    """
    model = subject(result)
    parts = [verdict(result), ", ".join(_saved(result)), trial_title(model, load()) if model else ""]
    return ": ".join(part for part in parts if part)


def cell(result: Mapping[str, Any], report: str) -> Markup:
    """The same as HTML, with quality and a link to the report.

    Args:
        result: The content of result.json; any field may be absent.
        report: The address of report.html as the notebook sees it.
    """
    words = load()
    model, quality = subject(result), quality_sentence(result, words)
    title = f" {clean(at(result, 'name') or '')}: {headline(result, words)}"
    return tag(
        "div",
        tag("p", tag("strong", words.name("verdict", verdict(result))), title),
        tag("p", recipe(trial_title(model, words))) if model else None,
        tag("ul", *(tag("li", said) for said in _saved(result))) if _saved(result) else None,
        tag("p", quality) if quality else None,
        *(tag("p", line) for line in nearest_sentences(result, words)),
        tag("p", tag("a", report, href=report)),
    )


def _saved(result: Mapping[str, Any]) -> list[str]:
    """The ratios that are known, in words."""
    words, found = load(), table(subject(result), "ratios")
    known = [name for name in SHOWN if value_of(found.get(name)) is not None]
    return [times(found[name], words, words.name("saved", name).replace("{unit}", unit(result, words))) for name in known]
