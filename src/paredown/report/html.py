"""A result as one page that needs nothing else: it opens offline, prints on A4, and reads in light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Template
from typing import Any

from paredown.report.format import clean, number, value_of, weakness
from paredown.report.impact import count_sentence, section_parts, variant_sentence
from paredown.report.markup import Markup, escape, join, prose, recipe, recorded, tag
from paredown.report.outline import (
    LED_BY,
    Compared,
    at,
    compared,
    efficiency_sentence,
    footnotes,
    headline,
    items,
    lead,
    metric,
    nearest_sentences,
    payback_sentence,
    quality_sentence,
    search_sentence,
    subject,
    table,
    times,
    trial_title,
    unit,
    verdict,
)
from paredown.report.plot import drop_gauge, pareto_plot
from paredown.report.tables import basis, comparison, engines, estimators, findings, origins, tested, trials
from paredown.report.why import headroom, layers_chart, steps_chart
from paredown.report.words import Words, load

_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "infeasible": "✗", "unknown": "·"}


def render(result: Mapping[str, Any], language: str = "en") -> str:
    """The page.

    Args:
        result: The content of result.json; any field may be absent.
        language: One of the report's languages.

    Returns:
        A whole HTML document without references to anything outside of it.

    Raises:
        UnknownName: There is no such language.
    """
    words = load(language)
    name = clean(at(result, "name") or words("page.unnamed"))
    parts = (_answer, _why, _model, _layers, _comparison, _impact, _pareto, _engines, _findings, _tested, _trials, _origins, _basis)
    body = join(
        tag(
            "header",
            tag("span", "paredown", class_="brand"),
            tag("span", name),
            tag("span", clean(at(result, "task") or "")),
            _date(result),
            class_="mast",
        ),
        tag("main", *(part(result, words) for part in parts)),
        tag("footer", prose(words("page.made_by", version=clean(at(result, "paredown") or "?")))),
    )
    title = escape(words("page.title", name=name, verdict=words(f"verdict.{verdict(result)}")))
    return Template(_file("page.html")).substitute(
        language=language, title=title, style=_file("page.css"), script=_file("page.js"), body=body
    )


@cache
def _file(name: str) -> str:
    return resources.files("paredown.report").joinpath(name).read_text("utf-8")


def _date(result: Mapping[str, Any]) -> Markup | None:
    created = at(result, "created")
    return tag("time", clean(created)[:16].replace("T", " "), datetime=clean(created)) if created else None


def section(title: str, *children: object, lede: str | Markup = "", name: str = "") -> Markup | None:
    """A part of the page with its title; None when it would be empty."""
    shown = [child for child in children if child is not None]
    return (
        tag(
            "section",
            tag("h2", title),
            tag("p", lede if isinstance(lede, Markup) else prose(lede), class_="lede") if lede else None,
            *shown,
            id=name or None,
        )
        if shown
        else None
    )


def _answer(result: Mapping[str, Any], words: Words) -> Markup:
    kind = verdict(result)
    policy = at(result, "policy", "name")
    said = join(
        tag("span", tag("span", _MARKS[kind], aria_hidden="true"), f" {words(f'verdict.{kind}')}", class_=f"badge {kind}"),
        tag("span", words("page.policy", policy=clean(policy)), class_="muted") if policy else None,
    )
    quality, variant = quality_sentence(result, words), variant_sentence(result, words)
    return tag(
        "section",
        tag("p", said, class_="verdict"),
        tag("h1", prose(headline(result, words))),
        _nearest(result, words),
        tag("div", tag("p", prose(variant)), class_="callout") if variant else None,
        tag("p", prose(quality), class_="lede") if quality else None,
        tag("h3", words("section.nearest_figures"), class_="before-figures") if kind != "pass" and subject(result) else None,
        _figures(result, words),
        _proof(result, words),
        _facts(result, words),
        class_=f"answer {kind}",
    )


def _nearest(result: Mapping[str, Any], words: Words) -> Markup | None:
    lines = nearest_sentences(result, words)
    return tag("div", *(tag("p", prose(line)) for line in lines), class_="callout") if lines else None


def _figures(result: Mapping[str, Any], words: Words) -> Markup | None:
    rows = {row.name: row for row in compared(result, words)}
    first = lead(result)
    names = [name for name in dict.fromkeys([first, *LED_BY]) if name in rows and subject(result)][:5]
    return tag("ul", *(_figure(rows[name], result, words) for name in names if name), class_="figures") if names else None


def _figure(row: Compared, result: Mapping[str, Any], words: Words) -> Markup:
    num = table(subject(result), "ratios").get(row.name)
    value = value_of(num)
    if value is None:
        big = tag("span", "–", class_="big none")
        detail = [tag("span", words("number.missing", reason=clean(at(num, "missing") or words("number.no_record"))))]
    else:
        big = tag("span", row.short_ratio.removesuffix("x"), tag("span", "x", class_="times"), class_="big")
        detail = [tag("span", words("figure.interval", interval="[" + row.ratio.partition("[")[2]))] if "[" in row.ratio else []
    sides = tag("span", prose(words("figure.sides", before=row.baseline, after=row.chosen))) if row.baseline and row.chosen else None
    beside = tag("span", prose(words("figure.fastest", ratio=row.against_fastest.split(" [")[0]))) if row.against_fastest else None
    weak = tag("span", words.name("how", row.how), class_="how") if row.how in ("estimated", "modelled") else None
    return tag(
        "li", tag("span", row.label, weak, class_="label"), big, sides, beside, *detail, class_="" if value is None or value > 1 else "more"
    )


def _proof(result: Mapping[str, Any], words: Words) -> Markup | None:
    gauge = drop_gauge(result, words)
    left = tag("div", tag("h3", words("section.drop", metric=metric(result, words))), gauge) if gauge else None
    num, cost = at(result, "search", "payback_inferences"), search_sentence(result, words)
    payback = payback_sentence(result, words)
    if payback and value_of(num) is not None:
        count, after = number(num, "count", words), words("payback.until", unit=unit(result, words))
        paid: Markup | None = tag("p", prose(count), " ", tag("small", after + weakness(num, words)), class_="paid")
    else:
        paid = tag("p", prose(payback)) if payback else None
    right = tag("div", tag("h3", words("section.cost")), paid, tag("p", prose(cost)) if cost else None) if paid or cost else None
    return tag("div", left, right, class_="proof") if left or right else None


def _facts(result: Mapping[str, Any], words: Words) -> Markup | None:
    """Compression rate, efficiency and the smallest machine, a sentence each."""
    rate = at(subject(result), "compression_rate")
    pairs = [
        ("fact.compression", "" if value_of(rate) is None else words("fact.rate", rate=number(rate, "ratio", words))),
        ("fact.efficiency", efficiency_sentence(result, words)),
        ("fact.machine", headroom(result, words)),
    ]
    shown = [tag("div", tag("dt", words(key)), tag("dd", prose(text))) for key, text in pairs if text]
    return tag("dl", *shown, class_="facts") if shown else None


def _why(result: Mapping[str, Any], words: Words) -> Markup | None:
    chart = steps_chart(result, words)
    return section(words("section.why"), chart, lede=words("section.why_lede"), name="why")


def _layers(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.layers"), layers_chart(result, words), lede=words("section.layers_lede"), name="layers")


def _model(result: Mapping[str, Any], words: Words) -> Markup | None:
    model = subject(result)
    if not model:
        return None
    steps = [
        tag("li", recipe(clean(step.get("text") or "")), recorded(clean(step["note"])) if step.get("note") else None)
        for step in items(model, "steps")
        if isinstance(step, Mapping)
    ]
    placed = [clean(model[key]) for key in ("runtime",) if model.get(key)]
    placed += [words(f"model.{key}", count=clean(model[key])) for key in ("threads", "batch") if value_of(model.get(key)) is not None]
    end = tag("li", tag("code", placed[0], class_="recipe"), tag("span", ", ".join(placed[1:]))) if placed and steps else None
    folder = words("model.folder", folder=clean(model["artifact"])) if model.get("artifact") else ""
    return section(
        words("section.chosen" if table(result, "chosen") else "section.nearest"),
        tag("ol", *steps, end, class_="steps") if steps else None,
        tag("p", recipe(trial_title(model, words)), class_="whole"),
        tag("p", folder, class_="muted") if folder else None,
        lede=recorded(clean(model["why"])) if model.get("why") else "",
        name="recipe",
    )


def _comparison(result: Mapping[str, Any], words: Words) -> Markup | None:
    notes = [tag("p", tag("b", f"{names}: "), prose(note)) for names, note in footnotes(result, words)]
    found = table(subject(result), "ratios_as_found").get("cpu_time")
    if value_of(found) is not None:
        saved = times(found, words, words.name("saved", "cpu_time").replace("{unit}", unit(result, words)))
        notes.append(tag("p", prose(words("model.as_found", saved=saved))))
    return section(
        words("section.numbers"),
        comparison(result, words),
        tag("div", *notes, class_="notes") if notes else None,
        lede=words("section.numbers_lede"),
        name="numbers",
    )


def _impact(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.impact"), *section_parts(result, words), lede=count_sentence(result, words), name="impact")


def _pareto(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.pareto"), pareto_plot(result, words), lede=words("section.pareto_lede"), name="pareto")


def _engines(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.engines"), engines(result, words), lede=words("section.engines_lede"), name="engines")


def _findings(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.findings"), findings(result, words), name="findings")


def _tested(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.tested"), tested(result, words), name="tested")


def _trials(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.trials"), trials(result, words), lede=words("section.trials_lede"), name="trials")


def _origins(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.origins"), origins(result, words), estimators(result, words), name="origins")


def _basis(result: Mapping[str, Any], words: Words) -> Markup | None:
    return section(words("section.basis"), basis(result, words), name="basis")
