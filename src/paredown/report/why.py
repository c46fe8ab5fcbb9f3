"""Why the chosen model costs less, as bars: one for each step of the recipe, and the time of each layer before and after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paredown.report.format import bounds_of, clean, number, short, style_of, value_of
from paredown.report.markup import Markup, join, prose, recipe, recorded, tag
from paredown.report.outline import at, items, subject, table, unit
from paredown.report.tables import grid, line
from paredown.report.words import Words

SHOWN = 12
"""Layers with a row of their own; the others are one row."""


@dataclass(frozen=True)
class Bar:
    """One factor, and where it stands among the others.

    Args:
        kind: "engine", "structure", "quantize", "compose", "joined", "whole" or "threads".
        label: What it is, in this language.
        text: The step as in the recipe; empty for what is no step.
        joined: Why it is not told apart from the next step, else empty.
        factor: As "3.10x"; the steps with three digits, so that what is shown multiplies to the whole.
        interval: As "[3.02, 3.18]", or empty.
        start, end: Places on the common logarithmic scale, 0 to 1; start above end where a step made it cost more.
    """

    kind: str
    label: str
    text: str
    joined: str
    factor: str
    interval: str
    start: float
    end: float


def bars(result: Mapping[str, Any], words: Words) -> list[Bar]:
    """The steps in order, the whole of them, and what the thread count gives on top; empty where nothing is known."""
    steps = [step for step in items(result, "why", "steps") if isinstance(step, Mapping) and (value_of(step.get("factor")) or 0) > 0]
    whole = table(subject(result), "ratios").get("cpu_time")
    if not steps or not (value_of(whole) or 0) > 0:
        return []
    rows = [(str(step.get("kind")), step.get("text") or "", step.get("joined") or "", step["factor"]) for step in steps]
    rows += [("whole", "", "", whole)] if len(rows) > 1 else []
    threads = table(result, "why", "threads")
    # an interval that holds 1 claims nothing
    if (value_of(threads.get("factor")) or 0) > 0 and (bounds_of(threads["factor"]) or (2.0, 2.0))[0] > 1:
        rows.append(("threads", "", "", threads["factor"]))
    places, at_now = [], 0.0
    for kind, _, _, factor in rows:
        start = 0.0 if kind == "whole" else at_now
        at_now = start + math.log(value_of(factor) or 1.0)
        places.append((start, at_now))
    low, high = min(0.0, *(min(pair) for pair in places)), max(max(pair) for pair in places)
    span = (high - low) or 1.0
    holes = {key: clean(threads[key]) for key in ("from", "to") if key in threads} if threads else {}
    return [
        Bar(
            kind=kind,
            label=words("why.threads", **({"from": "?", "to": "?"} | holes)) if kind == "threads" else words.name("why", kind),
            text=clean(text),
            joined=clean(joined),
            factor=number(factor, "ratio", words)
            if kind == "threads"
            else style_of(value_of(factor) or 0.0, "ratio").write(value_of(factor) or 0.0),
            interval=number(factor, "ratio", words, interval=True).partition(" ")[2] if bounds_of(factor) else "",
            start=(start - low) / span,
            end=(end - low) / span,
        )
        for (kind, text, joined, factor), (start, end) in zip(rows, places)
    ]


def product(found: Sequence[Bar]) -> str:
    """The steps multiplied: "5.31 × 2.68 ≈ 14.3x"; empty for a single step."""
    steps = [bar.factor.removesuffix("x") for bar in found if bar.kind not in ("whole", "threads")]
    whole = next((bar.factor for bar in found if bar.kind == "whole"), "")
    return f"{' × '.join(steps)} ≈ {whole}" if whole else ""


def steps_chart(result: Mapping[str, Any], words: Words) -> Markup | None:
    """One bar for each step, on one scale, so that their lengths add up to the whole."""
    found = bars(result, words)
    if not found:
        return None
    return join(
        tag("ol", *(_bar(bar, words) for bar in found), class_="bars"),
        tag("p", prose(f"{product(found)}. " if product(found) else ""), words("why.how"), class_="notes"),
    )


def _bar(bar: Bar, words: Words) -> Markup:
    joined = tag("small", words("why.joined_because"), " ", recorded(bar.joined)) if bar.joined else None
    name = tag("div", tag("b", bar.label), recipe(bar.text) if bar.text else None, joined, class_="name")
    left, width = min(bar.start, bar.end), abs(bar.end - bar.start)
    drawn = tag("i", style=f"left:{left:.2%};width:{max(width, 0.002):.2%}", class_="more" if bar.end < bar.start else None)
    figure = tag("div", tag("b", bar.factor), tag("small", bar.interval) if bar.interval else None, class_="factor")
    return tag("li", name, tag("div", drawn, class_="track", aria_hidden="true"), figure, class_="sum" if bar.kind == "whole" else bar.kind)


def layers_chart(result: Mapping[str, Any], words: Words) -> Markup | None:
    """The time of each layer in the fastest fp32 engine and in the chosen model."""
    sides = [_times(result, side) for side in ("fastest_fp32", "chosen")]
    if not any(sides):
        return None
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    ranked = sorted(names, key=lambda name: -max(side.get(name, ("", 0.0))[1] for side in sides))
    kept = [name for name in names if name in ranked[:SHOWN]]
    rows = [(tag("span", tag("b", name), _ops(name, sides)), [side[name][1] if name in side else None for side in sides]) for name in kept]
    others = [name for name in names if name not in kept]
    if others:
        rest = [sum(side[name][1] for name in others if name in side) if side else None for side in sides]
        rows.append((tag("span", words("layers.rest", count=len(others))), rest))
    most = max(value or 0.0 for _, values in rows for value in values) or 1.0
    heads = [(words("column.layer"), False), (words("column.fastest"), True), (words("column.chosen"), True)]
    lines = [line(heads, [name, *(_timed(value, most, words) for value in values)]) for name, values in rows]
    sums = [sum(value for _, value in side.values()) if side else None for side in sides]
    lines.append(line(heads, [tag("b", words("layers.all")), *(_timed(value, None, words) for value in sums)], class_="sum"))
    missing = [
        tag("p", tag("b", f"{words(f'column.{name}')}: "), words("number.missing", reason=clean(reason)))
        for key, name in (("fastest_fp32", "fastest"), ("chosen", "chosen"))
        if (reason := at(result, "why", "layers", key, "missing"))
    ]
    return join(
        grid(heads, lines, words("section.layers")),
        tag("div", *missing, tag("p", words("layers.how", unit=unit(result, words))), class_="notes"),
    )


def _times(result: Mapping[str, Any], side: str) -> dict[str, tuple[str, float]]:
    """Layer -> (op, wall seconds)."""
    found = [layer for layer in items(result, "why", "layers", side, "layers") if isinstance(layer, Mapping)]
    return {
        clean(layer.get("name") or "?"): (clean(layer.get("op") or ""), value)
        for layer in found
        if (value := value_of(layer.get("wall_s"))) is not None
    }


def _ops(name: str, sides: Sequence[Mapping[str, tuple[str, float]]]) -> Markup | None:
    ops = list(dict.fromkeys(side[name][0] for side in sides if name in side and side[name][0]))
    return tag("small", " → ".join(ops)) if ops else None


def _timed(value: float | None, most: float | None, words: Words) -> Markup | str:
    if value is None:
        return "–"
    text = number({"value": value, "how": "measured"}, "time", words)
    drawn = tag("i", style=f"width:{value / most:.1%}") if most else None
    return tag("span", tag("span", drawn, class_="track", aria_hidden="true"), prose(text), class_="timed")


def headroom(result: Mapping[str, Any], words: Words) -> str:
    """The smallest machine that is known to run it: what it took here."""
    model = subject(result)
    readings = table(model, "readings")
    threads, memory, disk = value_of(model.get("threads")), readings.get("peak_rss"), readings.get("size")
    if threads is None or value_of(memory) is None or value_of(disk) is None:
        return ""
    return words(
        "machine.one" if threads == 1 else "machine.many",
        threads=short(threads, "count"),
        memory=number(memory, "bytes", words),
        disk=number(disk, "bytes", words),
        isa=clean(at(result, "host", "isa") or "?"),
        engine=clean(model.get("runtime") or "?"),
    )
