"""Every unit has its line in docs/units.md, and examples in the package and beside it are the same."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from house_tree import ROOT, SRC

from paredown.ground import registry


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("units_page", ROOT / "scripts" / "docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unnamed(page: str, kind: str, names: list[str]) -> list[str]:
    """Units without a line in their kind's part of the page."""
    part = page.partition(f"## {kind.capitalize()}\n")[2].partition("\n## ")[0]
    return [name for name in names if not re.search(rf"^\| `{re.escape(name)}` \|.*\w", part, re.MULTILINE)]


def files(kind: str) -> list[str]:
    """The units that stand as files, whatever the registry says."""
    folder, dash = SRC / kind, kind == "tasks"
    skip = getattr(importlib.import_module(f"paredown.{kind}"), "NOT_UNITS", ())
    names = [path.stem for path in sorted(folder.glob("*.py")) if path.stem != "__init__" and path.stem not in skip]
    return [name.replace("_", "-") for name in names] if dash else names


KINDS = [kind for kind in registry.KINDS if (SRC / kind).is_dir()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_of_a_kind_has_its_line(kind: str) -> None:
    assert files(kind)
    assert unnamed((ROOT / "docs" / "units.md").read_text(), kind, files(kind)) == []


def test_every_built_in_policy_has_its_line() -> None:
    names = [path.stem for path in (SRC / "policy" / "builtin").glob("*.yaml")]
    assert names
    assert unnamed((ROOT / "docs" / "units.md").read_text(), "policies", names) == []


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "units.md").read_text() == generator().page()


def test_a_missing_line_is_seen() -> None:
    page = "## Meters\n\n| `size` | Bytes. |\n\n## Metrics\n\n| `loss` | Nats. |\n| `accuracy` |  |\n"
    assert unnamed(page, "meters", ["size", "loss"]) == ["loss"]
    assert unnamed(page, "metrics", ["loss", "accuracy"]) == ["accuracy"]


def test_a_stale_page_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = generator()
    monkeypatch.setattr(module, "PAGE", tmp_path / "units.md")
    monkeypatch.setattr("sys.argv", ["docs.py", "--check"])
    assert module.main() == 1
    assert "run `make docs`" in capsys.readouterr().err
    (tmp_path / "units.md").write_text(module.page())
    assert module.main() == 0


def test_the_starter_job_is_the_example() -> None:
    for path in (SRC / "cli" / "starters").glob("*.yaml"):
        assert path.read_text() == (ROOT / "examples" / path.name).read_text()
