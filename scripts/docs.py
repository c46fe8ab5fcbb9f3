"""Write docs/units.md from the registry; `--check` only compares, and exits 1 when the page is not what the code says."""

from __future__ import annotations

import inspect
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paredown.core.knob import knobs
from paredown.core.quantity import quantities
from paredown.ground import registry

PAGE = Path(__file__).resolve().parents[1] / "docs" / "units.md"
HEAD = """# Units

All that comes with paredown, one line each. This page is written by `make docs` from the code; do not edit it by hand.
`paredown show NAME` says more.
"""


def first_line(thing: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A markdown table."""
    cells = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


def technique(cls: type[Any]) -> tuple[str, ...]:
    """The row of a technique."""
    settings = ", ".join(f"`{key}` ({knob.allowed}; {knob.default!r})" for key, knob in knobs(cls).items())
    return (f"`{cls.name()}`", cls.stage.name.lower(), str(cls.data), first_line(cls), settings, cls.source)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for kind in registry.KINDS:
        if not find_spec(f"paredown.{kind}"):
            continue
        found = [unit.load() for unit in registry.units(kind).values() if unit.origin == "built-in"]
        found.sort(key=lambda cls: (int(getattr(cls, "stage", 0)) if kind == "techniques" else 0, cls.name()))
        if kind == "techniques":
            rows = table(("name", "stage", "data", "what it does", "knobs (allowed; default)", "source"), [technique(cls) for cls in found])
        else:
            rows = table(("name", "what it is"), [(f"`{cls.name()}`", first_line(cls)) for cls in found])
        parts.append(f"## {kind.capitalize()}\n\n{rows}\n")
    parts.append(f"## Policies\n\n{table(('name', 'what it asks'), policies())}\n")
    rows = [(f"`{item.name}`", item.unit or "-", item.better, item.meaning) for item in quantities().values()]
    parts.append(f"## Quantities\n\n{table(('name', 'unit', 'better', 'meaning'), rows)}\n")
    return "\n".join(parts)


def policies() -> list[tuple[str, ...]]:
    """The rows of the built-in policies: the first comment line of each file."""
    from paredown.cli.list import built_in_policies

    return [(f"`{name}`", line) for name, line in built_in_policies().items()]


def main() -> int:
    """Write or compare."""
    now = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(now, "utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text("utf-8") == now:
        return 0
    print("docs/units.md is not what the code says; run `make docs` and look at the difference.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
