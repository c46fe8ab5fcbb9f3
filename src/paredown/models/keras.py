"""`model: {keras: model.keras}`: a model as Keras saves it, with its layers, by Keras 3 with torch."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.core.unsupported import one_number, several_inputs
from paredown.graphs import answers, declared
from paredown.ground import digests, opened_files, registry
from paredown.ground.lazy import need
from paredown.kinds.known import kind_of
from paredown.kinds.one_class import OneClass
from paredown.models import keras_file, keras_layers

_CLOSE, _CLOSE_IN_HALVES = 1e-4, 2e-2
"""How far answers of what was translated may be from Keras's own, as a share of the largest: sums in another order; 16 bits."""
_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")


class Keras(ModelSource):
    """A .keras or .h5 file of known layers, which becomes a torch module that can be cut; of others the whole model becomes a graph.

    Nothing in it that is code is ever called.
    """

    forms: ClassVar[tuple[str, ...]] = ("torch", "onnx", "tflite")

    def trains(self, spec: ModelSpec) -> bool:
        """Never: it arrives trained."""
        return False

    def opens(self, path: Path) -> bool:
        """A file that ends in .keras, .h5 or .hdf5."""
        return path.suffix.lower() in keras_file.ENDINGS and path.is_file()

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the file's bytes."""
        keras_file.configuration(folder / spec.value)
        return digests.of_value([spec.kind, digests.of_file(folder / spec.value)])

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """As its last layer says."""
        return keras_file.width_of(keras_file.configuration(folder / spec.value))

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """Channels last; whole numbers where it takes them; pixels from 0 to 255 where it scales them itself."""
        config = keras_file.configuration(folder / spec.value)
        shape, kind = keras_file.input_of(config)
        graph: dict[str, Any] = {"takes": [], "several": False, "missing": False, "plain": False}
        if len(shape) == 4:
            graph["layout"] = "nhwc"
        if keras_file.takes_pixels(config):
            graph["scale"] = 1.0
        if kind in _WHOLE and len(shape) == 4:
            graph["takes"] = [{"input": "input", "width": 0, "whole": list(declared.WHOLE[kind]), "words": None}]
        return {"graph": graph} | ({"numbers": "int64"} if kind in _WHOLE and len(shape) < 4 else {})

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Open it, translate its layers and hold both against each other; what cannot be translated is exported whole."""
        path = folder / spec.value
        keras_file.configuration(path)
        trainer: Any = need("paredown.training.trainer", "opening a Keras model")
        layered: Any = need("paredown.modelkit.layered", "opening a Keras model")
        keras = _keras()
        opened_files.tell([path])
        model = _opened(keras, path)
        shape = _fitting(path.name, model, inputs)
        feed = _takable(next(iter(answers.some_rows(inputs, context).values())), str(model.inputs[0].dtype))
        goal = _asked(model, feed, path.name)
        paired = _refuse_other_answers(path.name, goal, classes, context)
        try:
            steps, module, far = _translated(keras, model, shape, feed, goal)
        except keras_layers.Untranslated as error:
            return _exported(model, path, inputs, classes, context, str(error))
        said = [f"The Keras layers were translated to torch: on {len(goal)} rows the answers are at most {far:.1g} from Keras's."]
        if paired:
            kind = "sigmoid" if steps[-1].get("kind") == "sigmoid" else "logit"
            steps.append({"op": "pair", "of": [len(steps)], "kind": kind})
            said.append(f"Its one {'logit' if kind == 'logit' else 'probability'} is taken for that of the second class.")
        weights = context.work / "keras.safetensors"
        need("safetensors.torch", "opening a Keras model").save_file(module.state_dict(), weights)
        made: Candidate = trainer.take_baseline(
            layered.FACTORY, {"steps": steps, "shape": shape}, inputs, classes, context, weights=weights
        )
        return replace(made, note=" ".join(said))


def declared_by(path: Path) -> tuple[tuple[int | None, ...], int]:
    """The shape of its input with the batch, None where free, and how many numbers it answers per row; 0 where that is open."""
    config = keras_file.configuration(path)
    return keras_file.input_of(config)[0], keras_file.width_of(config)


def _keras() -> Any:
    """Keras with torch; it writes nothing outside a folder of its own that is gone at the end."""
    if "keras" not in sys.modules:
        kept = {name: os.environ.get(name) for name in ("KERAS_BACKEND", "KERAS_HOME")}
        with TemporaryDirectory() as home, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            os.environ |= {"KERAS_BACKEND": "torch", "KERAS_HOME": home}
            try:
                keras = need("keras", "opening a Keras model")
            finally:
                for name, value in kept.items():
                    os.environ.pop(name) if value is None else os.environ.update({name: value})
    keras = need("keras", "opening a Keras model")
    if keras.backend.backend() != "torch":
        raise BadModel(
            f"keras runs here with {keras.backend.backend()}, and its models are opened with torch.\n"
            "  Open it in a process of its own, or set KERAS_BACKEND=torch before keras is imported."
        )
    return keras


def _opened(keras: Any, path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # keras raises what it likes
        said = str(error).strip().partition("\n")[0][:300]
        raise BadModel(
            f"{path} cannot be opened by Keras {keras.__version__}: {type(error).__name__}: {said}\n"
            "  Open it where it was made and save it again, `model.save('model.keras')`."
        ) from error
    if not isinstance(model, keras.Model):
        raise BadModel(f"{path} holds a {type(model).__name__}, no model.\n  Save the whole model, `model.save('model.keras')`.")
    return model


def _fitting(name: str, model: Any, inputs: Mapping[str, Sequence[int | str]]) -> list[int]:
    """The shape of one row as it is fed.

    Raises:
        BadModel: The model takes several inputs, or rows of another shape.
    """
    taken = [f"{item.name} ({', '.join('?' if size is None else str(size) for size in item.shape[1:])})" for item in model.inputs]
    if len(taken) != 1:
        raise BadModel(several_inputs(f"{name} takes {len(taken)} inputs: {', '.join(taken)}"))
    if len(inputs) != 1 or any(isinstance(axis, str) for shape in inputs.values() for axis in shape):
        raise BadModel(
            f"{name} takes the input {taken[0]}; the task feeds {', '.join(inputs)}.\n"
            "  Texts go in as numbers: an array of them, with `task: array-...` or `tabular-...`."
        )
    (shape,) = inputs.values()
    fixed = model.inputs[0].shape[1:]
    if len(fixed) != len(shape) or any(its not in (None, mine) for its, mine in zip(fixed, shape)):
        raise BadModel(
            f"{name} takes rows of the shape {taken[0].partition(' ')[2]}; the data give ({', '.join(map(str, shape))}).\n"
            "  Give the columns, or the size and channels of images, that it was trained with; Keras has channels last, "
            "`preprocess: {layout: nhwc}`."
        )
    return [int(size) for size in shape]


def _takable(rows: np.ndarray, kind: str) -> np.ndarray:
    """The rows that a model of whole numbers takes; made-up ones of fractions are none."""
    if kind not in _WHOLE or rows.dtype.kind != "f":
        return rows
    bounds = np.iinfo(kind)
    fine = ((rows == np.rint(rows)) & (rows >= bounds.min) & (rows <= bounds.max)).reshape(len(rows), -1).all(axis=1)
    return rows[fine] if fine.any() else np.zeros_like(rows[:1])


def _asked(model: Any, rows: np.ndarray, name: str) -> np.ndarray:
    """Keras's own answers."""
    import torch

    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = str(model.inputs[0].dtype)
            found = model(torch.from_numpy(rows.astype(kind if kind in _WHOLE else rows.dtype)), training=False)
    except Exception as error:
        raise BadModel(
            f"{name} does not answer rows of these data, fed as {rows.shape[1:]} of {rows.dtype}: {type(error).__name__}: "
            f"{str(error).strip().partition(chr(10))[0][:300]}\n  Give rows as it was trained on."
        ) from error
    if not isinstance(found, torch.Tensor):
        raise BadModel(f"{name} answers with a {type(found).__name__}; one array of answers is taken.\n  Save a model of one output.")
    return np.asarray(found.detach().to("cpu").float().numpy())


def _refuse_other_answers(name: str, goal: np.ndarray, classes: int, context: Context) -> bool:
    """Hold the answers against the data; True where a single number stands for two classes.

    Raises:
        BadModel: They are no rows of as many numbers as the data have classes, labels or numbers.
    """
    kind = kind_of(context.decode)
    if goal.ndim == 2 and goal.shape[1] == 1 and kind.name == OneClass.name:
        if classes != 2:
            raise BadModel(one_number(name, classes))
        return True
    if goal.ndim != 2 or goal.shape[1] != classes:
        raise BadModel(
            f"{name} answers {len(goal)} rows with an array {goal.shape}; the data have {classes} {kind.named}.\n"
            "  Name the classes in the model's order with `data: {labels: [...]}`, or give the model of these data."
        )
    return False


def _translated(
    keras: Any, model: Any, shape: Sequence[int], feed: np.ndarray, goal: np.ndarray
) -> tuple[list[dict[str, Any]], Any, float]:
    """The steps, their module and how far its answers are from Keras's, as a share of the largest.

    Raises:
        Untranslated: A layer is not known, or the answers are others.
    """
    import torch

    layered: Any = need("paredown.modelkit.layered", "opening a Keras model")
    walk = keras_layers.Walk(keras, len(shape) + 1)
    last = walk.model(model, [0])
    if last != len(walk.steps) or not walk.steps:
        walk.add("add", [last])
    steps = walk.steps
    try:
        module = layered.build(steps, shape).eval()
        for name, fill in walk.fills.items():
            fill(module.layers[name])
        with torch.no_grad():
            found = module(torch.from_numpy(feed)).numpy()
    except (RuntimeError, ValueError, IndexError) as error:
        raise keras_layers.Untranslated(f"its layers do not fit together: {str(error).partition(chr(10))[0][:200]}") from error
    far = float(np.abs(found - goal).max() / max(1.0, float(np.abs(goal).max()))) if found.shape == goal.shape else float("inf")
    halves = any(getattr(layer, "compute_dtype", "float32") != "float32" for layer in model.layers)
    if not far <= (_CLOSE_IN_HALVES if halves else _CLOSE):
        raise keras_layers.Untranslated(f"the answers of its layers in torch are {far:.2g} from Keras's")
    return steps, module, far


def _exported(model: Any, path: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context, why: str) -> Candidate:
    """The whole model as a graph by Keras's own exporter.

    Raises:
        BadModel: It cannot be exported, or its graph cannot be used.
    """
    need("onnxscript", "exporting a Keras model")
    file = context.work / f"{path.stem}.onnx"
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            model.export(file, format="onnx", verbose=False)
    except Exception as error:  # exporters raise what they like
        said = str(error).strip().partition("\n")[0][:300]
        raise BadModel(
            f"{path} cannot be taken layer by layer, since {why}, and Keras cannot export it either: {type(error).__name__}: {said}\n"
            "  Export it to ONNX where it was made, and name that: `model: {onnx: model.onnx}`."
        ) from error
    source = registry.get("models", "onnx")()
    made: Candidate = source.prepare(ModelSpec(kind="onnx", value=file.name), context.work, inputs, classes, context)
    note = f"The model is taken whole, as an ONNX graph, and its layers cannot be cut: {why}."
    return replace(made, note=" ".join(filter(None, [note, made.note])))
