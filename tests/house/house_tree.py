"""Reads a source tree for the house tests: which file imports what. Works on any folder, so that the tests can be tested."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "paredown"
PACKAGE = "paredown"
BY_NAME = ("need", "import_module", "__import__")  # functions that import the module their first argument names


@dataclass(frozen=True, kw_only=True)
class Import:
    """One imported module.

    Args:
        file: Importing file, relative to the package folder.
        line: Its line.
        target: Dotted name of a module; of ours it is one that exists in the tree.
        inside: True inside a function.
        typing: True under `if TYPE_CHECKING`.
    """

    file: Path
    line: int
    target: str
    inside: bool
    typing: bool

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def files(src: Path) -> list[Path]:
    """All Python files of a package, sorted."""
    return sorted(src.rglob("*.py"))


def module_name(src: Path, file: Path) -> str:
    """`core/knob.py` -> `paredown.core.knob`; an `__init__.py` is its folder."""
    parts = file.relative_to(src).with_suffix("").parts
    return ".".join((PACKAGE, *parts)).removesuffix(".__init__")


def imports(src: Path) -> list[Import]:
    """Every import of every file, wherever it stands, also those that name their module in a string: `need("torch", ...)`."""
    known = {module_name(src, file) for file in files(src)}
    return [found for file in files(src) for found in _imports_of(src, file, known)]


def _imports_of(src: Path, file: Path, known: set[str]) -> Iterator[Import]:
    own = module_name(src, file)
    package = own if file.name == "__init__.py" else own.rpartition(".")[0]

    def visit(node: ast.AST, inside: bool, typing: bool) -> Iterator[Import]:
        def found(target: str) -> Import:
            return Import(file=file.relative_to(src), line=getattr(node, "lineno", 0), target=target, inside=inside, typing=typing)

        if isinstance(node, ast.Import):
            yield from (found(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield found(inner if inner in known or base in ("onnxruntime", "concurrent") else base)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in BY_NAME and isinstance(node.args[0], ast.Constant):
            yield found(str(node.args[0].value))
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside, typing)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from visit(child, inside, True)
            for child in node.orelse:
                yield from visit(child, inside, typing)
        else:
            deeper = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, deeper, typing)

    yield from visit(parsed(file), False, False)


def write(folder: Path, **contents: str) -> Path:
    """A small package for a meta-test: `write(tmp, core__a="import numpy")` makes `core/a.py`, and an `__init__.py` in each folder."""
    for name, text in contents.items():
        parts = ["__init__"] if name == "__init__" else name.split("__")
        path = folder.joinpath(*parts).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for each in {folder, *(path.parent for path in folder.rglob("*.py"))}:
        if not (each / "__init__.py").exists():
            (each / "__init__.py").write_text('"""A package."""\n', "utf-8")
    return folder
