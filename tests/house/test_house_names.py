"""Public names, file names and sizes, units in names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from house_tree import ROOT, SRC, files, parsed, write

import paredown


def clashes(names: list[str], src: Path) -> list[str]:
    """Public names that are also a submodule's name: which one `paredown.x` means would depend on what was imported."""
    modules = {path.stem for path in src.glob("*.py")} | {path.name for path in src.iterdir() if (path / "__init__.py").exists()}
    return sorted(set(names) & modules)


def typed_names(init: Path) -> set[str]:
    """What the TYPE_CHECKING block of a package offers to editors."""
    blocks = [node for node in parsed(init).body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {
        alias.asname or alias.name for block in blocks for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.mark.parametrize("name", paredown.__all__)
def test_every_public_name_resolves(name: str) -> None:
    found = getattr(paredown, name)
    assert name == "Recipe" or found.__name__ == name


def test_no_public_name_is_a_submodule() -> None:
    assert clashes(paredown.__all__, SRC) == []


def test_editors_see_the_same_names() -> None:
    assert typed_names(SRC / "__init__.py") == set(paredown.__all__)


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(AttributeError, match=r"module 'paredown' has no attribute 'runn'; it has .*\brun\b"):
        paredown.runn  # noqa: B018


def test_a_clash_is_seen(tmp_path: Path) -> None:
    src = write(
        tmp_path, measure="", report__html="", __init__="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import b as c"
    )
    assert clashes(["measure", "report", "run"], src) == ["measure", "report"]
    assert typed_names(src / "__init__.py") == {"c"}


LONG, TOO_LONG = 400, 600
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc"}


def bad_files(root: Path) -> list[str]:
    """Python files that are too long, or whose name says nothing; above 400 lines `One file: ...` at the top gives the reason."""
    out = []
    for folder in ("src", "tests", "scripts", "examples", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            lines = path.read_text("utf-8").splitlines()
            name = path.relative_to(root).as_posix()
            if VAGUE & set(path.relative_to(root).with_suffix("").parts):
                out.append(f"{name}: the name says nothing about what it does")
            if len(lines) > TOO_LONG:
                out.append(f"{name}: {len(lines)} lines, {TOO_LONG} are the most")
            elif len(lines) > LONG and not re.search(r"One file: \w+", "\n".join(lines[:12])):
                out.append(f"{name}: {len(lines)} lines and no reason; write `One file: ...` in the docstring or first comment")
    return out


def test_files_are_short_and_named() -> None:
    assert bad_files(ROOT) == []


def test_long_and_vague_files_are_seen(tmp_path: Path) -> None:
    line = "x = 1\n"
    write(
        tmp_path / "src",
        core__utils="",
        core__long=line * 401,
        core__excused="# One file: a table.\n" + line * 420,
        core__huge="# One file: no.\n" + line * 600,
    )
    found = bad_files(tmp_path)
    assert [name.partition(":")[0] for name in found] == ["src/core/huge.py", "src/core/long.py", "src/core/utils.py"]


PHYSICAL = {"time", "wall", "energy", "duration", "size", "latency", "memory", "timeout", "delay", "rss", "elapsed"}
SUFFIXES = ("_s", "_j", "_b", "_w", "_g", "_hz", "_c", "_kg", "_l", "_j_per_b", "_g_per_j", "_per_s")


def bare_numbers(src: Path) -> list[str]:
    """Floats in fields and parameters whose name is a physical quantity but does not say its unit."""
    out = []
    for file in files(src):
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name, note = node.target.id, node.annotation
            elif isinstance(node, ast.arg) and node.annotation is not None:
                name, note = node.arg, node.annotation
            else:
                continue
            if ast.unparse(note) in ("float", "float | None") and PHYSICAL & set(name.lower().split("_")) and not name.endswith(SUFFIXES):
                out.append(f"{file.relative_to(src)}:{node.lineno}: {name}: {ast.unparse(note)} says no unit")
    return out


def test_floats_say_their_unit() -> None:
    assert bare_numbers(SRC) == []


def test_a_bare_number_is_seen(tmp_path: Path) -> None:
    fields = "class A:\n    energy: float\n    energy_j: float\n    share: float\n"
    src = write(tmp_path, core__a=fields + "def f(wall_time: float | None, wall_s: float, size: int): ...")
    assert bare_numbers(src) == ["core/a.py:2: energy: float says no unit", "core/a.py:5: wall_time: float | None says no unit"]
