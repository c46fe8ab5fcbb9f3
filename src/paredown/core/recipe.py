"""Recipes: a chain of steps at a runtime, or a composition of recipes, with one text form.

recipe   = chain "@" engine | name "(" recipe ("," recipe)+ ("," key "=" value)* ")"
chain    = "as_given" | step (">" step)*
step     = name "(" [arguments] ")" | name          engine = name [ "(" [arguments] ")" ]
argument = key "=" value                            value  = number | true | false | "text" | plan digest in hex
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from paredown.core.errors import BadRecipe
from paredown.core.technique import step_text

AS_GIVEN_WORD = "as_given"


@dataclass(frozen=True)
class Plan:
    """A stored plan that a step carries where scalar knobs cannot say it; written as its digest without quotes."""

    digest: str

    def __repr__(self) -> str:
        return self.digest


def _freeze(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(values.items())


@dataclass(frozen=True)
class Step:
    """A technique's name with its knob values; knobs at their default may be absent."""

    name: str
    items: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, **values: Any) -> Step:
        """A step from keyword values."""
        return cls(name, _freeze(values))

    @property
    def values(self) -> dict[str, Any]:
        """The knob values as a new dict."""
        return dict(self.items)

    def __str__(self) -> str:
        return step_text(self.name, self.values)


@dataclass(frozen=True)
class Engine:
    """A runtime's name with its placement: threads, device, precision. Without `threads` the builder finds the best count."""

    name: str
    items: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, **placement: Any) -> Engine:
        """An engine from keyword values."""
        return cls(name, _freeze(placement))

    @property
    def placement(self) -> dict[str, Any]:
        """The placement as a new dict."""
        return dict(self.items)

    def __str__(self) -> str:
        return step_text(self.name, self.placement) if self.items else self.name


@dataclass(frozen=True)
class Chain:
    """Steps in order at one engine; no steps is the model as given."""

    steps: tuple[Step, ...]
    engine: Engine

    def __str__(self) -> str:
        return f"{' > '.join(map(str, self.steps)) or AS_GIVEN_WORD} @ {self.engine}"

    @property
    def parts(self) -> tuple[Recipe, ...]:
        """Recipes inside; none."""
        return ()


@dataclass(frozen=True)
class Composed:
    """Recipes joined by a composition such as a cascade."""

    name: str
    parts: tuple[Recipe, ...]
    items: tuple[tuple[str, Any], ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The knob values as a new dict."""
        return dict(self.items)

    def __str__(self) -> str:
        inner = step_text("", self.values)[1:-1]
        return f"{self.name}({', '.join(map(str, self.parts))}{', ' + inner if inner else ''})"


Recipe = Chain | Composed


def steps_of(recipe: Recipe) -> Iterator[str]:
    """Names of all techniques in a recipe, inner ones first."""
    if isinstance(recipe, Chain):
        yield from (step.name for step in recipe.steps)
        return
    for part in recipe.parts:
        yield from steps_of(part)
    yield recipe.name


def engines_of(recipe: Recipe) -> Iterator[str]:
    """Names of all engines in a recipe."""
    if isinstance(recipe, Chain):
        yield recipe.engine.name
        return
    for part in recipe.parts:
        yield from engines_of(part)


_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def functions_of(recipe: Recipe) -> Iterator[str]:
    """The functions, `pkg.mod:function`, that steps of a recipe name."""
    if isinstance(recipe, Chain):
        values = [value for step in recipe.steps for value in step.values.values()]
        yield from (value for value in values if isinstance(value, str) and _FUNCTION.fullmatch(value))
    for part in recipe.parts:
        yield from functions_of(part)


_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"\\\n]*")|(?P<number>-?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w.]))"""
    r"""|(?P<hex>[0-9a-f]{8,64}(?![\w.]))|(?P<name>[A-Za-z_]\w*)|(?P<mark>[()@>,=]))"""
)


@dataclass
class _Reader:
    text: str
    tokens: list[tuple[str, str, int]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        place = 0
        while self.text[place:].strip():
            match = _TOKEN.match(self.text, place)
            if not match:
                start = place + len(self.text[place:]) - len(self.text[place:].lstrip())
                raise BadRecipe(f"recipe, column {start + 1}: {self.text[start : start + 12]!r} is not part of a recipe.\n  {self.text}")
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind], match.start(kind)))
            place = match.end()

    def peek(self, ahead: int = 0) -> tuple[str, str, int]:
        where = self.at + ahead
        return self.tokens[where] if where < len(self.tokens) else ("end", "the end", len(self.text))

    def take(self, kind: str, value: str = "") -> str:
        found = self.peek()
        if found[0] != kind or (value and found[1] != value):
            raise BadRecipe(f"recipe, column {found[2] + 1}: found {found[1]!r}, expected {value or 'a ' + kind}.\n  {self.text}")
        self.at += 1
        return found[1]

    def skip(self, value: str) -> bool:
        if self.peek()[:2] == ("mark", value):
            self.at += 1
            return True
        return False

    def value(self) -> Any:
        kind, text, _ = self.peek()
        if kind == "number":
            self.at += 1
            return float(text) if re.search(r"[.eE]", text) else int(text)
        if kind == "text":
            self.at += 1
            return text[1:-1]
        if kind == "name" and text in ("true", "false"):
            self.at += 1
            return text == "true"
        return self.take("value: a number, true, false or a quoted text")

    def plan(self) -> Plan:
        kind, text, column = self.peek()
        if kind not in ("hex", "number") or not re.fullmatch(r"[0-9a-f]{8,64}", text):
            raise BadRecipe(
                f"recipe, column {column + 1}: found {text!r}, expected the digest of a plan: 8 to 64 hex digits.\n  {self.text}"
            )
        self.at += 1
        return Plan(text)

    def arguments(self) -> tuple[tuple[str, Any], ...]:
        found: dict[str, Any] = {}
        while not self.skip(")"):
            if found:
                self.take("mark", ",")
            column = self.peek()[2] + 1
            key = self.take("name")
            if key in found:
                raise BadRecipe(f"recipe, column {column}: {key} is set twice.\n  {self.text}")
            self.take("mark", "=")
            found[key] = self.plan() if key == "plan" else self.value()
        return _freeze(found)

    def step(self) -> Step:
        name = self.take("name")
        return Step(name, self.arguments() if self.skip("(") else ())

    def recipe(self) -> Recipe:
        kind, name, _ = self.peek()
        if kind == "name" and self.peek(1)[1] == "(" and self._opens_recipe():
            self.at += 2
            parts = [self.recipe()]
            while self.skip(","):
                if self.peek(1)[1] == "=":
                    return Composed(name, tuple(parts), self.arguments())
                parts.append(self.recipe())
            self.take("mark", ")")
            return Composed(name, tuple(parts))
        steps: list[Step] = []
        if (kind, name) == ("name", AS_GIVEN_WORD):
            self.at += 1
        else:
            steps.append(self.step())
            while self.skip(">"):
                steps.append(self.step())
        self.take("mark", "@")
        engine = self.step()
        return Chain(tuple(steps), Engine(engine.name, engine.items))

    def _opens_recipe(self) -> bool:
        """True when the bracket after this name holds a recipe, not arguments: its first word is not `key =` and not the closing mark."""
        return self.peek(2)[0] == "name" and self.peek(3)[1] != "="


def parse(text: str) -> Recipe:
    """Read a recipe from its text form; `str()` of the result is the canonical text.

    Raises:
        BadRecipe: The text is not a recipe; says the column and what was expected there.
    """
    reader = _Reader(text)
    recipe = reader.recipe()
    if reader.peek()[0] != "end":
        _, found, column = reader.peek()
        raise BadRecipe(f"recipe, column {column + 1}: found {found!r} after the end of the recipe.\n  {text}")
    return recipe


AS_GIVEN = Chain((), Engine("torch"))
