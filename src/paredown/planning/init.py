"""A commented job file from a model and its data: what can be seen is written, what cannot is left to fill in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from paredown.core.errors import BadData, BadModel, UnknownName, UsageError
from paredown.ground import documents, registry
from paredown.kinds.known import kind_named
from paredown.planning import array_rows, columns
from paredown.planning.dry_run import plan
from paredown.planning.model_entry import GRAPHS, config_of, declared_by, entry_of, outputs_of
from paredown.planning.raw_inputs import AS_TRAINED, label_of, options_of, raw_of, rows_of, whole_task
from paredown.planning.yaml_text import quoted
from paredown.running.provable import provable
from paredown.stats.power import smallest_drop
from paredown.study.classes import has_fractions
from paredown.study.jobfile import read_job

_MARGINS = (1, 1.5, 2, 3, 5, 10)
"""Margins in per cent that a person would write."""

_GRAPHS = frozenset((*GRAPHS, "estimator"))
"""Entries of models that are asked as a graph."""
_TOKENS = ("input_ids", "attention_mask", "token_type_ids")
_OF_SPREAD = 5
"""The margin of tensors, in per cent of the spread of an output."""


@dataclass(kw_only=True)
class Starter:
    """A job file that is not written yet.

    Args:
        text: YAML with comments.
        seen: What was found out, one sentence each.
        open: What is left to fill in, one sentence each.
        plan: What `run --dry-run` says; None while something that it needs is open.
    """

    text: str = ""
    seen: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    plan: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What was seen of a model and its data; `table` is empty where the rows are arrays."""

    name: str
    entry: Mapping[str, str]
    config: Mapping[str, Any]
    sources: Mapping[str, str]
    task: str
    table: Mapping[str, Any]
    label: columns.Label | None
    text: tuple[str, ...]
    groups: Sequence[str]
    options: Mapping[str, Any]
    known: Sequence[str]
    arrays: array_rows.ArrayRows | None = None

    @property
    def classes(self) -> list[str]:
        """The classes in the data, whole numbers in their order."""
        found = [] if self.label is None else list(self.label.counts)
        return sorted(found, key=int) if all(re.fullmatch(r"-?\d+", name) for name in found) else sorted(found)

    @property
    def outputs(self) -> list[str]:
        """The names that the model itself gives its outputs; empty when it gives none, or only LABEL_0, LABEL_1, ..."""
        return list(self.known)

    @property
    def suggested(self) -> dict[str, int]:
        """Columns that may tell groups of people apart -> how many values each has."""
        return columns.group_columns(self.table, self.label.name if self.label else "")

    @property
    def new_head(self) -> bool:
        """True when the model was never trained for these classes."""
        if "huggingface" not in self.entry or not self.config:
            return False
        heads = [name for name in self.config.get("architectures") or () if name.endswith(("Classification", "QuestionAnswering"))]
        width = len(self.config.get("id2label") or {}) or 2
        known = set(self.classes) <= set(self.outputs)  # the data may lack some of the model's classes
        return not heads or (bool(self.classes) and width != len(self.classes) and not known)


def starter(
    model: str,
    test: str,
    train: str = "",
    *,
    validation: str = "",
    label: str = "",
    text: Sequence[str] = (),
    groups: Sequence[str] = (),
    build: str = "",
    out: Path = Path("job.yaml"),
) -> Starter:
    """Look at a model and its data and write a job about them.

    Args:
        model: As for `entry_of`.
        test, train, validation: Sources of rows; their paths start at the current folder, as the model's. All but test may be empty.
        label: The column of labels; found when empty.
        text: One or two columns of text; found when empty.
        groups: Columns to judge by; suggested in a comment when empty.
        build: The function that a file of weights belongs to.
        out: Where the job will stand: its paths start there.

    Raises:
        BadModel: The model is not there, is a pickle, or answers another number of classes.
        BadData: A source cannot be read, has one class, or has no such column.
    """
    sources = {split: source for split, source in (("train", train), ("validation", validation), ("test", test)) if source}
    look = _look(model, entry_of(model, Path(), build), sources, label, tuple(text), groups)
    made = Starter()
    made.text = _text(look, out, made, 1)
    ready = look.label is not None if look.arrays is None else not look.arrays.missing
    if ready and not (look.new_head and "train" not in sources):
        try:
            # a graph is asked some rows: what it does not take is found here, and what was done about it is said
            made.plan = plan(read_job(documents.parse(made.text, str(out)).data, out.parent), timed=bool(_GRAPHS & {*look.entry}))
        except UsageError as error:
            made.open.append(f"the job as it stands is refused: {' '.join(str(error).split())}")
        else:
            planned, rows = made.plan, made.plan["rows"]["test"]
            shown = 100 * smallest_drop(rows, 0.04) if look.arrays is None else _OF_SPREAD
            made = Starter(plan=planned)
            made.text = _text(look, out, made, next((margin for margin in _MARGINS if margin >= shown), _MARGINS[-1]))
            written = read_job(documents.parse(made.text, str(out)).data, out.parent)
            policy, metric = written.policy, written.metric
            made.seen += [note] if (note := planned.get("estimate", {}).get("rehearsed", {}).get("note")) else []
            made.seen.append(
                provable(policy, rows, metric)["text"] + (f" The job says `drop: {policy.margin.text}`." if policy.margin else "")
            )
    return made


def _look(model: str, entry: dict[str, str], sources: Mapping[str, str], label: str, text: tuple[str, ...], groups: Sequence[str]) -> _Look:
    name = re.sub(r"[^\w.-]+", "-", Path(model.rpartition(":")[2] or model).stem).strip("-.") or "job"
    first = sources.get("train") or sources.get("test", "")
    if not label and (arrays := array_rows.look(entry, first)) is not None:
        sources = sources if "test" in sources else {"all": first}
        empty: dict[str, Any] = {"config": {}, "table": {}, "label": None, "text": (), "options": {}, "known": ()}
        return _Look(name=name, entry=entry, sources=sources, task="tensors", groups=groups, arrays=arrays, **empty)
    if "test" not in sources:
        raise UsageError("there is no `--test`.\n  Give rows that the model has never seen: `paredown init MODEL --test rows.csv`.")
    config = config_of(Path(entry["huggingface"])) if "huggingface" in entry else {}
    inputs, width, classes = declared_by(entry)
    known = classes or outputs_of(config)
    rows = rows_of(first)
    table = rows.inputs if isinstance(rows.inputs, Mapping) else {}
    found = label_of(rows, table, label, known, width)
    for column in (*text, *groups):
        if column not in table:
            raise UnknownName(f"column of {first}", column, table or ["(none)"])
    answer, whole = "classification", whole_task(first, config)
    if whole and found is not None:
        found = replace(found, counts={})
    if found is not None and (config.get("problem_type") == "multi_label_classification" or columns.are_lists(found.counts)):
        answer, found = "multilabel", columns.by_label(found)
    numbers = None if whole else columns.number(table, found)
    if found is not None and not table and has_fractions([*found.counts]):
        numbers = replace(found, counts={})
    if numbers is not None or config.get("problem_type") == "regression" or width == 1:
        answer, found = "regression", numbers or (None if found is None else replace(found, counts={}))
    if found is not None and found.counts and len(found.counts) < 2:
        raise BadData(f"{first}: the label {found.name!r} has one value, {next(iter(found.counts), '')!r}.\n  Two classes are the least.")
    if found is not None and found.counts and width and width != len(found.counts) and not ({*found.counts} <= {*known}):
        raise BadModel(
            f"{model} answers with {width} numbers per row; the label {found.name!r} of {first} has {len(found.counts)} classes.\n"
            "  Is it the right model, and `--label` the right column?"
        )
    text = text or columns.find_text(table, found.name if found else "")
    shape = next(iter(inputs.values()), ())
    if table:
        tokens = not {*inputs}.isdisjoint(_TOKENS)
        if tokens and (Path(model).parent / "tokenizer.json").is_file():
            entry = {**entry, "tokenizer": str(Path(model).parent)}
        raw = "text" if text and ("huggingface" in entry or tokens) else "tabular"
    else:
        raw = raw_of(rows, shape)
    raw = "text" if whole else raw
    return _Look(
        name=name,
        entry=entry,
        config=config,
        sources=sources,
        task=whole or f"{raw}-{answer}",
        table=table,
        label=found,
        text=text if raw == "text" else (),
        groups=groups,
        options={} if table else options_of(raw, rows, shape, entry),
        known=known,
    )


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, names))}]"


def _beside(path: str, out: Path) -> str:
    """A path as the job writes it: from its own folder; a name or a function stays."""
    return quoted(Path(os.path.relpath(path, out.parent)).as_posix() if Path(path).exists() else path)


def _text(look: _Look, out: Path, made: Starter, margin: float) -> str:
    parts = (_head(look), _model(look, out, made), _data(look, out, made), _rest(look, made), _policy(look, margin))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(look: _Look) -> Iterator[str]:
    yield "# What paredown is to make cheaper, and by what rules. Written by `paredown init`: read it, fill in what it could not see."
    yield f"name: {quoted(look.name)}{' ' * 4}# names the study's folder, runs/{look.name}"
    yield ""


def _model(look: _Look, out: Path, made: Starter) -> Iterator[str]:
    paths = ("huggingface", *GRAPHS, "estimator", "weights", "tokenizer")
    entry = {key: _beside(value, out) if key in paths else quoted(value) for key, value in look.entry.items()}
    if look.new_head:
        yield "# It has no head that was trained for these classes, so the job trains one first; what that costs counts as the baseline's."
        entry["finetune"] = "{epochs: 3}"
        made.seen.append("the model has no head for these classes: it is fine-tuned first (`finetune:`)")
        if "train" not in look.sources:
            made.open.append("the model has to be fine-tuned, and there is no train: add `train:`")
    elif "builtin" in look.entry:
        yield "# A network without weights; the job trains it first."
    if "huggingface" in look.entry and not look.config:
        made.open.append("the model is an id, whose files were not looked at: check task and labels, and add `finetune: {}` for a new head")
    if look.arrays is not None:
        made.seen.append(f"its outputs are compared as tensors with those of the model as given: {look.arrays.why}")
        made.open += [f"the model takes {end}, which the rows do not have; the same for all: `constants:`" for end in look.arrays.missing]
        given = [f"{name}: {value}" for name, value in look.arrays.constants.items()]
        entry |= {"constants": f"{{{', '.join(given)}}}"} if given else {}
        made.seen += [f"the same in all rows, and so a part of the model: {', '.join(given)}"] if given else []
    yield f"model: {{{', '.join(f'{key}: {value}' for key, value in entry.items())}}}"
    yield f"task: {look.task}"
    yield ""


def _data(look: _Look, out: Path, made: Starter) -> Iterator[str]:
    yield "data:"
    said = {
        "train": "for distillation and recovery; without it only techniques that need no training are tried",
        "validation": "ranks the candidates",
        "test": "for the claim, opened once at the end; rows that the model has never seen",
        "all": "cut into train, calibration, validation and test; half of it is test",
    }
    for split, source in look.sources.items():
        yield f"  {split}: {_beside(source, out)}    # {said[split]}"
    if look.arrays is not None:
        yield ""
        return
    if "train" not in look.sources:
        yield f"  # train: train.csv    # {said['train']}"
    if "validation" not in look.sources:
        yield "  # validation: dev.csv    # without it a third of test is taken, or a part of train where the job trains the model"
    yield "  # unlabeled: rows.csv    # rows without labels, for distillation"
    if look.table:
        yield from _columns(look, made)
    elif look.label is None:
        yield "  # label: y    # FILL IN: the array of labels; none was found"
        made.open.append("no labels were found: name them with `label:`")
    yield from _labels(look, made)
    options = {key: quoted(str(value)) if isinstance(value, str) else str(value) for key, value in look.options.items()}
    if look.table and look.task.startswith("tabular-") and not {*GRAPHS}.isdisjoint(look.entry):
        options["standardize"] = "false"
        made.seen.append(
            "the graph gets its numbers as they stand in the columns; `standardize: true` in the job if it was trained otherwise"
        )
    if options:
        why = "as the data have it, and as the model was trained" if look.task.startswith("audio-") else "as the graph takes it"
        yield f"  preprocess: {{{', '.join(f'{key}: {value}' for key, value in options.items())}}}    # {why}"
        if "features" in options and "builtin" not in look.entry:
            made.open.append(AS_TRAINED)
    elif look.task.startswith("image-"):
        yield "  # preprocess: {scale: 0.00392156862745098, mean: 0.5, std: 0.5}    # as it was trained, if not on pixels from 0 to 1"
    elif look.task.startswith("tabular-") and "estimator" not in look.entry:
        yield "  # preprocess: {standardize: false, one_hot: true}    # as it was trained: numbers are standardized unless told otherwise"
    yield ""


def _columns(look: _Look, made: Starter) -> Iterator[str]:
    if look.label is None:
        some = ", ".join(columns.candidates(look.table)[:8]) or "none has few values"
        yield f"  # label: column    # FILL IN: the column of labels; with few values: {_clean(some)}"
        made.open.append(f"no column of labels was found: write `label:`, or say `--label`; with few values: {some}")
    else:
        yield f"  label: {quoted(look.label.name)}    # {look.label.why}"
        made.seen.append(f"label is {look.label.name!r}: {look.label.why}")
    if look.text:
        yield f"  text: {quoted(look.text[0]) if len(look.text) == 1 else _listed(look.text)}    # what the model reads"
        made.seen.append(f"text is {' and '.join(look.text)}")
    elif look.task.startswith("tabular-"):
        who = columns.identifiers(look.table, look.label.name if look.label else "")
        said = "tells who a row is, as a name does, and may not ship" if who else "columns that the model does not see"
        yield f"  # drop: {_listed([_clean(name) for name in who or ['id']])}    # {said}"
        if who:
            made.seen.append(f"columns that tell who a row is, as a name does: {', '.join(who)}")
    found, coarse = look.suggested, [name for name, count in look.suggested.items() if count <= columns.MOST_GROUPS]
    if look.groups:
        yield f"  groups: {_listed(look.groups)}    # the policy below holds within each of these groups"
    elif found:
        some = ", ".join(f"{_clean(name)} ({count} values)" for name, count in found.items())
        many = "; cut many values into bands" if len(coarse) < len(found) else ""
        yield f"  # groups: {_listed([_clean(name) for name in coarse or found])}    # may tell people apart: {some}{many}"
        made.seen.append(f"columns that may tell groups of people apart: {some}; suggested, not switched on")
    else:
        yield "  # groups: [region]    # columns to judge by: nobody should get a worse model unnoticed"


def _labels(look: _Look, made: Starter) -> Iterator[str]:
    if look.label is None or not look.label.counts:
        return
    rarest, least = min(look.label.counts.items(), key=lambda item: item[1])
    yield f"  # {len(look.classes)} classes; the rarest, {_clean(rarest)}, has {least} of {sum(look.label.counts.values())} rows"
    if look.new_head or "builtin" in look.entry:
        return
    if look.outputs:
        strange = [name for name in look.classes if name not in look.outputs]
        if strange:
            made.open.append(f"the model does not know the label {strange[0]!r}; its classes are {', '.join(look.outputs[:6])}")
        yield f"  # labels are matched by name with the {len(look.outputs)} classes of the model"
    elif not all(re.fullmatch(r"\d+", name) for name in look.classes):
        yield f"  # labels: {_listed([_clean(name) for name in look.classes])}    # FILL IN: the order of the outputs; this is alphabetical"
        made.open.append("the order of the model's outputs is not known: write `labels:`; until then it is taken to be alphabetical")


def _rest(look: _Look, made: Starter) -> Iterator[str]:
    if look.label is not None and look.label.counts and max(look.label.counts.values()) > 0.8 * sum(look.label.counts.values()):
        yield "# One class has more than 80 % of the rows: macro_f1 weighs all classes alike."
    first, *others = kind_named(registry.get("tasks", look.task).kind).metrics
    more = ", ".join([*others, "or a function of yours: my_metrics:cost"]) if look.arrays is None else "needs no labels"
    yield f"metric: {first}    # {more}"
    yield ""
    yield "deploy:"
    yield "  scenario: single-stream    # one item at a time, as a user waits for it; or offline with `batch: 32`"
    yield "  # runtimes: [onnxruntime]    # engines that may be deployed; all that are ready here when left out"
    yield "  # volume: 1e6 / month for 12 months    # how often it will answer: the search stops where it cannot pay"
    yield "  # grid: {zone: NO, pue: 1.2}    # where it will run, for carbon; `paredown list zones` shows all"
    yield "  # machine: {price: 0.045 EUR/h, embodied: 1000 kg, life: 4 years, share: 2/64}    # for cost and what making it emitted"
    yield ""
    yield "search:"
    yield "  seed: 0"
    yield "  # budget: 30 min    # or 300 kJ, or both in a list; `paredown run --dry-run` estimates what it takes without one"
    yield ""


def _policy(look: _Look, margin: float) -> Iterator[str]:
    yield "policy:"
    yield "  extends: frugal    # not worse than the margin, not slower, no more energy; `paredown list policies` shows others"
    yield "  minimize: cpu_time    # measured everywhere; energy is a counter's reading on some machines only"
    yield "  rules:"
    yield f"    - quality: {{drop: {margin:g} %}}    # relative to the model as given; below this the test rows cannot show it"
    names = look.groups or [name for name, count in look.suggested.items() if count <= columns.MOST_GROUPS]
    if names:
        rule = f"- quality: {{id: groups, drop: {max(3, margin):g} pp, by: {_listed([_clean(name) for name in names])}, min_rows: 120}}"
        yield f"    {rule}" if look.groups else f"    # {rule}"
    yield "    # - size: {max: 50 MB}    # and latency_p95, energy, peak_rss, ...: `paredown list quantities`"


def _clean(text: str) -> str:
    """A name that cannot end a comment."""
    return " ".join(text.split())
