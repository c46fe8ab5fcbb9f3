"""`model: {tflite: model.tflite}`: a TF Lite graph in a file."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel, ParedownError
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.core.unsupported import several_inputs
from paredown.graphs import answers, declared, tflite
from paredown.ground import digests, opened_files, registry
from paredown.ground.lazy import need
from paredown.kinds.known import kind_of
from paredown.kinds.one_class import OneClass


class Tflite(ModelSource):
    """A trained TF Lite file, run by LiteRT; techniques on tensors do not apply to it, but it can teach a student."""

    forms: ClassVar[tuple[str, ...]] = ("tflite",)

    def trains(self, spec: ModelSpec) -> bool:
        """Never."""
        return False

    def opens(self, path: Path) -> bool:
        """A name that ends in .tflite."""
        return path.suffix.lower() == tflite.ENDING and path.is_file()

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the file's bytes."""
        return digests.of_value([spec.kind, digests.of_file(_file(spec, folder))])

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """As the graph declares."""
        return declared_by(_file(spec, folder))[1]

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """Channels last for images, whole numbers where it takes them; pixels as its 8-bit input has them, where it has one."""
        path = _file(spec, folder)
        taken, model = declared_by(path)[0], tflite.read(path)
        tensor = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
        kind, (low, high) = _kind(tensor), _range(tensor)
        graph: dict[str, Any] = {"takes": [], "several": False, "missing": False, "plain": False}
        whole = kind in declared.WHOLE and high is None
        if whole and len(taken) == 4:
            graph["takes"] = [{"input": "input", "width": 0, "whole": list(declared.WHOLE[kind]), "words": None}]
        if len(taken) == 4:
            graph["layout"] = "nhwc"
        if high is not None and low is not None and low > -0.01 * high and high > 200:
            graph["scale"] = 1.0  # it takes pixels from 0 to 255 as they are
        return {"graph": graph} | ({"numbers": "int64"} if whole and len(taken) < 4 else {})

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Hold the graph against the task's feed, ask it some rows, and store it named after what it answers with."""
        path = _file(spec, folder)
        model, engine = tflite.read(path), registry.engines("tflite")[0]
        need("ai_edge_litert.schema_py_generated", "opening a TF Lite model")
        _refuse_other_feed(path, model, inputs)
        opened_files.tell([path])
        work = context.work / "asked"
        work.mkdir(exist_ok=True)
        shutil.copyfile(path, work / "answers.tflite")
        try:
            session = engine.open(work, "answers.tflite", {"threads": context.threads})
        except (RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            custom = [name for name, _ in tflite.operators(model) if name.startswith("custom ")]
            raise BadModel(
                f"{path} cannot be run by litert: {said}.\n"
                + (f"  It has operators of its own ({', '.join(custom[:4])}); convert" if custom else "  Convert")
                + " it again, with the operators of TF Lite alone."
            ) from error
        feed = answers.some_rows(inputs, context)
        try:
            found = session.run(feed)["answers"]
        except ParedownError as error:
            raise BadModel(f"{path.name} does not answer rows of these data: {error}\n  Give rows as it was trained on.") from error
        _refuse_other_answers(path.name, found, len(next(iter(feed.values()))), classes, context)
        holds = answers.detect(lambda some: session.run(some)["answers"], inputs, context, tflite.ending(model))
        session.close()
        target = context.work / "given"
        target.mkdir()
        shutil.copyfile(path, target / f"{holds}{tflite.ENDING}")
        note = "The model as given is in 8 bits." if tflite.in_8_bits(model) else ""
        return Candidate(digest=context.store.put(target), form="tflite", parameters=tflite.count(model)[1], note=note)


def declared_by(path: Path) -> tuple[tuple[int | None, ...], int]:
    """The shape of its first input with the batch, None where free, and how many numbers it answers per row; 0 where that is open."""
    model = tflite.read(path)
    graph = model.subgraphs[0]
    taken, given = (_shape(graph.tensors[ends[0]]) for ends in (graph.inputs, graph.outputs))
    one = len(graph.outputs) == 1 and len(given) == 2
    return tuple(size if size > 0 else None for size in taken), max(0, given[1]) if one else 0


def _shape(tensor: Any) -> list[int]:
    free = tensor.shapeSignature if tensor.shapeSignature is not None and len(tensor.shapeSignature) else tensor.shape
    return [int(size) for size in free] if free is not None else []


def _kind(tensor: Any) -> str:
    kinds = vars(need("ai_edge_litert.schema_py_generated", "looking at a TF Lite model").TensorType)
    return next((name.lower() for name, value in kinds.items() if isinstance(value, int) and value == tensor.type), "")


def _range(tensor: Any) -> tuple[float | None, float | None]:
    """The least and the largest number that an 8-bit tensor stands for; None for any other."""
    found, kind = tensor.quantization, _kind(tensor)
    if kind not in ("int8", "uint8") or found is None or found.scale is None or len(found.scale) != 1:
        return None, None
    bounds, zero = np.iinfo(kind), int(found.zeroPoint[0]) if found.zeroPoint is not None and len(found.zeroPoint) else 0
    return float(bounds.min - zero) * float(found.scale[0]), float(bounds.max - zero) * float(found.scale[0])


def _refuse_other_feed(path: Path, model: Any, inputs: Mapping[str, Sequence[int | str]]) -> None:
    graph = model.subgraphs[0]
    names = [tflite.name_of(model, place) for place in graph.inputs]
    if len(names) > 1:
        raise BadModel(several_inputs(f"{path.name} takes {len(names)} inputs: {', '.join(names[:6])}"))
    if len(graph.outputs) > 1:
        given = [tflite.name_of(model, place) for place in graph.outputs]
        raise BadModel(
            f"{path.name} has {len(given)} outputs: {', '.join(given[:6])}; one with a row of answers is taken.\n"
            "  Convert the model again with that output alone."
        )
    shape = _shape(graph.tensors[graph.inputs[0]])[1:]
    fed = [*inputs.values()]
    if len(fed) != 1 or any(isinstance(axis, str) for axis in fed[0]):
        raise BadModel(
            f"{path.name} takes the input {names[0]}; the task feeds {', '.join(inputs)}.\n"
            "  Texts go in as numbers: an array of them, with `task: array-...` or `tabular-...`."
        )
    if len(shape) != len(fed[0]) or any(its > 0 and its != mine for its, mine in zip(shape, fed[0])):
        taken = ", ".join(str(size) if size > 0 else "?" for size in shape)
        raise BadModel(
            f"{path.name} takes rows of the shape ({taken}); the data give ({', '.join(map(str, fed[0]))}).\n"
            "  Give the columns, or the size and channels of images, that it was trained with; TF Lite has channels last, "
            "`preprocess: {layout: nhwc}`."
        )


def _refuse_other_answers(name: str, found: np.ndarray, rows: int, classes: int, context: Context) -> None:
    kind = kind_of(context.decode)
    if found.shape == (rows, 1) and kind.name == OneClass.name:
        raise BadModel(
            f"{name} answers with 1 number per row; two classes need one each, and a number of its own is `task: ...-regression`.\n"
            "  Convert it again with both, as `tf.concat([1 - p, p], 1)` of its probability p."
        )
    if found.shape != (rows, classes):
        raise BadModel(
            f"{name} answers {rows} rows with an array {found.shape}; the data have {classes} {kind.named}.\n"
            "  Name the classes in the model's order with `data: {labels: [...]}`, or give the model of these data."
        )


def _file(spec: ModelSpec, folder: Path) -> Path:
    path = folder / spec.value
    if not path.is_file():
        raise BadModel(f"{path} does not exist.\n  `tflite:` names a file, from the job file's folder on.")
    return path
