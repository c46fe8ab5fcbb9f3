"""The words of a report: one YAML file per language in the folder `words`, read once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from paredown.core.errors import UnknownName


@dataclass(frozen=True)
class Words:
    """All texts of one language by dotted key.

    Args:
        language: The file's name without ending, as in HTML's `lang`.
        entries: Dotted key -> text with `{holes}`.
    """

    language: str
    entries: Mapping[str, str]

    def __call__(self, key: str, **holes: Any) -> str:
        """The text of `key` with its holes filled.

        Raises:
            UnknownName: The language has no such key.
        """
        if key not in self.entries:
            raise UnknownName(f"text in words/{self.language}.yaml", key, self.entries)
        return self.entries[key].format(**holes)

    def name(self, group: str, name: object) -> str:
        """The name of a quantity, metric or state; one that the language does not know is shown as written, without underscores."""
        return self.entries.get(f"{group}.{name}", str(name).replace("_", " "))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def languages() -> list[str]:
    """The languages that a report can be written in."""
    return sorted(file.name.removesuffix(".yaml") for file in resources.files("paredown.report").joinpath("words").iterdir())


@cache
def load(language: str = "en") -> Words:
    """The words of a language.

    Raises:
        UnknownName: There is no file for it; the nearest is suggested.
    """
    from ruamel.yaml import YAML

    if language not in languages():
        raise UnknownName("report language", language, languages())
    text = resources.files("paredown.report").joinpath("words").joinpath(f"{language}.yaml").read_text("utf-8")
    return Words(language, dict(_flat(YAML(typ="safe", pure=True).load(text))))
