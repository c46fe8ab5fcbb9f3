"""The kinds of answers that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paredown.core.errors import UnknownName
from paredown.kinds.kind import Kind
from paredown.kinds.labels import Labels
from paredown.kinds.map import Map
from paredown.kinds.numbers import Numbers
from paredown.kinds.one_class import OneClass
from paredown.kinds.spans import Spans
from paredown.kinds.tensors import Tensors
from paredown.kinds.tokens import Tokens
from paredown.kinds.vector import Vector

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (OneClass(), Labels(), Numbers(), Tokens(), Spans(), Map(), Tensors(), Vector())}
_BY_OUTPUT = {output: kind for kind in KINDS.values() for output in kind.graph_outputs}


def kind_named(name: str) -> Kind:
    """A kind by its name.

    Raises:
        UnknownName: There is none of that name.
    """
    if name not in KINDS:
        raise UnknownName("kind of answers", name, KINDS)
    return KINDS[name]


def as_learned(decode: Mapping[str, Any]) -> dict[str, Any]:
    """The kind of answers that a declaration decodes, and the classes of each place where a row has several: what training asks for.

    Raises:
        UnknownName: It decodes none that is known.
    """
    return {"kind": kind_of(decode).name, "classes": decode.get("classes", 0)}


def kind_of(decode: Mapping[str, Any]) -> Kind:
    """The kind of the answers that a declaration decodes.

    Raises:
        UnknownName: It decodes none that is known.
    """
    if decode["output"] not in _BY_OUTPUT:
        raise UnknownName("output that is decoded", str(decode["output"]), _BY_OUTPUT)
    return _BY_OUTPUT[decode["output"]].bound(decode)
