"""The two pictures of a report as SVG: the Pareto plot, and the drop against its limit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from paredown.core.quantity import quantities
from paredown.report.format import at_most, kind_of, number, short, style_of, value_of
from paredown.report.markup import Markup, tag
from paredown.report.outline import COMPARED, at, drop_finding, items, metric, quantity_name, subject, table, trial_title
from paredown.report.words import Words

WIDTH, HEIGHT = 860.0, 440.0
LEFT, RIGHT, TOP, BOTTOM = 84.0, 16.0, 40.0, 60.0
_ERRORS = (0.9, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001)


@dataclass(frozen=True)
class Axis:
    """One quantity as an axis; places are shares of its length, 0 at the left or bottom.

    Args:
        name: The quantity.
        label: Its name with the direction that is better.
        better: "lower" or "higher".
        ticks: (place, text), rising.
        places: Trial id -> place.
    """

    name: str
    label: str
    better: str
    ticks: tuple[tuple[float, str], ...]
    places: Mapping[int, float]


def trial_number(trial: Mapping[str, Any], name: str) -> Any:
    """A trial's number for a quantity, "quality" included."""
    return trial.get("quality") if name == "quality" else table(trial, "readings").get(name)


def done(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The trials that were measured, each with its id."""
    return [
        trial
        for trial in items(result, "trials")
        if isinstance(trial, Mapping) and trial.get("state") != "failed" and trial.get("id") is not None
    ]


def axes(result: Mapping[str, Any], words: Words) -> list[Axis]:
    """The axes that the plot can have: every quantity that two trials or more have a number for."""
    trials = done(result)
    found = []
    for name in ("quality", *COMPARED):
        values = {trial["id"]: value for trial in trials if (value := value_of(trial_number(trial, name))) is not None}
        if len(values) < 2:
            continue
        better = str(at(result, "metric_better") or "higher") if name == "quality" else quantities()[name].better
        title = metric(result, words) if name == "quality" else quantity_name(name, words)
        kind = kind_of(name, at(result, "baseline", "quality", "unit") if name == "quality" else "")
        ticks, places = _scaled(values, kind, near_one=name == "quality" and better == "higher")
        found.append(Axis(name, words("plot.axis", title=title, better=words(f"plot.{better}")), better, ticks, places))
    return found


def _scaled(values: Mapping[int, float], kind: str, near_one: bool) -> tuple[tuple[tuple[float, str], ...], dict[int, float]]:
    """Ticks and places: by orders of magnitude where values span them, by the distance to 1 for a quality close to it, else even."""
    low, high = min(values.values()), max(values.values())
    turn: Callable[[float], float]
    if near_one and low >= 0 and 0.8 < high <= 1 and high - low > 0.05:
        least = min([1 - value for value in values.values() if value < 1] + [0.1])
        marks = [1 - error for error in _ERRORS if least / 2 <= error <= (1 - low) * 1.3]
        turn = partial(_nearness, least=least / 1.5)
    elif low > 0 and high / low >= 3:
        marks = [base * 10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1) for base in (1, 2, 5)]
        turn = math.log10
    else:
        step = _step((high - low) or abs(high) or 1.0)
        marks = [step * index for index in range(math.floor(low / step), math.ceil(high / step) + 1)]
        turn = float
    first, last = turn(low), turn(high)
    room = (last - first) * (0.1 if near_one else 0.06) or 0.5
    first, last = first - room, last + room
    place = {key: (turn(value) - first) / (last - first) for key, value in values.items()}
    kept = [(where, _tick(mark, kind)) for mark in marks if 0 <= (where := (turn(mark) - first) / (last - first)) <= 1]
    return tuple(kept[:: math.ceil(len(kept) / 8)]) if kept else ((0.5, _tick(values[next(iter(values))], kind)),), place


def _nearness(value: float, least: float) -> float:
    return -math.log10(max(1 - value, least))


def _tick(value: float, kind: str) -> str:
    return short(value, kind) if value else "0"


def _step(span: float) -> float:
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(base * power for base in (1, 2, 5, 10) if base * power >= span / 4 * 0.999)


def pareto(horizontal: Axis, vertical: Axis) -> list[tuple[float, float]]:
    """The corners of the front on two axes, left to right: no drawn point is better on one axis and as good on the other."""
    points = [(place, vertical.places[key]) for key, place in horizontal.places.items() if key in vertical.places]
    signs = [1.0 if axis.better == "higher" else -1.0 for axis in (horizontal, vertical)]
    goods = {(signs[0] * x, signs[1] * y) for x, y in points}
    kept = sorted(one for one in goods if not any(other != one and other[0] >= one[0] and other[1] >= one[1] for other in goods))
    line: list[tuple[float, float]] = []
    for one in kept:
        line += [(line[-1][0], one[1])] if line else []
        line.append(one)
    back = [(signs[0] * x, signs[1] * y) for x, y in line]
    return sorted(back, key=lambda point: point[0]) if signs[0] > 0 else back[::-1]


def pareto_plot(result: Mapping[str, Any], words: Words) -> Markup | None:
    """The plot with its controls, legend and data, or None when fewer than two trials can be drawn."""
    found = axes(result, words)
    if len(found) < 2:
        return None
    vertical = found[0]
    horizontal = next((axis for axis in found[1:] if axis.name == "cpu_time"), found[1])
    trials = [trial for trial in done(result) if any(trial["id"] in axis.places for axis in found)]
    data = {
        "box": [LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM],
        "axes": {axis.name: {"label": axis.label, "better": axis.better, "ticks": axis.ticks, "at": axis.places} for axis in found},
        "trials": {trial["id"]: _facts(trial, result, found, words) for trial in trials},
        "hidden": words("plot.hidden", count="%d"),
    }
    picture = tag(
        "svg",
        tag("g", *_grid(horizontal, vertical), id="plot-grid"),
        tag("path", d=_path(pareto(horizontal, vertical)), class_="front-line", id="plot-front"),
        tag(
            "g",
            *(_point(trial, result, horizontal, vertical, words) for trial in sorted(trials, key=lambda one: _rank(one, result))),
            id="plot-points",
        ),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="group",
        aria_label=words("plot.label", horizontal=horizontal.label, vertical=vertical.label),
    )
    safe = Markup(json.dumps(data, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
    return tag(
        "figure",
        tag(
            "div",
            _select("plot-y", "plot.vertical", found, vertical, words),
            _select("plot-x", "plot.horizontal", found, horizontal, words),
            class_="controls",
            hidden=True,
        ),
        tag("div", picture, tag("div", class_="tip", id="plot-tip", hidden=True, aria_live="polite"), class_="canvas"),
        tag("figcaption", *_legend(result, words), tag("span", id="plot-hidden", class_="muted")),
        tag("script", safe, type="application/json", id="plot-data"),
        class_="plot",
        id="plot",
    )


def _select(name: str, key: str, found: Sequence[Axis], chosen: Axis, words: Words) -> Markup:
    options = (tag("option", axis.label, value=axis.name, selected=axis is chosen) for axis in found)
    return tag("label", tag("span", words(key)), tag("select", *options, id=name))


def _facts(trial: Mapping[str, Any], result: Mapping[str, Any], found: Sequence[Axis], words: Words) -> dict[str, Any]:
    rows = []
    for axis in found:
        num = trial_number(trial, axis.name)
        unit = at(result, "baseline", "quality", "unit") if axis.name == "quality" else at(num, "unit")
        label = metric(result, words) if axis.name == "quality" else quantity_name(axis.name, words)
        rows += [[label, number(num, kind_of(axis.name, unit), words)]] if value_of(num) is not None else []
    return {"recipe": trial_title(trial, words), "facts": rows}


def role(trial: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What a trial is in the plot: chosen, nearest, baseline, fastest, front or other."""
    if trial.get("recipe") and trial.get("recipe") == subject(result).get("recipe"):
        return "chosen" if table(result, "chosen") else "nearest"
    if trial.get("role") in ("baseline", "fastest_fp32"):
        return {"baseline": "baseline", "fastest_fp32": "fastest"}[trial["role"]]
    return "front" if trial.get("id") in items(result, "front") else "other"


def _rank(trial: Mapping[str, Any], result: Mapping[str, Any]) -> int:
    return ("other", "front", "fastest", "baseline", "nearest", "chosen").index(role(trial, result))


def _x(place: float) -> float:
    return LEFT + place * (WIDTH - LEFT - RIGHT)


def _y(place: float) -> float:
    return HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if index else 'M'}{_x(x):.1f} {_y(y):.1f}" for index, (x, y) in enumerate(points))


def _grid(horizontal: Axis, vertical: Axis) -> list[Markup]:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = []
    for index, (place, text) in enumerate(horizontal.ticks):
        thin = "minor" if index % 2 else None
        lines.append(tag("line", x1=f"{_x(place):.1f}", x2=f"{_x(place):.1f}", y1=f"{TOP:g}", y2=f"{floor:g}"))
        lines.append(tag("text", text, x=f"{_x(place):.1f}", y=f"{floor + 24:g}", text_anchor="middle", class_=thin))
    for place, text in vertical.ticks:
        lines.append(tag("line", x1=f"{LEFT:g}", x2=f"{right:g}", y1=f"{_y(place):.1f}", y2=f"{_y(place):.1f}"))
        lines.append(tag("text", text, x=f"{LEFT - 10:g}", y=f"{_y(place) + 4:.1f}", text_anchor="end"))
    lines.append(tag("text", vertical.label, x="0", y="18", class_="title"))
    lines.append(tag("text", horizontal.label, x=f"{right:g}", y=f"{HEIGHT - 6:g}", text_anchor="end", class_="title"))
    return lines


def _point(trial: Mapping[str, Any], result: Mapping[str, Any], horizontal: Axis, vertical: Axis, words: Words) -> Markup:
    kind, key = role(trial, result), trial["id"]
    drawn = key in horizontal.places and key in vertical.places
    x, y = _x(horizontal.places.get(key, 0.0)), _y(vertical.places.get(key, 0.0))
    said = "; ".join(f"{name} {text}" for name, text in _facts(trial, result, [vertical, horizontal], words)["facts"])
    shape = {"baseline": tag("rect", x="-5", y="-5", width="10", height="10"), "fastest": tag("path", d="M0 -7L7 0L0 7L-7 0Z")}.get(
        kind, tag("circle", r="8" if kind in ("chosen", "nearest") else "5")
    )
    left = x > WIDTH - RIGHT - 90
    name = (
        tag(
            "text",
            words(f"plot.{kind}"),
            x="-14" if left else "14",
            y="24" if kind == "fastest" else "4",
            text_anchor="end" if left else None,
        )
        if kind in _NAMED
        else None
    )
    return tag(
        "a",
        tag("title", f"{trial_title(trial, words)}\n{said}"),
        tag("circle", r="14", class_="reach"),
        shape,
        name,
        href=f"#trial-{key}",
        class_=f"point {kind}",
        data_id=key,
        aria_label=f"{trial_title(trial, words)}; {said}",
        style=f"transform:translate({x:.1f}px,{y:.1f}px)",
        hidden=not drawn,
    )


_NAMED = ("chosen", "nearest", "baseline", "fastest")


def _legend(result: Mapping[str, Any], words: Words) -> list[Markup]:
    present = {role(trial, result) for trial in done(result)}
    return [
        tag("span", tag("i", class_=f"key {kind}"), words(f"plot.{kind}"), " ") for kind in (*_NAMED, "front", "other") if kind in present
    ]


def drop_gauge(result: Mapping[str, Any], words: Words) -> Markup | None:
    """The drop, its upper bound and the limit on one line; None when one of the three is missing."""
    finding = drop_finding(result)
    if finding is None:
        return None
    drop, upper, limit = (float(finding[key]) for key in ("value", "high", "limit"))
    kind = kind_of("quality", finding.get("unit") or "")
    low, high = min(0.0, drop * 1.2), max(limit, upper, drop) * 1.22 or 0.01

    def place(value: float) -> float:
        return 8 + (value - low) / (high - low) * 384

    said = words("gauge.label", drop=style_of(drop, kind).write(drop), upper=at_most(upper, kind), limit=short(limit, kind))
    end = place(limit) > 320
    return tag(
        "svg",
        tag("title", said),
        tag("rect", x=f"{place(low):.1f}", y="34", width=f"{max(0.0, place(limit) - place(low)):.1f}", height="20", class_="allowed"),
        tag("line", x1="8", x2="392", y1="44", y2="44", class_="track"),
        tag("line", x1=f"{place(limit):.1f}", x2=f"{place(limit):.1f}", y1="26", y2="62", class_="limit"),
        tag(
            "text",
            words("gauge.limit", limit=short(limit, kind)),
            x=f"{place(limit) + (-6 if end else 6):.1f}",
            y="22",
            text_anchor="end" if end else None,
        ),
        tag("line", x1=f"{place(drop):.1f}", x2=f"{place(upper):.1f}", y1="44", y2="44", class_="reach"),
        tag("line", x1=f"{place(upper):.1f}", x2=f"{place(upper):.1f}", y1="38", y2="50", class_="end"),
        tag("circle", cx=f"{place(drop):.1f}", cy="44", r="5.5", class_="seen"),
        *_gauge_texts(place(drop), place(upper), style_of(drop, kind).write(drop), words("gauge.upper", upper=at_most(upper, kind))),
        viewBox="0 0 400 84",
        role="img",
        aria_label=said,
        class_="gauge",
    )


def _gauge_texts(seen: float, upper: float, drop: str, bound: str) -> list[Markup]:
    """The two labels under the line, kept apart."""
    far = upper - seen > 90
    last = tag(
        "text",
        bound,
        x=f"{min(upper, 330) if far else seen:.1f}",
        y="78",
        text_anchor="middle" if far else "start" if seen < 240 else "end",
    )
    return [tag("text", drop, x=f"{max(seen, 32):.1f}", y="78", text_anchor="middle"), last] if far else [last]
