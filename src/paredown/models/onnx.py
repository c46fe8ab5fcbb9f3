"""`model: {onnx: model.onnx}`: a graph in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.ground import digests, opened_files, registry
from paredown.ground.lazy import need
from paredown.modelkit import answers, graphs, tokenizer
from paredown.modelkit.answers import LOGITS, PROBABILITIES


class Onnx(ModelSource):
    """A trained ONNX file; techniques on tensors do not apply to it, but it can teach a student."""

    def trains(self, spec: ModelSpec) -> bool:
        """Never."""
        return False

    def opens(self, path: Path) -> bool:
        """A name that ends in .onnx."""
        return path.suffix.lower() == ".onnx"

    def digest(self, spec: ModelSpec, folder: Path) -> str:
        """Over the file's bytes and those of all files that hold its tensors."""
        path, words = _file(spec, folder), tokenizer.named(spec.options, folder)
        parts: list[object] = [digests.of_file(path)]
        parts += [[name, digests.of_file(path.parent / name)] for name in _tensor_files(path)]
        return digests.of_value(parts + ([tokenizer.digest(words)] if words else []))

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """The tokenizer that `tokenizer:` names, for the inputs of those names that the graph has."""
        words = tokenizer.named(spec.options, folder)
        if words is None:
            return {}
        onnx: Any = need("onnx", "opening an ONNX model")
        graph = _opened(onnx, _file(spec, folder), tensors=False).graph
        found, taken = tokenizer.encoding(words, work), {item.name for item in graph.input}
        return found | {"inputs": {name: role for name, role in tokenizer.ROLES.items() if name in taken}}

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Check the graph against the task's feed and store it."""
        onnx: Any = need("onnx", "opening an ONNX model")
        path = _file(spec, folder)
        model = _opened(onnx, path)
        held = {item.name for item in model.graph.initializer}
        wanted = [item.name for item in model.graph.input if item.name not in held]
        if sorted(wanted) != sorted(inputs):
            raise BadModel(
                f"{path} takes the inputs {', '.join(wanted)}; the task feeds {', '.join(inputs)}.\n"
                f"  Name the graph's input in the job: `preprocess: {{input: {wanted[0] if wanted else '...'}}}`."
            )
        _refuse_other_shape(path, model.graph, inputs)
        answered = _answered(model.graph)
        output = next(item for item in model.graph.output if answered in (None, item.name)).type.tensor_type.shape.dim
        width = output[-1].dim_value if len(output) else 0
        if width and width != classes:
            raise BadModel(
                f"{path} answers with {width} numbers per row; the data have {classes} classes.\n"
                "  Name the classes in the model's order with `data: {labels: [...]}`, or give the model of these data."
            )
        parameters = sum(_size(item.dims) for item in model.graph.initializer)
        target = context.work / "given"
        target.mkdir()
        opened_files.tell([path, *(path.parent / name for name in _tensor_files(path))])
        onnx.save(model, target / graphs.GRAPH)
        if answered is not None:
            holds = _detect(model.graph, answered, target, inputs, context)
            if (holds == PROBABILITIES) != (answered == PROBABILITIES):
                graphs.rename(model.graph, answered, holds)
                onnx.save(model, target / graphs.GRAPH)
        return Candidate(digest=context.store.put(target), form="onnx", parameters=parameters)


def _tensor_files(path: Path) -> list[str]:
    """The files that a graph names for its tensors, from its folder on, in order.

    Raises:
        BadModel: It is no graph, or one of them is not a file inside the folder.
    """
    onnx: Any = need("onnx", "opening an ONNX model")
    try:
        named = graphs.files_of(onnx.load(path, load_external_data=False))
    except Exception as error:  # protobuf raises classes of its own
        raise BadModel(
            f"{path} is not a valid ONNX model: {str(error)[:300]}.\n  Export it again; a copy may have been cut short."
        ) from error
    for name in named:
        if not (path.parent / name).is_file() or not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
            raise BadModel(
                f"{path} keeps tensors in {name!r}, which is no file inside its folder.\n"
                "  Copy it there under that name, or save the graph with its tensors inside."
            )
    return named


def _answered(graph: Any) -> str | None:
    """The output that is decoded: one called "logits", the only one, or one called "probabilities"; None where none is."""
    names = [item.name for item in graph.output]
    return next((name for name in (LOGITS, *(names if len(names) == 1 else ()), PROBABILITIES) if name in names), None)


def _detect(graph: Any, output: str, folder: Path, inputs: Mapping[str, Sequence[int | str]], context: Context) -> str:
    """What an output holds: "logits" or "probabilities"."""
    last = graphs.ending(graph, output)
    ending = "" if last is None else str(last.op_type)
    engine = next(engine for engine in (unit() for unit in registry.working("runtimes")) if engine.form == "onnx")
    try:
        session = engine.open(folder, graphs.GRAPH, {"threads": context.threads})
    except Exception:  # a graph that the engine does not take is refused where it is packed, in the engine's words
        return answers.by_ending(ending)
    try:
        return answers.detect(lambda feed: session.run(feed)[output], inputs, context, ending)
    finally:
        session.close()


def _opened(onnx: Any, path: Path, tensors: bool = True) -> Any:
    """The checked model; `tensors` False leaves out those in files beside it."""
    try:
        onnx.checker.check_model(path)
        return onnx.load(path, load_external_data=tensors)
    except Exception as error:
        said = str(error).replace(str(path), path.name).strip().removesuffix(".")[:300]
        raise BadModel(f"{path} is not a valid ONNX model: {said}.\n  Export it again; a copy may have been cut short.") from error


def _refuse_other_shape(path: Path, graph: Any, inputs: Mapping[str, Sequence[int | str]]) -> None:
    for item in graph.input:
        if item.name not in inputs or not item.type.tensor_type.HasField("shape"):
            continue
        fed, taken = inputs[item.name], [dim.dim_value or dim.dim_param or "?" for dim in item.type.tensor_type.shape.dim[1:]]
        fixed = [(mine, its) for mine, its in zip(fed, taken) if isinstance(mine, int) and isinstance(its, int)]
        if len(fed) != len(taken) or any(mine != its for mine, its in fixed):
            raise BadModel(
                f"{path} takes {item.name} in the shape ({_axes(taken)}) per row; the data give ({_axes(fed)}).\n"
                "  Give the columns, or the size and channels of images, that it was trained with; a column with a word in it "
                "becomes one number per word, unless `numeric:` names it."
            )


def _axes(shape: Sequence[int | str]) -> str:
    return ", ".join(map(str, shape))


def _file(spec: ModelSpec, folder: Path) -> Path:
    path = folder / spec.value
    if not path.is_file():
        raise BadModel(f"{path} does not exist.\n  `onnx:` names a file, from the job file's folder on.")
    return path


def _size(dims: Sequence[int]) -> int:
    size = 1
    for dim in dims:
        size *= dim
    return size
