"""What a module beside a job is made of, read from its source before anything runs; `touched` sees what runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

_DYNAMIC = ("import_module", "__import__")


def beside(module: str, folder: Path) -> list[Path]:
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
