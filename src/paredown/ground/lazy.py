"""Imports that happen on use, with an error that says what to install."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from paredown.core.errors import BadModel, MissingExtra
from paredown.ground.digests import of_file
from paredown.ground.touched import is_own

_LIBRARY = Path(os.__file__).parent

# package -> (name on the index, extra)
_EXTRAS = {
    "torch": ("torch", "compress"),
    "onnx": ("onnx", "compress"),
    "onnxscript": ("onnxscript", "compress"),
    "safetensors": ("safetensors", "compress"),
    "sklearn": ("scikit-learn", "compress"),
    "transformers": ("transformers", "compress"),
    "pyarrow": ("pyarrow", "compress"),
    "cloudpickle": ("cloudpickle", "compress"),
    "datasets": ("datasets", "datasets"),
    "openvino": ("openvino", "openvino"),
    "nncf": ("nncf", "openvino"),
    "pynvml": ("nvidia-ml-py", "gpu"),
}


def need(module: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Dotted module name; one of ours too, which itself imports an optional package.
        purpose: Who needs it, as the subject of the message: "quantize_static".

    Raises:
        MissingExtra: It is not installed; the message says the install line.
    """
    if module.partition(".")[0] in ("onnxruntime", "openvino", "nncf"):
        hush()
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        absent = (error.name or "").partition(".")[0]
        if absent not in _EXTRAS and (absent != module.partition(".")[0] or absent == "paredown"):
            raise
        package, extra = _EXTRAS.get(absent, (absent, "all"))
        raise MissingExtra(package, extra, purpose) from None


def hush() -> None:
    """Keep onnxruntime, openvino and nncf from reporting to their makers, which all of them do from their import on.

    The first reads the variable; the other two leave reporting out where the module for it is absent, as here from now on.
    """
    os.environ |= {"ORT_DISABLE_TELEMETRY": "1", "NNCF_CI": "1"}
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def missing(module: str, purpose: str) -> str | None:
    """None when an optional package is installed, else what `need` would say; imports nothing."""
    top = module.partition(".")[0]
    if top in sys.modules or importlib.util.find_spec(top) is not None:
        return None
    return str(MissingExtra(*_EXTRAS.get(top, (top, "all")), purpose))


PYTHONS_OWN = ("is of Python's own library, which holds no model, data or metric.", "Name a module beside the job file, or a package.")
"""What was found, and what to do."""


def standard(dotted: str, folder: Path) -> bool:
    """Whether `pkg.mod:name` is of Python's own library; imports nothing.

    Args:
        dotted: The name.
        folder: Where it is looked up first; a file of the user's there is meant, unless Python's own of that name is in use already.
    """
    top = dotted.partition(":")[0].partition(".")[0]
    beside = (folder / f"{top}.py").is_file() or (folder / top).is_dir()
    used = str(getattr(sys.modules.get(top), "__file__", None) or _LIBRARY)
    return top in sys.stdlib_module_names and (not beside or (top in sys.modules and Path(used).is_relative_to(_LIBRARY)))


def refuse_standard(dotted: str, folder: Path, purpose: str) -> None:
    """Refuse a function of Python's own library before it is called: nothing of the user's is in it, and `os:system` runs commands.

    Raises:
        BadModel: It is one.
    """
    if standard(dotted, folder):
        raise BadModel(f"{purpose}: {dotted!r} {PYTHONS_OWN[0]}\n  {PYTHONS_OWN[1]}")


_read: dict[str, str] = {}
"""Module that was imported `beside` a job -> digest of its file then."""


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """While this lasts, modules are looked up in a job's folder first.

    Modules of the user's that this process has under the same names from another folder give way; where one that was imported like this
    has changed since, all that were are read anew.
    """
    here = folder.resolve()
    names = {path.stem for path in here.glob("*.py")} | {path.parent.name for path in here.glob("*/__init__.py")}
    own = _own()
    stale = {name for name, file in own.items() if name.partition(".")[0] in names and not file.resolve().is_relative_to(here)}
    if any(name in own and not (own[name].is_file() and of_file(own[name]) == digest) for name, digest in _read.items()):
        stale |= _read.keys()
    for name in stale:
        sys.modules.pop(name, None)
        _read.pop(name, None)
    sys.path.insert(0, str(here))
    try:
        yield
    finally:
        if str(here) in sys.path:
            sys.path.remove(str(here))
        _read.update((name, of_file(file)) for name, file in _own().items() if (name not in own or name in stale) and file.is_file())


def _own() -> dict[str, Path]:
    """The user's own modules in this process, with their files."""
    return {name: Path(str(module.__file__)) for name, module in list(sys.modules.items()) if is_own(module)}


def resolve(dotted: str, purpose: str) -> Any:
    """The object that `pkg.mod:name` names.

    Raises:
        BadModel: The text has no colon, the module is not there, ends the program when it is imported, or has no such name.
    """
    module, colon, name = dotted.partition(":")
    if not colon or not module or not name:
        raise BadModel(f"{purpose}: {dotted!r} is not a dotted name.\n  Write `package.module:function`.")
    try:
        found = importlib.import_module(module)
    except SystemExit as error:
        raise BadModel(
            f"{purpose}: importing {module!r} called sys.exit({error.code!r}).\n  Guard it with `__name__ == '__main__'`."
        ) from error
    except ModuleNotFoundError as error:
        raise BadModel(
            f"{purpose}: no module {error.name!r} (for {dotted!r}).\n  It is looked up beside the job file and in the installed packages."
        ) from error
    if not hasattr(found, name):
        raise BadModel(f"{purpose}: module {module!r} has no {name!r}.")
    return getattr(found, name)
