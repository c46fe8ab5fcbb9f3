"""What a result says, in sentences and rows that both faces share; any field of the result may be absent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paredown.core.quantity import quantities
from paredown.report.format import at_most, bounds_of, clean, duration, kind_of, number, short, value_of, weakness
from paredown.report.words import Words

LED_BY = ("cpu_time", "energy", "latency_p50", "size", "peak_rss")
COMPARED = (
    *("cpu_time", "energy", "carbon", "water", "cost", "latency_p50", "latency_p95", "size", "peak_rss"),
    *("cold_start", "parameters", "multiply_adds", "graph_time", "throughput"),
)
VERDICTS = ("pass", "fail", "inconclusive", "infeasible")


def at(tree: Any, *keys: str) -> Any:
    """The value down a path of keys, or None where the path ends early."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def table(tree: Any, *keys: str) -> Mapping[str, Any]:
    """The mapping down a path of keys, or an empty one."""
    found = at(tree, *keys)
    return found if isinstance(found, Mapping) else {}


def items(tree: Any, *keys: str) -> list[Any]:
    """The list down a path of keys without its nulls, or an empty one."""
    found = at(tree, *keys)
    return [item for item in found if item is not None] if isinstance(found, Sequence) and not isinstance(found, str) else []


def verdict(result: Mapping[str, Any]) -> str:
    """The verdict, or "unknown"."""
    found = at(result, "verdict")
    return found if found in VERDICTS else "unknown"


def subject(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The chosen model, else the nearest miss, else nothing."""
    return table(result, "chosen") or table(result, "nearest")


def unit(result: Mapping[str, Any], words: Words) -> str:
    """The functional unit in this language: inference, token, image."""
    return words.name("unit", clean(at(result, "unit") or "inference"))


def metric(result: Mapping[str, Any], words: Words) -> str:
    """The metric's name."""
    name, cut, first = clean(at(result, "metric") or "quality").partition("@")
    return f"{words.name('metric', name)}{cut}{first}"


def quantity_name(name: str, words: Words) -> str:
    """The name of a quantity in this language."""
    return words.name("quantity", clean(name))


def lead(result: Mapping[str, Any]) -> str | None:
    """The quantity that leads: what is minimized when it was counted or measured, else CPU time, else the first that has a ratio."""
    ratios = table(subject(result), "ratios")
    wanted = at(result, "policy", "minimize")
    firm = at(ratios.get(wanted), "how") in ("counted", "measured") if isinstance(wanted, str) else False
    order = ([wanted] if firm else []) + ["cpu_time", *ratios]
    return next((name for name in order if value_of(ratios.get(name)) is not None), None)


def times(num: Any, words: Words, what: str = "") -> str:
    """A ratio in words: "12.4 times less CPU time", "1.3 times more memory", "no difference shown in size"."""
    value, ends = value_of(num), bounds_of(num)
    if value is None:
        return number(num, "ratio", words)
    if value <= 0 or (ends and ends[0] <= 1 <= ends[1]) or (value == 1 and not ends):
        return words("times.same", what=what).strip()
    num = num if isinstance(num, Mapping) else {}
    shown = (
        {**num, "value": value}
        if value > 1
        else {**num, "value": 1 / value, "low": ends and 1 / ends[1], "high": ends and ends[0] and 1 / ends[0]}
    )
    return words("times.less" if value > 1 else "times.more", times=number(shown, "ratio", words).removesuffix("x"), what=what).strip()


def headline(result: Mapping[str, Any], words: Words) -> str:
    """The answer in one line."""
    name = lead(result)
    if verdict(result) != "pass" or name is None:
        kind = "no_time" if at(result, "undecided") else verdict(result)
        return words(f"headline.{kind}", policy=clean(at(result, "policy", "name") or words("policy.unnamed")))
    said = times(subject(result)["ratios"][name], words, words.name("saved", name).replace("{unit}", unit(result, words)))
    return said[:1].upper() + said[1:]


def quality_sentence(result: Mapping[str, Any], words: Words) -> str:
    """What happened to the quality, with the drop that was shown and its bound."""
    model, drop = subject(result), table(subject(result), "quality_drop")
    if not model:
        return ""
    before, after = at(result, "baseline", "quality"), model.get("quality")
    kind = kind_of("quality", at(after, "unit"))
    sentence = words("quality.level", metric=metric(result, words), after=number(after, kind, words), before=number(before, kind, words))
    if value_of(drop.get("drop")) is None or value_of(drop.get("upper")) is None:
        return sentence + words("page.gap") + words("quality.no_drop")
    scale = "points" if drop.get("scale") == "points" else "share"
    sure = short(value_of(at(result, "policy", "confidence")) or 0.95, "share")
    said = words("quality.drop", drop=number(drop["drop"], scale, words), upper=at_most(drop["upper"], scale), confidence=sure)
    rows, flips = value_of(drop.get("n")), value_of(drop.get("flips"))
    if rows is None or flips is None:
        return words("page.gap").join([sentence, said])
    changed = words("quality.flips", rows=number(rows, "count", words), flips=number(flips, "share", words))
    return words("page.gap").join([sentence, said, changed])


def search_sentence(result: Mapping[str, Any], words: Words) -> str:
    """What the search cost."""
    search = table(result, "search")
    if not search:
        return ""
    trials, failed = value_of(search.get("trials")), value_of(search.get("failed"))
    count = words("search.trials", trials=number(trials, "count", words)) if trials is not None else words("search.some_trials")
    failures = words("search.failed", failed=number(failed, "count", words)) if failed else ""
    energy, lost = number(search.get("energy_j"), "energy", words, origin=True), value_of(search.get("lost_wall_s"))
    said = "search.no_energy" if value_of(search.get("energy_j")) is None else "search.cost"
    sentence = words(said, trials=count + failures, wall=duration(value_of(search.get("wall_s")), words), energy=energy)
    return sentence + (words("page.gap") + words("search.lost", wall=duration(lost, words)) if lost else "")


def payback_sentence(result: Mapping[str, Any], words: Words) -> str:
    """After how many inferences the search is paid back."""
    if "search" not in result or not subject(result):
        return ""
    num = at(result, "search", "payback_inferences")
    if value_of(num) is None:
        return words("payback.missing", reason=clean(at(num, "missing") or words("number.no_record")))
    return words("payback.after", count=number(num, "count", words), unit=unit(result, words), weak=weakness(num, words))


def nearest_sentences(result: Mapping[str, Any], words: Words) -> list[str]:
    """Which rule binds where nothing passed, and what would have to give; or why no other limit would do."""
    binds, change = at(result, "nearest", "binds"), at(result, "nearest", "relaxation")
    said = [words("nearest.binds", rule=clean(binds))] if binds else []
    first: Mapping[str, Any] = next(iter(at(result, "nearest", "relaxations") or ()), {})
    if first and at(first, "needed") is None:
        return [*said, clean(change)]
    return said + ([words("nearest.relaxation", change=clean(change).rstrip(".").replace("->", "→"))] if change else [])


def efficiency_sentence(result: Mapping[str, Any], words: Words) -> str:
    """Quality per joule on both sides."""
    after, before, gain = at(subject(result), "efficiency"), at(result, "baseline", "efficiency"), at(subject(result), "efficiency_ratio")
    if value_of(after) is None:
        missing = clean(at(after, "missing"))
        return words("efficiency.missing", metric=metric(result, words), reason=missing.rstrip(".")) if missing else ""
    said = number(after, "per_joule", words, interval=True)
    if value_of(before) is None or value_of(gain) is None:
        return words("efficiency.alone", metric=metric(result, words), after=said)
    holes = {"before": number(before, "per_joule", words), "gain": number(gain, "ratio", words, interval=True)}
    return words("efficiency.gain", metric=metric(result, words), after=number(after, "per_joule", words, origin=True), **holes)


@dataclass(frozen=True)
class Compared:
    """One quantity on all sides; a text is empty where its number is missing.

    Args:
        name: In quantities.csv.
        label: Its name in this language.
        baseline, fastest, chosen: Readings as text.
        ratio, against_fastest, as_found: Ratios as text with interval.
        short_ratio: The ratio alone.
        how: counted, measured, estimated, modelled or empty.
    """

    name: str
    label: str
    baseline: str
    fastest: str
    chosen: str
    ratio: str
    against_fastest: str
    as_found: str
    short_ratio: str
    how: str


def compared(result: Mapping[str, Any], words: Words) -> list[Compared]:
    """Every quantity that either side has, the leading ones first; money stands in `impact`."""
    model = subject(result)
    sides = [table(result, "baseline", "readings"), table(result, "fastest_fp32", "readings"), table(model, "readings")]
    found = {name for side in (*sides, table(model, "ratios")) for name in side} - {"quality"}
    order = [name for name in (*COMPARED, *quantities()) if name in found]
    rows = []
    for name in dict.fromkeys([*order, *sorted(found)]):
        if name == "cost" and apart(result):  # of one inference it is too little to be read
            continue
        before, fastest, after = (_text(side.get(name), kind_of(name, at(side.get(name), "unit")), words) for side in sides)
        groups = [table(model, group).get(name) for group in ("ratios", "ratios_vs_fastest_fp32", "ratios_as_found")]
        ratio, against, as_found = (_text(num, "ratio", words, interval=True) for num in groups)
        brief = _text(groups[0], "ratio", words)
        how = next((str(at(num, "how")) for num in (groups[0], *(side.get(name) for side in reversed(sides))) if at(num, "how")), "")
        rows.append(Compared(name, quantity_name(name, words), before, fastest, after, ratio, against, as_found, brief, how))
    return rows


@dataclass(frozen=True)
class Estimated:
    """What one estimator of the energy says; a text is empty where its number is missing.

    Args:
        name: As it is called in this language.
        watts: What a busy virtual CPU adds above idle, with interval.
        energy: Of one functional unit, with interval.
        basis: Which rows stand behind it and where they are from, as recorded.
    """

    name: str
    watts: str
    energy: str
    basis: str


def estimated(model: Mapping[str, Any], energies: Mapping[str, Any], words: Words) -> list[Estimated]:
    """The estimators side by side, the one that gives the values first.

    Args:
        model: The energy model of a result.
        energies: Estimator -> the energy of one functional unit; may be empty.
        words: The language.
    """
    rows = []
    for name, said in table(model, "estimators").items():
        watts, energy = _text(at(said, "active_w"), "power", words, True), _text(energies.get(name), "energy", words, True)
        basis = "; ".join(clean(said[key]) for key in ("note", "source") if at(said, key))
        rows.append(Estimated(words.name("estimator", clean(name)), watts, energy, basis))
    return rows


def energy_sentences(model: Mapping[str, Any], energies: Mapping[str, Any], words: Words, virtual: bool | None) -> list[str]:
    """What each estimator says, how far they are apart, and what they cover; nothing where there are none.

    Args:
        model, energies, words: As for `estimated`.
        virtual: The machine is a virtual one.
    """
    rows = estimated(model, energies, words)
    if not rows:
        return []
    listed = ", ".join(f"{row.name} {row.energy or row.watts}" for row in rows)
    said = words("energy.by_estimator" if rows[0].energy else "energy.watts_by_estimator", listed=listed)
    return [said, spread_sentence(model, words), boundary_sentence(words, virtual)]


def spread_sentence(model: Mapping[str, Any], words: Words) -> str:
    """How far the estimators are apart, and which gives the value; empty where there is one alone."""
    names = [words.name("estimator", clean(name)) for name in table(model, "estimators")]
    spread = value_of(model.get("spread"))
    return (
        ""
        if spread is None or not names
        else words("energy.spread", lead=names[0], times=number({"value": spread, "how": "estimated"}, "ratio", words))
    )


def boundary_sentence(words: Words, virtual: bool | None) -> str:
    """What the estimated energy covers."""
    return words("energy.boundary_virtual" if virtual else "energy.boundary")


def _text(num: Any, kind: str, words: Words, interval: bool = False) -> str:
    """Empty when missing: a table has no room for the reason, which stands in `footnotes`."""
    return "" if value_of(num) is None else number(num, kind, words, interval)


def footnotes(result: Mapping[str, Any], words: Words) -> list[tuple[str, str]]:
    """What has to be said below the comparison: what is missing and why, and what is not measured."""
    said: dict[str, list[str]] = {}
    for row in compared(result, words):
        nums = [
            table(model, group).get(row.name) for model in (subject(result), table(result, "baseline")) for group in ("readings", "ratios")
        ]
        told = row.name in apart(result)
        notes = [words("number.missing", reason=clean(at(num, "missing"))) for num in nums if at(num, "missing") and not told]
        notes += [words(f"footnote.{row.how}")] if row.how in ("estimated", "modelled") else []
        for note in dict.fromkeys(notes):
            said.setdefault(note, []).append(row.label)
    return [(", ".join(labels), note) for note, labels in said.items()]


def apart(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The quantities of `impact`, which says itself what is missing and how to declare it."""
    return table(result, "impact", "totals", "quantities")


def seen(finding: Mapping[str, Any], words: Words) -> str:
    """What a finding saw, with its interval."""
    name, said_unit = str(finding.get("rule") or ""), finding.get("unit") or ""
    if value_of(finding.get("value")) is None:
        return ""
    kind, text = kind_of(name, said_unit), number({**finding, "how": ""}, kind_of(name, said_unit), words, interval=True)
    high = value_of(finding.get("high"))
    return words("finding.at_most", seen=text, upper=at_most(high, kind)) if high is not None and finding.get("low") is None else text


def allowed(finding: Mapping[str, Any]) -> str:
    """What a finding's rule allows."""
    limit = value_of(finding.get("limit"))
    return "" if limit is None else short(limit, kind_of(str(finding.get("rule") or ""), finding.get("unit") or ""))


def rule_name(finding: Mapping[str, Any]) -> str:
    """The rule's id, with its group when it has one."""
    group = finding.get("group")
    return clean(finding.get("rule") or "?") + (f" ({clean(group)})" if group else "")


def drop_finding(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The finding on the quality of all rows together, when it has a value, an upper end and a limit."""
    for finding in items(result, "findings"):
        if not isinstance(finding, Mapping) or finding.get("rule") != "quality" or finding.get("group"):
            continue
        if all(value_of(finding.get(key)) is not None for key in ("value", "high", "limit")):
            return finding
    return None


def trial_title(trial: Mapping[str, Any], words: Words) -> str:
    """A trial's recipe, or what stands in for it."""
    return clean(trial.get("recipe") or words("trial.no_recipe"))


def rows_sentences(result: Mapping[str, Any], words: Words) -> list[str]:
    """How many rows each split has, and how often test was opened."""
    rows = table(result, "rows")
    splits = [name for name in ("train", "calibration", "validation", "test") if value_of(rows.get(name)) is not None]
    said = [", ".join(words("rows.split", split=words.name("split", name), rows=number(rows[name], "count", words)) for name in splits)]
    reads, dropped = value_of(rows.get("test_reads")), value_of(rows.get("dropped_duplicates"))
    if reads is not None:
        said.append(words("rows.read_once") if reads == 1 else words("rows.reads", reads=number(reads, "count", words)))
    elif reason := at(rows, "test_reads", "missing"):
        here = value_of(rows.get("test_reads_here")) or 0
        said.append(words("rows.reads_missing", reads=number(here, "count", words), reason=clean(reason)))
    said += [words("rows.dropped", rows=number(dropped, "count", words))] if dropped else []
    said += [words("rows.post_hoc")] if at(result, "policy", "post_hoc") is True else []
    provable = at(result, "provable", "text")
    return [line for line in (*said, clean(provable) if provable else "") if line]


def host_sentence(result: Mapping[str, Any], words: Words) -> str:
    """The machine that was measured on."""
    host = table(result, "host")
    cores, memory = value_of(host.get("cores")), value_of(host.get("memory_b"))
    parts = [clean(host[key]) for key in ("cpu", "isa") if host.get(key)]
    parts += [words("host.cores", cores=number(cores, "count", words))] if cores is not None else []
    parts += [words("host.memory", memory=number(memory, "bytes", words))] if memory is not None else []
    parts += [clean(host["system"])] if host.get("system") else []
    parts += [words("host.virtual" if host["virtual"] else "host.physical")] if host.get("virtual") is not None else []
    return ", ".join(parts)
