"""The package that CONTRIBUTING.md walks through works as it stands there."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest
from house_tree import ROOT

from paredown.ground import registry
from paredown.testing import tiny

TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as pip would leave it: its modules, and its entry points in a dist-info."""
    project = tomllib.loads(blocks("toml")[0])["project"]
    (tmp_path / "narrow").mkdir()
    (tmp_path / "narrow" / "__init__.py").touch()
    (tmp_path / "narrow" / "layers.py").write_text(blocks("python")[0])
    info = tmp_path / "narrow-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    (info / "entry_points.txt").write_text(
        "\n".join(f"[{group}]\n" + "\n".join(f"{key} = {value}" for key, value in points.items()) for group, points in groups)
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.units.cache_clear()
    yield tmp_path
    registry.units.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "narrow"]:
        del sys.modules[name]


def test_the_registry_finds_it(narrow: Path) -> None:
    assert registry.units("techniques")["narrow_layers"].origin == "narrow 0.1.0"
    assert registry.get("techniques", "narrow_layers").name() == "narrow_layers"


def test_its_own_test_passes(narrow: Path) -> None:
    written: dict[str, object] = {}
    exec(compile(blocks("python")[1], "test_layers.py", "exec"), written)
    written["test_contract"](narrow / "scratch")


def test_it_narrows(narrow: Path) -> None:
    given = tiny.candidate("torch", narrow, "conv_net")
    made = registry.get("techniques", "narrow_layers")(keep=0.5).apply(given, tiny.context(narrow, teacher=given))
    assert made.parameters < given.parameters
    assert made.note == "kept 0.5 of 2 groups of channels."
