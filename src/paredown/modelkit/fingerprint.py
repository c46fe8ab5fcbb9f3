"""A digest of a module's code and tensors that is the same in every session; a pickle is not, and holds line numbers besides."""

from __future__ import annotations

import dis
import functools
import hashlib
import sys
from bisect import bisect_left
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from paredown.ground.user_code import is_own

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range, slice)
# `training` is a mode; the rest is what Python or torch keep for themselves
_LEFT_OUT = {
    *("__dict__", "__weakref__", "__doc__", "__firstlineno__", "__static_attributes__", "__annotations__", "__module__"),
    *("_abc_impl", "training", "__abstractmethods__", "__parameters__"),
}


def of(model: nn.Module) -> str:
    """The digest, sha256 in hex.

    Args:
        model: A module. Installed code counts by its name, the user's own code (`__main__`, notebook cells, local files) by what it does.
    """
    walk = _Walk()
    walk.add(model)
    return walk.whole.hexdigest()


_FILLERS = {"CACHE", "PUSH_NULL", "PRECALL", "RESUME", "NOP", "EXTENDED_ARG"}
_CONSTANTS = {"LOAD_CONST", "RETURN_CONST", "KW_NAMES"}
"""Steps whose value is one of the code's constants, which are taken in on their own."""


class _Walk:
    """Goes through an object once; what was met before counts by its place."""

    def __init__(self) -> None:
        self.whole = hashlib.sha256()
        self.places: dict[int, int] = {}
        self.kept: list[Any] = []  # ids stay true only while their objects live

    def say(self, *words: object) -> None:
        """Take words in, each with its length, so that no two ways of cutting them are equal."""
        for word in words:
            text = str(word).encode("utf-8", "surrogatepass")
            self.whole.update(f"{len(text)}:".encode() + text)

    def add(self, thing: Any) -> None:
        """Take an object in, with all that it holds."""
        if isinstance(thing, _PLAIN):
            self.say(type(thing).__name__, repr(thing))
            return
        if id(thing) in self.places:
            self.say("again", self.places[id(thing)])
            return
        self.places[id(thing)] = len(self.places)
        self.kept.append(thing)
        if isinstance(thing, torch.Tensor):
            array = thing.detach().cpu().contiguous()
            self.say("tensor", thing.dtype, tuple(thing.shape), thing.requires_grad)
            self.whole.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(thing, np.ndarray):
            self.say("array", thing.dtype.str, thing.shape)
            self.whole.update(thing.tobytes() if thing.dtype != object else repr(thing.tolist()).encode())
        elif isinstance(thing, dict):
            self.say("dict", len(thing))
            for key, value in thing.items():
                self.add(key)
                self.add(value)
        elif isinstance(thing, list | tuple):
            self.say(type(thing).__name__, len(thing))
            for item in thing:
                self.add(item)
        elif isinstance(thing, set | frozenset):
            self.say("set", sorted(map(repr, thing)))
        elif isinstance(thing, type):
            self.add_class(thing)
        elif isinstance(thing, FunctionType):
            self.add_function(thing)
        elif isinstance(thing, CodeType):
            self.add_code(thing)
        elif isinstance(thing, MethodType):
            self.say("method")
            self.add(thing.__func__)
            self.add(thing.__self__)
        elif isinstance(thing, classmethod | staticmethod):
            self.say(type(thing).__name__)
            self.add(thing.__func__)
        elif isinstance(thing, property):
            self.say("property")
            self.add((thing.fget, thing.fset, thing.fdel))
        elif isinstance(thing, functools.partial):
            self.say("partial")
            self.add((thing.func, thing.args, thing.keywords))
        elif isinstance(thing, ModuleType):
            self.say("module", thing.__name__)
        elif isinstance(thing, BuiltinFunctionType) or not hasattr(thing, "__dict__"):
            self.say(type(thing).__qualname__, getattr(thing, "__qualname__", "" if "0x" in repr(thing) else repr(thing)))
        else:
            self.say("object")
            self.add(type(thing))
            self.add({key: value for key, value in vars(thing).items() if key not in _LEFT_OUT})

    def add_class(self, thing: type) -> None:
        """A class of an installed package by its name; one of the user's by its bases and all that it defines."""
        self.say("class", thing.__qualname__)
        if not _is_own(thing):
            self.say(thing.__module__)
            return
        self.add(thing.__bases__)
        for key, value in sorted(vars(thing).items()):
            if key not in _LEFT_OUT:
                self.say(key)
                self.add(value)

    def add_function(self, thing: FunctionType) -> None:
        """A function likewise: its code, its defaults, what it closes over and the globals that it names."""
        self.say("function", thing.__qualname__)
        if not _is_own(thing):
            self.say(thing.__module__)
            return
        self.add(thing.__code__)
        self.add((thing.__defaults__, thing.__kwdefaults__))
        for cell in thing.__closure__ or ():
            try:
                self.add(cell.cell_contents)
            except ValueError:  # a cell that is not filled yet
                self.say("empty")
        for name in sorted(_names(thing.__code__)):
            if name in thing.__globals__:
                self.say(name)
                self.add(thing.__globals__[name])
                self.add_used(thing.__globals__[name], _attributes(thing.__code__))

    def add_used(self, module: Any, names: set[str], above: tuple[Any, ...] = ()) -> None:
        """What code may take from a module of the user's: `layers.twice(x)` is another model where `twice` is another function."""
        if not isinstance(module, ModuleType) or not is_own(module) or module in above:
            return
        for name in sorted(names & vars(module).keys()):
            self.say(name)
            self.add(vars(module)[name])
            self.add_used(vars(module)[name], names, (*above, module))

    def add_code(self, thing: CodeType) -> None:
        """What code does: its instructions, names and constants; not where it stands."""
        self.say("code", *_steps(thing), thing.co_varnames, thing.co_freevars, thing.co_argcount, thing.co_kwonlyargcount)
        for item in thing.co_consts:
            self.add(item)


def _steps(code: CodeType) -> list[str]:
    """Its instructions without what depends on how a file or a cell was compiled: `torch.relu(x)` may load a method or an attribute."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _FILLERS]
    offsets = [step.offset for step in steps]
    out = []
    for step in steps:
        if step.opcode in dis.hasjrel or step.opcode in dis.hasjabs:
            value = str(bisect_left(offsets, step.argval))
        else:
            value = "" if step.opname in _CONSTANTS else repr(step.argval)
        out.append(f"{'LOAD_ATTR' if step.opname == 'LOAD_METHOD' else step.opname} {value}")
    return out


def _names(code: CodeType) -> set[str]:
    """The globals that code and the functions inside it look up."""
    own = {step.argval for step in dis.get_instructions(code) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_names(item) for item in code.co_consts if isinstance(item, CodeType)))


def _attributes(code: CodeType) -> set[str]:
    """The names that code and the functions inside it look up, those of attributes among them."""
    return set(code.co_names).union(*(_attributes(item) for item in code.co_consts if isinstance(item, CodeType)))


def _is_own(thing: Any) -> bool:
    module = getattr(thing, "__module__", None)
    return module == "__main__" or module not in sys.modules or is_own(sys.modules[module])
