"""Code that is the user's own: which modules are, what they are made of, and where they are looked up."""

from __future__ import annotations

import ast
import functools
import importlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import all_suffixes
from pathlib import Path
from types import ModuleType
from typing import Any

from paredown.core.errors import BadModel
from paredown.ground.digests import of_file

_PACKAGES = ("site-packages", "dist-packages")
_LIBRARY = Path(os.__file__).parent
_DYNAMIC = ("import_module", "__import__")


@functools.cache
def _installed() -> tuple[str, ...]:
    """Folders of what is not the user's: Python itself, installed packages, paredown."""
    paths = sysconfig.get_paths()
    given = [*(paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")), str(Path(__file__).parents[1])]
    return tuple({f"{form}{os.sep}" for path in given for form in (path, os.path.realpath(path))})


def is_installed(path: str) -> bool:
    """True for a path of what is not the user's."""
    return path.startswith(_installed()) or any(f"{os.sep}{name}{os.sep}" in path for name in _PACKAGES)


def is_own(module: ModuleType | None) -> bool:
    """True for Python files of the user's: neither of the standard library, nor of an installed package, nor of paredown."""
    file = getattr(module, "__file__", None)
    if module is None or not isinstance(file, str) or module.__name__.partition(".")[0] == "paredown":
        return False
    return is_own_file(file)


@functools.cache
def is_own_file(file: str) -> bool:
    """True for a file of Python's of the user's; with the name that a frame gives it too."""
    return file.endswith(".py") and not is_installed(file) and not is_installed(os.path.realpath(file))


PYTHONS_OWN = ("is of Python's own library, which holds no model, data or metric.", "Name a module beside the job file, or a package.")
"""What was found, and what to do."""


def standard(dotted: str, folder: Path) -> bool:
    """Whether `pkg.mod:name` is of Python's own library; imports nothing.

    Args:
        dotted: The name.
        folder: Where it is looked up first; a file of the user's there is meant, unless Python's own of that name is in use already.
    """
    top = dotted.partition(":")[0].partition(".")[0]
    given = (folder / f"{top}.py").is_file() or (folder / top).is_dir()
    used = str(getattr(sys.modules.get(top), "__file__", None) or _LIBRARY)
    return top in sys.stdlib_module_names and (not given or (top in sys.modules and Path(used).is_relative_to(_LIBRARY)))


def refuse_standard(dotted: str, folder: Path, purpose: str) -> None:
    """Refuse a function of Python's own library before it is called: nothing of the user's is in it, and `os:system` runs commands.

    Raises:
        BadModel: It is one.
    """
    if standard(dotted, folder):
        raise BadModel(f"{purpose}: {dotted!r} {PYTHONS_OWN[0]}\n  {PYTHONS_OWN[1]}")


_read: dict[str, str] = {}
"""Module that was imported `beside` a job -> digest of its file then."""


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """While this lasts, modules are looked up in a job's folder first.

    Modules of the user's that this process has under the same names from another folder give way; where one that was imported like this
    has changed since, all that were are read anew.
    """
    here = folder.resolve()
    names = {path.stem for path in here.glob("*.py")} | {path.parent.name for path in here.glob("*/__init__.py")}
    own = _own()
    stale = {name for name, file in own.items() if name.partition(".")[0] in names and not file.resolve().is_relative_to(here)}
    if any(name in own and not (own[name].is_file() and of_file(own[name]) == digest) for name, digest in _read.items()):
        stale |= _read.keys()
    for name in stale:
        sys.modules.pop(name, None)
        _read.pop(name, None)
    sys.path.insert(0, str(here))
    try:
        yield
    finally:
        if str(here) in sys.path:
            sys.path.remove(str(here))
        _read.update((name, of_file(file)) for name, file in _own().items() if (name not in own or name in stale) and file.is_file())


def _own() -> dict[str, Path]:
    """The user's own modules in this process, with their files."""
    return {name: Path(str(module.__file__)) for name, module in list(sys.modules.items()) if is_own(module)}


def resolve(dotted: str, purpose: str) -> Any:
    """The object that `pkg.mod:name` names.

    Raises:
        BadModel: The text has no colon, the module is not there, ends the program when it is imported, or has no such name.
    """
    module, colon, name = dotted.partition(":")
    if not colon or not module or not name:
        raise BadModel(f"{purpose}: {dotted!r} is not a dotted name.\n  Write `package.module:function`.")
    try:
        found = importlib.import_module(module)
    except SystemExit as error:
        raise BadModel(
            f"{purpose}: importing {module!r} called sys.exit({error.code!r}).\n  Guard it with `__name__ == '__main__'`."
        ) from error
    except ModuleNotFoundError as error:
        raise BadModel(
            f"{purpose}: no module {error.name!r} (for {dotted!r}).\n  It is looked up beside the job file and in the installed packages."
        ) from error
    if not hasattr(found, name):
        raise BadModel(f"{purpose}: module {module!r} has no {name!r}.")
    return getattr(found, name)


def sources(module: str, folder: Path) -> list[Path]:
    """The files of a module that lies in a folder, and of all that it imports from there, at any depth; empty where it lies elsewhere.

    Args:
        module: Its dotted name.
        folder: Where it is looked up; relative imports, packages, imports inside functions and `import_module("name")` are followed.
    """
    found: dict[Path, None] = {}
    names, seen = [module], set[str]()
    while names:
        name = names.pop()
        parts = name.split(".")
        if name in seen or not all(part.isidentifier() for part in parts):
            continue
        seen.add(name)
        for depth in range(1, len(parts) + 1):
            inner = ".".join(parts[:depth])
            for path, package in _files(folder.joinpath(*parts[:depth]), inner):
                if path not in found:
                    found[path] = None
                    names += _imported(path, package)
    return sorted(found)


def _files(stem: Path, name: str) -> Iterator[tuple[Path, str]]:
    """The files that a dotted name can be, each with the package that its relative imports start from."""
    for suffix in all_suffixes():
        for path, package in ((stem / f"__init__{suffix}", name), (stem.with_name(stem.name + suffix), name.rpartition(".")[0])):
            if path.is_file():
                yield path, package


def _imported(path: Path, package: str) -> Iterator[str]:
    """The dotted names that a source file may import."""
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # said by whoever runs it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{item.name}" if base else item.name for item in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _DYNAMIC and node.args:
            given = node.args[0]
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield given.value if not given.value.startswith(".") else f"{package}.{given.value.lstrip('.')}"
