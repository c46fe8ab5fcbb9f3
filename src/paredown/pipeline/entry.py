"""The `model:` entry of a job from what a user has: a path, a name, a function."""

from __future__ import annotations

import os
import re
from pathlib import Path

from paredown.core.errors import BadModel, UnknownName
from paredown.ground.files import PICKLES
from paredown.ground.lazy import need
from paredown.study.jobfile import PICKLED

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_HUB = re.compile(r"[\w.-]+/[\w.-]+")


def entry_of(model: str, folder: Path, build: str = "") -> dict[str, str]:
    """What follows `model:` in a job file.

    Args:
        model: A Hugging Face folder or id, an .onnx file, `pkg.mod:function`, a file of weights, or the name of a built-in network.
        folder: Where relative paths start.
        build: `pkg.mod:function` that makes the module a file of weights belongs to.

    Raises:
        BadModel: It is none of these, is not there, is a pickle, or is a file of weights without `build`.
    """
    path, suffix = folder / model, Path(model).suffix.lower()
    if suffix in PICKLES:
        raise BadModel(f"{model} {PICKLED[0]}\n  {PICKLED[1]}")
    if suffix in _WEIGHTS and (path.is_file() or not path.exists()):
        return _weights(model, path, build)
    if build:
        raise BadModel(f"{model} needs no function that builds it.\n  `--build` goes with a file of weights: {', '.join(_WEIGHTS)}.")
    if FUNCTION.fullmatch(model):
        return {"python": model}
    if path.is_dir():
        if not (path / "config.json").is_file():
            has = ", ".join(sorted(os.listdir(path))[:6]) or "nothing"
            raise BadModel(
                f"{model} has no config.json, so it is no Hugging Face model; it has {has}.\n  Write one with `save_pretrained`."
            )
        return {"huggingface": model}
    if suffix == ".onnx":
        if not path.is_file():
            raise BadModel(f"{model} does not exist.\n  Paths start at {folder.resolve()}.")
        return {"onnx": model}
    if path.is_file():
        raise BadModel(
            f"{model} ends in {suffix or 'nothing'}; models are .onnx files, Hugging Face folders, or a function `pkg.mod:build`."
        )
    networks = need("paredown.models.builtin", "a built-in network").NETWORKS
    if model in networks:
        return {"builtin": model}
    if _HUB.fullmatch(model) and not model.startswith("."):
        return {"huggingface": model}
    raise UnknownName("model", model, networks, "Give a Hugging Face folder or id, an .onnx file, `pkg.mod:build`, or a built-in network.")


def _weights(model: str, path: Path, build: str) -> dict[str, str]:
    if not path.is_file():
        raise BadModel(f"{model} does not exist.\n  It would be a file of weights.")
    if not build:
        raise BadModel(
            f"{model} holds weights, not the code that uses them.\n  Name the function that builds the module: `--build pkg.mod:build`."
        )
    if not FUNCTION.fullmatch(build):
        raise BadModel(f"`--build` is {build!r}.\n  Write `pkg.mod:function`, a function that returns the module.")
    return {"python": build, "weights": model}
