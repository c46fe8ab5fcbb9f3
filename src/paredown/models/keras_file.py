"""What a Keras file says of itself before anything in it is opened: its layers, and whether one of them is code. No keras here."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paredown.core.errors import BadModel
from paredown.ground.lazy import need
from paredown.ground.untrusted import MOST_B, parse_json

ENDINGS = (".keras", ".h5", ".hdf5")
_CODE = {
    "Lambda": "is a Lambda layer, a piece of Python code in the file",
    "__lambda__": "is a piece of Python code in the file",
    "TorchModuleWrapper": "holds a pickled torch module",
    "TFSMLayer": "opens a TensorFlow SavedModel, with what code that holds",
    "JaxLayer": "holds a function of jax",
    "FlaxLayer": "holds a module of flax",
}
"""Class -> why nothing of it is called."""
_PASS = ("Activation", "Softmax", "Dropout", "Flatten", "ActivityRegularization")
_WAY_OUT = (
    "Write it with Keras's own layers and operations, or export the model where its code is, `model.export('model.onnx', format='onnx')`, "
    "and name that: `model: {onnx: model.onnx}`."
)


def configuration(path: Path) -> dict[str, Any]:
    """The configuration of the model in a .keras or .h5 file, which names no code of others.

    Raises:
        BadModel: There is no such file, it holds no whole model, or something in it is code: says which layer.
        MissingExtra: It is an .h5 file, and h5py is not installed.
    """
    if not path.is_file():
        raise BadModel(f"{path} does not exist.\n  `keras:` names a .keras or .h5 file, from the job file's folder on.")
    try:
        text = _of_zip(path) if zipfile.is_zipfile(path) else _of_h5(path)
        found = parse_json(text, finite=False)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        said = str(error).strip("'\"") or type(error).__name__
        raise BadModel(
            f"{path} is no Keras model: it {said}.\n  `model.save('model.keras')` writes one; a copy may have been cut short."
        ) from None
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        raise BadModel(f"{path} is no Keras model: it holds no configuration of one.\n  `model.save('model.keras')` writes one.")
    for what, reason in _code(found, path.name):
        raise BadModel(f"{path}: {what} {reason}, which is never called.\n  {_WAY_OUT}")
    return found


def _of_zip(path: Path) -> str:
    with zipfile.ZipFile(path) as archive, archive.open("config.json") as file:
        content = file.read(MOST_B + 1)
    if len(content) > MOST_B:
        raise ValueError(f"has a configuration of more than {MOST_B} bytes")
    return content.decode("utf-8")


def _of_h5(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(8) != b"\x89HDF\r\n\x1a\n":
            raise ValueError("is neither a .keras archive nor an HDF5 file")
    with need("h5py", "opening an .h5 model").File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ValueError("holds weights alone, without the layers that they belong to")
        text = file.attrs["model_config"]
    return text.decode("utf-8") if isinstance(text, bytes) else str(text)


def _code(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """What in a configuration is, or names, code of others: (what, why)."""
    if isinstance(value, Mapping):
        kind, module = value.get("class_name"), value.get("module")
        config = value.get("config")
        inner = str(config.get("name", kind)) if isinstance(config, Mapping) else str(config)
        if kind is not None:
            if str(kind) in _CODE:
                yield f"{inner!r:.60}", _CODE[str(kind)]
            elif kind == "function" or (module is not None and not f"{module}.".startswith("keras.")) or _is_custom(value):
                strange = value.get("registered_name") or kind
                yield f"{inner!r:.60}", f"is {strange!r:.60}, a layer or function of whoever made the model"
        for key, item in value.items():
            if key not in ("compile_config", "build_config"):  # how it was trained is not read
                yield from _code(item, inner if kind is not None else name)
    elif isinstance(value, list):
        for item in value:
            yield from _code(item, name)


def _is_custom(value: Mapping[str, Any]) -> bool:
    """Whether a class is registered under a name of its own, as `package>Name`."""
    name = value.get("registered_name")
    return isinstance(name, str) and ">" in name and not name.startswith("keras")


def input_of(config: Mapping[str, Any]) -> tuple[tuple[int | None, ...], str]:
    """The shape of the one input with the batch, None where free, and its kind of number; no shape where the file does not say one."""
    inner = config["config"]
    layers = inner.get("layers") or []
    inputs = [layer["config"] for layer in layers if isinstance(layer, Mapping) and layer.get("class_name") == "InputLayer"]
    named = len(_names(inner["input_layers"])) if "input_layers" in inner else 1
    if inputs and named == 1:
        shape = inputs[0].get("batch_shape") or inputs[0].get("batch_input_shape")
        kind = inputs[0].get("dtype", "float32")
    elif layers and named == 1:
        first = layers[0].get("config", {})
        if first.get("layers"):
            return input_of(layers[0])
        shape = inner.get("build_input_shape") or first.get("batch_input_shape") or first.get("batch_shape")
        kind = first.get("dtype", "float32")
    else:
        return (), "float32"
    return tuple(shape or ()), kind if isinstance(kind, str) else "float32"


def _names(ends: Any) -> list[str]:
    """The layers that inputs or outputs are: one [name, call, place], a list, or a mapping of them."""
    if isinstance(ends, Mapping):
        return [name for end in ends.values() for name in _names(end)]
    return [ends[0]] if ends and isinstance(ends[0], str) else [name for end in ends for name in _names(end)]


def width_of(config: Mapping[str, Any]) -> int:
    """How many numbers the model answers per row, where its last layer with weights says so; else 0."""
    inner = config["config"]
    layers = [layer for layer in inner.get("layers") or [] if isinstance(layer, Mapping)]
    if "output_layers" in inner:
        ends = _names(inner["output_layers"])
        layers = [layer for layer in layers if len(ends) == 1 and layer.get("config", {}).get("name") == ends[0]]
    while layers and layers[-1].get("class_name") in _PASS:
        layers.pop()
    if not layers:
        return 0
    last = layers[-1].get("config", {})
    return width_of(layers[-1]) if last.get("layers") else int(last.get("units") or 0) if layers[-1]["class_name"] == "Dense" else 0


def takes_pixels(config: Mapping[str, Any]) -> bool:
    """Whether the model divides pixels from 0 to 255 itself, in the first layer behind its input, maybe that of a model inside."""
    for layer in config["config"].get("layers") or []:
        kind, inner = layer.get("class_name"), layer.get("config", {})
        if inner.get("layers"):
            return takes_pixels(layer)
        if kind == "Rescaling":
            scale = inner.get("scale")
            return isinstance(scale, int | float) and 0 < scale < 0.02
        if kind != "InputLayer" and not str(kind).startswith("Random"):
            return False
    return False
