"""From a model in memory to a released artifact: `paredown.shrink`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from paredown.classical import estimators
from paredown.core.errors import BadData, BadModel, OtherJob
from paredown.core.rows import Rows
from paredown.core.task import Task
from paredown.encoders.feed import make_encoder
from paredown.ground import digests, documents, registry
from paredown.ground.files import remove, settle, writable, write_atomic
from paredown.ground.lazy import need
from paredown.inmemory import in_program, keras_model
from paredown.kinds.known import kind_named
from paredown.kinds.labels import Labels
from paredown.kinds.numbers import Numbers
from paredown.kinds.one_class import OneClass
from paredown.planning.model_entry import GRAPHS, entry_of
from paredown.report.progress import Progress
from paredown.running.story import Result, run
from paredown.running.workspace import Listener, Silent
from paredown.study.jobfile import read_job
from paredown.study.study import GIVEN, refuse_foreign

JOB = "job.yaml"
_HELD = 512
"""Rows of which an estimator and the graph made of it are held against each other, at most."""
_TRIED = 64
"""Rows that a model in memory is asked before anything is written: enough to see shape and NaN."""


def shrink(
    model: Any,
    train: Any = None,
    test: Any = None,
    *,
    validation: Any = None,
    unlabeled: Any = None,
    labels: Sequence[Any] | None = None,
    groups: Sequence[str] = (),
    paired_by: str | None = None,
    task: str | None = None,
    metric: str | None = None,
    policy: str | Path | Mapping[str, Any] = "frugal",
    minimize: str | None = None,
    budget: str | Sequence[str] | None = None,
    runtimes: Sequence[str] = (),
    volume: Any = None,
    preprocess: Mapping[str, Any] | None = None,
    tokenizer: Any = None,
    name: str | None = None,
    folder: str | Path | None = None,
    seed: int = 0,
    job: Mapping[str, Any] | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> Result:
    """Find what costs least and still passes, for a model and data that live in this program; a script or a notebook.

    **X is what the model takes.** A torch module, a Keras model and a file of a graph are fed the rows exactly as they are given, as
    float32: nothing is scaled, moved or encoded, so an image network that was trained on (N, 3, 32, 32) gets that. The module is asked
    with a few rows first; what it does not take, or would take otherwise, is refused before anything is spent. The released model takes
    the same X.
    `task="image-classification"` asks for the other way: raw images, channels last, scaled by `preprocess`. A Hugging Face folder gets
    them so unasked, since its image processor says what becomes of them. Sounds go as a list of the bytes of files, or as arrays
    (N, samples) with `task="audio-classification"`; `preprocess` says their rate and what the model takes of them.

    The same call goes on with its study, in a new session too; another model, code or data is another job.

    Args:
        model: A torch.nn.Module that answers (N, classes), logits or probabilities, or (N, numbers), wherever its class was defined; or a
            fitted estimator or pipeline of scikit-learn's kind, X being what it was fitted on; or a Functional or Sequential model of
            Keras 3, whatever it runs on; or the path of an .onnx, .keras or .tflite file or of a Hugging Face folder; or a mapping as
            `model:` in job files. A module or an estimator is not changed.
        train: `(X, y)` for distillation and recovery; without it only techniques that need no training are tried.
        test: `(X, y)` for the claim, rows that the model has never seen. `(X, y, groups)`, here and in the others, adds a mapping
            column -> values (N,) for rules by group.
        validation: `(X, y)` for ranking candidates; without it a third of test is taken.
        unlabeled: X alone, for distillation.
        labels: The classes in the order of the model's outputs. Without it y holds their places, 0 to classes - 1; words are never guessed.
        groups: Columns of X, where X is a table, that are groups for rules by group as well.
        paired_by: The group that says which user, query or document a row belongs to; drops are paired by it, as `ndcg@10` needs.
        task: By the shape of X when not given: array-..., tabular-... (two axes, or columns), text- or audio-classification (bytes);
            -regression where y holds fractions, -multilabel where it holds several labels per row.
        metric: The usual one of the answers when not given (accuracy, micro_f1, mae); or `pkg.mod:function`.
        policy: Name of a built-in policy, path of a policy file, or its content.
        minimize: What counts among all that pass: cpu_time, energy, latency_p50, size, peak_rss; the policy's when not given.
        budget: `"20 min"` for all of it, report included, `"300 kJ"` for the search, or both.
        runtimes: Engines that may be deployed; all that are ready here when empty.
        volume: Inferences over the model's life, as `"2e6 / month for 12 months"`.
        preprocess: Options of the task's encoder, as in job files.
        tokenizer: The fast tokenizer of a transformers model; then X is texts, or pairs of texts, and labels are matched with `id2label`.
        name: Of the study; the model's class or file when not given.
        folder: Of the study; runs/<name> when not given.
        seed: Root of all random streams.
        job: Further entries of a job file, laid over the rest: `{"search": {"exclude": ["distill"]}}`.
        fresh: True gives up what the study holds and starts again.
        quiet: True prints nothing.

    Returns:
        The result: `.verdict`, `.chosen`, `.nearest`, `.ratios`, `.report`, `.load()`.

    Raises:
        BadModel: The model cannot be used as it is.
        BadData: X or y has another form, or does not fit the model.
        UsageError: Anything else about the job; the study is another job's or busy.
    """
    listener: Listener = Silent() if quiet else _progress()
    if test is None:
        raise BadData(
            "there is no `test`.\n  Give `test=(X, y)` with rows that the model has never seen; only they can show that it stayed good."
        )
    parts = {"test": in_program.labeled("test", test, groups)}
    parts |= {
        split: in_program.labeled(split, rows, groups) for split, rows in (("train", train), ("validation", validation)) if rows is not None
    }
    parts |= {} if unlabeled is None else {"unlabeled": in_program.unlabeled(unlabeled)}
    fitted = model if tokenizer is None and estimators.is_estimator(model) else None
    live = model if tokenizer is None and keras_model.is_one(model) else None
    entry, module = _entry(model) if tokenizer is None and fitted is None and live is None else ({}, None)
    guess, seen = in_program.guessed(parts["test"], as_images=bool({"builtin", "huggingface"} & {*entry})) if task is None else (task, "")
    if fitted is not None and task is None and not hasattr(fitted, "classes_"):
        guess = guess.replace("-classification", "-regression")  # whole numbers are classes of a classifier alone
    kind = kind_named(registry.get("tasks", guess).kind)
    in_program.refuse_masks(parts, kind.name, module is not None)
    options, names = dict(preprocess or {}), None if labels is None else in_program.class_names(labels)
    if (fitted is not None or live is not None or not {*GRAPHS}.isdisjoint(entry)) and guess.startswith("tabular-"):
        options = {"standardize": False} | options
    if module is not None:
        options = _unscaled(guess, parts, options)
        outputs, numbers = _asked(module, registry.get("tasks", guess)(), parts, options)
        options = numbers | options
        if kind.name == OneClass.name:
            parts = in_program.with_names(parts, labels, outputs)
            names = [*parts["test"].names]
        elif kind.name == Numbers.name and outputs != (held := in_program.numbers_of(parts["test"])):
            raise BadData(
                f"the model answers {outputs} numbers per row, and y holds {'one number' if held == 1 else held} for each.\n"
                f"  Give a model that answers (N, {held}); where y are classes give them as whole numbers or words."
            )
        elif names is None and kind.name == Labels.name:
            names = [str(at) for at in range(outputs)]
    title = name or _title(model, module if tokenizer is None and fitted is None and live is None else model)
    target = Path(folder) if folder is not None else Path("runs") / title
    refuse_foreign(target)
    place = target / GIVEN
    with writable(place):
        place.mkdir(parents=True, exist_ok=True)
        before = {*place.iterdir()}
        if live is not None:
            entry = {"keras": keras_model.kept(live, place)}
        elif tokenizer is not None:
            entry = {"huggingface": _saved(model, tokenizer, place)}
        if fitted is not None:
            entry = {"onnx": _as_graph(fitted, parts["test"].spread(_HELD).inputs, place, listener)}
        if module is not None:
            frozen = need("paredown.modelkit.memory", "a model in memory").freeze(module, place)
            entry = {"memory": frozen["fingerprint"], "sha256": frozen["sha256"]}
        data: dict[str, Any] = {split: in_program.keep(rows, split, place) for split, rows in parts.items()}
    data |= {"labels": names, "preprocess": options, "paired_by": paired_by}
    spend = budget if budget is None or isinstance(budget, str) else list(budget)
    document: dict[str, Any] = {
        "name": title,
        "model": entry,
        "task": guess,
        "data": data,
        "metric": metric or kind.metrics[0],
        "deploy": {"runtimes": list(runtimes), "volume": volume},
        "search": {"budget": spend, "seed": seed},
        "policy": _policy(policy, minimize),
    }
    document = _laid_over(_filled(document), job or {})
    if not (place / JOB).exists():
        write_atomic(place / JOB, documents.write(document))
    try:
        with listener if isinstance(listener, Progress) else nullcontext():
            if seen:
                listener.stage(f"{guess}, as X is {seen}; `task=` names another")
            result = run(read_job(document, place), target, fresh=fresh, listener=listener)
    except OtherJob as error:
        for new in {*place.iterdir()} - before:
            remove(new)
        found = str(error).rpartition("\n")[0]
        raise OtherJob(f"{found}\n  Give another `folder=`, or give up what is there with `fresh=True`.") from None
    except KeyboardInterrupt:
        if isinstance(listener, Progress):
            listener.say("stopped. Nothing that was recorded is lost; the same call goes on from there.")
        raise
    write_atomic(place / JOB, documents.write(document))
    return result


def _progress() -> Progress:
    """Plain lines where a notebook shows them, else what the command line has."""
    if not type(sys.stdout).__module__.startswith("ipykernel"):
        return Progress()
    from rich.console import Console

    return Progress(Console(file=sys.stdout, force_jupyter=False, force_terminal=False, highlight=False, soft_wrap=True))


def _entry(model: Any) -> tuple[dict[str, Any], Any]:
    """The job's `model:` and None, or an empty entry and the module."""
    if isinstance(model, str | Path):
        entry: dict[str, Any] = {**entry_of(str(model), Path())}
    elif isinstance(model, Mapping):
        entry = {**model}
    else:
        return {}, need("paredown.modelkit.memory", "a model in memory").unwrapped(model)
    if "python" in entry:
        raise BadModel(f"the model is the function {entry['python']!r}.\n  Call it and give the module that it returns.")
    for kind in (*GRAPHS, "huggingface"):
        if isinstance(entry.get(kind), str) and Path(entry[kind]).exists():
            entry[kind] = str(Path(entry[kind]).resolve())
    return entry, None


def _as_graph(estimator: Any, inputs: Any, place: Path, listener: Listener) -> str:
    """A fitted estimator as a graph in a folder of the study, held against it on some rows; returns the file's name."""
    name = type(estimators.inner(estimator)).__name__
    made, said = need("paredown.classical.estimator_check", "a scikit-learn model").settled(estimator, inputs, name)
    listener.stage(said)
    part = place / ".model.part.onnx"
    estimators.write(made, part)
    target = place / f"model-{digests.of_file(part)[:16]}.onnx"
    part.replace(target)
    return target.name


def _saved(model: Any, tokenizer: Any, place: Path) -> str:
    """A transformers model and its tokenizer in a folder of the study, written once; returns the folder's name.

    Raises:
        BadModel: One of them is not of transformers, or a weight cannot be used.
    """
    for thing, what in ((model, "model"), (tokenizer, "tokenizer")):
        if not hasattr(thing, "save_pretrained"):
            raise BadModel(
                f"the {what} is a {type(thing).__name__}.\n  `tokenizer=` goes with a transformers model; both have `save_pretrained`."
            )
    module = need("paredown.modelkit.memory", "a model in memory").unwrapped(model)
    part = place / ".model.part"
    remove(part)
    module.save_pretrained(part)
    tokenizer.save_pretrained(part)
    target = place / f"model-{digests.of_folder(part)[:16]}"
    settle(part, target)
    return target.name


def _title(model: Any, module: Any) -> str:
    found = (
        type(module).__name__
        if module is not None
        else Path(str(next(iter(model.values()), ""))).stem
        if isinstance(model, Mapping)
        else Path(model).stem
    )
    return re.sub(r"[^\w.-]+", "-", found).strip("-.") or "model"


def _unscaled(task: str, parts: Mapping[str, Rows], options: dict[str, Any]) -> dict[str, Any]:
    """Options of the encoder for a model in memory: numbers of a table stay as they are, and what is no number is not encoded unasked."""
    if task.startswith("text-"):
        raise BadData(
            "X is texts; a torch module takes numbers.\n  Give `tokenizer=` beside a transformers "
            "model, or the folder where both were saved by `save_pretrained`."
        )
    if not task.startswith("tabular-"):
        return options
    for split, rows in parts.items():
        for column, values in rows.inputs.items() if isinstance(rows.inputs, Mapping) and not options else ():
            if values.dtype.kind not in "buif":
                raise BadData(
                    f"{split}: the column {column!r} holds words; a torch module takes numbers, and how they were encoded is not guessed.\n"
                    "  Give the numbers that the model takes, or say `preprocess={'one_hot': True}`: one number per word, in their order."
                )
            if gaps := int(np.isnan(values).sum()):
                raise BadData(
                    f"{split}: the column {column!r} has no value in {gaps} rows; what belongs there is not guessed.\n"
                    "  Fill them, or say `preprocess={'standardize': False}`: then the mean of train is taken."
                )
    return {"standardize": False} | options


def _asked(module: Any, task: Task, parts: Mapping[str, Rows], options: Mapping[str, Any]) -> tuple[int, dict[str, str]]:
    """How many numbers the module answers per row, and what its encoder has to be told; it is fed some rows of test just as it will be.

    Raises:
        BadModel: It does not take them, or answers with something else than finite numbers, one per class.
        BadData: A split is not what the task takes, or the module takes whole numbers neither as int64 nor as float32.
    """
    memory = need("paredown.modelkit.memory", "a model in memory")
    for split, rows in parts.items():
        try:
            task.check(rows)
        except BadData as error:
            raise BadData(f"{split}: {error}") from error
    head = parts["test"].spread(_TRIED)
    asked = options if task.raw != "table" else {"rare": "keep", **options}
    feed = make_encoder(task.encoder(parts.get("train", parts["test"]), asked))(head.inputs)
    whole = not isinstance(head.inputs, Mapping) and head.inputs.dtype.kind in "biu" and task.raw not in ("image", "audio")
    classes = len({*head.labels.tolist()}) if task.kind == OneClass.name else 0
    if whole and "numbers" not in options:
        own, as_int64, as_float32 = (
            _answers(memory, module, array, classes) for array in (head.inputs, head.inputs.astype(np.int64), *feed.values())
        )
        own = as_int64 if own is None and as_float32 is None else own  # an embedding takes int64, however narrow X is
        if _alike(own, as_int64) and not _alike(own, as_float32):
            return int(as_int64.shape[1]), {"numbers": "int64"}
        if as_float32 is None:
            memory.logits(module, [*feed.values()], classes)
        if not _alike(own, as_float32):
            raise BadData(
                f"X is {head.inputs.dtype}, and the model {'does not take that' if own is None else 'takes it otherwise than float32'}; "
                "rows are fed as float32.\n"
                "  Give X exactly as you feed it: `X.astype('float32')`, divided by 255 where the model was trained on 0 to 1."
            )
    return int(memory.logits(module, [*feed.values()], classes).shape[1]), {}


def _alike(one: Any, other: Any) -> bool:
    """Whether there are both, and they are the same."""
    return one is not None and other is not None and np.allclose(one, other, atol=1e-4)


def _answers(memory: Any, module: Any, array: Any, classes: int) -> Any:
    """The module's answers, or None where it does not take that."""
    try:
        return memory.logits(module, [array], classes)
    except BadModel:
        return None


def _policy(policy: str | Path | Mapping[str, Any], minimize: str | None) -> Any:
    """The job's `policy:`; paths start where the program runs."""
    if isinstance(policy, str | Path):
        policy = str(Path(policy).resolve()) if Path(policy).is_file() else str(policy)
        return policy if minimize is None else {"extends": policy, "minimize": minimize}
    return {**policy} if minimize is None else {**policy, "minimize": minimize}


def _filled(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The entries that say something."""
    inner = {key: _filled(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
    return {key: value for key, value in inner.items() if value is not None and value != {} and value != []}


def _laid_over(tree: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are joined, anything else is replaced."""
    both = {
        key: _laid_over(tree[key], value)
        for key, value in over.items()
        if isinstance(value, Mapping) and isinstance(tree.get(key), Mapping)
    }
    return {**tree, **over, **both}
