"""What every unit of a kind has to keep: one suite per kind.

A unit's test is the contract in three lines, then what is special about it:

    def test_contract(tmp_path):
        check_technique(MyTechnique, tmp_path, epochs=1)

Each suite raises AssertionError that says what was found and what the contract asks.
One file: whoever brings a unit finds its suite here, whatever the kind.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from paredown.core.candidate import Candidate
from paredown.core.dataset import DatasetReader
from paredown.core.errors import BadData, BadKnob, Unfit, UsageError
from paredown.core.export import Export
from paredown.core.job import ModelSpec
from paredown.core.knob import Knob, knobs, make
from paredown.core.meter import Fact, Meter, Window
from paredown.core.model import ModelSource
from paredown.core.quantity import quantity
from paredown.core.reading import How, Missing, Reading
from paredown.core.recipe import Chain, parse
from paredown.core.record import EnergyRecord
from paredown.core.rows import Rows
from paredown.core.runtime import Runtime
from paredown.core.task import CONTINUOUS, KINDS, Metric, Task
from paredown.core.technique import Composition, Technique
from paredown.ground import digests
from paredown.kinds.one_class import OneClass
from paredown.testing import tiny


def _hold(kept: object, message: str) -> None:
    if not kept:
        raise AssertionError(message)


def _named(cls: type[Any]) -> str:
    """The unit's name, after a look at docstring and file."""
    name: str = cls.name()
    _hold(inspect.getdoc(cls) and "__doc__" in vars(cls), f"{cls.__name__} has no docstring; its first line stands in `paredown list`.")
    file = cls.__module__.rpartition(".")[2]
    if cls.__module__.startswith("paredown."):
        _hold(
            file == name.replace("-", "_"),
            f"{cls.__name__} is named {name!r} but lives in {file}.py; the registry finds units by file name.",
        )
    return name


def _sentence(found: object, what: str) -> None:
    _hold(
        isinstance(found, str) and len(found.split()) > 2 and found.rstrip().endswith((".", "`", ")")),
        f"{what} is {found!r}; it must be a sentence.",
    )


def check_technique(cls: type[Technique], folder: Path, network: str = "conv_net", **quick: Any) -> None:
    """Declaration, knobs, text form, refusals, and that `apply` is pure and repeatable on a tiny model.

    Args:
        cls: The technique's class.
        folder: An empty scratch folder, as pytest's `tmp_path`.
        network: For a technique on tensors: "conv_net", "mlp" or "deep_net"; for one on graphs "mlp" or "trees", which take rows (N, 36).
        quick: Knob values that keep it quick, as `epochs=1`.
    """
    name = _named(cls)
    for key in ("source", "use_when", "avoid_when"):
        _hold(getattr(cls, key, ""), f"{name} says no {key}.")
    for key, knob in knobs(cls).items():
        _hold(knob.problem(knob.default) is None, f"{name}: the default {knob.default!r} of {key} is not {knob.allowed}.")
        _hold(knob.help, f"{name}: knob {key} has no help.")
        for value in bad_values(knob):
            _refuses(cls, name, key, knob, value)
    for unit in (cls(), cls(**quick), *(make(cls, name, dict(setting)) for setting in cls.ladder)):
        step = parse(f"{unit.text()} @ x")
        _hold(isinstance(step, Chain) and make(cls, name, step.steps[0].values) == unit, f"{unit.text()} reads back as something else.")
    _sentence(cls().fits(Candidate(digest="0" * 64, form="no-such-form")), f"{name}.fits of a model in no-such-form")
    if issubclass(cls, Composition):
        _check_composition(cls, name)
    else:
        _check_apply(cls(**quick), folder, network)


def bad_values(knob: Knob) -> list[Any]:
    """Values that a knob must refuse."""
    if knob.kind in ("share", "number", "count"):
        step = 1 if knob.kind == "count" else 1e-6
        below = [] if knob.low is None else [type(knob.default)(knob.low - step)]
        above = [] if knob.high is None else [type(knob.default)(knob.high + step)]
        return [*below, *above, "many", None, True, math.nan if knob.kind != "count" else 1.5]
    others: dict[str, list[Any]] = {"choice": ["no-such-word", 1], "flag": [1, "true"], "text": [1, None]}
    return others[knob.kind]


def _refuses(cls: type[Technique], name: str, key: str, knob: Knob, value: Any) -> None:
    try:
        cls(**{key: value})
    except BadKnob as error:
        said = f"{name}: {key} is {value!r}; it needs {knob.allowed}."
        _hold(said in str(error), f"{name}({key}={value!r}) is refused with {str(error)!r}; expected {said!r}.")
        return
    raise AssertionError(f"{name}({key}={value!r}) is taken; it needs {knob.allowed}. Does __post_init__ call super()?")


def _check_apply(unit: Technique, folder: Path, network: str) -> None:
    made = []
    for attempt in ("first", "second"):
        place = folder / attempt
        given = tiny.candidate(unit.form or ("onnx" if unit.stage.on_graph else "torch"), place, network)
        context = tiny.context(place, teacher=given, flat=network == tiny.TREES)
        _hold(unit.fits(given) is None, f"{unit.text()} does not fit the tiny model: {unit.fits(given)}")
        made.append(unit.apply(given, context))
        left = digests.of_folder(context.store.folder(given.digest))
        _hold(left == given.digest, f"{unit.text()} changed the stored files of its input; apply must be pure.")
        _hold(context.store.has(made[-1].digest), f"{unit.text()} returned the digest {made[-1].digest!r}, which is not in the store.")
    _hold(
        made[0].digest == made[1].digest,
        f"{unit.text()} gave two digests for one seed; draw from `ground.seeds.stream(context.seed, ...)`.",
    )
    _hold(made[0].digest != given.digest, f"{unit.text()} returned its input; raise Unfit when there is nothing to do.")


def _check_composition(cls: type[Composition], name: str) -> None:
    json.dumps(cls().program(), allow_nan=False)
    draw = np.random.default_rng(0)
    first, second = (draw.dirichlet(np.ones(tiny.CLASSES), 60) for _ in range(2))
    for setting in cls().settings(first, second, second.argmax(1), OneClass()):
        make(cls, name, dict(setting))
    try:
        cls().apply(Candidate(digest="0" * 64, form="onnx"), None)  # type: ignore[arg-type]
    except Unfit:
        return
    raise AssertionError(f"{name}.apply took one model; a composition joins recipes.")


def check_runtime(cls: type[Runtime], folder: Path) -> str | None:
    """Export, open, and the same answers as numpy for the tiny mlp, one row and several.

    Args:
        cls: The runtime's class.
        folder: An empty scratch folder.

    Returns:
        None, or why the engine is not ready here; then nothing but the declaration was checked.
    """
    from paredown.ground.host import host

    name, unit = _named(cls), cls()
    _hold(cls.form and cls.package and cls.precisions, f"{name} must declare form, package and precisions.")
    _sentence(unit.fits(Candidate(digest="0" * 64, form="no-such-form")), f"{name}.fits of a model in no-such-form")
    reason = unit.ready(host())
    if reason is not None:
        _sentence(reason, f"{name}.ready")
        return reason
    _hold(unit.version(), f"{name} says no version.")
    given = tiny.candidate(cls.form, folder)
    _hold(unit.fits(given) is None, f"{name} does not fit the tiny {cls.form} model: {unit.fits(given)}")
    out = folder / "exported"
    out.mkdir()
    context = tiny.context(folder, teacher=given)
    facts = unit.export(given, context.store, out)
    _hold((out / facts["file"]).is_file(), f"{name}.export names the file {facts['file']!r}, which it did not write.")
    _hold([*facts["inputs"]] == [tiny.FEED], f"{name}.export says the inputs are {facts['inputs']}; they are [{tiny.FEED!r}].")
    _hold(digests.of_folder(context.store.folder(given.digest)) == given.digest, f"{name}.export changed the stored files.")
    json.dumps(facts)
    session = unit.open(out, facts["file"], {"threads": 1, "device": "cpu"})
    try:
        for count in (1, 5):
            feed = tiny.encode(tiny.rows(count).inputs)
            answers = session.run(feed)
            _hold(len(answers) == 1, f"{name} answers {sorted(answers)}; the tiny model has one output.")
            np.testing.assert_allclose(next(iter(answers.values())), tiny.logits(feed), rtol=1e-4, atol=1e-5)
    finally:
        session.close()
    _check_profile(name, unit, out, facts["file"])
    return None


def _check_profile(name: str, unit: Runtime, out: Path, file: str) -> None:
    """Where the time goes is Missing with a reason, or nodes with times; and no file is left."""
    before = digests.of_folder(out)
    found = unit.profile(out, file, {"threads": 1, "device": "cpu"}, [tiny.encode(tiny.rows(1).inputs)], 0.01)
    if isinstance(found, Missing):
        _sentence(found.reason, f"{name}.profile")
        return
    _hold(len(found) > 0, f"{name}.profile gives no node; an engine that cannot say gives Missing.")
    _hold(len({node.name for node in found}) == len(found), f"{name}.profile gives a node twice.")
    _hold(all(node.op and math.isfinite(node.wall_s) and node.wall_s >= 0 for node in found), f"{name}.profile: a node has no op or time.")
    _hold(digests.of_folder(out) == before, f"{name}.profile left a file in the folder.")


def check_meter(unit: Meter, window: Window | None = None) -> str | None:
    """One Reading or Missing per declared quantity, in the table's units, for a window of work and for an empty one.

    Args:
        unit: An instance.
        window: What the work is said to be; by default 100 calls in 0.1 s.

    Returns:
        None, or why the meter is not ready here.
    """
    from paredown.ground.host import host

    name = _named(type(unit))
    reason = unit.ready(host())
    if reason is not None:
        _sentence(reason, f"{name}.ready")
        return reason
    found = unit.found()
    _hold(found is None or len(found) > 0, f"{name} is ready but names no instrument that it reads; where it needs none, found() is None.")
    for shape in (window or Window(wall_s=0.1, items=100, laps_s=(0.001,) * 100), Window(wall_s=0.1, items=0)):
        unit.start()
        sum(range(100_000))
        _check_readings(name, unit.quantities, unit.stop(shape))
    return None


def check_fact(unit: Fact, artifact: Path) -> None:
    """One Reading or Missing per declared quantity, the same twice."""
    name = _named(type(unit))
    found = unit.facts(artifact)
    _check_readings(name, unit.quantities, found)
    _hold(found == unit.facts(artifact), f"{name} says something else the second time.")


def _check_readings(name: str, declared: Sequence[str], found: Sequence[Reading | Missing]) -> None:
    _hold([item.quantity for item in found] == [*declared], f"{name} gave {[item.quantity for item in found]}; it declares {[*declared]}.")
    for item in found:
        if isinstance(item, Missing):
            _hold(len(item.reason.split()) > 2, f"{name}: {item.quantity} is missing because {item.reason!r}; say more.")
            continue
        _hold(
            item.unit == quantity(item.quantity).unit,
            f"{name}: {item.quantity} is in {item.unit!r}; the table says {quantity(item.quantity).unit!r}.",
        )
        _hold(math.isfinite(item.value) and item.value >= 0, f"{name}: {item.quantity} is {item.value}; an absent number is Missing.")
        _hold(
            item.low is None or item.low <= item.value, f"{name}: {item.quantity} {item.value} is below its interval's low end {item.low}."
        )
        _hold(
            item.high is None or item.high >= item.value,
            f"{name}: {item.quantity} {item.value} is above its interval's high end {item.high}.",
        )


def check_metric(unit: Metric, outputs: int = 4, seed: int = 0) -> None:
    """Perfect answers beat chance and wrong ones, the order of rows does not matter, and the mean over rows is the metric if it has one.

    Args:
        unit: An instance.
        outputs: Classes, labels and columns of the answers that it is asked about, of each kind that it declares.
        seed: Of the answers.
    """
    name = _named(type(unit))
    _hold(unit.better in ("higher", "lower"), f"{name}: better is {unit.better!r}; it is higher or lower.")
    _hold(unit.kinds and set(unit.kinds) <= {*KINDS}, f"{name}: kinds are {unit.kinds!r}; they are of {', '.join(KINDS)}.")
    for kind in (unit.kind,) if hasattr(unit, "kind") else unit.kinds:
        named = unit.named(["O", *(f"B-{at}" for at in range(1, outputs))])
        drawn = "numbers" if kind == "vector" and unit.by_baseline else kind  # what is right is a vector there
        _check_kind(named, f"{name} of {kind}", outputs, *_answers(drawn, outputs, np.random.default_rng(seed)))


def _answers(kind: str, outputs: int, draw: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Targets of 200 rows, perfect answers, always wrong ones, and random ones."""
    targets: Any
    if kind == "vector":
        return _judgments(outputs, draw)
    if kind in CONTINUOUS:
        targets = draw.normal(size=(200, outputs))
        return targets, targets.copy(), -targets, draw.normal(size=(200, outputs))
    if kind == "labels":
        targets = (draw.random((200, outputs)) < np.linspace(0.2, 0.7, outputs)).astype(np.float64)
        perfect = np.where(targets == 1, 0.99, 0.01)
        return targets, perfect, 1 - perfect, draw.random((200, outputs))
    if kind == "tokens":
        targets = draw.integers(0, outputs, (200, 5))
        targets[draw.random((200, 5)) < 0.2] = -1
        perfect = np.eye(outputs)[targets].transpose(0, 2, 1)
        return targets, perfect, np.roll(perfect, 1, axis=1), draw.dirichlet(np.ones(outputs), (200, 5)).transpose(0, 2, 1)
    if kind == "spans":
        from paredown.kinds.known import kind_named

        begins = draw.integers(0, 6, 200)
        ends = np.minimum(begins + draw.integers(0, 3, 200), 5)
        perfect = np.stack([np.eye(6)[begins], np.eye(6)[ends]], axis=1)
        wrong = np.stack([np.eye(6)[(begins + 3) % 6]] * 2, axis=1)
        return kind_named(kind).as_targets(perfect), perfect, wrong, draw.dirichlet(np.ones(6), (200, 2))
    if kind == "map":
        targets = draw.integers(0, outputs, (200, 4, 5)).astype(np.int16)
        perfect = np.eye(outputs)[targets].transpose(0, 3, 1, 2)
        targets[draw.random((200, 4, 5)) < 0.2] = -1
        return targets, perfect, np.roll(perfect, 1, axis=1), draw.dirichlet(np.ones(outputs), (200, 4, 5)).transpose(0, 3, 1, 2)
    labels = draw.choice(outputs, 200, p=np.arange(1, outputs + 1) / sum(range(1, outputs + 1))).astype(np.int64)
    perfect = np.full((200, outputs), 0.01 / (outputs - 1))
    perfect[np.arange(200), labels] = 0.99
    return labels, perfect, np.roll(perfect, 1, axis=1), draw.dirichlet(np.ones(outputs), 200)


def _judgments(outputs: int, draw: np.random.Generator) -> tuple[np.ndarray, ...]:
    """150 documents and 50 queries, of each of which one document, or two with equal vectors, is relevant."""
    targets = np.full((200, 5), -1, np.int64)
    documents, right = draw.permutation(150), draw.integers(0, 75, 50)
    targets[:150, 0] = documents
    targets[150:, 1:3] = np.stack([right, draw.integers(1, 4, 50)], axis=1)
    targets[150:175, 3:] = np.stack([149 - right[:25], np.ones(25, np.int64)], axis=1)
    vectors = draw.normal(size=(150, outputs))
    vectors[75:] = vectors[74::-1]
    perfect = np.concatenate([vectors[documents], vectors[right]])
    return targets, perfect, np.concatenate([perfect[:150], -perfect[150:]]), draw.normal(size=(200, outputs))


def _check_kind(unit: Metric, name: str, outputs: int, targets: Any, perfect: Any, wrong: Any, random: Any) -> None:
    sign = 1 if unit.better == "higher" else -1
    if unit.pairs == "group":
        targets = np.maximum(targets[:, :1], 0)  # what a row is worth; about half are worth nothing
        perfect, wrong, random = targets, -targets, random[:, :1]
        _check_groups(unit, name, targets, random)
    best, chance = unit.over_set(targets, perfect), unit.chance(targets, outputs)
    _hold(isinstance(best, float) and isinstance(chance, float), f"{name} must give plain floats, not {type(best).__name__}.")
    _hold(sign * best > sign * chance, f"{name}: perfect answers get {best}, chance {chance}; {unit.better} is better.")
    _hold(sign * best > sign * unit.over_set(targets, wrong), f"{name}: always wrong answers beat perfect ones.")
    order = np.random.default_rng(0).permutation(200)
    whole, shuffled = unit.over_set(targets, random), unit.over_set(targets[order], random[order])
    _hold(math.isclose(whole, shuffled, rel_tol=1e-9, abs_tol=1e-12), f"{name}: {whole} becomes {shuffled} when the rows change places.")
    items = unit.per_item(targets, random)
    _hold(
        (items is not None) == unit.per_item_scores,
        f"{name}: per_item_scores is {unit.per_item_scores}, per_item gives {type(items).__name__}.",
    )
    if items is not None:
        count = int((targets[:, 0] < 0).sum()) if unit.pairs == "query" else 200
        _hold(
            np.shape(items) == (count,), f"{name}: per_item has shape {np.shape(items)}; it needs one score per {unit.pairs}, ({count},)."
        )
        _hold(
            math.isclose(float(np.mean(items)), whole, rel_tol=1e-9),
            f"{name}: the mean over rows is {np.mean(items)}, over_set says {whole}.",
        )


def _check_groups(unit: Metric, name: str, targets: Any, random: Any) -> None:
    """One score per group, which the order of rows and the other groups do not change."""
    groups, order = np.repeat(np.arange(20), 10), np.random.default_rng(1).permutation(200)
    whole, shuffled = unit.per_group(targets, random, groups), unit.per_group(targets[order], random[order], groups[order])
    _hold(np.shape(whole) == (20,), f"{name}: per_group has shape {np.shape(whole)}; it needs one score per group, (20,).")
    _hold(np.allclose(whole, shuffled, rtol=1e-9, equal_nan=True), f"{name}: scores of groups change when the rows change places.")
    alone = unit.over_set(targets[:10], random[:10])
    _hold(math.isclose(alone, whole[0], rel_tol=1e-9), f"{name}: a group alone has {alone}, among others {whole[0]}.")


def check_task(unit: Task, rows: Rows, options: Mapping[str, Any] | None = None, folder: Path = Path()) -> None:
    """The encoder and decoder are plain data, and they answer a probe: row by row as in a batch, with answers that keep their order.

    Args:
        unit: An instance.
        rows: Rows that it takes.
        options: `preprocess` entries.
        folder: Where the files lie that they name.
    """
    from paredown.encoders.feed import make_encoder
    from paredown.kinds.decode import answer, make_answerer, make_decoder, width_of
    from paredown.kinds.known import kind_of

    name = _named(type(unit))
    unit.check(rows)
    encoder = unit.encoder(rows, options or {})
    decoder = unit.decoder(rows.names, encoder)
    for what, spec in (("encoder", encoder), ("decoder", decoder)):
        back = json.loads(json.dumps(spec, allow_nan=False))
        _hold(back == spec, f"{name}: the {what} is {spec} but {back} after a round trip through JSON; use plain lists, numbers and words.")
    encode, decode = make_encoder(encoder, folder), make_decoder(decoder)
    probe = unit.probe(encoder, 7)
    feed, again, other = encode(probe), encode(unit.probe(encoder, 7)), encode(unit.probe(encoder, 8))
    _hold(any(not np.array_equal(array, other[key]) for key, array in feed.items()), f"{name}: two seeds give one probe.")
    for key, array in feed.items():
        entries = encoder["inputs"] if encoder["kind"] == "arrays" else ()
        own = next((str(entry["numbers"]) for entry in entries if entry["name"] == key), "int64")
        plain = array.dtype in (np.int64, own) or (array.dtype == np.float32 and np.isfinite(array).all())
        _hold(plain, f"{name}: the feed {key!r} must be finite float32, int64 for tokens, or what is declared, not {array.dtype}.")
        _hold(np.array_equal(array, again[key]), f"{name}: one seed gives two probes.")
        for at, row in enumerate(array):
            (single,) = encode(probe[at : at + 1])[key]
            row = row[: len(single)] if array.dtype == np.int64 and array.ndim > 1 else row  # a batch is padded to its longest row
            np.testing.assert_allclose(single, row, rtol=1e-6, err_msg=f"{name}: encoding row by row gives another feed than the batch.")
    scores = np.random.default_rng(0).normal(size=(len(probe), width_of(decoder))).astype(np.float32)
    answers, said = decode({decoder["output"]: scores}), answer(decoder, rows.names, decode({decoder["output"]: scores}))
    _hold(kind_of(decoder).name == unit.kind, f"{name}: its answers are {unit.kind}, and it decodes {kind_of(decoder).name}.")
    again_said = make_answerer(decoder, rows.names)({decoder["output"]: scores})
    alike = said == again_said if answers.ndim < 4 else np.array_equal(said, again_said)
    _hold(alike, f"{name}: two ways to say an answer give two answers.")
    if unit.kind == "class":
        np.testing.assert_allclose(answers.sum(1), 1, err_msg=f"{name}: probabilities of a row do not add up to 1.")
        _hold((answers.argmax(1) == scores.argmax(1)).all(), f"{name}: decoding changed which class is the largest.")
        _hold(said == [rows.names[at] for at in scores.argmax(1)], f"{name}: the labels of decoded answers are not the rows' names.")
    for at in range(len(rows.names)) if answers.ndim == 2 else ():
        order = np.argsort(scores[:, at], kind="stable")
        rising = np.diff(answers[order, at]) >= 0
        _hold(unit.kind == "class" or rising.all(), f"{name}: decoding changed the order of the answers {rows.names[at]!r}.")


def check_model_source(unit: ModelSource, spec: ModelSpec, folder: Path, scratch: Path, flat: bool = False) -> Candidate:
    """The digest is stable and follows the name; the baseline is stored whole and the same twice.

    Args:
        unit: An instance.
        spec: An entry that it opens; its model takes the tiny rows' feed {"input": (1, 6, 6)} and has 3 classes.
        folder: Where the entry's paths start.
        scratch: An empty folder.
        flat: Whether it takes these rows as {"input": (36,)} instead.

    Returns:
        The candidate.
    """
    name = _named(type(unit))
    inputs = {tiny.FEED: (tiny.SIDE * tiny.SIDE,) if flat else (1, tiny.SIDE, tiny.SIDE)}
    _hold(isinstance(unit.trains(spec), bool), f"{name}.trains must say True or False.")
    _hold(unit.digest(spec, folder) == unit.digest(spec, folder), f"{name}: one entry has two digests.")
    if not unit.trains(spec) or "train" in spec.options:
        options = {**spec.options, "arguments": {"changed": 1}}
        if "arguments" in spec.options or unit.trains(spec):
            _hold(
                unit.digest(replace(spec, options=options), folder) != unit.digest(spec, folder), f"{name}: other arguments, same digest."
            )
    made = []
    for attempt in ("first", "second"):
        context = tiny.context(scratch / attempt, flat=flat)
        made.append(unit.prepare(spec, folder, inputs, tiny.CLASSES, context))
        _hold(context.store.has(made[-1].digest), f"{name}: the candidate {made[-1].digest!r} is not in the store.")
        left = digests.of_folder(context.store.folder(made[-1].digest))
        _hold(left == made[-1].digest, f"{name}: the candidate's digest is not that of its files.")
    _hold(made[0].digest == made[1].digest, f"{name} gave two models for one seed.")
    _hold(made[0].parameters > 0, f"{name} does not count the parameters.")
    return made[0]


def check_dataset(
    unit: DatasetReader, source: str, folder: Path, columns: Mapping[str, Any] | None = None, labels: Sequence[str] = ()
) -> Rows:
    """Rows whose parts have one length and whose labels are indices into the names; the same twice; an absent source is refused by name.

    Args:
        unit: An instance.
        source: A source that it reads.
        folder: Where relative paths start.
        columns: As in the job's `data`.
        labels: Class names in the model's order.

    Returns:
        The rows.
    """
    name = _named(type(unit))
    _hold(not (unit.prefix and unit.suffixes), f"{name} declares a prefix and suffixes; one of them finds it.")
    _hold(unit.prefix or unit.claims(source, folder), f"{name} does not claim {source!r}; declare a prefix or suffixes, or write `claims`.")
    found = unit.read(source, folder, columns or {}, labels)
    parts = [*found.inputs.values()] if isinstance(found.inputs, Mapping) else [found.inputs]
    parts += [*found.groups.values()] + ([] if found.labels is None else [found.labels])
    _hold(len(found) > 0 and {len(part) for part in parts} == {len(found)}, f"{name}: the parts have {[len(part) for part in parts]} rows.")
    if found.labels is not None:
        low, high = int(found.labels.min()), int(found.labels.max())
        _hold(
            found.labels.dtype == np.int64 and low >= 0,
            f"{name}: labels are {found.labels.dtype} from {low}; they are int64 indices from 0.",
        )
        _hold(high < len(found.names), f"{name}: the label {high} has no name among {len(found.names)}.")
    _hold(unit.read(source, folder, columns or {}, labels).digest() == found.digest(), f"{name} reads other rows the second time.")
    absent = f"{unit.prefix}no-such-source{unit.suffixes[0] if unit.suffixes else ''}"
    try:
        unit.read(absent, folder, columns or {}, labels)
    except BadData as error:
        _hold("no-such-source" in str(error), f"{name} refuses an absent source without naming it: {error}")
        return found
    raise AssertionError(f"{name} read {absent!r}, which is not there.")


def check_export(cls: type[Export]) -> None:
    """A file name's ending, whole lines, the same twice, and that what is Missing is told with its reason, or refused, and is no number."""
    name = _named(cls)
    _hold(cls.suffix.startswith(".") and len(cls.suffix) > 1, f"{name} has the suffix {cls.suffix!r}; write it with its dot.")
    readings = {key: Reading(quantity=key, value=4100, low=2100, high=8200, how=How.ESTIMATED) for key in ("energy", "carbon")}
    absent = {key: Missing(quantity=key, reason="no meter is there") for key in readings}
    plain: dict[str, Any] = {"activity": "training", "subject": "a", "unit": "token", "count": 3, "wall_s": 60.0, "boundary": "all"}
    whole, lacks = (EnergyRecord(readings=found, started="2026-11-24T21:10:00+00:00", **plain) for found in (readings, absent))
    text = cls().text([whole])
    _hold(text.endswith("\n"), f"{name}: the file does not end in a line end.")
    _hold(cls().text([whole]) == text, f"{name} writes one record in two ways.")
    _hold("4100" in text, f"{name} does not hold the record's 4100.")
    try:
        text = cls().text([lacks])
    except UsageError as error:
        _hold("no meter is there" in str(error), f"{name} refuses a Missing without its reason: {error}")
        return
    _hold("4100" not in text, f"{name} writes a value for a record without one.")
    _hold("no meter is there" in text, f"{name} does not say why a reading is Missing.")
