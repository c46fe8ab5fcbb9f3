"""The tables of the page: comparison, findings, finalists, trials, origins, and what the numbers stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paredown.core.quantity import quantities
from paredown.report.format import at_most, clean, duration, kind_of, number, value_of
from paredown.report.markup import Markup, prose, recipe, recorded, tag
from paredown.report.outline import (
    COMPARED,
    allowed,
    apart,
    at,
    boundary_sentence,
    compared,
    estimated,
    host_sentence,
    items,
    metric,
    quantity_name,
    rows_sentences,
    seen,
    spread_sentence,
    subject,
    table,
    trial_title,
)
from paredown.report.plot import role
from paredown.report.words import Words

_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?"}


def grid(heads: Iterable[tuple[str, bool]], rows: Iterable[Markup], label: str) -> Markup:
    """A table that becomes a list of cards where the page is narrow.

    Args:
        heads: (title, is a column of numbers).
        rows: From `line`.
        label: What the table is, for those who do not see it.
    """
    head = tag("tr", *(tag("th", title, scope="col", class_="num" if numeric else None) for title, numeric in heads))
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows), aria_label=label), class_="scroll")


def line(heads: Iterable[tuple[str, bool]], cells: Iterable[object], **attributes: object) -> Markup:
    """One row; each cell carries its column's title for narrow pages."""
    pairs = list(zip(heads, cells, strict=True))
    written = [
        tag("td", cell, data_label=title, class_=("num none" if cell == "–" else "num") if numeric else None)
        for (title, numeric), cell in pairs
    ]
    return tag("tr", *written, **attributes)


def comparison(result: Mapping[str, Any], words: Words) -> Markup | None:
    """Every quantity as given, in the fastest fp32 runtime and chosen, with the ratios."""
    rows = [row for row in compared(result, words) if row.baseline or row.fastest or row.chosen or row.ratio]
    if not rows:
        return None
    last = words("column.chosen" if table(result, "chosen") else "column.nearest")
    heads = [(words("column.quantity"), False), (words("column.as_given"), True), (words("column.fastest"), True), (last, True)]
    heads += [(words("column.ratio"), True), (words("column.against_fastest"), True), (words("column.as_found"), True)]
    shown = [
        [tag("b", row.label), row.baseline, row.fastest, row.chosen, _ratio(row.ratio), _ratio(row.against_fastest), _ratio(row.as_found)]
        for row in rows
    ]
    return grid(heads, [line(heads, [cell or "–" for cell in cells]) for cells in shown], words("section.numbers"))


def _ratio(text: str) -> Markup | str:
    value, _, interval = text.partition(" [")
    return tag("span", tag("b", value), tag("small", f" [{interval}"), class_="ratio") if interval else tag("b", value) if value else ""


def outcome_mark(outcome: str, words: Words) -> Markup:
    """A word with its sign; never a color alone."""
    return tag(
        "span", tag("span", _MARKS.get(outcome, "·"), aria_hidden="true"), f" {words.name('outcome', outcome)}", class_=f"outcome {outcome}"
    )


def findings(result: Mapping[str, Any], words: Words) -> Markup | None:
    """What each rule of the policy says."""
    found = [finding for finding in items(result, "findings") if isinstance(finding, Mapping)]
    if not found:
        return None
    heads = [(words(f"column.{name}"), name in ("seen", "limit")) for name in ("outcome", "rule", "level", "seen", "limit", "reason")]
    rows = []
    for finding in found:
        waived = tag("em", " ", words("finding.waived", reason=clean(finding["waived"]))) if finding.get("waived") else None
        refs = [clean(ref) for ref in items(finding, "refs")]
        reason = tag("span", recorded(clean(finding.get("reason") or "")), waived, tag("small", f" {', '.join(refs)}") if refs else None)
        name = _rule(finding, words)
        cells = [
            outcome_mark(clean(finding.get("outcome") or "unknown"), words),
            name,
            words.name("level", clean(finding.get("level") or "must")),
        ]
        rows.append(line(heads, [*cells, seen(finding, words) or "–", allowed(finding) or "–", reason]))
    return grid(heads, rows, words("section.findings"))


def _rule(finding: Mapping[str, Any], words: Words) -> Markup:
    """The quantity's name where the rule is called after one, with its id and group."""
    rule, group = clean(finding.get("rule") or "?"), finding.get("group")
    known = rule in quantities()
    told = tag("b", quantity_name(rule, words) if known else rule)
    return tag("span", told, tag("small", clean(group)) if group else None)


def tested(result: Mapping[str, Any], words: Words) -> Markup | None:
    """The finalists in the order in which they met the test split."""
    found = [one for one in items(result, "tested") if isinstance(one, Mapping)]
    if not found:
        return None
    lines = [
        tag(
            "li",
            outcome_mark(clean(one.get("outcome") or "unknown"), words),
            recipe(trial_title(one, words)),
            recorded(clean(one.get("reason") or "")),
        )
        for one in found
    ]
    return tag("ol", *lines, class_="tested")


def engines(result: Mapping[str, Any], words: Words) -> Markup | None:
    """Each engine with the model as given and the best of what was tried on it, or why nothing was."""
    found = [one for one in items(result, "runtimes") if isinstance(one, Mapping)]
    if not any(one.get("trials") for one in found):
        return None
    numeric = ("trials", "as_given", "ratio", "best", "ratio")
    heads = [(words("column.engine"), False), *((words(f"column.{name}"), True) for name in numeric), (words("column.recipe"), False)]
    rows = []
    for one in found:
        name = tag("span", tag("b", clean(one.get("name") or "?")), tag("small", clean(one.get("version") or "")))
        sides = [table(one, side) for side in ("as_given", "best")]
        cells: list[object] = [_or_dash(one.get("trials"), "count", words)]
        for side in sides:
            cells += [_or_dash(table(side, "readings").get("cpu_time"), "time", words)]
            cells += [_or_dash(table(side, "ratios").get("cpu_time"), "ratio", words)]
        last = recorded(clean(one["reason"])) if one.get("reason") else recipe(trial_title(sides[1], words)) if sides[1] else "–"
        rows.append(line(heads, [name, *cells, last]))
    return grid(heads, rows, words("section.engines"))


def trials(result: Mapping[str, Any], words: Words) -> Markup | None:
    """Every trial, the failed ones with their reason."""
    found = [trial for trial in items(result, "trials") if isinstance(trial, Mapping)]
    if not found:
        return None
    shown = ("cpu_time", "energy", "size")
    heads = [("#", True), (words("column.recipe"), False), (metric(result, words), True), (words("column.drop"), True)]
    heads += [(quantity_name(name, words), True) for name in shown] + [(words("column.ratio"), True), (words("column.spent"), True)]
    return grid(heads, [_trial(trial, result, heads, shown, words) for trial in found], words("section.trials"))


def _trial(
    trial: Mapping[str, Any], result: Mapping[str, Any], heads: list[tuple[str, bool]], shown: Iterable[str], words: Words
) -> Markup:
    kind = "failed" if trial.get("state") == "failed" else role(trial, result)
    number_cell = clean(trial.get("id") if trial.get("id") is not None else "–")
    chip = tag("span", words(f"plot.{kind}"), class_=f"chip {kind}") if kind not in ("other", "failed") else None
    why = tag("small", chip, recorded(clean(trial.get("why") or ""))) if chip or trial.get("why") else None
    notes = tag("ul", *(tag("li", recorded(clean(note))) for note in items(trial, "notes"))) if items(trial, "notes") else None
    head, spent = [recipe(trial_title(trial, words)), why], _spent(trial, words)
    named = {"id": f"trial-{number_cell}", "class_": kind}
    if kind == "failed":
        reason = recorded(clean(trial["reason"])) if trial.get("reason") else words("trial.no_reason")
        told = tag("div", *head, tag("small", outcome_mark("fail", words), ": ", reason, class_="failed"), notes)
        cells = [
            tag("td", number_cell, class_="num"),
            tag("td", told, colspan=len(heads) - 3),
            tag("td", words("outcome.failed"), class_="num"),
            tag("td", spent, class_="num"),
        ]
        return tag("tr", *cells, **named)
    drop, readings = table(trial, "drop"), table(trial, "readings")
    upper = value_of(drop.get("upper"))
    bound = tag("small", words("gauge.upper", upper=at_most(upper, "share"))) if upper is not None else None
    numbers = [_or_dash(trial.get("quality"), kind_of("quality", at(result, "baseline", "quality", "unit")), words)]
    numbers += [tag("span", _or_dash(drop.get("drop"), "share", words), bound) if bound else "–"]
    numbers += [_or_dash(readings.get(name), kind_of(name, at(readings.get(name), "unit")), words) for name in shown]
    numbers += [_or_dash(table(trial, "ratios").get("cpu_time"), "ratio", words), spent]
    return line(heads, [number_cell, tag("div", *head, notes), *numbers], **named)


def _spent(trial: Mapping[str, Any], words: Words) -> str:
    return "–" if value_of(trial.get("wall_s")) is None else duration(trial["wall_s"], words)


def _or_dash(num: Any, kind: str, words: Words) -> str:
    return number(num, kind, words) if value_of(num) is not None else "–"


def origins(result: Mapping[str, Any], words: Words) -> Markup | None:
    """How each number was obtained: origin, windows, hardware covered, source."""
    readings = table(subject(result) or table(result, "baseline"), "readings")
    if not readings:
        return None
    heads = [(words(f"column.{name}"), name in ("value", "n")) for name in ("quantity", "value", "how", "n", "covers")]
    rows = []
    for name in dict.fromkeys([*(name for name in COMPARED if name in readings), *readings]):
        num = readings[name]
        if name in apart(result) and at(num, "missing"):
            continue
        meaning = words.entries.get(f"meaning.{name}", "")
        label = tag("div", tag("b", quantity_name(name, words)), tag("small", meaning) if meaning else None)
        source = tag("small", prose(clean(at(num, "source")))) if at(num, "source") else None
        how = tag("div", words.name("how", clean(at(num, "how") or words("number.no_record"))), source)
        value = prose(number(num, kind_of(name, at(num, "unit")), words, interval=True))
        rows.append(
            line(
                heads,
                [label, value, how, _or_dash(at(num, "n"), "count", words), ", ".join(clean(one) for one in items(num, "covers")) or "–"],
            )
        )
    return grid(heads, rows, words("section.origins"))


def estimators(result: Mapping[str, Any], words: Words) -> Markup | None:
    """The estimators of the energy side by side, how far they are apart, and what they cover; None where a counter was read."""
    model, energies = table(result, "energy_model"), table(subject(result) or table(result, "baseline"), "estimators")
    rows = estimated(model, energies, words)
    if not rows or not energies:
        return None
    heads = [
        (words("column.estimator"), False),
        (words("column.watts"), True),
        (quantity_name("energy", words), True),
        (words("column.basis"), False),
    ]
    cells = [line(heads, [tag("b", row.name), prose(row.watts or "–"), prose(row.energy or "–"), recorded(row.basis)]) for row in rows]
    said = words("page.gap").join([spread_sentence(model, words), boundary_sentence(words, at(result, "host", "virtual"))])
    title = words("section.estimators")
    return tag("div", tag("h3", title), tag("p", prose(said), class_="lede"), grid(heads, cells, title), class_="estimators")


def basis(result: Mapping[str, Any], words: Words) -> Markup | None:
    """Rows and test reads, the machine, the energy model, the noise floor and the notes."""
    model = table(result, "energy_model")
    energy = [clean(model[key]) for key in ("note", "source") if model.get(key)]
    watts = [model.get(key) for key in ("idle_w", "active_w")]
    if None not in [value_of(one) for one in watts]:
        idle, busy = (number(one, "power", words, interval=True) for one in watts)
        energy.append(words("energy.watts", idle=idle, busy=busy))
    noise = [
        f"{quantity_name(name, words)}: {number(num, kind_of('', at(num, 'unit') or 'share'), words)}"
        for name, num in table(result, "noise_floor").items()
    ]
    groups = {
        "basis.rows": rows_sentences(result, words),
        "basis.host": [host_sentence(result, words)],
        "basis.energy": energy,
        "basis.noise": noise,
        "basis.notes": [clean(note) for note in items(result, "notes")],
    }
    listed = [(words(key), [text for text in lines if text]) for key, lines in groups.items()]
    pairs = [(tag("dt", title), tag("dd", *(tag("p", prose(text)) for text in lines))) for title, lines in listed if lines]
    return tag("dl", *(tag("div", *pair) for pair in pairs), class_="basis") if pairs else None
