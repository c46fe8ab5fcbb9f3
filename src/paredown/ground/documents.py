"""YAML 1.2 core documents: plain data with line numbers, all problems at once.

Only `true` and `false` are booleans (`NO` is Norway, `on` a word), `2e6` is a number, a date is a text. Duplicate keys and tags are
refused. The parser is ruamel.yaml's; what a plain word means is decided here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from paredown.core.errors import BadDocument, Problem
from paredown.ground.amounts import BadAmount

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)

MAX_BYTES = 256 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 32
Key = str | int
Place = tuple[Key, ...]

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_BASED = re.compile(r"0o[0-7]{1,400}|0x[0-9a-fA-F]{1,400}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document's data and where each part stands.

    Args:
        name: The file as shown in messages.
        data: Mappings, lists, texts, numbers, booleans and None.
        lines: Place (keys and positions from the root) -> line, from 1; empty for data that come from no file.
        inside: Where this document lies in a larger one; `lines` starts from that one's root.
    """

    name: str
    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict)
    inside: Place = ()

    def where(self, place: Place = ()) -> str:
        """`file:line` of a place, or of the nearest known place around it."""
        full = self.inside + place
        for end in range(len(full), -1, -1):
            if full[:end] in self.lines:
                return f"{self.name}:{self.lines[full[:end]]}"
        return self.name

    def at(self, *place: Key) -> Document:
        """The part of the document at a place, as a document of its own."""
        data = self.data
        for key in place:
            data = data[key]
        return Document(name=self.name, data=data, lines=self.lines, inside=self.inside + place)

    def problem(self, place: Place, found: str, do: str, name: bool = True) -> Problem:
        """A problem at a place; its dotted path and value begin the sentence unless `name` is false."""
        return Problem(self.where(place), f"{dotted(self.inside + place)} {found}" if name else found, do)

    def amiss(self, place: Place, error: BadAmount) -> Problem:
        """The problem of an amount that cannot be read."""
        value: Any = self.data
        for key in place:
            value = value[key]
        return self.problem(place, f"is {shown(value)}; {error.found}", error.do)


def dotted(place: Place) -> str:
    """("rules", 2, "quality") -> `rules[2].quality`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)
    return text.removeprefix(".") or "the document"


def shown(value: Any) -> str:
    """A value as messages name it."""
    if isinstance(value, list | Mapping):
        return "a list" if isinstance(value, list) else "a mapping"
    text = "empty" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read(path: Path, name: str = "") -> Document:
    """Read one file.

    Args:
        path: The file.
        name: How messages call it; its file name when empty.

    Raises:
        BadDocument: It is not there, is too large, is no text, or is not YAML; all wrong keys and tags at once.
    """
    name = name or path.name
    try:
        if not path.is_file() and path.exists():
            raise BadDocument([Problem(name, "this is not a file.", "Give the path of a YAML file.")])
        size = path.stat().st_size
        if size > MAX_BYTES:
            found = f"the file has {size} bytes; a document has at most {MAX_BYTES}."
            raise BadDocument([Problem(name, found, "Give the path of a YAML file; data belong in files of their own.")])
        raw = path.read_bytes()
    except OSError as error:
        raise BadDocument([Problem(name, f"cannot be read: {error.strerror}.", "Check the path.")]) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadDocument([Problem(f"{name}:{line}", f"byte {error.start} is not UTF-8 text.", "Save the file as UTF-8.")]) from None
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Read a text.

    Args:
        text: YAML 1.2.
        name: How messages call it.

    Raises:
        BadDocument: It is not YAML, or nests or grows beyond any sensible document; all wrong keys and tags at once.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        composer = _Composer(name, iter(YAML(typ="safe", pure=True).parse(text)))
        data = composer.document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise BadDocument(
            [Problem(where, f"this is not YAML: {said}.", "Check indentation, colons, quotes and brackets around this line.")]
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadDocument([Problem(name, f"this is not YAML: {said}.", "Check that it is a text file in YAML.")]) from None
    if composer.problems:
        raise BadDocument(composer.problems)
    return Document(name=name, data=data, lines=composer.lines)


def write(data: Any) -> bytes:
    """Data as YAML that `parse` reads back to the same; what is no plain data becomes its text."""
    from io import BytesIO

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    out = BytesIO()
    yaml.dump(_plain(data), out)
    return out.getvalue()


def _plain(value: Any) -> Any:
    """Mappings and sequences of any kind as dict and list, so that the writer knows them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


class _Composer:
    """Builds plain data from the parser's events."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self.name, self.events = name, events
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0

    def document(self) -> Any:
        """The one document of the stream; None when it is empty."""
        data, documents = None, 0
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents == 2:
                    self.problem(event, "a second document begins here.", "Keep one document per file.")
            elif kind not in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                value = self.value(event, ())
                data = value if documents == 1 else data
        return data

    def problem(self, event: Any, found: str, do: str) -> None:
        """Note a problem on the line of an event."""
        self.problems.append(Problem(f"{self.name}:{event.start_mark.line + 1}", found, do))

    def stop(self, event: Any, found: str, do: str) -> NoReturn:
        """Give up on the document."""
        self.problem(event, found, do)
        raise BadDocument(self.problems)

    def grow(self, event: Any, by: int) -> None:
        """Count values, repeated ones each time they are repeated."""
        self.count += by
        if self.count > MAX_VALUES:
            self.stop(
                event, f"the document holds more than {MAX_VALUES} values.", "A job or policy is small; data belong in files of their own."
            )

    def value(self, event: Any, place: Place) -> Any:
        """The value that begins with this event."""
        self.lines.setdefault(place, event.start_mark.line + 1)
        if len(place) > MAX_DEPTH:
            self.stop(event, f"values are nested more than {MAX_DEPTH} deep.", "Check the brackets and the indentation.")
        kind = type(event).__name__
        if kind == "AliasEvent":
            if event.anchor not in self.anchors:
                self.stop(event, f"*{event.anchor} stands for nothing yet.", f"Write &{event.anchor} at a finished value above it.")
            value, size = self.anchors[event.anchor]
            self.grow(event, size)
            return value
        if event.tag:
            self.problem(event, f"the tag {event.tag!r} is not used here.", "Write the plain value; quote a word that has to stay a text.")
        before = self.count
        self.grow(event, 1)
        if kind == "ScalarEvent":
            value = event.value if event.style else plain(event.value)
        elif kind == "SequenceStartEvent":
            value = self.sequence(place)
        else:
            value = self.mapping(place)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.count - before)
        return value

    def sequence(self, place: Place) -> list[Any]:
        """The items up to the end of the list."""
        items: list[Any] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            items.append(self.value(event, (*place, len(items))))
        return items

    def mapping(self, place: Place) -> dict[str, Any]:
        """The entries up to the end of the mapping; a key is a text, whatever it looks like."""
        entries: dict[str, Any] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            if type(event).__name__ != "ScalarEvent":
                self.stop(event, "a key has to be a plain word.", "Write `key: value`.")
            key, known = event.value, event.value in entries
            if known:
                first = self.lines[(*place, key)]
                self.problem(event, f"the key {key!r} stands here again; it is on line {first} already.", "Keep one of the two.")
            self.lines.setdefault((*place, key), event.start_mark.line + 1)
            value = self.value(next(self.events), (*place, key))
            entries.setdefault(key, value)
        return entries


def plain(word: str) -> Any:
    """What an unquoted word means by the core schema of YAML 1.2."""
    if word in _NULLS:
        return None
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    if _INTEGER.fullmatch(word):
        return int(word)
    if _BASED.fullmatch(word):
        return int(word[2:], 8 if word[1] == "o" else 16)
    if _FLOAT.fullmatch(word):
        return float(word)
    return float(_SPECIAL[word.lower()]) if word.lower() in _SPECIAL else word


def refuse(problems: Iterable[Problem]) -> None:
    """Raise what was found, file by file in the order of lines; nothing when there is nothing.

    Raises:
        BadDocument: There are problems.
    """

    def line(problem: Problem) -> int:
        tail = problem.where.rpartition(":")[2]
        return int(tail) if tail.isdigit() else 0

    found = list(dict.fromkeys(problems))
    files = list(dict.fromkeys(problem.where.rpartition(":")[0] or problem.where for problem in found))
    if found:
        raise BadDocument(
            sorted(found, key=lambda problem: (files.index(problem.where.rpartition(":")[0] or problem.where), line(problem)))
        )


def check(document: Document, model: type[Model], problems: list[Problem]) -> Model | None:
    """A document's data as a pydantic model, so far as they fit.

    Args:
        document: What was read; a part of a larger document with `at`.
        model: A flat model with `extra="forbid"` and `strict=True`; parts are checked on their own.
        problems: All that does not fit is added, each with its line, what was found and what is allowed.

    Returns:
        The model without the entries that do not fit, so that the rest can be looked at in the same run; None when there is no such model.
    """
    from pydantic import ValidationError

    if not isinstance(document.data, dict):
        found = f"is {shown(document.data)}; it has to be a mapping."
        problems.append(document.problem((), found, f"Its keys: {', '.join(model.model_fields)}."))
        return None
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
    problems += [_translated(document, model, item) for item in wrong]
    faulty = {item["loc"][0] for item in wrong}
    try:
        return model.model_validate({key: value for key, value in document.data.items() if key not in faulty})
    except ValidationError:
        return None


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _translated(document: Document, model: type[BaseModel], item: Mapping[str, Any]) -> Problem:
    """Pydantic's error in our words."""
    place: Place = item["loc"]
    kind, value = item["type"], item["input"]
    if kind == "extra_forbidden":
        keys = list(model.model_fields)
        near = difflib.get_close_matches(str(place[-1]), keys, n=1, cutoff=0.6)
        do = f"Did you mean `{near[0]}`?" if near else f"Allowed: {', '.join(keys)}."
        inside = f" in {dotted(document.inside)}" if document.inside else ""
        return document.problem(place, f"no key {str(place[-1])!r}{inside}.", do, name=False)
    if kind == "missing":
        return document.problem(place[:-1], f"has no `{place[-1]}`.", f"Add `{place[-1]}: ...`.")
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, BadAmount):
        return document.problem(place, f"is {shown(value)}; {cause.found}", cause.do)
    if kind == "literal_error":
        return document.problem(place, f"is {shown(value)}.", f"Allowed: {item['ctx']['expected'].replace(chr(39), '')}.")
    wanted = _WANTED.get(kind)
    if wanted:
        quote = " Put it in quotes." if kind == "string_type" and isinstance(value, int | float) else ""
        return document.problem(place, f"is {shown(value)}; it has to be {wanted}.", f"Write {wanted}.{quote}")
    return document.problem(place, f"is {shown(value)}.", f"{item['msg'].replace('Input', 'It')}.")
