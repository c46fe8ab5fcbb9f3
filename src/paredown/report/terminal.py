"""A result on the terminal: the answer first, then the evidence for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from paredown.ground.untrusted import visible
from paredown.report.format import clean, kind_of, number, value_of
from paredown.report.impact import count_sentence, paybacks, search_took, taken, untold, variant_sentence
from paredown.report.outline import (
    LED_BY,
    allowed,
    at,
    compared,
    efficiency_sentence,
    energy_sentences,
    footnotes,
    headline,
    host_sentence,
    items,
    lead,
    nearest_sentences,
    payback_sentence,
    quality_sentence,
    quantity_name,
    rows_sentences,
    rule_name,
    search_sentence,
    seen,
    subject,
    table,
    times,
    trial_title,
    unit,
    verdict,
)
from paredown.report.why import bars, headroom
from paredown.report.words import Words, load

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

WIDE = 110
LISTED = 24
_MARKS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "infeasible": "✗"}
_STYLES = {"pass": "bold cyan", "fail": "bold red", "inconclusive": "bold yellow", "infeasible": "bold red"}


def show(result: Mapping[str, Any], console: Console, language: str = "en") -> None:
    """Print a result: verdict, quality, cost and recipe; why it costs less; the ratios; then findings, trials, rows and notes.

    Args:
        result: The content of result.json; any field may be absent.
        console: Where to print; its width decides how much stands side by side, and only a terminal gets color.
        language: One of the report's languages.

    Raises:
        UnknownName: There is no such language.
    """
    words, result = load(language), _shown(result)
    for part in (_answer, _why, _numbers, _impact, _findings, _tested, _trials, _basis):
        for line in part(result, words, console.width):
            console.print(line, soft_wrap=False)


def _shown(value: Any) -> Any:
    """The same with every text as a terminal may get it."""
    if isinstance(value, Mapping):
        return {visible(str(key)): _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return visible(value) if isinstance(value, str) else value


def _answer(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    kind = verdict(result)
    yield Text.assemble(
        (f"{_MARKS.get(kind, '·')} {words(f'verdict.{kind}')}", _STYLES.get(kind, "bold")), f"  {clean(at(result, 'name') or '')}"
    )
    yield Text(headline(result, words), style="bold")
    model = subject(result)
    yield from map(Text, nearest_sentences(result, words))
    sentences = [
        variant_sentence(result, words),
        _others(result, words),
        quality_sentence(result, words),
        efficiency_sentence(result, words),
    ]
    sentences += [payback_sentence(result, words), search_sentence(result, words), headroom(result, words)]
    for sentence in sentences:
        if sentence:
            yield Text(f"· {sentence}")
    if not model:
        return
    yield Text()
    yield Text(words("section.chosen" if table(result, "chosen") else "section.nearest"), style="bold")
    yield Padding(Text(trial_title(model, words), style="cyan"), (0, 0, 0, 2), expand=False)
    if model.get("why"):
        yield Padding(Text(clean(model["why"])), (0, 0, 0, 2), expand=False)
    if model.get("artifact"):
        yield Padding(Text(words("model.folder", folder=clean(model["artifact"])), style="dim"), (0, 0, 0, 2), expand=False)


def _others(result: Mapping[str, Any], words: Words) -> str:
    """The ratios that do not lead, in a line."""
    ratios = table(subject(result), "ratios")
    names = [name for name in LED_BY if name != lead(result) and value_of(ratios.get(name)) is not None]
    return " · ".join(f"{quantity_name(name, words)} {number(ratios[name], 'ratio', words, origin=True)}" for name in names)


def _why(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    found = bars(result, words)
    if not found:
        return
    yield ""
    columns = [("column.step", "left"), ("column.recipe", "left"), ("column.ratio_short", "right")]
    grid = _grid(words, "section.why", columns)
    for bar in found:
        _row(grid, bar.label, bar.text, f"{bar.factor} {bar.interval}".strip(), style="bold" if bar.kind == "whole" else "")
    yield grid


def _grid(words: Words, title: str, columns: Iterable[tuple[str, str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        title=Text(words(title), style="bold"),
        title_justify="left",
        header_style="dim",
        show_edge=False,
    )
    for name, justify in columns:
        grid.add_column(Text(words(name)), justify=justify, overflow="fold")  # type: ignore[arg-type]
    return grid


def _row(grid: Table, *cells: str, style: str = "") -> None:
    from rich.text import Text

    grid.add_row(*(Text(cell) for cell in cells), style=style)


def _numbers(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    rows = [row for row in compared(result, words) if row.baseline or row.fastest or row.chosen or row.ratio]
    if not rows:
        return
    model = subject(result)
    last = "column.chosen" if table(result, "chosen") else "column.nearest"
    wide = width >= WIDE
    columns = [("column.quantity", "left"), ("column.as_given", "right")] + ([("column.fastest", "right")] if wide else [])
    columns += [(last, "right"), ("column.ratio", "right"), ("column.against_fastest", "right")] if model else []
    yield ""
    grid = _grid(words, "section.numbers", columns)
    for row in rows:
        against = row.against_fastest if wide else row.against_fastest.split(" [")[0]
        cells = [row.label, row.baseline or "–"] + ([row.fastest or "–"] if wide else [])
        cells += [row.chosen or "–", row.ratio or "–", against or "–"] if model else []
        _row(grid, *cells)
    yield grid
    if model:
        yield _dim(words("section.numbers_lede"))
    for names, note in footnotes(result, words):
        yield _dim(f"{names}: {note}")
    found = table(model, "ratios_as_found").get("cpu_time")
    if value_of(found) is not None:
        yield _dim(
            words("model.as_found", saved=times(found, words, words.name("saved", "cpu_time").replace("{unit}", unit(result, words))))
        )


def _impact(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    rows = taken(result, words)
    if not rows:
        return
    yield ""
    last = "column.chosen" if table(result, "chosen") else "column.nearest"
    sides = [(last, "right"), ("column.saved", "right")] if subject(result) else []
    grid = _grid(words, "section.impact", [("column.quantity", "left"), ("column.as_given", "right"), *sides, ("column.how", "left")])
    for row in rows:
        texts = [row.before, row.after, row.saved] if subject(result) else [row.before]
        _row(grid, row.label, *(text if width >= WIDE else text.split(" [")[0] for text in (text or "–" for text in texts)), row.how)
    yield grid
    groups = {"impact.payback": paybacks(result, words), "impact.search": search_took(result, words)}
    yield _dim(count_sentence(result, words))
    for key, sentences in groups.items():
        if sentences:
            yield _dim(words("impact.said", title=words(key), text=words("page.gap").join(sentences)))
    missing = untold(result, words)
    if missing:
        yield _dim(words("impact.untold"))
    for names, reason in missing:
        yield _dim(f"  {names}: {reason}")


def _dim(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text, style="dim")


def _findings(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    from rich.text import Text

    findings = [finding for finding in items(result, "findings") if isinstance(finding, Mapping)]
    if not findings:
        return
    yield ""
    columns = ("column.outcome", "column.rule", "column.level", "column.seen", "column.limit") + (
        ("column.reason",) if width >= WIDE else ()
    )
    grid = _grid(words, "section.findings", [(name, "left") for name in columns])
    for finding in findings:
        outcome = str(finding.get("outcome") or "unknown")
        mark = Text(f"{_MARKS.get(outcome, '·')} {words.name('outcome', outcome)}", style=_STYLES.get(outcome, ""))
        cells = [rule_name(finding), words.name("level", finding.get("level") or "must"), seen(finding, words), allowed(finding)]
        reason = clean(finding.get("reason") or "")
        waived = words("finding.waived", reason=clean(finding["waived"])) if finding.get("waived") else ""
        whole = " ".join(part for part in (reason, waived) if part)
        grid.add_row(mark, *(Text(cell) for cell in cells), *([Text(whole)] if width >= WIDE else []))
    yield grid
    if width < WIDE:
        for finding in findings:
            waived = words("finding.waived", reason=clean(finding["waived"])) if finding.get("waived") else ""
            if finding.get("outcome") != "pass" or waived:
                yield Text(" ".join(part for part in (f"{rule_name(finding)}:", clean(finding.get("reason") or ""), waived) if part))


def _tested(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    tested = [one for one in items(result, "tested") if isinstance(one, Mapping)]
    if not tested:
        return
    yield ""
    grid = _grid(
        words,
        "section.tested",
        [("column.order", "right"), ("column.outcome", "left"), ("column.recipe", "left"), ("column.reason", "left")],
    )
    for order, one in enumerate(tested, 1):
        outcome = str(one.get("outcome") or "unknown")
        _row(grid, str(order), words.name("outcome", outcome), trial_title(one, words), clean(one.get("reason") or ""))
    yield grid


def _trials(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    trials = [trial for trial in items(result, "trials") if isinstance(trial, Mapping)]
    if not trials:
        return
    done = [trial for trial in trials if trial.get("state") != "failed"]
    failed = [trial for trial in trials if trial.get("state") == "failed"]
    front = items(result, "front")
    done.sort(key=lambda trial: (trial.get("id") not in front, value_of(table(trial, "readings").get("cpu_time")) or float("inf")))
    yield ""
    columns = [
        ("column.id", "right"),
        ("column.recipe", "left"),
        ("column.quality", "right"),
        ("column.cpu_time", "right"),
        ("column.ratio_short", "right"),
    ]
    grid = _grid(words, "section.trials", columns)
    for trial in done[:LISTED]:
        mark = "•" if trial.get("id") in front else ""
        cells = [table(trial, "readings").get("cpu_time"), table(trial, "ratios").get("cpu_time")]
        quality = trial.get("quality")
        _row(
            grid,
            f"{mark}{clean(trial.get('id') if trial.get('id') is not None else '')}",
            trial_title(trial, words),
            number(quality, kind_of("quality", at(result, "baseline", "quality", "unit")), words) if value_of(quality) is not None else "–",
            *(number(num, kind, words) if value_of(num) is not None else "–" for num, kind in zip(cells, ("time", "ratio"), strict=True)),
        )
    yield grid
    if front:
        yield _dim(words("trial.front"))
    if len(done) > LISTED:
        yield _dim(words("trial.more", count=len(done) - LISTED))
    if failed:
        yield ""
        yield Text(words("section.failed"), style="bold")
    for trial in failed:
        reason = clean(trial.get("reason") or words("trial.no_reason"))
        yield Text.assemble((f"{clean(trial.get('id') or '')} ", "dim"), trial_title(trial, words))
        yield Padding(Text(reason, style="red"), (0, 0, 0, 3), expand=False)


def _basis(result: Mapping[str, Any], words: Words, width: int) -> Iterable[RenderableType]:
    from rich.text import Text

    notes = [clean(note) for note in items(result, "notes")]
    energies = table(subject(result) or table(result, "baseline"), "estimators")
    energy = energy_sentences(table(result, "energy_model"), energies, words, at(result, "host", "virtual")) if energies else []
    lines = [*rows_sentences(result, words), host_sentence(result, words), *energy, *notes]
    if any(lines):
        yield ""
        yield Text(words("section.basis"), style="bold")
    for line in lines:
        if line:
            yield Text(f"· {line}")
