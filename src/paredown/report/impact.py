"""What using the model takes: energy, carbon, water and money before and after, in rows and sentences that both faces share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paredown.report.format import bounds_of, clean, duration, kind_of, number, style_of, value_of
from paredown.report.markup import Markup, prose, recorded, tag
from paredown.report.outline import at, items, quantity_name, subject, table, unit
from paredown.report.tables import grid, line
from paredown.report.words import Words

DAY_S, YEAR_S = 86400.0, 31536000.0
MOSTLY = 0.5
"""Share of the time that a machine works, below which it mostly waits."""
UNSHOWN = "no saving is shown"
_LABELS = {"sci": "impact.together", "energy": "impact.above_idle"}
"""Quantities that a table of all of them has to tell apart."""
UNTOLD = ("carbon", "embodied_carbon", "water", "cost")
"""Whose absence is said with its reason; the absence of others follows from these, or is rarely of use."""


@dataclass(frozen=True)
class Taken:
    """One quantity over all inferences, as text with interval.

    Args:
        label: Its name in this language.
        before, after, saved: Empty where missing.
        how: estimated, measured, ...
    """

    label: str
    before: str
    after: str
    saved: str
    how: str


def taken(result: Mapping[str, Any], words: Words) -> list[Taken]:
    """The quantities that are known."""
    rows = []
    for name, sides in table(result, "impact", "totals", "quantities").items():
        if value_of(at(sides, "before")) is None:
            continue
        before, after = (_amount(name, at(sides, side), words) for side in ("before", "after"))
        how = next((str(at(num, "how")) for num in (at(sides, "after"), at(sides, "before")) if at(num, "how")), "")
        label = words(_LABELS[name]) if name in _LABELS else quantity_name(name, words)
        rows.append(Taken(label, before, after, _saved(name, sides, words), words.name("how", how)))
    return rows


def _amount(name: str, num: Any, words: Words) -> str:
    return "" if value_of(num) is None else number(num, kind_of(name, at(num, "unit")), words, interval=True)


def _saved(name: str, sides: Any, words: Words) -> str:
    """What is saved; nothing where its interval holds 0."""
    num = at(sides, "saved")
    value, ends = value_of(num), bounds_of(num)
    if value is None:
        return ""
    if value == 0 or (ends and ends[0] <= 0 <= ends[1]):
        most = "" if not ends or ends[1] <= 0 else style_of(ends[1], kind_of(name, at(num, "unit")), 2).write(ends[1])
        if most and at(num, "unit") and kind_of(name, at(num, "unit")) == "plain":
            most += f" {clean(at(num, 'unit'))}"
        return words("impact.none_most", most=most) if most else words("impact.none")
    return _amount(name, num, words)


def untold(result: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """What is not known, as (names, reason): the reason says what to declare."""
    said: dict[str, list[str]] = {}
    for name in UNTOLD:
        reason = at(result, "impact", "totals", "quantities", name, "before", "missing")
        if reason:
            said.setdefault(clean(reason), []).append(quantity_name(name, words))
    return [(", ".join(names), reason) for reason, names in said.items()]


def count_sentence(result: Mapping[str, Any], words: Words) -> str:
    """For how many inferences, and at which load."""
    totals = table(result, "impact", "totals")
    count, period = value_of(totals.get("count")), value_of(totals.get("period_s"))
    if count is None:
        return ""
    holes = {"count": f"{count:,.0f}".replace(",", " "), "unit": unit(result, words)}
    if totals.get("declared") is not True:
        return words("impact.million", **holes)
    said = words("impact.over", **holes, days=f"{period / DAY_S:.0f}") if period else words("impact.life", **holes)
    return words("page.gap").join([said, *load_sentences(result, words)])


def load_sentences(result: Mapping[str, Any], words: Words) -> list[str]:
    """How many machines are kept and how busy they are; and, where they mostly wait on both sides, that this is what they take."""
    sides = [table(result, "impact", "totals", "load", side) for side in ("before", "after")]
    kept, busy = ([value for side in sides if (value := value_of(side.get(key))) is not None] for key in ("machines", "busy"))
    if len(kept) < 2 or len(busy) < 2:
        return []
    shares = [style_of(share, "share", 2).write(share) for share in busy]
    said = words("impact.load", before=f"{kept[0]:.0f}", after=f"{kept[1]:.0f}", busy_before=shares[0], busy_after=shares[1])
    return [said, words("impact.waits")] if kept[0] == kept[1] and busy[0] < MOSTLY else [said]


def search_took(result: Mapping[str, Any], words: Words) -> list[str]:
    """What the search took, quantity by quantity, and which hours of a series stand behind its carbon."""
    spent = table(result, "impact", "search")
    known = {name: num for name, num in spent.items() if value_of(at(num, "value")) is not None}
    if not known:
        return []
    parts = [
        f"{quantity_name(name, words)} {number(num, kind_of(name, at(num, 'unit')), words, origin=True)}" for name, num in known.items()
    ]
    said = [words("impact.comma").join(parts) + words("impact.stop")]
    said += [words("impact.same")] if {"carbon", "cost"} & {*known} else []
    inside, hours = value_of(spent.get("hours_in_series")), value_of(spent.get("hours"))
    return said if inside is None or hours is None else [*said, words("impact.hours", inside=f"{inside:.0f}", hours=f"{hours:.0f}")]


def upstream_sentence(result: Mapping[str, Any], words: Words) -> str:
    """The declared energy of the training that made the model as given; empty when it was not declared."""
    num = at(result, "impact", "upstream")
    return "" if value_of(num) is None else f"{number(num, 'energy', words)} ({clean(at(num, 'source'))})"


def intensity(result: Mapping[str, Any], words: Words) -> list[str]:
    """The Software Carbon Intensity of one inference, and what it follows."""
    sides = [at(result, "impact", "sci", side, "sci") for side in ("before", "after")]
    if None in (value_of(side) for side in sides):
        return []
    texts = [number(side, "mass", words, interval=True) for side in sides]
    holes = {"before": texts[0], "after": texts[1], "unit": unit(result, words)}
    return [words("impact.sci", **holes, specification=clean(at(result, "impact", "sci", "after", "specification")))]


def paybacks(result: Mapping[str, Any], words: Words) -> list[str]:
    """When the search is paid back in energy, carbon and money; what was not declared is said elsewhere."""
    said = []
    for name, found in table(result, "impact", "payback").items():
        if at(result, "impact", "totals", "quantities", name, "before", "missing"):
            continue
        holes = {"what": quantity_name(name, words), "unit": unit(result, words)}
        inferences, days = at(found, "inferences"), value_of(at(found, "days"))
        if value_of(inferences) is None:
            reason = clean(at(inferences, "missing") or words("number.no_record"))
            said.append(words("impact.never", **holes, reason=words("impact.unshown") if reason == UNSHOWN else reason))
            continue
        text = words("impact.paid", **holes, count=number(inferences, "count", words, interval=True))
        said.append(text + (words("impact.paid_days", time=_time(days, words)) if days is not None else "") + words("impact.stop"))
    return said


def _time(days: float, words: Words) -> str:
    return duration(days * DAY_S, words) if days < 2 else words("impact.days", days=f"{float(f'{days:.1e}'):g}")


def variant_sentence(result: Mapping[str, Any], words: Words) -> str:
    """That the page was made with other factors than the run; empty on the run's own page."""
    if at(result, "impact", "instead_of") is None:
        return ""
    return words(
        "impact.variant", now=_factor(at(result, "impact", "site", "grid"), words), then=_factor(at(result, "impact", "instead_of"), words)
    )


def _factor(grid_: Any, words: Words) -> str:
    factor = table(grid_, "factor")
    if value_of(factor) is None:
        return words("impact.nowhere")
    return f"{clean(at(grid_, 'zone'))}, {value_of(factor):.3g} {clean(factor.get('unit'))} ({clean(factor.get('source'))})"


def section_parts(result: Mapping[str, Any], words: Words) -> list[Markup]:
    """The part of the page: the table, what the search took and when it pays back, boundary and coefficients, what was not declared."""
    rows = taken(result, words)
    if not rows:
        return []
    last = words("column.chosen" if table(result, "chosen") else "column.nearest")
    heads = [(words("column.quantity"), False), (words("column.as_given"), True)]
    heads += [(last, True), (words("column.saved"), True)] if subject(result) else []
    shown = []
    for row in rows:
        cells = [_cell(row.before)] + ([_cell(row.after), _cell(row.saved)] if subject(result) else [])
        label = tag("span", tag("b", row.label), tag("small", f" {row.how}"), class_="ratio")
        shown.append(line(heads, [label, *cells]))
    return [grid(heads, shown, words("section.impact")), *_facts(result, words), *_coefficients(result, words), *_untold(result, words)]


def _cell(text: str) -> Markup | str:
    value, _, interval = text.partition(" [")
    return tag("span", tag("b", prose(value)), tag("small", f" [{interval}"), class_="ratio") if interval else text or "–"


def _facts(result: Mapping[str, Any], words: Words) -> list[Markup]:
    boundary = table(result, "impact", "sci", "after" if subject(result) else "before", "boundary")
    pairs = [
        ("impact.payback", [prose(text) for text in paybacks(result, words)]),
        ("impact.search", [prose(text) for text in search_took(result, words)]),
        ("impact.upstream", [recorded(upstream)] if (upstream := upstream_sentence(result, words)) else []),
        ("quantity.sci", [prose(text) for text in intensity(result, words)]),
        ("impact.included", [recorded(clean(text)) for text in items(boundary, "included")]),
        ("impact.excluded", [recorded(clean(text)) for text in items(boundary, "excluded")]),
    ]
    listed = [
        tag("div", tag("dt", words(key)), tag("dd", *(tag("p", text) for text in texts if text))) for key, texts in pairs if any(texts)
    ]
    return [tag("dl", *listed, class_="basis impact")] if listed else []


def _coefficients(result: Mapping[str, Any], words: Words) -> list[Markup]:
    found = [one for one in items(result, "impact", "sci", "before", "coefficients") if isinstance(one, Mapping)]
    if all(one.get("source") == "not declared" for one in found):
        return []
    heads = [(words("column.coefficient"), False), (words("column.value"), True), (words("column.source"), False)]
    rows = []
    for one in found:
        amount = _coefficient(value_of(one.get("value")) or 0.0, clean(one.get("unit") or "1"), words)
        rows.append(line(heads, [_coefficient_name(one, words), prose(amount), recorded(clean(one.get("source") or ""))]))
    return [tag("h3", words("impact.coefficients"), class_="before-table"), grid(heads, rows, words("impact.coefficients"))]


def _coefficient_name(one: Mapping[str, Any], words: Words) -> Markup:
    """In the report's language where it has a name for it, else as recorded."""
    named = words.entries.get(f"coefficient.{clean(one.get('coefficient') or '')}")
    return prose(named) if named else recorded(clean(one.get("description") or ""))


def _coefficient(value: float, unit_: str, words: Words) -> str:
    """A factor as people write it: a life in days or years, a machine's carbon in kg."""
    scale, name = {"s": (DAY_S, words("impact.day")), "g": (1e3, "kg"), "1": (1.0, "")}.get(unit_, (1.0, unit_))
    if unit_ == "s" and value >= 2 * YEAR_S:
        scale, name = YEAR_S, words("impact.year")
    return f"{float(f'{value / scale:.4g}'):,g} {name}".replace(",", " ").strip()


def _untold(result: Mapping[str, Any], words: Words) -> list[Markup]:
    lines = [tag("p", tag("b", f"{names}: "), recorded(reason)) for names, reason in untold(result, words)]
    return [tag("div", tag("p", words("impact.untold")), *lines, class_="notes")] if lines else []
