"""The `model:` entry of a job from what a user has, a path, a name or a function; and what such a model says of itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.errors import BadModel, UnknownName
from paredown.ground.files import PICKLES
from paredown.ground.lazy import need
from paredown.ground.untrusted import read_json
from paredown.models.estimator import graph_of, maker_of
from paredown.study.classes import nameless

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
FILES = {".onnx": "onnx", ".keras": "keras", ".h5": "keras", ".hdf5": "keras", ".tflite": "tflite"}
"""Ending of a file -> what follows `model:`."""
GRAPHS = (*dict.fromkeys(FILES.values()), "tensorflow")
"""Models that arrive trained and declare the shape of what they take."""
_HUB = re.compile(r"[\w.-]+/[\w.-]+")


def entry_of(model: str, folder: Path, build: str = "") -> dict[str, str]:
    """What follows `model:` in a job file.

    Args:
        model: A Hugging Face folder or id, an .onnx, .keras, .h5 or .tflite file, the folder of a SavedModel, an estimator in a pickle, a
            file of a booster, `pkg.mod:function`, a file of weights, or the name of a built-in network.
        folder: Where relative paths start.
        build: `pkg.mod:function` that makes the module a file of weights belongs to.

    Raises:
        BadModel: It is none of these, is not there, or is a file of weights without `build`.
    """
    path, suffix = folder / model, Path(model).suffix.lower()
    if suffix in PICKLES:
        if not path.is_file():
            raise BadModel(f"{model} does not exist.\n  Paths start at {folder.resolve()}.")
        return {"estimator": model}
    if suffix in _WEIGHTS and (path.is_file() or not path.exists()):
        return _weights(model, path, build)
    if build:
        raise BadModel(f"{model} needs no function that builds it.\n  `--build` goes with a file of weights: {', '.join(_WEIGHTS)}.")
    if FUNCTION.fullmatch(model):
        return {"python": model}
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return {"tensorflow": model}
        if not (path / "config.json").is_file():
            has = ", ".join(sorted(os.listdir(path))[:6]) or "nothing"
            raise BadModel(
                f"{model} has no config.json, so it is no Hugging Face model, and no saved_model.pb of TensorFlow; it has {has}.\n"
                "  Write one with `save_pretrained`."
            )
        return {"huggingface": model}
    if suffix in FILES:
        if not path.is_file():
            raise BadModel(f"{model} does not exist.\n  Paths start at {folder.resolve()}.")
        return {FILES[suffix]: model}
    if path.is_file() and maker_of(path):
        return {"estimator": model}
    if path.is_file():
        raise BadModel(
            f"{model} ends in {suffix or 'nothing'}; models are {', '.join(FILES)} files, fitted estimators (.joblib, .pkl), Hugging Face "
            "and SavedModel folders, or a function `pkg.mod:build`."
        )
    networks = need("paredown.models.builtin", "a built-in network").NETWORKS
    if model in networks:
        return {"builtin": model}
    if _HUB.fullmatch(model) and not model.startswith("."):
        return {"huggingface": model}
    raise UnknownName(
        "model",
        model,
        networks,
        "Give a Hugging Face folder or id, an .onnx, .keras or .tflite file, `pkg.mod:build`, or a built-in network.",
    )


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


def config_of(folder: Path) -> dict[str, Any]:
    """config.json of a Hugging Face folder; empty for an id, whose files are not looked up."""
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        found = read_json(file, finite=False)  # transformers writes Infinity
    except (OSError, ValueError) as error:
        raise BadModel(f"{file} {error}.\n  `save_pretrained` writes it.") from None
    if not isinstance(found, dict):
        raise BadModel(f"{file} holds a {type(found).__name__}, not a mapping.\n  `save_pretrained` writes it.")
    return found


def outputs_of(config: Mapping[str, Any]) -> list[str]:
    """The names of the classes in a config.json; none where it has none, or only LABEL_0, LABEL_1, ..."""
    found = config.get("id2label") or {}
    names = [str(found[key]) for key in sorted(found, key=int)]
    return [] if nameless(names) else names


def declared_by(entry: Mapping[str, str]) -> tuple[dict[str, tuple[int, ...]], int, tuple[str, ...]]:
    """Input name -> dims (0 is free), the width of the answers and the classes of a model in a file; nothing for other models."""
    kind = next((kind for kind in (*GRAPHS, "estimator") if kind in entry), "")
    if kind in ("keras", "tflite"):
        source: Any = need(f"paredown.models.{kind}", f"looking at a {kind} model")
        shape, width = source.declared_by(Path(entry[kind]))
        return {"input": tuple(size or 0 for size in shape)}, width, ()
    if not kind:
        return {}, 0, ()
    path = Path(entry[kind])
    if kind == "estimator":
        path = graph_of(path, Path())
    elif kind == "tensorflow":
        path = need("paredown.models.tensorflow", "looking at a TensorFlow model").graph_in(path)
    found = need("paredown.graphs.declared", "looking at an ONNX model").read(path)
    if found.by_place:
        raise BadModel(f"{path.name} {found.by_place}")
    sizes = {end.name: tuple(size if isinstance(size, int) else 0 for size in end.shape or ()) for end in found.inputs}
    return sizes, found.width, found.classes


def fits_as_it_is(taken: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether arrays (N, ...) of more than two axes go to a model as they stand, and are no raw images, whose channels stand last.

    Args:
        taken: The shape that the model's input declares, 0 where free; empty where it says none.
        shape: Of the arrays.
    """
    first = len(shape) == 4 and shape[1] <= 4 < shape[3]
    last = len(shape) == 4 and shape[3] <= 4
    fits = len(taken) == len(shape) and all(its in (0, mine) for its, mine in zip(taken[1:], shape[1:]))
    return first or len(shape) > 4 or (fits and not last)
