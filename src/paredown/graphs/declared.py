"""What an ONNX graph from outside says of itself: its inputs, which output classifies, the names of its classes. No torch here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paredown.core.errors import BadModel, UnknownName
from paredown.graphs.answers import LOGITS, PROBABILITIES
from paredown.ground.lazy import need
from paredown.ground.untrusted import parse_json

_EXACT = 1 << 24
"""Whole numbers up to here are exact in float32, which is how rows are fed."""
WHOLE = {
    "bool": (0, 1),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
    "int32": (-_EXACT, _EXACT),
    "uint32": (0, _EXACT),
    "int64": (-_EXACT, _EXACT),
    "uint64": (0, _EXACT),
}
"""Kind of whole number -> the least and the largest that an input of it is fed."""
_FLOATS = ("float", "double", "float16")
_KEEP_MISSING = ("Imputer", "IsNaN", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
ML = "ai.onnx.ml"
COLUMNS, CLASSES, SMALL = "paredown.columns", "paredown.classes", "paredown.small"
"""Metadata of a graph that was made of an estimator: input -> names of its columns, the names of the classes, and for each column of words
whether it is fed in small letters."""
_NAMES = (
    "classlabels_strings",
    "classlabels_int64s",
    "classlabels_ints",
    "values_strings",
    "values_int64s",
    "cats_strings",
    "keys_strings",
)


@dataclass(frozen=True, kw_only=True)
class End:
    """One input or output.

    Args:
        name: As the graph calls it.
        kind: "float", "double", "float16", a key of WHOLE, "string"; "sequence" or another word for what is no tensor.
        shape: Sizes with the batch; a name, or "?" where it has none, where free; None where the graph does not say.
    """

    name: str
    kind: str
    shape: tuple[int | str, ...] | None

    @property
    def width(self) -> int:
        """Numbers per row of what is (N, width), or (N,), which is 1; 0 where it is free or otherwise."""
        if self.shape is None or len(self.shape) not in (1, 2):
            return 0
        last = self.shape[-1] if len(self.shape) == 2 else 1
        return last if isinstance(last, int) else 0

    def __str__(self) -> str:
        axes = "" if self.shape is None else f" ({', '.join(map(str, self.shape))}{',' if len(self.shape) == 1 else ''})"
        return f"{self.name}: {self.kind}{axes}"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a graph says of itself.

    Args:
        inputs: Without its weights, in order.
        outputs: In order.
        scores: The tensor that is decoded: an output, or what a ZipMap takes; empty where `problem` says why there is none.
        width: Numbers per row in it; 0 where the graph does not say.
        label: An output that holds the answer itself; empty where there is none.
        classes: Names of the classes in the order of the scores; empty where the graph has none.
        missing: Whether it knows what to do with missing numbers.
        plain: Whether it was made by a converter of classical models, which scale their inputs themselves.
        words: Input of words -> those that the graph itself holds, for each of its columns.
        columns: Input -> the names of the columns that it was trained on, in order; empty where the graph has none.
        small: For each column of words whether it is fed in small letters; empty where the graph does not say.
        problem: Why it cannot be used, and the way out.
        one_number: Why it is no classifier, where it answers with one number per row, and the way out.
        by_place: The same, where its answer has more axes than rows and classes, as that of a segmenter.
    """

    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    scores: str
    width: int
    label: str
    classes: tuple[str, ...]
    missing: bool
    plain: bool
    words: Mapping[str, tuple[tuple[str, ...], ...]]
    problem: str
    one_number: str = ""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    small: tuple[bool, ...] = ()
    by_place: str = ""


def read(path: Path, output: str | None = None) -> Declared:
    """What the graph in a file says of itself; tensors in files beside it stay unread.

    Args:
        path: An ONNX file.
        output: The output that the job names.

    Raises:
        BadModel: It is no ONNX file, or no model of rows; says what it is.
        UnknownName: It has no output of that name.
    """
    onnx: Any = need("onnx", "opening an ONNX model")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises classes of its own
        raise BadModel(
            f"{path} is not a valid ONNX model: {str(error)[:300]}.\n  Export it again; a copy may have been cut short."
        ) from error
    found = look(model, output)
    if found.problem:
        raise BadModel(f"{path.name} {found.problem}")
    return found


def look(model: Any, output: str | None = None) -> Declared:
    """What a graph says of itself; why it cannot be used stands in `problem`.

    Raises:
        UnknownName: It has no output of that name.
    """
    graph, held = model.graph, {item.name for item in model.graph.initializer}
    inputs = tuple(end_of(item) for item in graph.input if item.name not in held)
    outputs = tuple(end_of(item) for item in graph.output)
    if output is not None and output not in (names := [end.name for end in outputs]):
        raise UnknownName("output of the graph", output, names)
    made = {name: node for node in graph.node for name in node.output}
    zipped = {end.name: made[end.name].input[0] for end in outputs if end.name in made and made[end.name].op_type == "ZipMap"}
    label = next((end.name for end in outputs if end.name != output and _is_label(end, made)), "")
    chosen, problem = _chosen(outputs, zipped, made, output)
    strange = next((end for end in inputs if end.kind not in (*_FLOATS, *WHOLE, "string")), None)
    if strange is not None:
        problem = f"takes {strange}, and rows are fed as numbers or words.\n  Export it with inputs that are tensors of these."
    above = [] if chosen is None else [chosen.name, label] if chosen.name in zipped else [label, chosen.name]
    named, columns, small = _told(model, inputs)
    classes = named or _classes(graph, made, [name for name in above if name])
    width = chosen.width if chosen is not None else 0
    if chosen is not None and chosen.name in zipped:
        width = width or len(classes)
    one_number = by_place = ""
    if not problem and chosen is not None and (width == 1 or (chosen.shape is not None and len(chosen.shape) != 2)):
        said = _not_one_per_class(chosen, width, label, outputs, graph)
        if chosen.shape is not None and len(chosen.shape) > 2:
            by_place = said
        elif width == 1 and not label:
            one_number = said
        else:
            problem = said
    if classes and width and len(classes) != width:
        classes = ()
    kinds = {node.op_type for node in graph.node}
    return Declared(
        inputs=inputs,
        outputs=outputs,
        scores="" if chosen is None else zipped.get(chosen.name, chosen.name),
        width=width,
        label=label,
        classes=classes,
        missing=bool(kinds.intersection(_KEEP_MISSING)),
        plain=any(node.domain == ML for node in graph.node) or any(item.key == COLUMNS for item in model.metadata_props),
        words={end.name: _words(graph, end.name, end.width) for end in inputs if end.kind == "string"},
        problem=problem,
        one_number=one_number,
        columns=columns,
        small=small,
        by_place=by_place,
    )


def _told(model: Any, inputs: Sequence[End]) -> tuple[tuple[str, ...], dict[str, list[str]], tuple[bool, ...]]:
    """Names of the classes and of the columns, and small letters, where a graph's metadata hold them as `classical.estimators` does."""
    found: dict[str, Any] = {}
    for item in model.metadata_props:
        if item.key in (COLUMNS, CLASSES, SMALL):
            with suppress(ValueError):
                found[item.key] = parse_json(item.value)
    classes, columns, small = found.get(CLASSES), found.get(COLUMNS), found.get(SMALL)
    if not (isinstance(small, list) and all(isinstance(item, bool) for item in small)):
        small = []
    if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        classes = []
    widths = {end.name: end.width for end in inputs}
    if not isinstance(columns, dict) or {*columns} != {*widths}:
        return tuple(classes), {}, tuple(small)
    fit = all(
        isinstance(names, list) and len(names) == widths[key] and all(isinstance(name, str) for name in names)
        for key, names in columns.items()
    )
    return tuple(classes), columns if fit else {}, tuple(small)


def end_of(item: Any) -> End:
    """What a graph declares of one input or output."""
    onnx: Any = need("onnx", "opening an ONNX model")
    which = item.type.WhichOneof("value")
    if which != "tensor_type":
        return End(name=item.name, kind=(which or "unknown").removesuffix("_type"), shape=None)
    kind = onnx.TensorProto.DataType.Name(item.type.tensor_type.elem_type).lower()
    if not item.type.tensor_type.HasField("shape"):
        return End(name=item.name, kind=kind, shape=None)
    shape = tuple(dim.dim_value if dim.dim_value > 0 else dim.dim_param or "?" for dim in item.type.tensor_type.shape.dim)
    return End(name=item.name, kind=kind, shape=shape)


def _is_label(end: End, made: Mapping[str, Any]) -> bool:
    """Whether an output holds answers themselves: whole numbers or words, one per row."""
    return end.kind in ("string", *WHOLE) and (end.shape is None or len(end.shape) < 3) and end.width <= 1 and end.name in made


def _chosen(outputs: Sequence[End], zipped: Mapping[str, str], made: Mapping[str, Any], output: str | None) -> tuple[End | None, str]:
    """The output that classifies, or None and why there is none."""
    by_name = {end.name: end for end in outputs}
    floats = [end for end in outputs if end.kind in _FLOATS or end.name in zipped]
    if output is not None:
        named = by_name[output]
        return (named, "") if named in floats else (None, f"answers with {named}, which are no numbers per class.\n  Name another output.")
    found = [end for end in outputs if end.name in zipped]
    for name in (LOGITS, PROBABILITIES):
        found = found if len(found) == 1 or name not in by_name or by_name[name] not in floats else [by_name[name]]
    if not found and all(end in floats or _is_label(end, made) for end in outputs):
        found = floats
    if len(found) == 1:
        return found[0], ""
    if outputs and all(_is_label(end, made) for end in outputs):
        return None, (
            f"answers with {_listed(outputs)} alone: answers without a number per class.\n  Export it with its probabilities as an output."
        )
    several = [end for end in outputs if end.kind in ("string", *WHOLE) and end.width > 1]
    if len(floats) == 1 and floats[0].name not in zipped and len(floats[0].shape or ()) == 2 and not _labels(several):
        return floats[0], ""
    if several and (_labels(several) or not floats):
        return None, (
            f"answers with several labels per row ({_listed(outputs)}): a model of several answers at once.\n"
            "  paredown takes classifiers with one class per row; export one model per answer."
        )
    return None, (
        f"has {len(outputs)} outputs, none of which is known to be that of a classifier: {_listed(outputs)}.\n"
        "  A classifier gives one number per class, shape (N, classes). Name that output: `model: {onnx: ..., output: NAME}`; or export "
        "it with one such output, in skl2onnx by `options={'zipmap': False}`."
    )


def _labels(ends: Sequence[End]) -> bool:
    return any("label" in end.name.lower() for end in ends)


def _listed(ends: Sequence[End]) -> str:
    return "; ".join(map(str, ends[:6])) + (f"; and {len(ends) - 6} more" if len(ends) > 6 else "")


def _not_one_per_class(chosen: End, width: int, label: str, outputs: Sequence[End], graph: Any) -> str:
    """What a model is whose scores are not (N, classes)."""
    maker = next((node.op_type for node in graph.node if node.domain == ML and "Regressor" in node.op_type), "")
    if width != 1:
        ends = _listed(outputs) if len(outputs) > 1 else str(chosen)
        return (
            f"answers with {ends}: not one number per class, as a detector, a segmenter or a model of sequences does.\n"
            "  A classifier's output is (N, classes); with several outputs name it: `model: {onnx: ..., output: NAME}`. For a class of "
            "each pixel write `task: image-segmentation`."
        )
    if label:
        return (
            f"answers with a label and one score per row ({_listed(outputs)}), as detectors of anomalies do, or a classifier of "
            "two classes with a single score.\n"
            "  paredown takes classifiers with one number per class; export the probabilities of both classes."
        )
    return (
        f"answers with one number per row ({chosen}{f', from {maker}' if maker else ''}): a regressor, or a classifier of two classes with "
        "a single score.\n  For a number write `task: ...-regression`, as tabular-regression; of a classifier export two numbers, one for "
        "each class."
    )


def _attributes(node: Any) -> Mapping[str, Any]:
    onnx: Any = need("onnx", "opening an ONNX model")
    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute if item.name in _NAMES}


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values)


def _classes(graph: Any, made: Mapping[str, Any], ends: Sequence[str]) -> tuple[str, ...]:
    """Class names nearest above some outputs: of a ZipMap or a classifier, or the list that a place is looked up in."""
    onnx: Any = need("onnx", "opening an ONNX model")
    held = {item.name: item for item in graph.initializer}
    for node in _above(made, ends):
        found = _attributes(node)
        if node.op_type in ("ArrayFeatureExtractor", "Gather") and node.input[0] in held:
            item = held[node.input[0]]
            kind = onnx.TensorProto.DataType.Name(item.data_type).lower()
            if (kind in WHOLE or kind == "string") and len(names := _texts(onnx.numpy_helper.to_array(item).ravel().tolist())) > 1:
                return names
        labels = [name for name in found if name.startswith("classlabels")] or [
            name for name in found if node.op_type == "LabelEncoder" and name.startswith("values")
        ]
        for name in labels:
            if len(found[name]) > 1:
                return _texts(found[name])
    return ()


def _above(made: Mapping[str, Any], ends: Sequence[str]) -> Iterator[Any]:
    """The nodes that make some tensors, nearest first."""
    waiting, seen = list(ends), set[str]()
    while waiting:
        node = made.get(waiting.pop(0))
        if node is None or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        yield node
        waiting += node.input


def _words(graph: Any, name: str, width: int) -> tuple[tuple[str, ...], ...]:
    """Words that the graph compares each column of an input of words with, as far as that follows from the nodes below it."""
    onnx: Any = need("onnx", "opening an ONNX model")
    held = {item.name: item for item in graph.initializer}
    columns = {name: list(range(max(1, width)))}
    found: list[list[str]] = [[] for _ in columns[name]]
    for node in graph.node:
        taken = next((columns[each] for each in node.input if each in columns), None)
        if taken is None:
            continue
        if node.op_type in ("ArrayFeatureExtractor", "Gather") and len(node.input) == 2 and node.input[1] in held:
            places = onnx.numpy_helper.to_array(held[node.input[1]]).ravel().tolist()
            taken = [taken[place] for place in places if 0 <= place < len(taken)]
        listed = _attributes(node)
        for at in taken:
            found[at] += [text for key in ("cats_strings", "keys_strings") for text in _texts(listed.get(key, ()))]
        columns |= dict.fromkeys(node.output, taken)
    return tuple(tuple(dict.fromkeys(words)) for words in found)
