"""`paredown show`: a unit with its knobs, a recipe as a tree, a study with its trials."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from paredown.cli import COMMANDS, screen

if TYPE_CHECKING:
    from paredown.core.recipe import Recipe
    from paredown.core.trial import Trial


_FACTS = (
    "stage", "data", "form", "package", "precisions", "better", "unit", "pairs", "kinds", "quantities", "source", "departs",
    "use_when", "avoid_when",
)  # fmt: skip
"""Class attributes that a unit's page shows, in this order, where it has them."""


@click.command(
    help=COMMANDS["show"][1] + '\n\nNAME is a unit, a recipe in quotes ("prune_channels(keep=0.5) @ onnxruntime") or the folder of a study.'
)
@click.argument("name")
@screen.json_flag
def command(name: str, as_json: bool) -> None:
    """Show one thing."""
    if "@" in name:
        from paredown.core.recipe import parse

        recipe = parse(name)
        shown = recipe_data(recipe)
        screen.dump(shown) if as_json else _print_recipe(recipe, shown)
    elif Path(name).is_dir():
        _study(Path(name), as_json)
    else:
        found = [unit_data(kind, name) for kind in _kinds_with(name)]
        if as_json:
            screen.dump(found[0] if len(found) == 1 else found)
            return
        for at, shown in enumerate(found):
            if at:
                screen.say()
            _print_unit(shown)


def _kinds_with(name: str) -> list[str]:
    """The kinds that have a unit of this name.

    Raises:
        UnknownName: None has.
    """
    from paredown.cli.list import kinds
    from paredown.core.errors import UnknownName
    from paredown.ground import registry

    known = {kind: registry.names(kind) for kind in kinds() if kind in registry.KINDS}
    found = [kind for kind, names in known.items() if name in names]
    if not found:
        raise UnknownName("unit", name, {each for names in known.values() for each in names}, hint="`paredown list` shows all.")
    return found


def unit_data(kind: str, name: str) -> dict[str, Any]:
    """All that a unit's class says about itself, as plain data."""
    from dataclasses import is_dataclass

    from paredown.core.knob import knobs
    from paredown.ground import registry

    unit = registry.units(kind)[name]
    cls = unit.load()
    shown: dict[str, Any] = {"kind": kind.removesuffix("s"), "name": name, "origin": unit.origin, "what": inspect.getdoc(cls) or ""}
    for key in _FACTS:
        value: Any = getattr(cls, key, "")
        if value and not isinstance(value, property):
            shown[key] = value.name.lower() if key == "stage" else value if isinstance(value, tuple | list) else str(value)
    if is_dataclass(cls):
        declared = knobs(cls)
        shown["knobs"] = [
            {"name": key, "default": knob.default, "allowed": knob.allowed, "help": knob.help} for key, knob in declared.items()
        ]
    return shown


def _print_unit(shown: dict[str, Any]) -> None:
    screen.say(f"{shown['name']} ({shown['kind']}, {shown['origin']})")
    screen.say()
    screen.say(shown["what"])
    facts = {key: value for key, value in shown.items() if key not in ("kind", "name", "origin", "what", "knobs")}
    if facts:
        screen.say()
        screen.table(
            [(key.replace("_", " "), ", ".join(value) if isinstance(value, tuple | list) else value) for key, value in facts.items()]
        )
    if shown.get("knobs"):
        from paredown.core.technique import value_text

        screen.say()
        screen.table(
            [(item["name"], value_text(item["default"]), item["allowed"], item["help"]) for item in shown["knobs"]],
            ("knob", "default", "allowed", ""),
        )


def recipe_data(recipe: Recipe) -> dict[str, Any]:
    """A recipe as a tree of plain data, each step with its stage and all of its knobs.

    Raises:
        UnknownName: A technique, runtime or knob does not exist.
        BadKnob: A value is outside its bounds.
    """
    from paredown.core.recipe import Chain
    from paredown.ground import registry

    if isinstance(recipe, Chain):
        registry.get("runtimes", recipe.engine.name)
        steps = [_step_data(step.name, step.values) for step in recipe.steps]
        return {"recipe": str(recipe), "steps": steps, "runtime": recipe.engine.name, "placement": recipe.engine.placement}
    return {"recipe": str(recipe), "compose": _step_data(recipe.name, recipe.values), "parts": [recipe_data(part) for part in recipe.parts]}


def _step_data(name: str, values: dict[str, Any]) -> dict[str, Any]:
    from paredown.cli.list import summary
    from paredown.core.knob import knobs, make
    from paredown.ground import registry

    cls = registry.get("techniques", name)
    plan = values.pop("plan", None)
    made = make(cls, name, values)
    shown = {"name": name, "stage": cls.stage.name.lower(), "what": summary(cls), "knobs": {key: getattr(made, key) for key in knobs(cls)}}
    return shown | ({"plan": str(plan.digest)} if plan is not None else {})


def _print_recipe(recipe: Recipe, shown: dict[str, Any]) -> None:
    screen.say(str(recipe))
    screen.say()
    for line in _tree(shown):
        screen.say(line)


def _tree(shown: dict[str, Any], lead: str = "") -> list[str]:
    if "parts" in shown:
        lines = [_step_line(shown["compose"])]
        children = [_tree(part, lead) for part in shown["parts"]]
    else:
        from paredown.core.recipe import Engine

        lines = [f"runs on {Engine.of(shown['runtime'], **shown['placement'])}"]
        children = [[_step_line(step)] for step in shown["steps"]] or [["the model as given"]]
    for at, child in enumerate(children):
        last = at == len(children) - 1
        lines.append(lead + ("└── " if last else "├── ") + child[0])
        lines += [lead + ("    " if last else "│   ") + line for line in child[1:]]
    return lines


def _step_line(step: dict[str, Any]) -> str:
    from paredown.core.technique import step_text

    return f"{step_text(step['name'], step['knobs'])}  [{step['stage']}] {step['what']}"


def _study(folder: Path, as_json: bool) -> None:
    """The trials of a study, also while a run holds it.

    Raises:
        UsageError: The folder holds no study.
        Damaged: The ledger is not what the study's evidence binds.
    """
    from paredown.core.errors import UsageError
    from paredown.evidence.bound import LEDGER, RESULT, newer_rows
    from paredown.evidence.bundle import refuse_changed, uncovered
    from paredown.measuring.targets import result_of
    from paredown.report.outline import at
    from paredown.study.ledger import Ledger
    from paredown.study.study import trials

    if not (folder / LEDGER).is_file():
        raise UsageError(f"{folder} holds no study: it has no {LEDGER}.\n  Give the folder of a study, as `paredown show runs/digits`.")
    bound = refuse_changed(folder, LEDGER)
    with Ledger.open(folder / LEDGER, read_only=True) as ledger:
        found, reads = trials(ledger), len(ledger.records("test_read"))
    notes = [f"{LEDGER} is {without}"] if (without := uncovered(folder)) else []
    if bound is not None and (newer := newer_rows(folder / LEDGER, bound)):
        notes.append(f"{newer} rows of {LEDGER} were written after the evidence and are not covered by it.")
    result = result_of(folder) if (folder / RESULT).is_file() else None
    on_machine = None if result is None else result["rows"].get("test_reads")
    unit = at(result, "baseline", "quality", "unit")
    if as_json:
        shown = {"study": folder, "trials": [trial.json() for trial in found], "test_reads_here": reads, "test_reads": on_machine}
        screen.dump(shown | {"notes": notes})
        return
    screen.say(f"{folder}: {len(found)} trials, {sum(trial.state == 'failed' for trial in found)} of them failed")
    screen.table(
        [_trial_row(trial, unit if isinstance(unit, str) else "") for trial in found], ("id", "state", "quality", "cpu time", "recipe")
    )
    screen.say(f"test was read {reads} times by this study{_on_machine(on_machine)}")
    for note in notes:
        screen.note(note)


def _on_machine(reads: Any) -> str:
    """How often test was read on the machine of the run, as its result says."""
    if reads is None:
        return ""
    return (
        f"; on the machine, over all studies: missing: {reads['missing']}" if isinstance(reads, dict) else f", {reads} times on the machine"
    )


def _trial_row(trial: Trial, unit: str) -> tuple[str, ...]:
    from paredown.core.reading import Reading
    from paredown.report.format import quality, short

    ratio = trial.ratios.get("cpu_time")
    judged = "" if trial.quality is None else short(trial.quality, "share") if not unit else quality(trial.quality, unit)
    less = short(ratio.value, "ratio") if isinstance(ratio, Reading) else ""
    what = trial.recipe + (f" ({trial.role.replace('_', ' ')})" if trial.role != "candidate" else "")
    return (str(trial.id), trial.state, judged, less, f"{what}: {trial.reason}" if trial.reason else what)
