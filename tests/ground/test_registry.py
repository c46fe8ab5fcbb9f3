"""Built-ins by file name, third parties by entry point, one door for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paredown.core.errors import UnknownName
from paredown.core.technique import Technique
from paredown.ground import registry

UNIT = '''
from dataclasses import dataclass
from typing import ClassVar

from paredown.core.technique import DataNeed, Stage, Technique


@dataclass(frozen=True, kw_only=True)
class ShakeWeights(Technique):
    """Shake every weight a little."""

    stage: ClassVar[Stage] = Stage.WIDTH
    data: ClassVar[DataNeed] = DataNeed.NONE
    source: ClassVar[str] = "none"
    use_when: ClassVar[str] = "never."
    avoid_when: ClassVar[str] = "always."

    def apply(self, candidate, context):
        return candidate
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Put a distribution with these entry points on the module search path: install(name, "unit = module:Class ...")."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "acme_units.py").write_text(UNIT)
    (tmp_path / "acme_broken.py").write_text("import no_such_package_anywhere\n")

    def put(name: str, points: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (folder / "entry_points.txt").write_text(f"[paredown.techniques]\n{points}\n")
        registry.units.cache_clear()

    yield put
    registry.units.cache_clear()


def broken() -> dict[str, registry.Broken]:
    return {unit.name: unit for unit in registry.every("techniques") if isinstance(unit, registry.Broken)}


def test_every_file_of_a_kind_is_a_unit_of_that_name() -> None:
    for kind in ("techniques", "runtimes", "meters", "metrics", "tasks", "models", "datasets"):
        assert broken() == {}
        assert [unit.name() for unit in registry.working(kind)] == list(registry.names(kind)), kind
    assert registry.get("tasks", "image-classification").__name__ == "ImageClassification"
    assert "feed" not in registry.names("tasks")


def test_a_third_party_takes_part(install: Callable[[str, str], None]) -> None:
    install("acme-pare", "shake_weights = acme_units:ShakeWeights")
    unit = registry.units("techniques")["shake_weights"]
    assert unit.origin == "acme-pare 1.2"
    found = registry.get("techniques", "shake_weights")
    assert issubclass(found, Technique)
    assert found in registry.working("techniques")
    assert registry.names("techniques")[-1] == "shake_weights"
    assert broken() == {}


def test_a_unit_that_does_not_import_is_shown_with_its_error(install: Callable[[str, str], None]) -> None:
    install("acme-pare", "torn = acme_broken:Torn\nshake_weights = acme_units:ShakeWeights")
    found = broken()
    assert list(found) == ["torn"]
    assert found["torn"].origin == "acme-pare 1.2"
    assert found["torn"].error == "ModuleNotFoundError: No module named 'no_such_package_anywhere'"
    assert "shake_weights" in [unit.name() for unit in registry.working("techniques")]
    with pytest.raises(ModuleNotFoundError, match="no_such_package_anywhere"):
        registry.get("techniques", "torn")


def test_a_taken_name_is_shown_as_broken_and_the_built_in_stays(install: Callable[[str, str], None]) -> None:
    install("acme-pare", "distill = acme_units:ShakeWeights")
    assert registry.get("techniques", "distill").__module__ == "paredown.techniques.distill"
    found = broken()["distill (acme-pare 1.2)"]
    assert found.error == "ImportError: acme_units:ShakeWeights wants the name 'distill', which is built-in; give it another name."


def test_of_two_third_parties_the_first_has_the_name(install: Callable[[str, str], None]) -> None:
    install("acme-pare", "shake_weights = acme_units:ShakeWeights")
    install("zeta-pare", "shake_weights = acme_units:ShakeWeights")
    (late,) = broken().values()
    owner = registry.units("techniques")["shake_weights"].origin
    assert {owner, late.origin} == {"acme-pare 1.2", "zeta-pare 1.2"}
    assert f"which is {owner}" in late.error


def test_an_entry_point_and_its_class_have_one_name(install: Callable[[str, str], None]) -> None:
    install("acme-pare", "shake = acme_units:ShakeWeights")
    assert broken()["shake"].error == (
        "ImportError: acme_units:ShakeWeights is named 'shake_weights', its entry point 'shake'; give both one name."
    )


def test_unknown_names_are_refused_with_the_nearest() -> None:
    said = r"no technique 'prune_chanels'\. Did you mean 'prune_channels'\? `paredown list techniques` shows all\."
    with pytest.raises(UnknownName, match=said):
        registry.get("techniques", "prune_chanels")
    with pytest.raises(UnknownName, match=r"no kind of unit 'technique'\. Did you mean 'techniques'\?"):
        registry.units("technique")
