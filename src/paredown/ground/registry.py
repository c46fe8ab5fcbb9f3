"""Units by kind and name: built-ins by file name, third parties by entry point, through one door.

A kind is a package of paredown with one file per unit. A third party adds to it with
`[project.entry-points."paredown.techniques"]  my_technique = "my_package.my_module:MyTechnique"`.
Nothing is imported until asked for; a unit that fails to import is shown as broken with its error.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from paredown.core.errors import UnknownName

KINDS = ("techniques", "runtimes", "meters", "metrics", "tasks", "models", "datasets", "audits", "exports")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One entry of the registry.

    Args:
        kind: techniques, runtimes, ...
        name: As used in recipes and files.
        origin: "built-in" or the distribution that brought it, with version.
        load: Imports and returns the class; raises what the import raises.
    """

    kind: str
    name: str
    origin: str
    load: Callable[[], type[Any]]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A unit that could not be imported."""

    kind: str
    name: str
    origin: str
    error: str


def _dashed(kind: str, file: str) -> str:
    return file.replace("_", "-") if kind == "tasks" else file


def _built_in(kind: str, file: str) -> Callable[[], type[Any]]:
    def load() -> type[Any]:
        module = importlib.import_module(f"paredown.{kind}.{file}")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if (
                found.__module__ == module.__name__
                and not inspect.isabstract(found)
                and hasattr(found, "name")
                and found.name() == _dashed(kind, file)
            ):
                return found
        raise ImportError(f"paredown/{kind}/{file}.py defines no class whose name() is {_dashed(kind, file)!r}.")

    return load


def _third_party(point: metadata.EntryPoint) -> Callable[[], type[Any]]:
    def load() -> type[Any]:
        found: type[Any] = point.load()
        if found.name() != point.name:
            raise ImportError(f"{point.value} is named {found.name()!r}, its entry point {point.name!r}; give both one name.")
        return found

    return load


def _taken(point: metadata.EntryPoint, owner: Unit) -> Callable[[], type[Any]]:
    def load() -> type[Any]:
        raise ImportError(f"{point.value} wants the name {point.name!r}, which is {owner.origin}; give it another name.")

    return load


@cache
def units(kind: str) -> dict[str, Unit]:
    """All units of a kind by name, built-ins first; nothing is imported.

    A name belongs to who has it first. A later unit of the same name stands as `name (origin)` and fails when it is loaded, so that it is
    shown as broken.

    Raises:
        UnknownName: No such kind.
    """
    if kind not in KINDS:
        raise UnknownName("kind of unit", kind, KINDS)
    package = importlib.import_module(f"paredown.{kind}")
    skip = getattr(package, "NOT_UNITS", ())
    found: dict[str, Unit] = {}
    for item in pkgutil.iter_modules(package.__path__):
        if item.name not in skip:
            name = _dashed(kind, item.name)
            found[name] = Unit(kind=kind, name=name, origin="built-in", load=_built_in(kind, item.name))
    for point in metadata.entry_points(group=f"paredown.{kind}"):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        owner = found.get(point.name)
        name = f"{point.name} ({origin})" if owner else point.name
        found[name] = Unit(kind=kind, name=name, origin=origin, load=_taken(point, owner) if owner else _third_party(point))
    return found


def names(kind: str) -> tuple[str, ...]:
    """The names of all units of a kind."""
    return tuple(units(kind))


def get(kind: str, name: str) -> type[Any]:
    """The class of one unit.

    Raises:
        UnknownName: There is none of that name; the nearest is suggested.
    """
    table = units(kind)
    if name not in table:
        raise UnknownName(kind.removesuffix("s"), name, table, hint=f"`paredown list {kind}` shows all.")
    return table[name].load()


def every(kind: str) -> list[type[Any] | Broken]:
    """All units of a kind, imported; those that fail stand as Broken with their error."""
    out: list[type[Any] | Broken] = []
    for unit in units(kind).values():
        try:
            out.append(unit.load())
        except Exception as error:  # a broken third-party unit must not take the others with it
            out.append(Broken(kind=kind, name=unit.name, origin=unit.origin, error=f"{type(error).__name__}: {error}"))
    return out


def working(kind: str) -> list[type[Any]]:
    """All units of a kind that can be imported."""
    return [unit for unit in every(kind) if not isinstance(unit, Broken)]


def engines(form: str) -> list[Any]:
    """The runtimes that take a model of this form ("torch", "onnx"), whether installed or not; the form's own comes first."""
    return [unit() for unit in working("runtimes") if unit.form == form]
