"""Policy files: YAML to rules with limits, and every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from paredown.core.errors import BadDocument, Problem, UnknownName
from paredown.core.finding import Level
from paredown.core.policy import Kind, Limit, Policy, Rule, Scale, Waiver
from paredown.core.quantity import Quantity, quantity
from paredown.core.reading import How
from paredown.ground import amounts
from paredown.ground.documents import Document, Place, check, parse, read, refuse, shown

Words = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
KINDS = ("drop", "max", "min", "equals", "present")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Body(_Strict):
    id: str | None = None
    drop: Any = None
    max: Any = None
    min: Any = None
    equals: Any = None
    present: Any = None
    by: Words = []
    min_rows: int = Field(default=0, ge=0)
    at_least: Literal["counted", "measured", "estimated", "modelled"] | None = None
    level: Literal["must", "should", "info"] = "must"
    refs: Words = []


class _Waived(_Strict):
    rule: str
    until: str
    reason: str = Field(min_length=1)
    by: str = Field(min_length=1)


class _File(_Strict):
    extends: Words = []
    minimize: str | None = None
    confidence: Any = None
    rules: list[Any] = []
    waivers: list[Any] = []


@cache
def _built_in() -> dict[str, Any]:
    folder = resources.files("paredown.policy").joinpath("builtin")
    return {
        file.name.removesuffix(".yaml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".yaml")
    }


def names() -> tuple[str, ...]:
    """The policies that can be named: built-in ones, then those of other packages."""
    return tuple(dict.fromkeys([*_built_in(), *(point.name for point in metadata.entry_points(group="paredown.policies"))]))


def load(source: str | Path | Mapping[str, Any] | Document, folder: Path = Path(), where: str = "") -> Policy:
    """Read a policy and all that it extends.

    Args:
        source: A file (with a slash or ending in .yaml or .yml); a name (built-in, or an entry point in the group `paredown.policies` that
            is a path or a mapping); or the policy itself.
        folder: Where relative paths start.
        where: `file:line` that named the policy, for messages.

    Raises:
        BadDocument: All problems of the policy and of what it extends, each with its line.
    """
    return _load(source, folder, where, ())


def _load(source: str | Path | Mapping[str, Any] | Document, folder: Path, where: str, chain: tuple[str, ...]) -> Policy:
    document, folder, identity = _open(source, folder, where)
    if identity in chain:
        circle = " > ".join([*(Path(name).name for name in chain[chain.index(identity) :]), Path(identity).name])
        raise BadDocument([Problem(where, f"the policies extend each other in a circle: {circle}.", "Take one `extends` out.")])
    return _Reader(document, folder, (*chain, identity)).policy()


def _open(source: str | Path | Mapping[str, Any] | Document, folder: Path, where: str) -> tuple[Document, Path, str]:
    """The document, the folder its own paths start at, and what tells it from others."""
    if isinstance(source, Document):
        return source, folder, f"{source.name} {source.inside}"
    if isinstance(source, Mapping):
        return Document(name="policy", data=dict(source)), folder, f"mapping {id(source)}"
    text = str(source)
    if isinstance(source, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        path = folder / text
        if where and not path.exists():
            raise BadDocument(
                [Problem(where, f"there is no policy file {text!r}.", "Paths start at the folder of the file that names them.")]
            )
        return read(path), path.parent, str(path.resolve())
    if text in _built_in():
        return parse(_built_in()[text].read_text("utf-8"), text), folder, f"built-in {text}"
    for point in metadata.entry_points(group="paredown.policies", name=text):
        return _foreign(point, folder, where)
    error = UnknownName("policy", text, names(), hint="A file is named by its path, as in `./policy.yaml`.")
    if where:
        raise BadDocument([Problem(where, str(error), f"Built-in and installed: {', '.join(names())}.")])
    raise error


def _foreign(point: metadata.EntryPoint, folder: Path, where: str) -> tuple[Document, Path, str]:
    try:
        found = point.load()
    except Exception as error:  # another package's code may fail in any way
        do = f"Repair or remove the package that brings it ({point.value})."
        raise BadDocument([Problem(where or point.name, f"the policy {point.name!r} cannot be loaded: {error}.", do)]) from error
    if isinstance(found, Mapping):
        return Document(name=point.name, data=dict(found)), folder, f"installed {point.name}"
    return read(Path(found)), Path(found).parent, f"installed {point.name}"


class _Reader:
    """Reads one document; collects problems until the end."""

    def __init__(self, document: Document, folder: Path, chain: tuple[str, ...]) -> None:
        self.document, self.folder, self.chain = document, folder, chain
        self.problems: list[Problem] = []

    def note(self, place: Place, found: str, do: str) -> None:
        """Note a problem at a place."""
        self.problems.append(self.document.problem(place, found, do))

    def policy(self) -> Policy:
        """The policy, with what it extends."""
        file = check(self.document, _File, self.problems) or _File()
        parents = [policy for policy in (self.parent(place, name) for place, name in enumerate(file.extends)) if policy]
        minimize, confidence = "energy", 0.95
        for parent in parents:
            minimize, confidence = parent.minimize, parent.confidence
        rules = {rule.id: rule for parent in parents for rule in parent.rules}
        own = self.rules(file)
        if file.minimize is not None:
            minimize = self.minimize(file.minimize)
        if file.confidence is not None:
            confidence = self.confidence(file.confidence, confidence)
        rules |= own
        self.contradictions(rules)
        waivers = [waiver for parent in parents for waiver in parent.waivers] + self.waivers(file, list(rules))
        refuse(self.problems)
        return Policy(
            name=self.document.name, minimize=minimize, confidence=confidence, rules=tuple(rules.values()), waivers=tuple(waivers)
        )

    def parent(self, position: int, name: str) -> Policy | None:
        """A policy that this one extends; its problems become this one's."""
        try:
            return _load(name, self.folder, self.document.where(("extends", position)), self.chain)
        except BadDocument as error:
            self.problems += error.problems
            return None

    def minimize(self, name: str) -> str:
        """The quantity to minimize."""
        try:
            if quantity(name).better == "higher":
                self.note(("minimize",), f"is {name!r}, which is better when higher.", "Name a cost: energy, cpu_time, size, latency_p50.")
        except UnknownName as error:
            self.note(("minimize",), f"is {name!r}: {error}", "`paredown list quantities` shows all.")
        return name

    def confidence(self, value: Any, default: float) -> float:
        """The one-sided confidence, above 50 % and below 100 %."""
        try:
            share = amounts.percent(value)
        except amounts.BadAmount as error:
            self.problems.append(self.document.amiss(("confidence",), error))
            return default
        if not 0.5 < share < 1:
            self.note(("confidence",), f"is {value!r}.", "It is one-sided, above 50 % and below 100 %; write `95 %`.")
        return share

    def rules(self, file: _File) -> dict[str, Rule]:
        """The rules of this file by id."""
        found: dict[str, Rule] = {}
        at: dict[str, int] = {}
        for position, entry in enumerate(file.rules):
            place: Place = ("rules", position)
            if not isinstance(entry, dict) or len(entry) != 1:
                what = f"names {len(entry)} quantities" if isinstance(entry, dict) else f"is {shown(entry)}"
                self.note(place, f"{what}.", "Write one rule as `- energy: {max: 20 J}`.")
                continue
            (name,) = entry
            body = check(self.document.at(*place, name), _Body, self.problems)
            if body is None:
                continue
            key = body.id or name
            if key in at:
                self.note(place, f"has the id {key!r}, as rules[{at[key]}] has.", "Give one of them an `id:` of its own.")
                continue
            at[key] = position
            rule = self.rule((*place, name), name, body)
            if rule is not None:
                found[key] = rule
        return found

    def rule(self, place: Place, name: str, body: _Body) -> Rule | None:
        """One rule, or None when it cannot be read."""
        try:
            about = quantity(name)
        except UnknownName as error:
            self.problems.append(self.document.problem(place, str(error), "`paredown list quantities` shows all.", name=False))
            return None
        given = [kind for kind in KINDS if getattr(body, kind) is not None]
        if len(given) != 1:
            names = " and ".join(f"`{kind}`" for kind in given)
            do = "Write one rule for each, with an `id:`." if given else "Write one of drop, max, min, equals, present."
            self.note(place, f"has {names}; a rule has one limit." if given else "has no limit.", do)
            return None
        kind = Kind(given[0])
        if body.by and not (name == "quality" and kind in (Kind.DROP, Kind.MIN, Kind.MAX)):
            self.note((*place, "by"), "makes groups, which only a limit on quality can have.", "Take `by` out.")
        if body.min_rows and not body.by:
            self.note((*place, "min_rows"), "is for groups, and the rule has no `by`.", "Add `by: [column]` or take it out.")
        if body.at_least and name == "quality":
            self.note((*place, "at_least"), "is about readings; quality is always computed from the rows.", "Take it out.")
        try:
            limit = self.limit((*place, given[0]), about, kind, getattr(body, given[0]))
        except amounts.BadAmount as error:
            self.problems.append(self.document.amiss((*place, given[0]), error))
            return None
        return Rule(
            id=body.id or name,
            quantity=name,
            kind=kind,
            limit=limit,
            level=Level(body.level),
            by=tuple(body.by),
            min_rows=body.min_rows,
            at_least=How(body.at_least) if body.at_least else None,
            refs=tuple(body.refs),
            where=self.document.where(place),
        )

    def limit(self, place: Place, about: Quantity, kind: Kind, value: Any) -> Limit | None:
        """A limit in SI units.

        Raises:
            BadAmount: It cannot be read, or does not fit the quantity.
        """
        if kind is Kind.PRESENT:
            if value is not True:
                raise amounts.BadAmount("it has to be true.", "Write `present: true`, or take the rule out.")
            return None
        if kind is Kind.DROP:
            if about.name != "quality":
                raise amounts.BadAmount("only quality can drop.", f"Write `{about.name}: {{max: 1 x baseline}}`.")
            share, relative = amounts.drop(value)
            return Limit(value=share, scale=Scale.RELATIVE if relative else Scale.POINTS, text=_text(value))
        multiple = amounts.ratio(value)
        if multiple is None:
            return Limit(value=amounts.amount(value, about.unit), scale=Scale.ABSOLUTE, text=_text(value))
        if about.name == "quality" or kind is Kind.EQUALS:
            raise amounts.BadAmount(
                "a multiple of the baseline does not fit here.", "Write `quality: {drop: 1 %}`, or `max: 1 x baseline` for a cost."
            )
        scale = Scale.AS_FOUND if multiple.as_found else Scale.BASELINE
        return Limit(value=multiple.factor, scale=scale, text=_text(value))

    def contradictions(self, rules: Mapping[str, Rule]) -> None:
        """A maximum below a minimum of the same quantity, in the same scale, can never hold."""
        limited = [(rule, rule.limit) for rule in rules.values() if rule.limit is not None]
        for top, most in limited:
            for bottom, least in limited:
                same = (top.quantity, most.scale, top.by) == (bottom.quantity, least.scale, bottom.by)
                if same and (top.kind, bottom.kind) == (Kind.MAX, Kind.MIN) and most.value < least.value:
                    found = f"{top.id} is at most {most.text} here, but {bottom.id} at least {least.text} ({bottom.where})."
                    self.problems.append(Problem(top.where, found, "No model can do both; change one of the two."))

    def waivers(self, file: _File, known: list[str]) -> list[Waiver]:
        """The waivers of this file; one that has run out is kept, and does not count."""
        found = []
        for position in range(len(file.waivers)):
            place: Place = ("waivers", position)
            item = check(self.document.at(*place), _Waived, self.problems)
            if item is None:
                continue
            if item.rule not in known:
                error = UnknownName("rule", item.rule, known)
                self.problems.append(self.document.problem((*place, "rule"), str(error), "A waiver names a rule by its id.", name=False))
            try:
                found.append(Waiver(rule=item.rule, until=date.fromisoformat(item.until), reason=item.reason, by=item.by))
            except ValueError:
                self.note((*place, "until"), f"is {item.until!r}; it is no day.", "Write it as `2027-01-31`.")
        return found


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else f"{value:.12g}"
