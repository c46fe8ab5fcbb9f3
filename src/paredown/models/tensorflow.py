"""`model: {tensorflow: saved_model}`: a folder as TensorFlow saves it, turned into an ONNX graph."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, MissingExtra
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.graphs import declared
from paredown.ground import digests, opened_files, registry
from paredown.ground.lazy import missing

_GRAPH = "saved_model.pb"
_READ = ("*.pb", "*.pbtxt", "variables/*", "assets/*", "assets.extra/*")


class Tensorflow(ModelSource):
    """A SavedModel, whose default signature becomes an ONNX graph in a process of its own; from there on it is one.

    A SavedModel is a program of TensorFlow's operations, which may read and write files: open only what you trust.
    """

    forms: ClassVar[tuple[str, ...]] = ("onnx",)

    def trains(self, spec: ModelSpec) -> bool:
        """Never."""
        return False

    def opens(self, path: Path) -> bool:
        """A folder with saved_model.pb."""
        return (path / _GRAPH).is_file()

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the options and all files that opening the model reads."""
        return digests.of_value([spec.kind, dict(spec.options), _content(_folder(spec, folder))])

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """As the graph declares."""
        return int(_onnx().outputs(self._graph(spec, folder), Path()))

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """Channels last for images, and what the graph declares of its inputs."""
        graph = self._graph(spec, folder)
        found: dict[str, Any] = _onnx().preprocess(graph, Path(), work)
        inputs = declared.read(Path(graph.value)).inputs
        if len(inputs) == 1 and inputs[0].shape is not None and len(inputs[0].shape) == 4:
            plain = {"takes": [], "several": False, "missing": False, "plain": False}
            found["graph"] = found.get("graph", plain) | {"layout": "nhwc"}
        return found

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Turn it into a graph, and take that as a job's ONNX file is taken."""
        opened_files.tell(_files(_folder(spec, folder)))
        made: Candidate = _onnx().prepare(self._graph(spec, folder), Path(), inputs, classes, context)
        return made

    def _graph(self, spec: ModelSpec, folder: Path) -> ModelSpec:
        return ModelSpec(kind="onnx", value=str(graph_in(_folder(spec, folder))), options=spec.options)


def _onnx() -> Any:
    return registry.get("models", "onnx")()


def _folder(spec: ModelSpec, folder: Path) -> Path:
    path = folder / spec.value
    if not (path / _GRAPH).is_file():
        raise BadModel(f"{path} has no {_GRAPH}.\n  Give the folder that `tf.saved_model.save`, or Keras's `model.export`, wrote.")
    return path


def _files(path: Path) -> list[Path]:
    return sorted({item for pattern in _READ for item in path.glob(pattern) if item.is_file()})


_FOLDERS: list[TemporaryDirectory[str]] = []
"""Folders that hold graphs; they go with the process."""


def _content(path: Path) -> str:
    return digests.of_value([[item.relative_to(path).as_posix(), digests.of_file(item)] for item in _files(path)])


def graph_in(path: Path) -> Path:
    """The default signature of a SavedModel's folder as an ONNX file, made once in this process for the same content.

    Raises:
        MissingExtra: TensorFlow or tf2onnx is not installed.
        BadModel: It cannot be turned into one.
    """
    return _made(path.resolve(), _content(path))


@cache
def _made(path: Path, content: str) -> Path:
    for module in ("tensorflow", "tf2onnx"):
        if missing(module, "a TensorFlow model") is not None:
            raise MissingExtra("tensorflow-cpu" if module == "tensorflow" else module, "tensorflow", "opening a TensorFlow model")
    _FOLDERS.append(TemporaryDirectory(prefix="paredown-"))
    target = Path(_FOLDERS[-1].name) / f"{path.name}.onnx"
    command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(path), "--output", str(target), "--opset", "18"]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not target.is_file():
        lines = [line.strip() for line in done.stderr.strip().splitlines() if line.strip()] or ["nothing was written"]
        raise BadModel(
            f"{path} cannot be turned into an ONNX graph: {lines[-1][:300]}\n"
            "  Save it again with a default signature, by Keras's `model.export(folder)` or `tf.saved_model.save(..., signatures=...)`."
        )
    return target
