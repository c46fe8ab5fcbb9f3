"""`paredown list`: what there is to choose from."""

from __future__ import annotations

import inspect
from typing import Any

import click

from paredown.cli import COMMANDS, screen

_DATA = ("quantities", "policies", "machines", "zones")


def summary(thing: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def kinds() -> list[str]:
    """All kinds that can be listed: kinds of units that exist in this version, then the tables that policies, jobs and `whatif` draw on."""
    from importlib.util import find_spec

    from paredown.ground import registry

    return [kind for kind in registry.KINDS if find_spec(f"paredown.{kind}")] + [*_DATA]


def entries(kind: str) -> list[dict[str, Any]]:
    """One entry per unit: name, stage (techniques only), what it is, where it comes from, and the error of a broken one."""
    if kind == "quantities":
        from paredown.core.quantity import quantities

        return [
            {"name": item.name, "unit": item.unit, "better": item.better, "what": item.meaning, "origin": "built-in", "error": None}
            for item in quantities().values()
        ]
    if kind == "policies":
        return [{"name": name, "what": line, "origin": "built-in", "error": None} for name, line in built_in_policies().items()]
    if kind == "zones":
        return zone_entries()
    if kind == "machines":
        return machine_entries()
    from paredown.ground import registry

    found = []
    for unit in registry.units(kind).values():
        entry: dict[str, Any] = {"name": unit.name, "what": "", "origin": unit.origin, "error": None}
        try:
            loaded = unit.load()
        except Exception as error:  # whatever a third party's import raises is shown, never passed over
            entry["error"] = f"{type(error).__name__}: {error}"
        else:
            entry["what"] = summary(loaded)
            if kind == "techniques":
                entry |= {"stage": loaded.stage.name.lower(), "order": int(loaded.stage), "data": str(loaded.data)}
        found.append(entry)
    found.sort(key=lambda entry: (entry.pop("order", 99), entry["name"]))
    return found


def zone_entries() -> list[dict[str, Any]]:
    """The places whose grid is in the tables."""
    from paredown.impact.grid import zones

    known = {item.code: item for item in zones().values()}
    return [
        {"name": code, "unit": f"{item.g_per_kwh:.4g} g/kWh", "what": f"{item.name}, {item.year}", "source": item.source}
        | {"origin": "built-in", "error": None}
        for code, item in sorted(known.items())
    ]


def machine_entries() -> list[dict[str, Any]]:
    """The machines that `whatif` knows, with what is published of each."""
    from paredown.impact.machines import ACCELERATOR, machines

    found = []
    for one in machines().values():
        unit = ("card" if one.cores == 1 else "cards") if one.kind == ACCELERATOR else "vCPUs" if one.kind == "cpu" else "cores"
        price = f", {one.price[0]:.3g} {one.price[1]}/h" if one.price else ""
        what = f"{one.cores} {unit} of {one.chip}{f', {one.isa}' if one.isa else ''}{price}"
        found.append({"name": one.name, "unit": one.kind, "what": what, "source": one.source, "origin": "built-in", "error": None})
    return found


def built_in_policies() -> dict[str, str]:
    """Name of each built-in policy with the first comment line of its file."""
    from importlib import resources

    folder = resources.files("paredown.policy").joinpath("builtin")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".yaml")), key=lambda item: item.name)
    return {item.name.removesuffix(".yaml"): item.read_text("utf-8").partition("\n")[0].removeprefix("#").strip() for item in files}


@click.command(
    help=COMMANDS["list"][1]
    + "\n\nKIND is one of them, in the plural; all but the zones when left out. A unit that cannot be imported is shown with its error."
)
@click.argument("kind", required=False)
@screen.json_flag
def command(kind: str | None, as_json: bool) -> None:
    """List units."""
    from paredown.core.errors import UnknownName

    if kind is not None and kind not in kinds():
        raise UnknownName("kind", kind, kinds())
    found = {each: entries(each) for each in ([kind] if kind else [each for each in kinds() if each != "zones"])}
    if as_json:
        screen.dump(found)
        return
    for at, (each, rows) in enumerate(found.items()):
        if at:
            screen.say()
        screen.say(each)
        screen.table([_row(row) for row in rows] or [("none",)])


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    what = f"BROKEN: {entry['error']}" if entry["error"] else entry["what"]
    origin = "" if entry["origin"] == "built-in" else f" [{entry['origin']}]"
    return (f"  {entry['name']}", entry.get("stage", "") if "stage" in entry or entry["error"] else entry.get("unit", ""), what + origin)
