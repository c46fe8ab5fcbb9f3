"""`model: {onnx: model.onnx}`: a graph in a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from paredown.core.candidate import Candidate
from paredown.core.errors import BadModel
from paredown.core.job import ModelSpec
from paredown.core.model import ModelSource
from paredown.core.technique import Context
from paredown.graphs import declared, graph_batch, graph_ends, graph_tensors, graph_tokens, graphs
from paredown.graphs.answers import PROBABILITIES
from paredown.graphs.graph_asked import Asked
from paredown.ground import digests, opened_files
from paredown.ground.lazy import need
from paredown.kinds.known import kind_of
from paredown.kinds.map import Map, planes
from paredown.kinds.one_class import OneClass
from paredown.kinds.tensors import Tensors, sizes_of
from paredown.modelkit import tokenizer

_KNOWN = 64
"""Words of a graph's own that made-up rows are made of, at most."""


class Onnx(ModelSource):
    """A trained ONNX file; techniques on tensors do not apply to it, but it can teach a student."""

    forms: ClassVar[tuple[str, ...]] = ("onnx",)

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
        said = {key: spec.options[key] for key in ("output", "constants") if key in spec.options}
        return digests.of_value(parts + ([tokenizer.digest(words)] if words else []) + ([said] if said else []))

    def labels(self, spec: ModelSpec, folder: Path) -> tuple[str, ...]:
        """The names that the graph itself holds, as converters of classical models write them; else none."""
        return _declared(spec, folder).classes

    def outputs(self, spec: ModelSpec, folder: Path) -> int:
        """As the graph declares; of a class for each pixel two where it gives one number."""
        found = _declared(spec, folder)
        axes = next((end.shape for end in found.outputs if end.name == found.scores and end.shape and len(end.shape) == 4), None)
        sides = [size for size in (axes[1], axes[3]) if isinstance(size, int)] if axes else []
        return max(2, min(sides)) if sides else found.width

    def preprocess(self, spec: ModelSpec, folder: Path, work: Path) -> dict[str, Any]:
        """The tokenizer that `tokenizer:` names, for the inputs of those names that the graph has; else what it declares of its inputs.

        Of a graph that takes one array of floats, and knows nothing of missing numbers, there is nothing to say.
        """
        words, found = tokenizer.named(spec.options, folder), _declared(spec, folder)
        if words is not None:
            taken = {end.name for end in found.inputs}
            made = tokenizer.encoding(words, work)
            made |= {"inputs": {name: role for name, role in tokenizer.ROLES.items() if name in taken}}
            return made | ({"length": length} if (length := _length(found, made)) else {})
        several = len(found.inputs) > 1 or any(end.kind == "string" for end in found.inputs) or bool(found.columns)
        takes = [
            {
                "input": end.name,
                "width": end.width,
                "whole": list(declared.WHOLE[end.kind]) if end.kind in declared.WHOLE else None,
                "words": [list(words[:_KNOWN]) for words in found.words[end.name]] if end.kind == "string" else None,
                "columns": list(found.columns.get(end.name, ())),
                "small": list(found.small) if end.kind == "string" and len(found.small) == end.width else [],
            }
            for end in found.inputs
        ]
        if several and not all(end.width for end in found.inputs):
            return {}
        if not (several or found.plain or found.missing or any(take["whole"] for take in takes)):
            return {}
        return {"graph": {"takes": takes, "several": several, "missing": found.missing, "plain": found.plain}}

    def takes(self, spec: ModelSpec, folder: Path) -> Sequence[Mapping[str, Any]]:
        """As the graph declares, without those that `constants:` gives."""
        return graph_tensors.takes(_file(spec, folder), spec.options.get("constants", {}))

    def limits(self, spec: ModelSpec, folder: Path, encode: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """For texts, the most tokens that the graph answers, found by trying: its positions may be fewer than the tokenizer knows. For
        tensors, its outputs."""
        if kind_of(context.decode).name == Tensors.name:
            parts = [part.json() for part in _tensors(spec, folder, context).parts]
            return {"decode": {**context.decode, "width": sum(sizes_of(parts)), "parts": parts}}
        if encode["kind"] != "text" or "length" in encode:
            return {}
        path, found = _file(spec, folder), _declared(spec, folder)
        model = _opened(need("onnx", "opening an ONNX model"), path)
        inputs: dict[str, tuple[int | str, ...]] = dict.fromkeys(encode["inputs"], ("tokens",))
        _fit(path, model, found, inputs)
        graph_ends.answer_alone(model, found)
        ask = Asked(path, context).opened(model, found.scores)
        return graph_tokens.limits(ask, encode["inputs"], int(encode["max_length"]))

    def prepare(
        self, spec: ModelSpec, folder: Path, inputs: Mapping[str, Sequence[int | str]], classes: int, context: Context
    ) -> Candidate:
        """Check the graph against the task's feed, give it ends as rows are fed and answers are read, and store it."""
        onnx: Any = need("onnx", "opening an ONNX model")
        kind = kind_of(context.decode)
        if kind.name == Tensors.name:
            return _prepared(spec, folder, context)
        path, found = _file(spec, folder), _declared(spec, folder)
        if problem := found.one_number * (kind.name == OneClass.name) or found.by_place * (not kind.by_place):
            raise BadModel(f"{path.name} {problem}")
        model = _opened(onnx, path)
        found = _out_of_the_way(model, found, inputs)
        parameters = sum(_size(item.dims) for item in model.graph.initializer)
        # classical models keep theirs in attributes
        parameters += sum(len(item.floats) for node in model.graph.node if node.domain == declared.ML for item in node.attribute)
        asked = Asked(path, context)
        feed = asked.feed(inputs)
        _fit(path, model, found, inputs, {name for name, array in feed.items() if array.dtype == "int64"})
        if found.width and found.width != classes and kind.name != Map.name:
            raise BadModel(
                f"{path} answers with {found.width} numbers per row; the data have {classes} {kind.named}.\n"
                "  Name the classes in the model's order with `data: {labels: [...]}`, or give the model of these data."
            )
        opened_files.tell([path, *(path.parent / name for name in _tensor_files(path))])
        whole, note = model, ""
        if found.label or found.scores not in [item.name for item in model.graph.output]:
            whole = onnx.ModelProto()
            whole.CopyFrom(model)
        graph_ends.answer_alone(model, found)
        graph_ends.answer_columns(model)
        model, note = graph_batch.settle(model, lambda some: asked.opened(some, found.scores), feed)
        answers = asked.answers(model, found.scores, feed, classes)
        if kind.name == Map.name and planes(answers.shape, context.decode) == "classes last":
            model = graph_ends.classes_first(model)
        fed = "int64" if any(array.dtype == "int64" for array in feed.values()) else "float32"
        kinds = sorted({end.kind for end in found.inputs} - {"string", "int64" if fed == "int64" else "float"})
        cast = f"Rows are fed as {fed}, which the graph casts to the {' and '.join(kinds)} that it takes." if kinds else ""
        said = [cast, note]
        if whole is not model and kind.name == OneClass.name:
            said.append(asked.agreement(whole, model, found))
        holds = asked.holds(model, found.scores, inputs)
        told = (*kind.graph_outputs,) if kind.name != OneClass.name else (PROBABILITIES,)
        if holds != found.scores and (holds in told or found.scores in told):
            graphs.rename(model.graph, found.scores, holds)
        target = context.work / "given"
        target.mkdir()
        onnx.save(model, target / graphs.GRAPH)
        return Candidate(digest=context.store.put(target), form="onnx", parameters=parameters, note=" ".join(filter(None, said)))


def _tensors(spec: ModelSpec, folder: Path, context: Context) -> graph_tensors.Opened:
    """The graph as rows are fed, asked some of them."""
    path = _file(spec, folder)
    feed = context.encode(context.rows(next(iter(context.data))).spread(graph_tensors.ROWS).inputs)
    constants, output = spec.options.get("constants", {}), spec.options.get("output")
    model = _opened(need("onnx", "opening an ONNX model"), path)
    return graph_tensors.Opened(model, Asked(path, context), feed, constants, None if output is None else str(output), path.name)


def _prepared(spec: ModelSpec, folder: Path, context: Context) -> Candidate:
    """The graph whose one output holds all its tensors.

    Raises:
        BadModel: They are others than those of the declaration.
    """
    onnx: Any = need("onnx", "opening an ONNX model")
    path, found = _file(spec, folder), _tensors(spec, folder, context)
    mine, wanted = (
        [f"{part['name']} {tuple(part['shape'])}" for part in parts]
        for parts in ([part.json() for part in found.parts], context.decode.get("parts", ()))
    )
    if mine != wanted:
        raise BadModel(f"{path} answers with {', '.join(mine)}; wanted are {', '.join(wanted)}.\n  Give a model with the same outputs.")
    opened_files.tell([path, *(path.parent / name for name in _tensor_files(path))])
    model = found.joined()
    parameters = sum(_size(item.dims) for item in model.graph.initializer if item.data_type != onnx.TensorProto.INT64)
    target = context.work / "given"
    target.mkdir()
    onnx.save(model, target / graphs.GRAPH)
    return Candidate(digest=context.store.put(target), form="onnx", parameters=parameters, note=" ".join(found.notes))


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


def _declared(spec: ModelSpec, folder: Path) -> declared.Declared:
    output = spec.options.get("output")
    return declared.read(_file(spec, folder), None if output is None else str(output))


def _length(found: declared.Declared, made: Mapping[str, Any]) -> int:
    """Tokens that all rows have, where the inputs of tokens say a number; 0 where it is free."""
    sizes = [end.shape[1] for end in found.inputs if end.name in made["inputs"] and end.shape is not None and len(end.shape) == 2]
    return min((size for size in sizes if isinstance(size, int)), default=0)


def _out_of_the_way(model: Any, found: declared.Declared, inputs: Mapping[str, Sequence[int | str]]) -> declared.Declared:
    """Give what a graph computes under the name of a feed another name, in place."""
    made = {name for node in model.graph.node for name in node.output} & {*inputs}
    for name in made:
        graphs.rename(model.graph, name, f"{name}__made")
    new = {name: f"{name}__made" for name in made}
    return replace(found, scores=new.get(found.scores, found.scores), label=new.get(found.label, found.label))


def _of_tokens(inputs: Mapping[str, Sequence[int | str]]) -> bool:
    """Whether a feed is of tokens, whose number is free."""
    return any(isinstance(axis, str) for shape in inputs.values() for axis in shape)


def _fit(path: Path, model: Any, found: declared.Declared, inputs: Mapping[str, Sequence[int | str]], whole: Collection[str] = ()) -> None:
    """Let a graph's inputs take the task's feed, in place.

    Args:
        whole: Feeds of numbers that are int64, not float32.

    Raises:
        BadModel: They cannot: other inputs, or another shape.
    """
    words = [end for end in found.inputs if end.kind == "string"]
    numbers = [end for end in found.inputs if end.kind != "string"]
    named = {end.name for end in words}
    fed = {name: shape for name, shape in inputs.items() if name not in named}
    right = (
        {end.name for end in found.inputs} == {*inputs}
        if (tokens := _of_tokens(inputs))
        else len(fed) == min(1, len(numbers)) and named <= {*inputs} and (len(numbers) == 1 or all(end.width for end in numbers))
    )
    if not right:
        raise BadModel(
            f"{path} takes the inputs {', '.join(map(str, found.inputs)) or 'none at all'}; the task feeds {', '.join(inputs)}.\n"
            + (
                "  A model of texts names its tokenizer beside it: `model: {onnx: ..., tokenizer: folder}`."
                if {end.name for end in found.inputs} & {*tokenizer.ROLES}
                else "  Export it with one input, or with one column of a table per input."
            )
        )
    for end in words:
        _refuse_other_shape(path, end, inputs[end.name])
    if tokens:
        for end in numbers:
            _refuse_other_shape(path, end, inputs[end.name])
        graph_ends.cast_tokens(model, {end.name: end for end in numbers})
    elif numbers:
        ((name, shape),) = fed.items()
        if len(numbers) == 1:
            _refuse_other_shape(path, numbers[0], shape)
        elif shape != (total := sum(end.width for end in numbers),) and list(shape) != [total]:
            raise BadModel(
                f"{path} takes {total} columns of numbers; the data give {_axes(shape)}.\n  Give the columns that it was trained on."
            )
        graph_ends.feed_numbers(model, numbers, name, shape, "int64" if name in whole else "float")


def _opened(onnx: Any, path: Path, tensors: bool = True) -> Any:
    """The checked model; `tensors` False leaves out those in files beside it."""
    try:
        try:
            onnx.checker.check_model(path)
        except onnx.checker.ValidationError as error:
            if "Field 'shape'" not in str(error):  # some converters leave shapes out, and engines do without
                raise
        return onnx.load(path, load_external_data=tensors)
    except Exception as error:
        said = str(error).replace(str(path), path.name).strip().removesuffix(".")[:300]
        raise BadModel(f"{path} is not a valid ONNX model: {said}.\n  Export it again; a copy may have been cut short.") from error


def _refuse_other_shape(path: Path, end: declared.End, fed: Sequence[int | str]) -> None:
    if end.shape is None:
        return
    taken = end.shape[1:]
    fixed = [(mine, its) for mine, its in zip(fed, taken) if isinstance(mine, int) and isinstance(its, int)]
    if len(fed) != len(taken) or any(mine != its for mine, its in fixed):
        raise BadModel(
            f"{path} takes {end.name} in the shape ({_axes(taken)}) per row; the data give ({_axes(fed)}).\n"
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
